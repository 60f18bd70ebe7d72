"""A lytic case: a CT series with masks of bone, lesions and vertebrae, boxes and a table of lesions."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from scipy import ndimage

from osteon.cohort.healthy import LABEL
from osteon.cohort.manifest import Case
from osteon.dicom.ct import write_ct_series
from osteon.formats.labelme import write_labelme
from osteon.formats.nifti import write_nifti
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.phantom.centres import CtCentre, as_drawn, ct_centre, draw_centre_scanner
from osteon.phantom.cohorts.files import write_json
from osteon.phantom.ct.scan import (
    SMALL_LONGEST_MM,
    SMALL_SLICES,
    WHOLE_MM,
    CtScan,
    annotated_scan,
    draw_ct_scan,
    lesion_record,
)
from osteon.phantom.lesions.myeloma import Shares
from osteon.phantom.options import LYTIC_HEALTHY, PhantomOptions, uid_seed
from osteon.phantom.patient import draw_patient
from osteon.phantom.workers import ahead

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.patient import CtPatient


def make_case(rng: np.random.Generator, options: PhantomOptions, folder: Path, name: str) -> Case:
    """Draw, scan and write one patient.

    Args:
        rng: everything random comes from it.
        options: what to make.
        folder: of this patient, empty.
        name: the name that the folder will have in the cohort's ``cases``.
    """
    more = partial(_shared_labels, options)
    if options.centres == "a":
        scan = draw_ct_scan(
            rng,
            profile=options.profile,
            range_mm=options.range_mm,
            mean_lesions=options.mean_lesions,
            shares=shares_of(options),
        )
        return more(write_patient(scan, folder, case=name, seed=uid_seed(options, name)), scan)
    centre = ct_centre(str(rng.choice(list(options.centres))))
    scan = _centre_scan(rng, options, centre)
    if centre.annotator is not None:
        scan = as_drawn(scan, centre.annotator, case=name, seed=options.seed)
    seed = f"{uid_seed(options, name)}-{options.centres}"
    return more(write_patient(scan, folder, case=name, seed=seed, centre=centre.name), scan)


def shares_of(options: PhantomOptions) -> Shares:
    """Who is healthy and whose marrow is infiltrated."""
    healthy = LYTIC_HEALTHY if options.healthy is None else options.healthy
    return Shares(healthy=healthy, infiltrated=options.diffuse)


def _shared_labels(options: PhantomOptions, case: Case, scan: CtScan) -> Case:
    """The case with what was drawn, seen or not, where healthy or infiltrated patients are asked for by their share."""
    if options.healthy is None and not options.diffuse:
        return case
    pattern = pattern_of(scan.patient)
    more = {"pattern": pattern} if pattern and options.diffuse else {} if pattern else {LABEL: True}
    return replace(case, labels={**case.labels, **more})


def pattern_of(patient: CtPatient) -> str:
    """What was drawn: "diffuse" or "pepper" where all marrow is changed, "focal" with lesions alone, "" without."""
    if patient.marrow:
        return "pepper" if patient.marrow[0].parts else "diffuse"
    return "focal" if patient.lesions else ""


def _centre_scan(rng: np.random.Generator, options: PhantomOptions, centre: CtCentre) -> CtScan:
    """As ``draw_ct_scan``, with the centre's scanner and number of lesions."""
    scanner = draw_centre_scanner(rng, profile=options.profile, centre=centre)
    range_mm = options.range_mm
    if range_mm is None:
        small = options.profile == "small"
        length = min(SMALL_SLICES * scanner.spacing_mm, SMALL_LONGEST_MM) if small else WHOLE_MM[1] - WHOLE_MM[0]
        low = float(rng.uniform(WHOLE_MM[0], WHOLE_MM[1] - length)) if small else WHOLE_MM[0]
        range_mm = low, low + length
    share = min(1.0, (range_mm[1] - range_mm[0]) / (WHOLE_MM[1] - WHOLE_MM[0]) + 0.15)
    mean = options.mean_lesions * share * centre.lesion_factor
    patient = draw_patient(rng, mean_lesions=mean, range_mm=range_mm, shares=shares_of(options))
    return annotated_scan(patient, scanner, range_mm, rng=rng)


def write_patient(scan: CtScan, folder: Path, *, case: str, seed: str, centre: str = "a") -> Case:
    """Write study, masks, boxes and tables of one scan into ``folder``.

    Args:
        scan: what to write.
        folder: of this patient, empty.
        case: the name that the folder will have in the cohort's ``cases``.
        seed: where DICOM UIDs come from.
        centre: where it was scanned.
    """
    import nibabel  # noqa: F401
    import pydicom  # noqa: F401  (both here, since two threads that import them first at once meet half a module)

    person, grid = scan.patient.person, scan.volume.grid
    steps: tuple[Callable[[], object], ...] = (
        partial(_write_series, scan, folder / "ct", case=case, seed=seed),
        partial(write_nifti, folder / "bone.nii.gz", scan.sites, grid),
        partial(write_nifti, folder / "lesions.nii.gz", scan.lesions, grid),
        partial(write_nifti, folder / "vertebrae.nii.gz", scan.vertebrae, grid),
        lambda: write_labelme(folder / "boxes", slice_boxes(scan.lesions)),
    )
    for _ in ahead(lambda step: step(), steps):
        pass  # each writes files of its own
    table: dict[str, list[dict[str, Any]]] = {
        "lesions": [lesion_record(lesion) for lesion in scan.truth],
        "unseen": [lesion_record(lesion) for lesion in scan.unseen],
        "mimics": list(scan.mimics),
    }
    if scan.patient.marrow:
        table["infiltrated"] = [infiltration_record(spot) for spot in scan.patient.marrow]
    write_json(folder / "lesions.json", table)
    names = {
        "bone": "bone.nii.gz",
        "lesions": "lesions.nii.gz",
        "vertebrae": "vertebrae.nii.gz",
        "boxes": "boxes",
        "lesion_table": "lesions.json",
    }
    return Case(
        case=case,
        patient=case,
        study=f"cases/{case}/ct",
        age_years=person.age_years,
        sex=person.sex,
        centre=centre,
        labels={"lesions": len(scan.truth)},
        truth={kind: f"cases/{case}/{name}" for kind, name in names.items()},
    )


def infiltration_record(spot: Spot) -> dict[str, Any]:
    """One infiltrated bone as a plain dictionary; the share is of marrow replaced, in the foci where there are any."""
    deepest = spot.parts[0] if spot.parts else spot
    return {"kind": spot.kind, "bone": spot.bone, "site": spot.site, "share": round(deepest.strength, 3)}


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
