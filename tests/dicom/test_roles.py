from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from osteon.dicom import roles
from osteon.dicom.roles import role, role_with_reason, weighting
from osteon.records import Series


def series(modality: str = "MR", description: str | None = None, **attributes: Any) -> Series:
    return Series(
        uid="1.2", study_uid="1.1", modality=modality, files=(), description=description, attributes=attributes
    )


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        ("B30f", roles.CT_SOFT),
        ("B70s", roles.CT_BONE),
        ("Br40d\\3", roles.CT_SOFT),
        ("Bl57", roles.CT_BONE),
        ("STANDARD", roles.CT_SOFT),
        ("BONEPLUS", roles.CT_BONE),
        ("FC08", roles.CT_SOFT),
        ("FC30", roles.CT_BONE),
        ("FC25", None),
        ("B", roles.CT_SOFT),
        ("YB", roles.CT_BONE),
        ("something new", None),
        (None, None),
    ],
)
def test_ct_kernels(kernel: str | None, expected: str | None) -> None:
    attributes = {} if kernel is None else {"ConvolutionKernel": kernel}
    assert role(series("CT", **attributes)) == expected


@pytest.mark.parametrize(
    ("description", "attributes", "expected"),
    [
        ("t1_tse_sag", {}, roles.T1),
        ("T2 TSE sag", {}, roles.T2),
        ("T2 TSE SPAIR sag", {}, roles.T2_FAT_SUPPRESSED),
        ("t2_tse_sag", {"ScanOptions": ("PFP", "FS")}, roles.T2_FAT_SUPPRESSED),
        ("t1_tse_sag_fs", {}, roles.T1_FAT_SUPPRESSED),
        ("t1 tse sag", {"ContrastBolusAgent": "Gd"}, roles.T1_CONTRAST),
        ("t1 fs post gd", {}, roles.T1_CONTRAST_FAT_SUPPRESSED),
        ("sag STIR", {"EchoTime": 40.0}, roles.STIR),
        ("T1/T2 combined", {}, None),
        ("ep2d_diff", {}, roles.DIFFUSION),
        (None, {"DiffusionBValue": 800.0}, roles.DIFFUSION),
        (None, {"ScanningSequence": ("SE",), "EchoTime": 10.0, "RepetitionTime": 550.0}, roles.T1),
        (None, {"ScanningSequence": ("SE",), "EchoTime": 100.0, "RepetitionTime": 3500.0}, roles.T2),
        (None, {"ScanningSequence": ("SE",), "EchoTime": 30.0, "RepetitionTime": 3500.0}, roles.PD),
        (
            None,
            {"ScanningSequence": ("SE", "IR"), "EchoTime": 60.0, "RepetitionTime": 4000.0, "InversionTime": 160.0},
            roles.STIR,
        ),
        (None, {"ScanningSequence": ("GR",), "EchoTime": 10.0, "RepetitionTime": 550.0}, None),
        ("dixon sag", {"ImageType": ("DERIVED", "PRIMARY", "DIXON", "FAT")}, roles.DIXON["FAT"]),
        ("t2 dixon", {"ImageType": ("ORIGINAL", "PRIMARY", "W", "W", "DERIVED")}, roles.DIXON["WATER"]),
        ("t2 dixon", {"ImageType": ("ORIGINAL", "PRIMARY", "DIXON", "OPP_PHASE")}, roles.DIXON["OUT"]),
        (None, {}, None),
        # Siemens
        ("t1_tse_sag_fs_KM", {}, roles.T1_CONTRAST_FAT_SUPPRESSED),
        ("t1_tse_dixon_sag_F", {"ContrastBolusAgent": "Gadovist"}, roles.DIXON["FAT"]),
        ("t1_tse_dixon_sag_W", {"ContrastBolusAgent": "Gadovist"}, roles.T1_CONTRAST_FAT_SUPPRESSED),
        ("t1_tse_dixon_sag_W", {}, roles.DIXON["WATER"]),
        ("t1_tse_dixon_sag_opp", {}, roles.DIXON["OUT"]),
        # Philips
        ("sT1W_TSE", {}, roles.T1),
        ("sT1W_TSE SPIR +C", {}, roles.T1_CONTRAST_FAT_SUPPRESSED),
        ("T1W_mDIXON", {"ImageType": ("ORIGINAL", "PRIMARY", "F", "F", "DERIVED")}, roles.DIXON["FAT"]),
        # GE
        ("FAT: Sag T1 FLEX +C", {}, roles.DIXON["FAT"]),
        ("WATER: Sag T1 FLEX +C", {}, roles.T1_CONTRAST_FAT_SUPPRESSED),
        ("InPhase: Sag T1 FLEX", {}, roles.DIXON["IN"]),
        ("Sag T1 FS +GAD", {"ScanOptions": ("SAT_GEMS", "FS")}, roles.T1_CONTRAST_FAT_SUPPRESSED),
        (
            None,
            {"ScanningSequence": ("SE", "IR"), "EchoTime": 22.0, "RepetitionTime": 2300.0, "InversionTime": 860.0},
            roles.T1,
        ),
        # What technologists leave in the agent's field
        ("t1 sag", {"ContrastBolusAgent": "NONE"}, roles.T1),
        ("t1 sag pre contrast", {"ContrastBolusAgent": "Gd"}, roles.T1),
        ("sag t1 w/o", {}, roles.T1),
    ],
)
def test_mr_roles(description: str | None, attributes: dict[str, Any], expected: str | None) -> None:
    assert role(series(description=description, **attributes)) == expected


@pytest.mark.parametrize(
    ("description", "attributes", "parts"),
    [
        ("t1_tse_sag", {"ContrastBolusAgent": "Gadovist"}, ("says t1", "ContrastBolusAgent Gadovist")),
        (None, {"ScanningSequence": ("SE",), "EchoTime": 10.0, "RepetitionTime": 550.0}, ("EchoTime 10",)),
        ("x", {"ImageType": ("DERIVED", "PRIMARY", "DIXON", "FAT")}, ("ImageType DERIVED/PRIMARY/DIXON/FAT",)),
        ("t1 t2", {}, ("names T1 and T2",)),
        ("localiser", {}, ("no weighting",)),
    ],
)
def test_reason_names_what_decided(description: str | None, attributes: dict[str, Any], parts: tuple[str, ...]) -> None:
    reason = role_with_reason(series(description=description, **attributes)).reason
    assert all(part in reason for part in parts)


def test_nifti_role_comes_from_the_file_name_which_is_not_quoted() -> None:
    one = Series(uid="1", study_uid="2", modality="MR", files=(Path("/x/meier_T1w.nii.gz"),), source="nifti")
    found = role_with_reason(one)
    assert found.role == roles.T1
    assert "meier" not in found.reason
    assert "file name" in found.reason


@pytest.mark.parametrize(
    ("description", "attributes", "expected"),
    [
        ("t2_dixon_F", {"ImageType": ("DERIVED", "PRIMARY", "DIXON", "FAT")}, roles.T2),
        ("t1_dixon_F", {"ImageType": ("DERIVED", "PRIMARY", "DIXON", "FAT")}, roles.T1),
        ("dixon_F", {}, None),
    ],
)
def test_weighting_of_a_dixon_part(description: str, attributes: dict[str, Any], expected: str | None) -> None:
    assert weighting(series(description=description, **attributes)) == expected


def test_other_modalities_have_no_role() -> None:
    assert role(series("SEG")) is None
