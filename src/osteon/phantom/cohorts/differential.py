"""A differential case: CT of a part of the spine with lytic lesions of myeloma or of metastases, and their mask.

Without contrast agent on the differential study's two scanners (doi 10.35440/hutfd.1563046) in centre a; other makers
in b and c. Patients in whom nothing can be seen are drawn again: that study took slices that show the disease. Healthy
patients, where some are asked for, have an empty mask and no diagnosis.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from osteon.cohort.manifest import Case
from osteon.dicom.ct import write_ct_series
from osteon.errors import LimitError
from osteon.formats.nifti import write_nifti
from osteon.phantom.cohorts.files import write_json
from osteon.phantom.ct.acquisition import Scanner, draw_scanner
from osteon.phantom.ct.scan import CtScan, annotated_scan, lesion_record
from osteon.phantom.disease import Diagnosis, draw_diagnosis, labels_of
from osteon.phantom.options import PhantomOptions, uid_seed
from osteon.phantom.patient import draw_patient

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

MAKERS = {"a": ("SIEMENS", "Philips"), "b": ("GE MEDICAL SYSTEMS",), "c": ("TOSHIBA",)}
SPINE_MM = (-40.0, 470.0)
"""Sacrum to the upper thoracic spine, z from S1."""
SMALL_LENGTH_MM = 170.0
SITES = ("vertebra", "sacrum")
_TRIES = 12
_DOSE = 0.55
"""Noise against whole-body low-dose CT: an examination of the spine has three times the dose; a guess."""


def make_case(rng: np.random.Generator, options: PhantomOptions, folder: Path, name: str) -> Case:
    """Draw, scan and write one patient.

    Args:
        rng: everything random comes from it.
        options: what to make.
        folder: of this patient, empty.
        name: the name that the folder will have in the cohort's ``cases``.

    Raises:
        LimitError: in a dozen patients nothing could be seen.
    """
    centre = str(rng.choice(list(options.centres)))
    diagnosis, scan = _visible(rng, options, centre=centre)
    person, grid = scan.patient.person, scan.volume.grid
    _write_series(scan, folder / "ct", case=name, seed=uid_seed(options, name))
    write_nifti(folder / "lesions.nii.gz", scan.lesions, grid)
    write_nifti(folder / "vertebrae.nii.gz", scan.vertebrae, grid)
    write_nifti(folder / "bone.nii.gz", scan.sites, grid)
    table = {
        "lesions": [lesion_record(lesion) for lesion in scan.truth],
        "unseen": [lesion_record(lesion) for lesion in scan.unseen],
        "mimics": list(scan.mimics),
    }
    write_json(folder / "lesions.json", table)
    names = {kind: f"{kind}.nii.gz" for kind in ("bone", "lesions", "vertebrae")} | {"lesion_table": "lesions.json"}
    return Case(
        case=name,
        patient=name,
        study=f"cases/{name}/ct",
        age_years=person.age_years,
        sex=person.sex,
        centre=centre,
        labels=labels_of(diagnosis, scan.patient.lesions, scan.patient.bones),
        truth={kind: f"cases/{name}/{file}" for kind, file in names.items()},
    )


def _visible(rng: np.random.Generator, options: PhantomOptions, *, centre: str) -> tuple[Diagnosis, CtScan]:
    """A diagnosis and the first of its patients in whom a lesion can be seen; of the healthy, the first."""
    diagnosis = draw_diagnosis("differential", rng, centre=centre, healthy_share=options.healthy)
    for _ in range(_TRIES):
        low, high = SPINE_MM
        if options.range_mm is not None:
            low, high = options.range_mm
        elif options.profile == "small":
            low = float(rng.uniform(low, high - SMALL_LENGTH_MM))
            high = low + SMALL_LENGTH_MM
        patient = draw_patient(rng, range_mm=(low, high), sites=SITES, diagnosis=diagnosis)
        if patient.person.contrast_hu > 0:
            continue
        scanner = draw_spine_scanner(rng, profile=options.profile, centre=centre)
        scan = annotated_scan(patient, scanner, (low, high), rng=rng)
        if scan.truth or diagnosis.name == "none":
            return diagnosis, scan
    if diagnosis.name == "none":
        raise LimitError(f"each of {_TRIES} healthy patients had contrast agent; use another --seed")
    raise LimitError(
        f"{_TRIES} patients with {diagnosis.name} show no lesion between {low:g} and {high:g} mm; choose a longer range"
    )


def draw_spine_scanner(rng: np.random.Generator, *, profile: str, centre: str) -> Scanner:
    """A protocol for the spine: small field, thin slices, more dose than a whole-body scan.

    Args:
        rng: randomness.
        profile: "full" for 512 x 512 and slices of 1 to 2 mm, "small" for 256 x 256 and 3 mm.
        centre: "a", "b" or "c", decides the maker.
    """
    base = draw_scanner(rng, profile="full")
    while base.manufacturer not in MAKERS[centre]:
        base = draw_scanner(rng, profile="full")
    full = profile == "full"
    thickness = float(rng.choice([1.0, 1.5, 2.0])) if full else 3.0
    noise = base.noise_hu * _DOSE * (base.thickness_mm / thickness) ** 0.5
    return replace(
        base,
        matrix=512 if full else 256,
        pixel_mm=round(float(rng.uniform(0.33, 0.45) if full else rng.uniform(0.65, 0.85)), 4),
        thickness_mm=thickness,
        spacing_mm=thickness,
        noise_hu=noise,
        exposure_mas=round(3 * base.exposure_mas, 1),
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
        description=f"Phantom CT of the spine {scanner.kernel}",
        age_years=person.age_years,
        sex=person.sex,
    )
