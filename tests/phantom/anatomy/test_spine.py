from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from osteon.phantom.anatomy.person import Person, draw_person
from osteon.phantom.anatomy.shapes import VertebralBody
from osteon.phantom.anatomy.spine import LEVELS, Spine, build_spine

NAMES = [level.name for level in LEVELS] + ["C1"]


@pytest.fixture(scope="module")
def person() -> Person:
    drawn = draw_person(np.random.default_rng(2))
    tilts = (33.0, 3.0, -9.0, 4.0, 26.0, 8.0, 2.0)
    still = {"scoliosis_mm": 0.0, "cobb_deg": 0.0, "slip_mm": 0.0, "bridging": 0.0}
    return replace(drawn, scale=1.0, degeneration=0.0, tilt_deg=tilts, **still)


@pytest.fixture(scope="module")
def spine(person: Person) -> Spine:
    return build_spine(person, np.random.default_rng(3))


def bodies(spine: Spine) -> list[VertebralBody]:
    found = [bone.solids[0] for bone in spine.bones[:-1]]
    assert all(isinstance(body, VertebralBody) for body in found)
    return found  # type: ignore[return-value]


def test_every_vertebra_has_its_verse_number(spine: Spine) -> None:
    assert [bone.name for bone in spine.bones] == NAMES
    expected = [f"C{n}" for n in range(1, 8)] + [f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)]
    assert {bone.label: bone.name for bone in spine.bones} == dict(zip([*range(1, 25)], expected, strict=True))
    assert all(bone.site == "vertebra" for bone in spine.bones)


def test_vertebrae_stand_on_one_another(spine: Spine) -> None:
    heights = [spine.centres_mm[name][2] for name in NAMES]
    assert (np.diff(heights) > 8).all()
    for lower, upper in zip(bodies(spine)[:-1], bodies(spine)[1:], strict=True):
        gap = np.linalg.norm(upper.centre - lower.centre) - (lower.front_mm + lower.back_mm) / 4
        gap -= (upper.front_mm + upper.back_mm) / 4
        assert 1.5 < gap < 16  # a disc
    assert 450 < heights[-1] < 700


def test_sizes_are_the_published_means_on_average(person: Person) -> None:
    drawn = [bodies(build_spine(person, np.random.default_rng(seed))) for seed in range(25)]
    for k, level in enumerate(LEVELS):
        widths = [spine[k].width_mm for spine in drawn]
        assert np.mean(widths) == pytest.approx(level.width, rel=0.05)
        assert np.mean([(s[k].front_mm + s[k].back_mm) / 2 for s in drawn]) == pytest.approx(level.height, rel=0.05)
    assert np.std([spine[0].width_mm / LEVELS[0].width for spine in drawn]) == pytest.approx(0.05, abs=0.025)


def test_small_people_have_small_vertebrae(person: Person, spine: Spine) -> None:
    small = build_spine(replace(person, scale=0.85), np.random.default_rng(3))
    ratios = [a.width_mm / b.width_mm for a, b in zip(bodies(small), bodies(spine), strict=True)]
    np.testing.assert_allclose(ratios, 0.85)


def test_the_canal_is_free_of_bone(spine: Spine) -> None:
    """Along its axis, from L5 to C3, no bone comes nearer than most of its radius."""
    count = NAMES.index("C3") + 1
    for k in range(count - 1):
        line = np.linspace(spine.canal_mm[k], spine.canal_mm[k + 1], 9).astype(np.float32)
        nearest = np.min([bone.distance(*line.T) for bone in spine.bones[max(k - 1, 0) : k + 3]], axis=0)
        assert nearest.min() > 0.4 * spine.canal_radius_mm[k : k + 2].min()


def test_body_arch_and_processes_hang_together(spine: Spine) -> None:
    """From C7 down a vertebra is one piece. In C2 to C6 the canal cuts the thin laminae: see docs/phantom-ct.md."""
    for bone in spine.bones[: NAMES.index("C7") + 1]:
        low, high = bone.bounds()
        axes = [np.arange(a, b, 1.5, dtype=np.float32) for a, b in zip(low - 1, high + 1, strict=True)]
        x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
        pieces, _ = ndimage.label(bone.distance(x, y, z) < 0.5, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        assert sizes.max() / sizes.sum() > 0.97, bone.name


def test_wear_grows_osteophytes(person: Person, spine: Spine) -> None:
    worn = build_spine(replace(person, degeneration=1.0), np.random.default_rng(3))
    count = sum(len(bone.solids) for bone in spine.bones)
    assert sum(len(bone.solids) for bone in worn.bones) > count + 20
    t8 = next(bone for bone in worn.bones if bone.name == "T8")
    plain = len(next(bone for bone in spine.bones if bone.name == "T8").solids)
    for spur in t8.solids[plain:]:
        low, high = spur.bounds()
        assert ((low + high) / 2 - t8.centre)[0] < 2  # LPS: the right side has lower x


def test_lordosis_and_kyphosis_bend_the_column(spine: Spine) -> None:
    y = {name: spine.centres_mm[name][1] for name in NAMES}
    assert y["L3"] < y["L5"] + 5  # the lumbar spine bows forwards, which is lower y
    assert y["T6"] > y["L3"] + 10  # the thoracic spine backwards
    chord = np.interp(
        spine.centres_mm["T6"][2], *zip(*((spine.centres_mm[n][2], y[n]) for n in ("T12", "T1")), strict=True)
    )
    assert y["T6"] > chord
