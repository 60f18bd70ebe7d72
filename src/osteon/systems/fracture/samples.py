"""Cohort cases as patches: the boxed slices of T2 with T1 brought onto them, cut once and kept on disk.

Each case becomes ``<cache>/<fingerprint>.npz``; every boxed slice is a sample of its own, as in the study.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError, InputError
from osteon.files import whole_file
from osteon.systems.fracture.boxes import SliceBox, check_inside
from osteon.systems.fracture.patches import cut_patches, make_pair
from osteon.systems.fracture.stations import pick_stations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.dicom.sequences import Station
    from osteon.formats.rectangles import SliceAnnotation
    from osteon.systems.fracture.config import FractureConfig

_FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """Patches with their truth.

    Attributes:
        patches: float32 (n, 6, side, side) in grey levels, with margins.
        label: (n,) 0 benign, 1 malignant.
        patient, case: (n,) names.
        index: (n,) slice of T2 as it was read, from 0.
        moved: case -> how T1 was brought onto T2.
    """

    patches: NDArray[np.float32]
    label: NDArray[np.int64]
    patient: NDArray[np.str_]
    case: NDArray[np.str_]
    index: NDArray[np.int64]
    moved: dict[str, str]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of patches, labels and names."""
        names = "|".join((*self.case.tolist(), *self.patient.tolist()))
        digest = hashlib.sha256(f"{self.patches.shape}|{names}".encode())
        digest.update(np.ascontiguousarray(self.patches, dtype="<f4").data)
        digest.update(self.label.tobytes())
        return digest.hexdigest()

    def of_cases(self, cases: Sequence[str]) -> Samples:
        """Those of some cases."""
        rows = np.isin(self.case, list(cases))
        return Samples(
            patches=self.patches[rows],
            label=self.label[rows],
            patient=self.patient[rows],
            case=self.case[rows],
            index=self.index[rows],
            moved={case: how for case, how in self.moved.items() if case in set(cases)},
        )

    def scan_fingerprints(self) -> dict[str, str]:
        """Case -> first 16 hex digits of SHA-256 of its patches: the same scan is known by it, whatever its name."""
        return {
            str(case): hashlib.sha256(np.ascontiguousarray(self.patches[self.case == case]).data).hexdigest()[:16]
            for case in np.unique(self.case)
        }


