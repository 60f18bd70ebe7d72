"""What the sequence model is trained on: half by label and half by order, classes in balance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.systems.tumor.cases import SeriesFrames
from osteon.systems.tumor.config import SequenceConfig
from osteon.systems.tumor.sequence_model import _batches, training_region

CONFIG = SequenceConfig(backbone="tiny", frames=4, side=32, shift=0.0, samples=12)
BOX = np.array([[8.0, 10.0, 24.0, 26.0]], np.float32)


def series(*labelled: int, slices: int = 20, offset: int = 0) -> SeriesFrames:
    """Every frame has its own grey level; a smaller box on the first labelled slice."""
    frames = np.broadcast_to(np.arange(slices, dtype=np.uint8)[:, None, None] + offset, (slices, 40, 40)).copy()
    boxes = {k: BOX if k > labelled[0] else BOX / 2 for k in labelled}
    labels = {k: np.zeros(1, np.int64) for k in labelled}
    return SeriesFrames(uid="1.2", kind="T1", frames=frames, boxes=boxes, labels=labels)


def slices_of(one: SeriesFrames, labelled: float, *, seeds: int = 200) -> list[list[int]]:
    """Slices of many training regions, in order (some are turned round)."""
    config = replace(CONFIG, labelled=labelled)
    made = [training_region(one, config=config, generator=np.random.default_rng(k)) for k in range(seeds)]
    assert all(region.shape == (4, 32, 32) for region in made)
    return [sorted(region[:, 16, 16].tolist()) for region in made]


def test_few_labelled_slices_are_repeated() -> None:
    assert {tuple(one) for one in slices_of(series(3, 7, 12), 1.0)} == {(3, 3, 7, 12)}


def test_many_labelled_slices_are_taken_in_a_row() -> None:
    assert {tuple(one) for one in slices_of(series(2, 5, 6, 9, 15), 1.0)} == {(2, 5, 6, 9), (5, 6, 9, 15)}


def test_by_order_the_slices_follow_each_other_round_a_labelled_one() -> None:
    found = {tuple(one) for one in slices_of(series(3, 12), 0.0)}
    assert found == {(1, 2, 3, 4), (10, 11, 12, 13)}


def test_half_go_by_label_and_half_by_order() -> None:
    by_label = sum(one == [3, 3, 12, 12] for one in slices_of(series(3, 12), 0.5, seeds=400))
    assert 160 < by_label < 240  # 200 give or take four standard deviations


def test_the_region_is_that_of_the_largest_label() -> None:
    one = series(3, 12)
    one.frames[:, 10:26, 8:24] += 100
    region = training_region(one, config=CONFIG, generator=np.random.default_rng(0))
    assert region[:, 1:-1, 1:-1].min() >= 100  # the outermost pixels are mixed with what lies outside


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_classes_are_in_balance_whatever_the_batch(batch: int) -> None:
    listed = [[series(3, 12)], [series(3, 12, offset=100)]]  # benign dark, malignant bright
    made = list(_batches(listed, replace(CONFIG, batch=batch))(0, np.random.default_rng(0)))
    labels = [int(label) for _, own in made for label in own]
    bright = [float(region.float().mean()) > 90 for regions, _ in made for region in regions]
    assert len(labels) == 12
    assert sum(labels) == 6
    assert bright == [label == 1 for label in labels]
