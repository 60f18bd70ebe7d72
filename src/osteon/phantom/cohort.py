"""Phantom patients as a cohort folder: DICOM studies, masks, LabelMe boxes and ``cohort.json``.

The same seed gives the same bytes, whatever the number of processes; what is there already is not made again.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.dicom.ct import write_ct_series
from osteon.errors import CohortError, InputError, UsageError
from osteon.files import whole_file, whole_folder
from osteon.formats.labelme import write_labelme
from osteon.formats.nifti import write_nifti
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.phantom.ct.scan import PROFILES, CtScan, draw_ct_scan, lesion_record
from osteon.phantom.workers import in_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
"""Raised whenever the same seed gives other phantoms than before."""
BODY_MM = (-500.0, 800.0)
"""Heights from S1 outside which there is nothing to scan."""
_SHORTEST_MM = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PhantomOptions:
    """What to make; see ``osteon phantom``.

    Attributes:
        system: which system the phantoms are for.
        patients: how many.
        seed: start of everything random.
        profile: "small" or "full".
        range_mm: part of the body (z in mm from S1), or None for the profile's own.
        mean_lesions: mean lesion count over a whole body, of patients who have any; 0 for none at all.

    Raises:
        UsageError: an impossible value.
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
        if self.patients < 1 or self.seed < 0:
            raise UsageError(f"{self.patients} patients, seed {self.seed}: expected at least 1, and a seed from 0")
        if not 0 <= self.mean_lesions < math.inf:
            raise UsageError(f"mean lesion count {self.mean_lesions}: expected a number from 0")
        if self.range_mm is not None:
            low, high = self.range_mm
            if not (BODY_MM[0] <= low and high <= BODY_MM[1] and high - low >= _SHORTEST_MM):
                raise UsageError(
                    f"range {low:g} to {high:g} mm: expected two heights between {BODY_MM[0]:g} and {BODY_MM[1]:g} mm "
                    f"from S1, the lower one first, at least {_SHORTEST_MM:g} mm apart"
                )


