from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import InputError, UsageError
from osteon.phantom.implant.values import SEQUENCES, CtValues, mr_values, muscle_level, sequence_of, tissue_of
from osteon.phantom.lesions import tissues
from tests.phantom.implant.scans import GRID, T1, scan
from tests.phantom.implant.test_implant import lytic


def test_the_scan_s_own_times_are_used_where_they_can_be() -> None:
    header = {"RepetitionTime": 650.0, "EchoTime": 12.0, "MagneticFieldStrength": 3.0}
    made = sequence_of("T1", header)
    assert (made.role, made.tr_ms, made.te_ms, made.field_t) == ("t1", 650, 12, 3)
    assert sequence_of("stir", {"InversionTime": 210.0}).ti_ms == 210
    assert sequence_of("t2", {"RepetitionTime": 20.0, "EchoTime": 5.0}) == SEQUENCES["t2"]
    assert sequence_of("t2", {"RepetitionTime": 120.0, "EchoTime": 110.0}) == SEQUENCES["t2"]  # no train fits
    with pytest.raises(UsageError, match="MR role 'dwi': expected one of t1, t2"):
        sequence_of("dwi", {})


def test_references_are_reproduced_and_order_is_kept() -> None:
    volume, bone = scan(values=T1, noise=4.0, modality="MR")
    level = muscle_level(volume.array, bone, spacing_mm=GRID.spacing_mm)
    assert level == pytest.approx(T1["soft"], rel=0.03)
    values = mr_values(volume.array, bone, spacing_mm=GRID.spacing_mm, sequence=SEQUENCES["t1"])
    assert values.of(tissues.MUSCLE) == pytest.approx(level, rel=1e-6)
    assert values.of(tissues.RED_MARROW) == pytest.approx(T1["marrow"], rel=0.05)
    assert values.of(tissues.BLASTIC) < values.of(tissues.LYTIC) < values.of(tissues.FAT_MARROW)
    assert values.of(tissues.LYTIC) < 0.8 * T1["marrow"]
    assert values.scaled(1.3).of(tissues.LYTIC) == pytest.approx(1.3 * values.of(tissues.LYTIC))


def test_ct_values_are_the_spot_s() -> None:
    spot = lytic(rim_hu=400.0, pattern="core", pattern_tissue=tissues.NECROSIS)
    values = CtValues()
    assert values.filling(spot).ravel().tolist() == [55, 1]
    assert values.pattern(spot).ravel().tolist() == [22, 1]
    assert values.rim(spot).ravel().tolist() == [400, 1]


@pytest.mark.parametrize(("hu", "name"), [(50, "lytic tumour"), (260, "mixed tumour"), (700, "blastic tumour")])
def test_spots_drawn_for_ct_have_a_tissue_on_mr(hu: float, name: str) -> None:
    assert tissue_of(lytic(hu=hu)).name == name


def test_without_tissue_round_the_bone_there_is_nothing_to_compare_with() -> None:
    _, bone = scan()
    with pytest.raises(InputError, match="voxels of tissue within 45 mm of bone; expected at least 200"):
        muscle_level(np.zeros(GRID.shape), bone, spacing_mm=GRID.spacing_mm)
