"""Phantom patients as a cohort folder: DICOM studies, masks, LabelMe boxes and ``cohort.json``.

The same seed gives the same bytes, whatever the number of processes; what is there already is not made again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.dicom.ct import write_ct_series
from osteon.errors import CohortError, UsageError
from osteon.formats.labelme import write_labelme
from osteon.formats.nifti import write_nifti
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.phantom.scan import PROFILES, CtScan, draw_ct_scan, lesion_record

FORMAT = 1
"""Raised whenever the same seed gives other phantoms than before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhantomOptions:
    """What to make; see ``osteon phantom``.

    Attributes:
        system: which system the phantoms are for.
        patients: how many.
        seed: start of everything random.
        profile: "small" or "full".
        range_mm: part of the body (z in mm from S1), or None for the profile's own.
        mean_lesions: mean lesion count over a whole body.
    """

    system: str = "lytic"
    patients: int = 4
    seed: int = 0
    profile: str = "small"
    range_mm: tuple[float, float] | None = None
    mean_lesions: float = 14.0

    def __post_init__(self) -> None:
        if self.system != "lytic":
            raise UsageError(f"no phantoms for system {self.system!r} yet; available: 'lytic'")
        if self.profile not in PROFILES:
            raise UsageError(f"profile {self.profile!r}: expected one of {list(PROFILES)}")
        if self.patients < 1 or self.seed < 0 or self.mean_lesions < 0:
            raise UsageError("phantom: expected at least one patient, a seed and a lesion count of 0 or more")
        if self.range_mm is not None and self.range_mm[1] - self.range_mm[0] < 20:
            raise UsageError(f"range {self.range_mm}: expected two heights in mm, at least 20 mm apart, lower first")


def make_cohort(
    options: PhantomOptions,
    out: Path,
    *,
    jobs: int = 1,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> Cohort:
    """Write a cohort folder and return it.

    Args:
        options: what to make.
        out: folder; made if missing, resumed if it holds phantoms of the same options.
        jobs: processes.
        on_case: called after each patient with (done, total, case).

    Raises:
        CohortError: ``out`` holds something else.
    """
    out.mkdir(parents=True, exist_ok=True)
    _check_same(options, out)
    cases: list[Case] = []
    arguments = [(options, index, out) for index in range(options.patients)]
    if jobs <= 1:
        for number, argument in enumerate(arguments, start=1):
            cases.append(make_patient(*argument))
            on_case(number, options.patients, cases[-1].case)
    else:
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            for number, case in enumerate(pool.map(_make, arguments), start=1):
                cases.append(case)
                on_case(number, options.patients, case.case)
    cohort = Cohort(
        root=out, name=f"phantom-{options.system}-{options.seed}", modality="CT", system=options.system,
        cases=tuple(cases), description=f"Synthetic CT, profile {options.profile}, seed {options.seed}. No patient data.",
    )  # fmt: skip
    write_cohort(cohort)
    return cohort


def _make(argument: tuple[PhantomOptions, int, Path]) -> Case:
    return make_patient(*argument)


def _check_same(options: PhantomOptions, out: Path) -> None:
    """Refuse to mix phantoms of different options; the number of patients may grow."""
    wanted = {"format": FORMAT, **asdict(options)}
    wanted.pop("patients")
    path = out / "phantom.json"
    text = json.dumps(wanted, indent=1) + "\n"
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise CohortError(f"{out.name}: holds phantoms of other options (see phantom.json); choose another folder")
    elif any(out.iterdir()):
        raise CohortError(f"{out.name}: is not empty and holds no phantom.json; choose a new folder")
    else:
        path.write_text(text, encoding="utf-8")


def make_patient(options: PhantomOptions, index: int, out: Path) -> Case:
    """Make one patient's folder (under a temporary name, then renamed), unless it is complete already."""
    name = f"p{index:04d}"
    folder = out / "cases" / name
    if not (folder / "case.json").exists():
        rng = np.random.default_rng([FORMAT, options.seed, index])
        scan = draw_ct_scan(rng, profile=options.profile, range_mm=options.range_mm, mean_lesions=options.mean_lesions)
        draft = folder.with_name(f".{name}.part")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write_patient(scan, draft, case=name, seed=f"phantom-{FORMAT}-{options.seed}-{index}")
        draft.rename(folder)
    return Case(**json.loads((folder / "case.json").read_text(encoding="utf-8")))


def write_patient(scan: CtScan, folder: Path, *, case: str, seed: str) -> None:
    """Write study, masks, boxes and tables of one scan into ``folder``; ``case.json`` comes last."""
    person, scanner = scan.patient.person, scan.scanner
    write_ct_series(
        scan.volume, folder / "ct", case=case, seed_uid=seed, kernel=scanner.kernel, slice_thickness_mm=scanner.thickness_mm,
        kvp=scanner.kvp, exposure_mas=scanner.exposure_mas, manufacturer=scanner.manufacturer,
        description=f"Phantom low-dose CT {scanner.kernel}", age_years=person.age_years, sex=person.sex,
    )  # fmt: skip
    write_nifti(folder / "bone.nii.gz", scan.sites, scan.volume.grid)
    write_nifti(folder / "lesions.nii.gz", scan.lesions, scan.volume.grid)
    write_nifti(folder / "vertebrae.nii.gz", scan.vertebrae, scan.volume.grid)
    write_labelme(folder / "boxes", slice_boxes(scan.lesions))
    table = {
        "lesions": [lesion_record(lesion) for lesion in scan.truth],
        "unseen": [lesion_record(lesion) for lesion in scan.unseen],
        "mimics": list(scan.mimics),
    }
    (folder / "lesions.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    base = f"cases/{case}"
    entry = Case(
        case=case, patient=case, study=f"{base}/ct", age_years=person.age_years, sex=person.sex, centre="a",
        labels={"lesions": len(scan.truth)},
        truth={"bone": f"{base}/bone.nii.gz", "lesions": f"{base}/lesions.nii.gz", "vertebrae": f"{base}/vertebrae.nii.gz",
               "boxes": f"{base}/boxes", "lesion_table": f"{base}/lesions.json"},
    )  # fmt: skip
    (folder / "case.json").write_text(json.dumps(asdict(entry), indent=1) + "\n", encoding="utf-8")


def slice_boxes(lesions: NDArray[np.uint16]) -> list[SliceAnnotation]:
    """One annotation a slice: the box of every lesion on it, in voxel edges; slices without lesions stay empty."""
    from scipy import ndimage

    annotations = []
    for index, plane in enumerate(lesions):
        boxes = []
        if plane.any():
            for number, window in enumerate(ndimage.find_objects(plane), start=1):
                if window is not None:
                    y, x = window
                    boxes.append(Rectangle(x0=x.start, y0=y.start, x1=x.stop, y1=y.stop, label=f"lesion {number}"))
        annotations.append(
            SliceAnnotation(
                image_name=f"{index + 1:05d}.dcm",
                height=plane.shape[0],
                width=plane.shape[1],
                rectangles=tuple(boxes),
                slice_index=index,
            )  # fmt: skip
        )
    return annotations
