from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom import tissue as t
from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.anatomy.soft import Organ
from osteon.phantom.mr.palette import MrPalette, organ_tissue, water_channels
from osteon.phantom.mr.patient import column_curve
from osteon.phantom.mr.sequence import Sequence
from osteon.phantom.mr.signal import water_signal

if TYPE_CHECKING:
    from osteon.phantom.mr.patient import MrPatient

T1 = Sequence(role="t1", weighting="T1", tr_ms=550, te_ms=10, echo_train=3)
FAT_ONLY = replace(T1, role="fo", fat="dixon fat")
LATE = replace(T1, role="ce", fat="saturated", enhanced=True)


@pytest.fixture(scope="module")
def palette() -> MrPalette:
    spine = np.stack([np.zeros(24), np.zeros(24), np.linspace(-50, 600, 24)], axis=1)
    return MrPalette((T1, FAT_ONLY, LATE), marrow_fat=(0.4,), muscle_fat=0.1, spine_mm=spine)


def test_sequences_of_the_same_times_share_a_channel() -> None:
    assert water_channels((T1, FAT_ONLY, LATE)) == (1, 1, 2)


def test_a_tissue_is_its_fat_and_its_water(palette: MrPalette) -> None:
    tissue = t.Tissue(name="x", hu=0, proton_density=0.8, fat_fraction=0.25, uptake_per_s=2.0)
    fat, water, late = palette.value(tissue).ravel()
    assert fat == pytest.approx(0.2)
    assert water == pytest.approx(0.6 * water_signal(T1, tissue), rel=1e-5)
    assert late == pytest.approx(0.6 * water_signal(LATE, tissue), rel=1e-5)
    assert late > water


def test_flowing_blood_is_void_though_it_holds_contrast_agent(palette: MrPalette) -> None:
    assert palette.value(t.BLOOD).max() < 0.1 * palette.value(t.VEIN).max()


def test_every_organ_of_a_patient_has_a_tissue(mr_patient: MrPatient) -> None:
    for organ in mr_patient.scene.organs:
        assert 0 <= organ_tissue(organ).proton_density <= 1


def test_what_fills_bowel_goes_by_its_attenuation() -> None:
    solid = Ellipsoid(np.zeros(3), np.ones(3))
    names = [organ_tissue(Organ(name="gas", solid=solid, hu=hu)).name for hu in (-990.0, -250.0, 15.0)]
    assert names == ["gas", "faeces", "chyme"]


def test_unknown_organs_are_an_error() -> None:
    with pytest.raises(KeyError, match="gills"):
        organ_tissue(Organ(name="gills", solid=Ellipsoid(np.zeros(3), np.ones(3)), hu=0.0))


def test_marrow_fat_and_the_column(mr_patient: MrPatient) -> None:
    by_name = dict(zip((bone.name for bone in mr_patient.bones), mr_patient.marrow_fat, strict=True))
    assert by_name["femur shaft left"] > 0.9
    assert 0.25 < np.mean([by_name[f"L{k}"] for k in range(1, 6)]) < 0.75
    curve = column_curve(mr_patient.bones)
    assert (np.diff(curve[:, 2]) > 0).all()  # from the tail bone upwards
    assert len(curve) == 7 + 24
