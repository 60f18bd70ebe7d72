"""A lytic case: a CT series with masks of bone, lesions and vertebrae, boxes and a table of lesions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import ndimage

from osteon.cohort.manifest import Case
from osteon.dicom.ct import write_ct_series
from osteon.formats.labelme import write_labelme
from osteon.formats.nifti import write_nifti
from osteon.formats.rectangles import Rectangle, SliceAnnotation
from osteon.phantom.cohorts.files import write_json
from osteon.phantom.ct.scan import CtScan, draw_ct_scan, lesion_record
from osteon.phantom.options import PhantomOptions, uid_seed

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def make_case(rng: np.random.Generator, options: PhantomOptions, folder: Path, name: str) -> Case:
    """Draw, scan and write one patient.

    Args:
        rng: everything random comes from it.
        options: what to make.
        folder: of this patient, empty.
        name: the name that the folder will have in the cohort's ``cases``.
    """
    scan = draw_ct_scan(rng, profile=options.profile, range_mm=options.range_mm, mean_lesions=options.mean_lesions)
    return write_patient(scan, folder, case=name, seed=uid_seed(options, name))


def write_patient(scan: CtScan, folder: Path, *, case: str, seed: str) -> Case:
    """Write study, masks, boxes and tables of one scan into ``folder``.

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
        centre="a",
        labels={"lesions": len(scan.truth)},
        truth={kind: f"cases/{case}/{name}" for kind, name in names.items()},
    )


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
