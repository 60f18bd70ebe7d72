"""A scan with lesions as a cohort folder of one case: a new DICOM series, masks, boxes, table, ``cohort.json``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.dicom.ct import write_ct_series
from osteon.dicom.mr import MrHeader, write_mr_series
from osteon.files import whole_folder
from osteon.formats.json_file import write_json
from osteon.formats.labelme import write_labelme
from osteon.formats.nifti import write_nifti
from osteon.phantom.cohorts.lytic import slice_boxes
from osteon.phantom.ct.scan import lesion_record
from osteon.records import Patient, Volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.phantom.implant.implant import Implanted
    from osteon.phantom.mr.sequence import Sequence

NOTE = "synthetic lesions implanted"
"""Stands in SeriesDescription, so that nobody takes the series for a patient's own."""
OLDEST_YEARS = 90.0
"""Higher ages would single a patient out; they are written as 90."""
_DESCRIPTIONS = {
    "t1": "T1 tse sag",
    "t2": "T2 tse sag",
    "fs-t2": "T2 tse fs sag",
    "stir": "stir sag",
    "ce": "T1 tse fs gd sag",
    "fo": "T1 tse dixon gd sag F",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFacts:
    """What of the real scan goes into the new one: never a name, an ID, a date or a UID.

    Attributes:
        attributes: of the series, see ``records.Series``.
        patient: age and sex.
        sequence: of an MR scan.
    """

    attributes: dict[str, Any] = field(default_factory=dict)
    patient: Patient = field(default_factory=Patient)
    sequence: Sequence | None = None


def write_semi_real(
    out: Path,
    made: Implanted,
    *,
    source: SourceFacts,
    bone: NDArray[np.uint8],
    vertebrae: NDArray[np.uint8] | None,
    kind: str,
    seed: int,
) -> Cohort:
    """Write a semi-real cohort of one case; the folder appears only when complete.

    Args:
        out: must not exist, or be an empty folder.
        made: from ``implant``.
        source: what else is written of the scan.
        bone: the mask that was used, (z, y, x).
        vertebrae: VerSe numbers, or None.
        kind: of the lesions.
        seed: of the lesions; the same scan and seed give the same bytes.

    Raises:
        InputError: the folder holds something.
    """
    case, modality = f"s{seed:04d}", made.volume.modality
    folder = f"cases/{case}"
    patient = _deidentified(source.patient)
    system = "metastasis" if modality == "MR" else "lytic"
    truth = {
        "bone": "bone.nii.gz",
        "lesions": "lesions.nii.gz",
        "boxes": "boxes",
        "lesion_table": "lesions.json",
    }
    if vertebrae is not None:
        truth["vertebrae"] = "vertebrae.nii.gz"
    entry = Case(
        case=case,
        patient=case,
        study=f"{folder}/{modality.lower()}",
        age_years=patient.age_years,
        sex=patient.sex,
        labels={"lesions": len(made.truth)},
        truth={name: f"{folder}/{file}" for name, file in truth.items()},
    )
    with whole_folder(out) as draft:
        place = draft / "cases" / case
        place.mkdir(parents=True)
        _write_series(made, place / modality.lower(), source=source, patient=patient, case=case, seed=seed)
        grid = made.volume.grid
        write_nifti(place / "bone.nii.gz", bone, grid)
        write_nifti(place / "lesions.nii.gz", made.lesions, grid)
        if vertebrae is not None:
            write_nifti(place / "vertebrae.nii.gz", vertebrae, grid)
        write_labelme(place / "boxes", slice_boxes(made.lesions))
        write_json(place / "lesions.json", _table(made))
        cohort = Cohort(
            root=draft,
            name=f"semi-real-{kind.replace(' ', '-')}-{seed}",
            modality=modality,
            system=system,
            cases=(entry,),
            description=f"A real {modality} with synthetic lesions ({kind}, seed {seed}) put into its bones.",
            kind="semi-real",
        )
        write_cohort(cohort)
    return Cohort(
        root=out,
        name=cohort.name,
        modality=modality,
        system=system,
        cases=(entry,),
        description=cohort.description,
        kind="semi-real",
    )


def _deidentified(patient: Patient) -> Patient:
    age = patient.age_years
    return Patient(age_years=None if age is None else min(age, OLDEST_YEARS), sex=patient.sex)


def _table(made: Implanted) -> dict[str, Any]:
    """The phantom's lesion table, with what was measured on the scan."""
    return {
        "lesions": [{**lesion_record(one), "noise_sd": made.noise_sd[one.number]} for one in made.truth],
        "unseen": [{**lesion_record(one), "noise_sd": made.noise_sd[one.number]} for one in made.unseen],
        "mimics": [],
        "scan": {"blur_sd_mm": round(made.sharpness.sigma_mm, 3), "edges_measured": made.sharpness.edges},
    }


def _write_series(
    made: Implanted, folder: Path, *, source: SourceFacts, patient: Patient, case: str, seed: int
) -> None:
    volume, attributes = made.volume, source.attributes
    thickness = _number(attributes.get("SliceThickness")) or volume.grid.spacing_mm[2]
    maker = str(attributes.get("Manufacturer") or "unknown")
    if source.sequence is not None:
        header = _mr_header(source.sequence, maker=maker, thickness_mm=thickness, attributes=attributes)
        grey = _grey(volume)
        write_mr_series(
            grey,
            folder,
            header=header,
            case=case,
            seed_uid=f"implant-{seed}",
            age_years=patient.age_years,
            sex=patient.sex,
        )
        return
    write_ct_series(
        volume,
        folder,
        case=case,
        seed_uid=f"implant-{seed}",
        kernel=str(attributes.get("ConvolutionKernel") or "unknown").split("\\")[0],
        slice_thickness_mm=thickness,
        kvp=_number(attributes.get("KVP")),
        exposure_mas=_number(attributes.get("Exposure")),
        manufacturer=maker,
        description=f"CT {NOTE}",
        age_years=patient.age_years,
        sex=patient.sex,
        body_part="SPINE",
        image_type=("DERIVED", "SECONDARY", "AXIAL"),
    )


def _number(value: Any) -> float | None:
    """A header's number above 0, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _grey(volume: Volume) -> Volume:
    """Grey levels from 0 to what 16 bits hold; small ranges are spread over 4096 levels."""
    array = volume.array.astype(np.float32)
    low, high = min(float(array.min()), 0.0), float(array.max())
    factor = 4095.0 / max(high - low, 1e-6) if high - low < 255 or high - low > 65535 else 1.0
    return Volume(array=(array - low) * np.float32(factor), grid=volume.grid, modality="MR")


def _mr_header(sequence: Sequence, *, maker: str, thickness_mm: float, attributes: dict[str, Any]) -> MrHeader:
    """The header of the new series: its role in plain words, since the old description may not be carried over."""
    name = _DESCRIPTIONS[sequence.role]
    options = {"fs-t2": ("FS",), "ce": ("FS",)}.get(sequence.role, ())
    return MrHeader(
        series_description=f"{name} {NOTE}",
        protocol_name=name,
        manufacturer=maker,
        model=str(attributes.get("ManufacturerModelName") or "unknown"),
        image_type=("DERIVED", "SECONDARY", "FAT") if sequence.role == "fo" else ("DERIVED", "SECONDARY", "M"),
        scanning_sequence=("SE", "IR") if sequence.ti_ms is not None else ("SE",),
        sequence_variant=("SK",),
        scan_options=options,
        sequence_name=None,
        repetition_time_ms=sequence.tr_ms,
        echo_time_ms=sequence.te_ms,
        inversion_time_ms=sequence.ti_ms,
        echo_train=sequence.echo_train,
        flip_angle_deg=90.0,
        field_t=sequence.field_t,
        pixel_bandwidth_hz=sequence.bandwidth_hz,
        phase_encoding="COL",
        slice_thickness_mm=thickness_mm,
        contrast_agent="gadolinium" if sequence.enhanced else None,
        series_number=1,
    )
