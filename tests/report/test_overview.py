from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.report.overview import _place_labels, _spread, make_overview
from osteon.report.views import make_scene
from tests.readings import make_example, make_grid


def test_markers_lie_on_their_findings() -> None:
    example = make_example(5, grid=make_grid((20, 40, 48)))
    scene = make_scene(example.volume, example.labels, example.bone)
    front, side = make_overview(scene, example.reading.findings, modality="CT", linked=5)
    assert front.picture.height == side.picture.height  # one scale
    assert (front.picture.marks, side.picture.marks) == (("R", "L"), ("A", "P"))
    for projection, column in ((front, 0), (side, 1)):
        places = np.array([[marker.x, marker.y] for marker in projection.markers])
        centres = np.array([finding.centre_mm for finding in example.reading.findings])
        scale = projection.picture.height / (20 * 2.5)
        # A millimetre to the left (front view) or to the back (side view) is `scale` pixels to the right.
        expected = np.stack([centres[:, column], -centres[:, 2]], axis=1) * scale
        np.testing.assert_allclose(places - places[0], expected - expected[0], atol=0.8 * scale)
        assert [marker.number for marker in projection.markers] == [1, 2, 3, 4, 5]


def test_only_findings_with_key_images_are_numbered() -> None:
    example = make_example(6)
    scene = make_scene(example.volume, example.labels, example.bone)
    front, _ = make_overview(scene, example.reading.findings, modality="CT", linked=4)
    assert [marker.label_y is not None for marker in front.markers] == [True] * 4 + [False] * 2


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_works_without_findings_bone_or_contrast(modality: str) -> None:
    example = make_example(0)
    empty = np.zeros_like(example.bone)
    for bone in (None, empty):
        scene = make_scene(example.volume, example.labels, bone)
        assert len(make_overview(scene, (), modality=modality, linked=0)) == 2


def test_too_flat_for_an_overview() -> None:
    example = make_example(1, grid=make_grid((2, 40, 48)))
    assert make_overview(make_scene(example.volume, example.labels, None), (), modality="CT", linked=0) == ()


@given(st.lists(st.floats(0, 900), min_size=1, max_size=60).map(sorted))
def test_numbers_never_stand_on_each_other_or_leave_the_picture(wanted: list[float]) -> None:
    placed = _spread(wanted, 900.0)
    step = min(15.0, 900.0 / len(wanted))
    assert (np.diff(placed) >= step - 1e-6).all()
    assert min(placed) >= step / 2 - 1e-6
    assert max(placed) <= 900 - step / 2 + 1e-6


def test_numbers_far_apart_stay_level_with_their_findings() -> None:
    assert _spread([100.0, 400.0], 900.0) == [100.0, 400.0]
    markers = _place_labels([(10.0, 100.0), (90.0, 400.0)], [1, 2], (100, 900), labelled=2)
    assert [(marker.left, marker.label_y) for marker in markers] == [(True, 100.0), (False, 400.0)]
