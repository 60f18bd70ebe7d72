from __future__ import annotations

import numpy as np
import pytest

from osteon.phantom.anatomy.outline import Outline, build_outline
from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.skeleton import build_skeleton
from osteon.phantom.anatomy.spine import build_spine


@pytest.fixture(scope="module")
def person() -> Person:
    return draw_person(np.random.default_rng(11))


@pytest.fixture(scope="module")
def outline(person: Person) -> Outline:
    return build_outline(build_spine(person, np.random.default_rng(1)), person)


def plane(outline: Outline, z: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    axis = np.arange(-260, 261, 2, dtype=np.float32)
    skin, wall = outline.distances(axis[None, None, :], axis[None, :, None], np.float32([z]))
    return axis, skin[0], wall[0]


@pytest.mark.parametrize("z", [-260.0, -100.0, 0.0, 100.0, 300.0, 450.0, 560.0])
def test_the_wall_lies_inside_the_skin_by_the_fat_layer(person: Person, outline: Outline, z: float) -> None:
    _, skin, wall = plane(outline, z)
    inside = skin < 0
    assert inside.any()
    near = np.abs(skin) < 40  # deep inside, distances are rough
    assert (wall >= skin)[near].all()
    layer = (wall - skin)[inside & (skin > -3)]
    assert 0.1 * person.fat_mm < np.median(layer) < 1.6 * person.fat_mm


def test_there_are_two_thighs_below_and_one_trunk_above(outline: Outline) -> None:
    for z, parts in ((outline.crotch_mm - 20, 2), (outline.crotch_mm + 60, 1)):
        axis, _, wall = plane(outline, z)
        row = wall[np.argmin(np.abs(axis - 4))] < 0
        assert (np.diff(row.astype(int)) == 1).sum() == parts


def test_the_head_is_narrower_than_the_chest(person: Person, outline: Outline) -> None:
    centres = build_spine(person, np.random.default_rng(1)).centres_mm
    widths = {}
    for name, z in (("chest", centres["T8"][2]), ("head", centres["C1"][2] + 70)):
        axis, skin, _ = plane(outline, float(z))
        columns = np.flatnonzero((skin < 0).any(axis=0))
        widths[name] = axis[columns[-1]] - axis[columns[0]]
    assert 130 < widths["head"] < 190
    assert widths["chest"] > 1.6 * widths["head"]


def test_bones_of_the_trunk_lie_under_the_skin(person: Person) -> None:
    spine = build_spine(person, np.random.default_rng(1))
    outline = build_outline(spine, person)
    rng = np.random.default_rng(0)
    for bone in build_skeleton(spine, person, rng=rng):
        if bone.site not in ("vertebra", "rib", "pelvis", "sacrum"):
            continue
        low, high = bone.bounds()
        points = rng.uniform(low, high, (3000, 3)).astype(np.float32)
        points = points[bone.distance(*points.T) < 0]
        skin = [
            float(outline.distances(x[None, None, None], y[None, None, None], z[None])[0].max())
            for x, y, z in points[:40]
        ]
        assert max(skin) < 12, bone.name  # ribs of thin people come close
