from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.lesions import places
from osteon.phantom.lesions.forms import depth_mm

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone


def named(column: tuple[Bone, ...], name: str) -> Bone:
    return next(bone for bone in column if bone.name == name)


def test_regions(skeleton: tuple[Bone, ...]) -> None:
    regions = {bone.name: places.region(bone) for bone in skeleton}
    assert (regions["C7"], regions["T1"], regions["T12"]) == ("cervical", "thoracic", "thoracic")
    assert (regions["L1"], regions["L5"], regions["sacrum"]) == ("lumbar", "lumbar", "sacral")
    assert regions["rib 5 left"] is None


def test_offsets_go_there_and_back(column: tuple[Bone, ...]) -> None:
    body = places.body_of(named(column, "T6"))
    assert body is not None
    offset = np.array([3.0, -5.0, 2.0])
    np.testing.assert_allclose(places.to_offset(body, places.to_lps(body, offset)), offset, atol=1e-9)
    np.testing.assert_allclose(places.to_lps(body, (0, 0, 0)), body.centre)


def test_bodies_of_the_atlas_and_the_sacrum(column: tuple[Bone, ...]) -> None:
    assert places.body_of(named(column, "C1")) is None
    sacrum = named(column, "sacrum")
    first = places.body_of(sacrum)
    assert first is sacrum.solids[0]
    heights = {float(places.body_of(sacrum, np.random.default_rng(k)).centre[2]) for k in range(40)}  # type: ignore[union-attr]
    assert len(heights) == 3


@pytest.mark.parametrize("name", ["C4", "T3", "T9", "L2", "L5"])
@pytest.mark.parametrize("posterior", [True, False])
def test_body_points_lie_in_the_body(column: tuple[Bone, ...], name: str, posterior: bool) -> None:
    bone = named(column, name)
    body = places.body_of(bone)
    assert body is not None
    for seed in range(15):
        point = places.body_point(bone, body, rng=np.random.default_rng(seed), posterior=posterior)
        assert depth_mm(body, point) > 0
        if posterior:
            assert places.to_offset(body, point)[1] > 0


@pytest.mark.parametrize("name", ["C5", "T4", "T10", "L1", "L4"])
def test_arch_points_lie_in_bone_behind_the_canal(column: tuple[Bone, ...], name: str) -> None:
    bone = named(column, name)
    body = places.body_of(bone)
    assert body is not None
    for seed in range(10):
        point = places.arch_point(bone, body, rng=np.random.default_rng(seed))
        assert point is not None
        assert depth_mm(bone, point) > 0.9
        assert places.to_offset(body, point)[1] > places.canal_back_mm(bone, body)


@pytest.mark.parametrize("name", ["T2", "T8", "T12", "L1", "L3"])
def test_pedicles_are_bone_between_body_and_arch_and_the_canal_is_none(column: tuple[Bone, ...], name: str) -> None:
    bone = named(column, name)
    body = places.body_of(bone)
    assert body is not None
    for side in (-1, 1):
        point = places.pedicle_point(bone, body, side=side)
        assert depth_mm(bone, point) > 0
        assert places.to_offset(body, point)[0] * side > 0
        assert depth_mm(bone, places.foramen_point(bone, body, side=side)) < 0
    assert depth_mm(bone, places.to_lps(body, (0, places.canal_back_mm(bone, body), 0))) < -5
    assert depth_mm(body, places.canal_wall_point(bone, body, side=0.9)) == pytest.approx(0, abs=5)
