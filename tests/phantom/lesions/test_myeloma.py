"""Who has what in ``lytic``: focal lesions, infiltrated marrow, or nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.lesions.lytic import draw_lesions
from osteon.phantom.lesions.myeloma import RED_MARROW, Shares, draw_myeloma, draw_whole_body

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person
    from osteon.phantom.lesions.spot import Spot


def pattern(focal: list[Spot], marrow: list[Spot]) -> str:
    kinds = {spot.kind for spot in marrow}
    assert len(kinds) < 2
    name = {"diffuse myeloma": "diffuse", "salt and pepper marrow": "pepper"}.get(next(iter(kinds), ""), "")
    return f"{name}+focal" if name and focal else name or ("focal" if focal else "none")


def test_without_infiltration_lesions_are_drawn_as_ever(column: tuple[Bone, ...], somebody: Person) -> None:
    for seed in range(4):
        one, two = np.random.default_rng(seed), np.random.default_rng(seed)
        focal, marrow = draw_whole_body(column, somebody, rng=one, mean_count=4.0, shares=Shares())
        known = draw_lesions(column, somebody, rng=two, mean_count=4.0)
        assert marrow == []
        assert [(spot.bone, spot.diameter_mm) for spot in focal] == [(spot.bone, spot.diameter_mm) for spot in known]
        assert one.random() == two.random()


def test_patients_are_healthy_and_infiltrated_by_their_shares(column: tuple[Bone, ...], somebody: Person) -> None:
    lumbar, draws = column[:2], 300
    shares = Shares(healthy=0.3, infiltrated=0.5)
    found = Counter(
        pattern(*draw_whole_body(lumbar, somebody, rng=np.random.default_rng([5, k]), mean_count=2.0, shares=shares))
        for k in range(draws)
    )
    error = 4 * np.sqrt(0.25 / draws)
    infiltrated = found["diffuse"] + found["diffuse+focal"] + found["pepper"]
    assert infiltrated / draws == pytest.approx(0.5, abs=error)
    assert found["none"] / draws == pytest.approx(0.3, abs=error)
    for name, share in (("diffuse", 0.2), ("diffuse+focal", 0.16), ("pepper", 0.14)):
        assert found[name] / draws == pytest.approx(0.5 * share / 0.5, abs=error)


def test_everybody_may_be_infiltrated_and_nobody_has_lesions_unasked(
    column: tuple[Bone, ...], somebody: Person
) -> None:
    shares = Shares(healthy=0.0, infiltrated=1.0)
    for seed in range(8):
        rng = np.random.default_rng([6, seed])
        focal, marrow = draw_whole_body(column[:2], somebody, rng=rng, mean_count=0.0, shares=shares)
        assert pattern(focal, marrow) in ("diffuse", "pepper")


def test_salt_and_pepper_is_in_red_marrow_and_seen_on_ct(skeleton: tuple[Bone, ...], somebody: Person) -> None:
    _, marrow = draw_myeloma(skeleton, somebody, rng=np.random.default_rng(1), pattern="salt and pepper")
    sites = {spot.site for spot in marrow}
    assert "pelvis" in sites
    assert sites <= set(RED_MARROW)
    shares = Shares(healthy=0.0, infiltrated=1.0)
    for seed in range(12):
        rng = np.random.default_rng([7, seed])
        _, drawn = draw_whole_body(skeleton, somebody, rng=rng, mean_count=0.0, shares=shares)
        for spot in (one for one in drawn if one.parts):
            assert spot.parts[0].strength > 0.5 > spot.strength


def test_without_room_for_lesions_drawing_ends(somebody: Person) -> None:
    assert draw_myeloma((), somebody, rng=np.random.default_rng(1), pattern="focal") == ([], [])
