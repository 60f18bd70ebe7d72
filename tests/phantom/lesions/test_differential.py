from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from osteon.phantom.lesions.differential import (
    PRIMARIES,
    SIGNS,
    draw_lytic_disease,
    draw_metastatic_primary,
    draw_signs,
    sign_shares,
)
from osteon.phantom.lesions.forms import depth_mm, volume_mm3
from osteon.phantom.lesions.myeloma import PATTERNS, draw_myeloma, draw_pattern

if TYPE_CHECKING:
    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.anatomy.person import Person

PRINTED = {"dense_area": (85.2, 19.0), "rim": (38.9, 13.2), "heterogeneous": (60.0, 19.1), "ill_defined": (34.6, 9.1)}


@pytest.mark.parametrize(("diagnosis", "column"), [("metastasis", 0), ("myeloma", 1)])
def test_signs_are_as_common_as_published(diagnosis: str, column: int) -> None:
    count, rng = 4000, np.random.default_rng(0)
    drawn = [draw_signs(rng, diagnosis=diagnosis, difficulty=0.0) for _ in range(count)]
    for name, shares in PRINTED.items():
        share = shares[column] / 100
        found = np.mean([getattr(signs, name) for signs in drawn])
        assert found == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / count))


def test_difficulty_moves_the_shares_together() -> None:
    for name, (metastasis, myeloma) in SIGNS.items():
        middle = (metastasis + myeloma) / 2
        for diagnosis in ("metastasis", "myeloma"):
            assert sign_shares(diagnosis, difficulty=1.0)[name] == pytest.approx(middle)
        half = sign_shares("metastasis", difficulty=0.5)[name] - sign_shares("myeloma", difficulty=0.5)[name]
        assert half == pytest.approx((metastasis - myeloma) / 2)


@pytest.mark.parametrize("diagnosis", ["metastasis", "myeloma"])
def test_lesions_are_lytic_holes_in_the_spine(diagnosis: str, column: tuple[Bone, ...], somebody: Person) -> None:
    spots = draw_lytic_disease(column, somebody, rng=np.random.default_rng(4), diagnosis=diagnosis, difficulty=0.0)
    assert spots
    for spot in spots:
        assert spot.hu < 130
        assert spot.site in ("vertebra", "sacrum")
        assert 3 < spot.diameter_mm < 80
        for part in spot.parts:
            assert volume_mm3(part.solid) < volume_mm3(spot.solid)
            assert part.hu > spot.hu


def test_a_myeloma_patients_lesions_are_more_alike(column: tuple[Bone, ...], somebody: Person) -> None:
    def spread(diagnosis: str) -> float:
        values = []
        lumbar = tuple(bone for bone in column if 20 <= bone.label <= 24) * 2
        for seed in range(7):
            rng = np.random.default_rng(seed)
            spots = draw_lytic_disease(lumbar, somebody, rng=rng, diagnosis=diagnosis, difficulty=0.0)
            values += [np.std(np.log([spot.diameter_mm for spot in spots]))] if len(spots) > 3 else []
        return float(np.mean(values))

    assert spread("myeloma") < spread("metastasis")


def test_primaries_are_the_studys() -> None:
    rng = np.random.default_rng(0)
    women = [draw_metastatic_primary(rng, sex="F") for _ in range(2000)]
    counts = {name: count for name, count in PRIMARIES.items() if name != "prostate"}
    for name, count in counts.items():
        share = count / sum(counts.values())
        assert women.count(name) / 2000 == pytest.approx(share, abs=4 * np.sqrt(share / 2000))
    assert "breast" not in {draw_metastatic_primary(rng, sex="M") for _ in range(200)}


def test_patterns_of_myeloma(column: tuple[Bone, ...], somebody: Person) -> None:
    drawn = [draw_pattern(np.random.default_rng(k)) for k in range(2000)]
    for name, share in PATTERNS.items():
        assert drawn.count(name) / 2000 == pytest.approx(share, abs=4 * np.sqrt(share / 2000))
    few = column[:4]
    found = {name: draw_myeloma(few, somebody, rng=np.random.default_rng(1), pattern=name) for name in PATTERNS}
    assert found["normal"] == ([], [])
    assert found["focal"][0]
    assert not found["focal"][1]
    assert [spot.kind for spot in found["diffuse"][1]] == ["diffuse myeloma"] * 4
    assert found["focal and diffuse"][0]
    peppered = found["salt and pepper"][1]
    assert {spot.kind for spot in peppered} == {"salt and pepper marrow"}
    for spot in peppered:
        assert len(spot.parts) == 1
        assert 0.1 < volume_mm3(spot.parts[0].solid, count=40) / volume_mm3(spot.solid, count=40) < 0.7


def test_focal_myeloma_keeps_the_attenuation_that_ct_draws(column: tuple[Bone, ...], somebody: Person) -> None:
    spots, _ = draw_myeloma(column, somebody, rng=np.random.default_rng(2), pattern="focal")
    for spot in spots:
        assert spot.tissue is not None
        assert spot.tissue.hu == spot.hu
        assert spot.tissue.fat_fraction < 0.2
        bone = next(bone for bone in column if bone.name == spot.bone)
        middle = np.mean(spot.solid.bounds(), axis=0)
        assert depth_mm(bone, middle) > 0
