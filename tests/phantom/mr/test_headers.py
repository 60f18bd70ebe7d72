from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest

from osteon.dicom import roles
from osteon.dicom.mr import write_mr_series
from osteon.dicom.scan import scan
from osteon.geometry import Grid
from osteon.phantom.mr.headers import header_of
from osteon.phantom.mr.protocol import Protocol, draw_protocol
from osteon.records import Volume
from tests.dicom.validators import complaints, needs_dciodvfy

if TYPE_CHECKING:
    from pathlib import Path

    from osteon.phantom.mr.sequence import Sequence

EXPECTED = {
    "t1": roles.T1,
    "t2": roles.T2,
    "fs": roles.T2_FAT_SUPPRESSED,
    "stir": roles.STIR,
    "fo": roles.DIXON["FAT"],
    "ce": roles.T1_CONTRAST_FAT_SUPPRESSED,
    "ce-dixon": roles.T1_CONTRAST_FAT_SUPPRESSED,
    "in": roles.DIXON["IN"],
    "opposed": roles.DIXON["OUT"],
}


def sequences(protocol: Protocol) -> dict[str, Sequence]:
    t1 = protocol.sequence("t1")
    late = replace(t1, enhanced=True)
    t2 = replace(t1, weighting="T2", tr_ms=3500.0, te_ms=100.0, echo_train=16)
    return {
        "t1": t1,
        "t2": t2,
        "fs": replace(t2, fat="saturated"),
        "stir": replace(t2, weighting="STIR", te_ms=50.0, ti_ms=160.0, fat="nulled"),
        "fo": replace(late, fat="dixon fat"),
        "ce": replace(late, fat="saturated"),
        "ce-dixon": replace(late, fat="dixon water"),
        "in": replace(t1, fat="dixon in"),
        "opposed": replace(t1, fat="dixon opposed"),
    }


def write(folder: Path, sequence: Sequence, protocol: Protocol) -> Path:
    direction = ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
    volume = Volume(
        array=np.arange(3 * 8 * 8, dtype=np.uint16).reshape(3, 8, 8),
        grid=Grid(shape=(3, 8, 8), spacing_mm=(0.8, 0.8, 3.3), direction=direction),
        modality="MR",
    )
    header = header_of(sequence, protocol, series_number=3)
    return write_mr_series(volume, folder, header=header, case="p", seed_uid="s")[0]


@pytest.mark.parametrize("centre", ["a", "b", "c"])
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_osteon_recognises_every_vendors_series(tmp_path: Path, centre: str, name: str) -> None:
    protocol = draw_protocol(np.random.default_rng(0), study="tumor", centre=centre)
    write(tmp_path / "s", sequences(protocol)[name], protocol)
    series = scan(tmp_path).studies[0].series[0]
    assert roles.role(series) == EXPECTED[name]


@needs_dciodvfy
@pytest.mark.parametrize("centre", ["a", "b", "c"])
def test_vendors_own_terms_are_all_that_the_validator_minds(tmp_path: Path, centre: str) -> None:
    """ImageType and ScanOptions have defined terms, which vendors may extend (PS3.3 C.8.3.1)."""
    protocol = replace(draw_protocol(np.random.default_rng(0), study="tumor", centre=centre), saturation_band=True)
    for name, sequence in sequences(protocol).items():
        found = complaints(write(tmp_path / name, sequence, protocol))
        assert [line for line in found if "Unrecognized defined term" not in line] == []
        assert all("ImageType" in line or "ScanOptions" in line for line in found)


def test_contrast_agent_is_named_only_after_it_was_given(tmp_path: Path) -> None:
    for centre in "abc":
        protocol = draw_protocol(np.random.default_rng(1), study="metastasis", centre=centre)
        for sequence in protocol.sequences:
            dataset = pydicom.dcmread(write(tmp_path / centre / sequence.role, sequence, protocol))
            assert ("ContrastBolusAgent" in dataset) is sequence.enhanced
            assert dataset.Manufacturer == protocol.vendor
            assert float(dataset.MagneticFieldStrength) == protocol.field_t