def cohort_samples(
    cohort: Cohort,
    cache: Path,
    *,
    config: FractureConfig,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> Samples:
    """Samples of all cases.

    Raises:
        CohortError: no cases, or one without label, boxes or sequences; the case is named.
    """
    parts = []
    for number, case in enumerate(cohort.cases, start=1):
        parts.append(case_samples(cohort, case, cache, config=config))
        on_case(number, len(cohort.cases), case.case)
    if not parts:
        raise CohortError(f"cohort {cohort.name}: it has no cases")
    return joined(parts)


def joined(parts: Sequence[Samples]) -> Samples:
    """Samples of several cases as one."""
    return Samples(
        patches=np.concatenate([one.patches for one in parts]),
        label=np.concatenate([one.label for one in parts]),
        patient=np.concatenate([one.patient for one in parts]),
        case=np.concatenate([one.case for one in parts]),
        index=np.concatenate([one.index for one in parts]),
        moved={case: how for one in parts for case, how in one.moved.items()},
    )


def case_samples(cohort: Cohort, case: Case, cache: Path | None, *, config: FractureConfig) -> Samples:
    """Samples of one case, from the cache where they are there already.

    Raises:
        CohortError: no label, boxes or sequences that can be used.
    """
    label = malignant_of(case)
    path = None if cache is None else cache / f"{_fingerprint(cohort, case, config)}.npz"
    try:
        if path is not None and path.is_file():
            with np.load(path, allow_pickle=False) as stored:
                patches, index, moved = stored["patches"], stored["index"], str(stored["moved"])
        else:
            patches, index, moved = _cut_case(cohort, case, config)
            if path is not None:
                with whole_file(path) as draft, draft.open("wb") as file:
                    np.savez(file, patches=patches, index=index, moved=np.array(moved))
    except InputError as error:
        raise CohortError(f"case {case.case}: {error}") from error
    n = len(index)
    return Samples(
        patches=patches,
        label=np.full(n, int(label), dtype=np.int64),
        patient=np.full(n, case.patient),
        case=np.full(n, case.case),
        index=index,
        moved={case.case: moved},
    )


def malignant_of(case: Case) -> bool:
    """The label of a case.

    Raises:
        CohortError: it has none.
    """
    value = case.labels.get("malignant")
    if type(value) is not bool:
        raise CohortError(f"case {case.case}: label 'malignant' is {value!r}; expected true or false")
    return value


def _fingerprint(cohort: Cohort, case: Case, config: FractureConfig) -> str:
    """Name of the cached copy: changes when the case, a file of it, or the way of cutting does."""
    how = [_FORMAT, config.side_px, config.margin, config.registration]
    digest = hashlib.sha256(json.dumps([how, str(cohort.root.resolve()), case.case]).encode())
    for root in (cohort.study_path(case), cohort.truth_path(case, "boxes")):
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            stat = path.stat()
            digest.update(f"|{path.relative_to(cohort.root).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _cut_case(cohort: Cohort, case: Case, config: FractureConfig) -> tuple[NDArray[np.float32], NDArray[np.int64], str]:
    from osteon.dicom.scan import scan
    from osteon.dicom.sequences import check_one_examination
    from osteon.dicom.series import load_volume
    from osteon.dicom.source import open_source
    from osteon.formats.labelme import read_labelme

    annotations = [one for one in read_labelme(cohort.truth_path(case, "boxes")) if one.rectangles]
    with open_source(cohort.study_path(case)) as source:
        stations, _ = pick_stations([one for study in scan(source, modality="MR").studies for one in study.series])
        station, boxes = boxes_on(annotations, stations)
        check_one_examination(list(station.series.values()))
        pair = make_pair(
            load_volume(station.series["T2"]), load_volume(station.series["T1"]), registration=config.registration
        )
    for box in boxes:
        check_inside(box, pair.t2.source)
    index = np.array([box.index for box in boxes], dtype=np.int64)
    return cut_patches(pair, boxes, config=config), index, pair.moved.how


def boxes_on(annotations: Sequence[SliceAnnotation], stations: Sequence[Station]) -> tuple[Station, list[SliceBox]]:
    """The station whose T2 the boxes were drawn on, and the boxes by slice of it.

    Raises:
        InputError: no box, two on one slice, or boxes on other images.
    """
    for station in stations:
        files = station.series["T2"].files
        at: dict[int, SliceBox] = {}
        for one in annotations:
            places = [k for k, f in enumerate(files) if f.name == one.image_name and one.series in ("", f.parent.name)]
            index = places[0] if places and len(files) > 1 else one.slice_index if places else None
            if index is None:
                continue
            if len(one.rectangles) > 1 or index in at:
                raise InputError(f"{one.image_name}: several boxes; expected one vertebra a patient")
            box = one.rectangles[0]
            at[index] = SliceBox(index=index, x0=box.x0, y0=box.y0, x1=box.x1, y1=box.y1)
        if at:
            return station, [at[k] for k in sorted(at)]
    named = ", ".join("/".join(filter(None, (one.series, one.image_name))) for one in annotations[:3])
    raise InputError(f"no box on an image of the T2 series; boxes are on {named or 'nothing'}")


def describe(samples: Samples) -> dict[str, Any]:
    """How many slices and patients of each class."""
    patients = {name: int(samples.label[samples.patient == name].max()) for name in np.unique(samples.patient).tolist()}
    malignant = sum(patients.values())
    return {"slices": len(samples), "patients": len(patients), "malignant": malignant}
