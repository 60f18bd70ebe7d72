"""Copies are scaled label regions, near the spine, over nobody's label."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.errors import UsageError
from osteon.training.self_cutmix import SelfCutMix, self_cutmix

ALWAYS = SelfCutMix(probability=1.0)


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    picture = np.zeros((120, 100), np.uint8)
    picture[20:50, 40:60] = 200
    picture[80:90, 45:60] = 90
    return picture, np.array([[40, 20, 60, 50], [45, 80, 60, 90]], np.float32), np.array([2, 1])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_copy_is_scaled_placed_near_the_spine_and_over_no_label(seed: int) -> None:
    picture, boxes, labels = scene()
    made, more, names = self_cutmix(picture, boxes, labels, config=ALWAYS, generator=np.random.default_rng(seed))
    if len(more) == len(boxes):  # no free place
        np.testing.assert_array_equal(made, picture)
        return
    x0, y0, x1, y1 = (int(edge) for edge in more[-1])
    source = boxes[0] if names[-1] == 2 else boxes[1]
    factors = np.array([x1 - x0, y1 - y0]) / (source[2:] - source[:2])
    assert (factors >= 0.5 - 0.06).all()
    assert (factors <= 1.0).all()
    assert abs((x0 + x1) / 2 - (source[0] + source[2]) / 2) <= ALWAYS.reach * 100 + 1
    assert (made[y0:y1, x0:x1] == (200 if names[-1] == 2 else 90)).all()
    changed = made != picture
    changed[y0:y1, x0:x1] = False
    assert not changed.any()
    for box in boxes.astype(int):
        np.testing.assert_array_equal(made[box[1] : box[3], box[0] : box[2]], picture[box[1] : box[3], box[0] : box[2]])


def test_without_a_label_or_a_chance_nothing_changes() -> None:
    picture, boxes, labels = scene()
    for given_boxes, config in ((boxes[:0], ALWAYS), (boxes, SelfCutMix(probability=0.0))):
        made = self_cutmix(
            picture, given_boxes, labels[: len(given_boxes)], config=config, generator=np.random.default_rng(0)
        )
        assert made[0] is picture
        assert len(made[1]) == len(given_boxes)


def test_it_does_paste() -> None:
    picture, boxes, labels = scene()
    counts = [
        len(self_cutmix(picture, boxes, labels, config=ALWAYS, generator=np.random.default_rng(k))[1])
        for k in range(20)
    ]
    assert counts.count(3) > 15


@pytest.mark.parametrize("wrong", [{"probability": 2.0}, {"least": 0.0}, {"least": 1.5}, {"reach": -1.0}])
def test_impossible_values_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="SelfCutMix"):
        SelfCutMix(**wrong)