def make_cohort(
    options: PhantomOptions,
    out: Path,
    *,
    jobs: int = 1,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> Cohort:
    """Write a cohort folder and return it.

    A patient's folder appears only when complete, so that a run that was killed goes on where it stopped, and two runs
    into one folder do each other no harm.

    Args:
        options: what to make.
        out: folder; made if missing, resumed if it holds phantoms of the same options.
        jobs: processes.
        on_case: called after each patient with (done, total, case).

    Raises:
        CohortError: ``out`` holds something else, or cannot be written.
        LimitError: a process was ended from outside.
    """
    _check_same(options, out)
    arguments = [(options, index, out) for index in range(options.patients)]
    cases = []
    for case in in_order(_make, arguments, jobs=jobs):
        cases.append(case)
        on_case(len(cases), options.patients, case.case)
    cohort = Cohort(
        root=out,
        name=f"phantom-{options.system}-{options.seed}",
        modality="CT",
        system=options.system,
        cases=tuple(cases),
        description=f"Synthetic CT, profile {options.profile}, seed {options.seed}. No patient data.",
        kind="phantom",
    )
    write_cohort(cohort)
    return cohort


def _make(argument: tuple[PhantomOptions, int, Path]) -> Case:
    options, index, out = argument
    return make_patient(options, index, out=out)


def _check_same(options: PhantomOptions, out: Path) -> None:
    """Refuse to mix phantoms of different options; the number of patients may grow."""
    wanted = {"format": FORMAT, **asdict(options)}
    wanted.pop("patients")
    text = json.dumps(wanted, indent=1) + "\n"
    path = out / "phantom.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(not _is_draft(entry) for entry in out.iterdir()):
                raise CohortError(f"{out.name}: is not empty and holds no phantom.json; choose a new folder")
            with whole_file(path) as draft:
                draft.write_text(text, encoding="utf-8")
        found = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CohortError(f"{out.name}: cannot be used as a folder for phantoms ({error.strerror})") from error
    if found != text:
        raise CohortError(f"{out.name}: {_difference(found, wanted)}; choose another folder")


def _is_draft(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")


def _difference(found: str, wanted: dict[str, Any]) -> str:
    """In what the options in a folder's phantom.json differ from those wanted."""
    try:
        there = json.loads(found)
        plain = json.loads(json.dumps(wanted))
        keys = [key for key in plain if there.get(key) != plain[key]]
    except (json.JSONDecodeError, AttributeError):
        return "phantom.json is damaged"
    listed = ", ".join(f"{key} {there.get(key)!r}, not {plain[key]!r}" for key in keys)
    return f"holds phantoms of other options ({listed or 'see phantom.json'})"


def make_patient(options: PhantomOptions, index: int, *, out: Path) -> Case:
    """Make one patient's folder in the cohort folder ``out``, unless it is there already.

    Raises:
        CohortError: the folder cannot be written or was changed by hand.
    """
    name = f"p{index:04d}"
    folder = out / "cases" / name
    record = folder / "case.json"
    if not record.exists():
        rng = np.random.default_rng([FORMAT, options.seed, index])
        scan = draw_ct_scan(rng, profile=options.profile, range_mm=options.range_mm, mean_lesions=options.mean_lesions)
        try:
            with whole_folder(folder) as draft:
                write_patient(scan, draft, case=name, seed=f"phantom-{FORMAT}-{options.seed}-{index}")
        except (OSError, InputError) as error:
            if not record.exists():  # else another run was faster, with the same bytes
                reason = error.strerror if isinstance(error, OSError) else str(error)
                raise CohortError(
                    f"{out.name}: case {name} cannot be written ({reason}); what is finished is kept: "
                    "put that right and run the same command again"
                ) from error
    for draft in folder.parent.glob(f".{name}.*.part"):  # of a run that was killed, or is too late
        shutil.rmtree(draft, ignore_errors=True)
    try:
        return Case(**json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CohortError(f"{out.name}: cases/{name}/case.json is damaged; remove that folder and run again") from error


def write_patient(scan: CtScan, folder: Path, *, case: str, seed: str) -> None:
    """Write study, masks, boxes and tables of one scan into ``folder``; ``case.json`` comes last.

    Args:
        scan: what to write.
        folder: of this patient, empty.
        case: the name that the folder will have in the cohort's ``cases``.
        seed: where DICOM UIDs come from.
    """
    person, grid = scan.patient.person, scan.volume.grid
    _write_series(scan, folder / "ct", case=case, seed=seed)
    write_nifti(folder / "bone.nii.gz", scan.sites, grid)
    write_nifti(folder / "lesions.nii.gz", scan.lesions, grid)
    write_nifti(folder / "vertebrae.nii.gz", scan.vertebrae, grid)
    write_labelme(folder / "boxes", slice_boxes(scan.lesions))
    table = {
        "lesions": [lesion_record(lesion) for lesion in scan.truth],
        "unseen": [lesion_record(lesion) for lesion in scan.unseen],
        "mimics": list(scan.mimics),
    }
    _write_json(folder / "lesions.json", table)
    names = {
        "bone": "bone.nii.gz",
        "lesions": "lesions.nii.gz",
        "vertebrae": "vertebrae.nii.gz",
        "boxes": "boxes",
        "lesion_table": "lesions.json",
    }
    entry = Case(
        case=case,
        patient=case,
        study=f"cases/{case}/ct",
        age_years=person.age_years,
        sex=person.sex,
        centre="a",
        labels={"lesions": len(scan.truth)},
        truth={kind: f"cases/{case}/{name}" for kind, name in names.items()},
    )
    _write_json(folder / "case.json", asdict(entry))


def _write_series(scan: CtScan, folder: Path, *, case: str, seed: str) -> None:
    person, scanner = scan.patient.person, scan.scanner
    write_ct_series(
        scan.volume,
        folder,
        case=case,
        seed_uid=seed,
        kernel=scanner.kernel,
        slice_thickness_mm=scanner.thickness_mm,
        kvp=scanner.kvp,
        exposure_mas=scanner.exposure_mas,
        manufacturer=scanner.manufacturer,
        description=f"Phantom low-dose CT {scanner.kernel}",
        age_years=person.age_years,
        sex=person.sex,
    )


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def slice_boxes(lesions: NDArray[np.uint16]) -> list[SliceAnnotation]:
    """Boxes of every lesion on every slice of a label map (z, y, x), in pixel edges.

    Returns:
        One annotation a slice; slices without lesions have no rectangles.
    """
    return [
        SliceAnnotation(
            image_name=f"{index + 1:05d}.dcm",
            height=plane.shape[0],
            width=plane.shape[1],
            rectangles=_plane_boxes(plane),
            slice_index=index,
        )
        for index, plane in enumerate(lesions)
    ]


def _plane_boxes(plane: NDArray[np.uint16]) -> tuple[Rectangle, ...]:
    return tuple(
        Rectangle(x0=x.start, y0=y.start, x1=x.stop, y1=y.stop, label=f"lesion {number}")
        for number, (y, x) in ((n, window) for n, window in enumerate(ndimage.find_objects(plane), 1) if window)
    )
