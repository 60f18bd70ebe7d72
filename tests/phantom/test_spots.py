from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.phantom.anatomy.shapes import Ellipsoid
from osteon.phantom.canvas import Canvas, Textures
from osteon.phantom.ct.render import CtPalette
from osteon.phantom.lesions.spot import Spot
from osteon.phantom.spots import paint_spot, pattern_share, spot_margin_mm
from osteon.phantom.tissue import Tissue

SPOT = Spot(
    kind="lytic lesion",
    bone="L3",
    site="vertebra",
    label=22,
    solid=Ellipsoid(np.zeros(3), np.full(3, 8.0)),
    hu=50.0,
    edge_mm=0.0,
    strength=1.0,
    destroys_cortex=False,
    wobble_mm=0.0,
    diameter_mm=16.0,
)
AXIS = np.arange(-14, 14.5, 0.5, dtype=np.float32)
CANVAS = Canvas(AXIS, AXIS, AXIS, 0.5)
EVEN = Textures(*(np.zeros(CANVAS.shape, np.float32) for _ in range(4)))


def radius() -> np.ndarray:
    x, y, z = CANVAS.points
    return np.sqrt(x**2 + y**2 + z**2)


def painted(spot: Spot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Soft tissue of 0, full cortex and marrow of 200 HU everywhere, after painting."""
    soft, marrow = (np.full((1, *CANVAS.shape), value, np.float32) for value in (0.0, 200.0))
    compact = np.ones(CANVAS.shape, np.float32)
    d = radius() - 8
    paint_spot(spot, d, CtPalette(), canvas=CANVAS, layers=(soft, compact, marrow), textures=EVEN)
    return soft[0], compact, marrow[0]


def test_a_spot_fills_marrow_alone() -> None:
    soft, compact, marrow = painted(SPOT)
    assert (soft == 0).all()
    assert (compact == 1).all()
    np.testing.assert_allclose(marrow[radius() < 7], 50, atol=1e-3)
    assert (marrow[radius() > 9] == 200).all()


def test_half_strength_mixes_half_and_cortex_goes_where_destroyed() -> None:
    _, compact, marrow = painted(replace(SPOT, strength=0.5, destroys_cortex=True))
    np.testing.assert_allclose(marrow[radius() < 7], 125, atol=1e-3)
    np.testing.assert_allclose(compact[radius() < 7], 0.5, atol=1e-5)


def test_growing_out_fills_soft_tissue_too() -> None:
    soft, _, _ = painted(replace(SPOT, grows_out=True))
    np.testing.assert_allclose(soft[radius() < 7], 50, atol=1e-3)
    assert (soft[radius() > 9] == 0).all()


def test_a_rim_lies_just_outside() -> None:
    _, _, marrow = painted(replace(SPOT, rim_hu=900.0))
    assert marrow[(radius() > 8.6) & (radius() < 9.0)].min() > 850
    assert (marrow[radius() > 10.5] == 200).all()


def test_core_and_halo_are_where_they_are_said_to_be() -> None:
    inner = Tissue(name="necrosis", hu=10.0)
    _, _, marrow = painted(replace(SPOT, pattern="core", pattern_tissue=inner, pattern_mm=4.0))
    np.testing.assert_allclose(marrow[radius() < 3], 10, atol=1e-3)
    np.testing.assert_allclose(marrow[(radius() > 5) & (radius() < 7)], 50, atol=1e-3)
    halo = replace(SPOT, pattern="halo", pattern_tissue=inner, pattern_mm=3.0)
    _, _, marrow = painted(halo)
    np.testing.assert_allclose(marrow[radius() < 7], 50, atol=1e-3)
    np.testing.assert_allclose(marrow[(radius() > 9) & (radius() < 10)], 10, atol=1e-3)
    assert (marrow[radius() > 12] == 200).all()
    assert spot_margin_mm(halo) == pytest.approx(spot_margin_mm(SPOT) + 3)


def test_struts_stand_upright() -> None:
    share = pattern_share(replace(SPOT, pattern="struts", pattern_mm=3.0), radius() - 8, canvas=CANVAS, textures=EVEN)
    inside = radius() < 6
    assert 0.1 < share[inside].mean() < 0.5
    column = share[20:37, 28, 28]  # through the middle, along z
    assert column.min() == column.max() == 1
    assert share[28, 28, 22:35].min() == 0  # across them


@pytest.mark.parametrize("pattern", ["struts", "pepper", "core"])
def test_patterns_stay_inside(pattern: str) -> None:
    share = pattern_share(replace(SPOT, pattern=pattern, pattern_mm=3.0), radius() - 8, canvas=CANVAS, textures=EVEN)
    assert share[radius() > 9].max() == 0
    assert 0 <= share.min() <= share.max() <= 1
