from __future__ import annotations

from typing import Any

import pytest

from osteon.dicom import roles
from osteon.dicom.roles import role
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
        ("t1 fs post gd", {}, roles.T1_CONTRAST),
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
    ],
)
def test_mr_roles(description: str | None, attributes: dict[str, Any], expected: str | None) -> None:
    assert role(series(description=description, **attributes)) == expected


def test_other_modalities_have_no_role() -> None:
    assert role(series("SEG")) is None
