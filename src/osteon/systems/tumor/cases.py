"""A cohort's cases as grey frames with boxes: read once into a cache, then memory-mapped.

Boxes come from the case's LabelMe folder, ``imagePath`` being the DICOM file relative to the study folder. Each series
becomes ``<cache>/<fingerprint>/<k>.npy`` (uint8, sagittal view), and the rest ``case.json``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.healthy import is_healthy
from osteon.dicom.sequences import check_one_examination
from osteon.errors import CohortError, InputError
from osteon.systems.tumor.config import CLASSES
from osteon.systems.tumor.frames import box_to_view, choose_series, grey_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.formats.rectangles import SliceAnnotation
    from osteon.records import Series
    from osteon.systems.tumor.frames import Chosen

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class SeriesFrames:
    """One series of a case.

    Attributes:
        uid: SeriesInstanceUID.
        kind: of ``config.SEQUENCES``.
        frames: uint8 (slices, rows, columns) of the sagittal view.
        boxes: slice -> (k, 4) left, top, right, bottom in pixel edges.
        labels: slice -> (k,) index into ``config.CLASSES``.
    """

    uid: str
    kind: str
    frames: NDArray[np.uint8]
    boxes: dict[int, NDArray[np.float32]]
    labels: dict[int, NDArray[np.int64]]

    @property
    def labelled(self) -> NDArray[np.intp]:
        """Slices with a box, in order."""
        return np.array(sorted(self.boxes), dtype=np.intp)

    def largest(self) -> NDArray[np.float32] | None:
        """The largest box of the series, (4,); None without one."""
        every = [box for boxes in self.boxes.values() for box in boxes]
        return max(every, key=lambda box: float((box[2] - box[0]) * (box[3] - box[1]))) if every else None


@dataclass(frozen=True, kw_only=True, slots=True)
class TumorCase:
    """One patient's study with what is known; ``malignant`` is the truth, None of a healthy patient.

    Attributes:
        case, patient, age_years: of the cohort.
        malignant, histology, location, metastasis: labels; texts are "" where not known.
        series: with frames and boxes.
        voxels: fingerprint of the frames.
    """

    case: str
    patient: str
    age_years: float | None
    malignant: bool | None
    histology: str
    location: str
    metastasis: bool
    series: tuple[SeriesFrames, ...]
    voxels: str


def prepare_cases(
    cohort: Cohort,
    cache: Path,
    *,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> list[TumorCase]:
    """Read every case once into ``cache``.

    Raises:
        CohortError: a scan, a label or boxes that are missing or cannot be used; the case is named.
    """
    ready = []
    for number, case in enumerate(cohort.cases, start=1):
        ready.append(prepare_case(cohort, case, cache))
        on_case(number, len(cohort.cases), case.case)
    return ready


def prepare_case(cohort: Cohort, case: Case, cache: Path) -> TumorCase:
    """One case, from the cache where it is there already.

    Raises:
        CohortError: as ``prepare_cases``.
    """
    malignant = None if is_healthy(case) else truth_of(case)
    folder = cache / _fingerprint(cohort, case)
    if not (folder / "case.json").exists():
        draft = folder.with_name(folder.name + ".part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        try:
            _write_case(cohort, case, draft)
        except InputError as error:
            raise CohortError(f"case {case.case}: {error}") from error
        draft.rename(folder)
    facts = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    if malignant is None and any(one["boxes"] for one in facts["series"]):
        raise CohortError(f"case {case.case}: is called healthy, and has boxes; take away one of the two")
    return TumorCase(
        case=case.case,
        patient=case.patient,
        age_years=case.age_years,
        malignant=malignant,
        histology=str(case.labels.get("histology", "")),
        location=str(case.labels.get("location", "")),
        metastasis=bool(case.labels.get("metastasis", False)),
        series=tuple(_open(folder / f"{k}.npy", one) for k, one in enumerate(facts["series"])),
        voxels=facts["voxels"],
    )


def truth_of(case: Case) -> bool:
    """Whether a case's tumour is malignant.

    Raises:
        CohortError: it does not say.
    """
    found = case.labels.get("malignant")
    if not isinstance(found, bool):
        raise CohortError(f"case {case.case}: label 'malignant' is {found!r}; expected true or false")
    return found


def _open(path: Path, facts: dict[str, Any]) -> SeriesFrames:
    return SeriesFrames(
        uid=facts["uid"],
        kind=facts["kind"],
        frames=np.load(path, mmap_mode="r"),
        boxes={int(k): np.array(boxes, np.float32) for k, boxes in facts["boxes"].items()},
        labels={int(k): np.array(labels, np.int64) for k, labels in facts["labels"].items()},
    )


def _fingerprint(cohort: Cohort, case: Case) -> str:
    """Name of the cached copy: changes when the case or a file of it does."""
    digest = hashlib.sha256(json.dumps([VERSION, str(cohort.root.resolve()), case.case]).encode())
    places = [cohort.study_path(case)]
    if "boxes" in case.truth:
        places.append(cohort.truth_path(case, "boxes"))
    for place in places:
        for path in [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file()):
            stat = path.stat()
            digest.update(f"|{path.relative_to(cohort.root).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write_case(cohort: Cohort, case: Case, folder: Path) -> None:
    from osteon.dicom.scan import scan
    from osteon.dicom.source import open_source
    from osteon.formats.labelme import read_labelme

    annotations = read_labelme(cohort.truth_path(case, "boxes")) if "boxes" in case.truth else ()
    with open_source(cohort.study_path(case)) as source:
        chosen = choose_series(scan(source, modality="MR").series)
        check_one_examination([one for _, one in chosen.series])
        series, voxels = _frames_of(chosen, annotations, folder)
    text = json.dumps({"series": series, "voxels": voxels})
    (folder / "case.json").write_text(text + "\n", encoding="utf-8")


def _frames_of(
    chosen: Chosen, annotations: Sequence[SliceAnnotation], folder: Path
) -> tuple[list[dict[str, Any]], str]:
    """Write the frames of each series; what is to know about it, and the fingerprint of all."""
    from osteon.dicom.series import load_volume

    digest, facts = hashlib.sha256(), []
    for number, (kind, one) in enumerate(chosen.series):
        volume = load_volume(one)
        view, frames = grey_frames(volume)
        boxes: dict[int, list[list[float]]] = {}
        labels: dict[int, list[int]] = {}
        for annotation, index in _own(annotations, one):
            for rectangle in annotation.rectangles:
                if rectangle.label not in CLASSES:
                    raise InputError(
                        f"box {rectangle.label!r} on {annotation.image_name}; expected {' or '.join(CLASSES)}"
                    )
                edges = (rectangle.x0, rectangle.y0, rectangle.x1, rectangle.y1)
                k, edges = box_to_view(edges, index, source=volume.grid, view=view.grid)
                boxes.setdefault(k, []).append(list(edges))
                labels.setdefault(k, []).append(CLASSES.index(rectangle.label))
        np.save(folder / f"{number}.npy", frames)
        digest.update(frames.data)
        facts.append({"uid": one.uid, "kind": kind, "boxes": boxes, "labels": labels})
    return facts, digest.hexdigest()[:16]


def _own(annotations: Sequence[SliceAnnotation], series: Series) -> list[tuple[SliceAnnotation, int]]:
    """Annotations of a series' files with the slice of each, known by folder and file name."""
    if series.frames:
        return [(one, one.slice_index) for one in annotations if not one.series and one.slice_index is not None]
    where = {(path.parent.name, path.name): index for index, path in enumerate(series.files)}
    names = {path.name: index for index, path in enumerate(series.files)}
    found = []
    for one in annotations:
        index = where.get((one.series, one.image_name)) if one.series else names.get(one.image_name)
        if index is not None:
            found.append((one, index))
    return found
