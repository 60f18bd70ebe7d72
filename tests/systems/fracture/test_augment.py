from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.systems.fracture.augment import copies_of, make_copy
from osteon.systems.fracture.patches import inner, standardised
from tests.systems.fracture.scenes import TINY

CONFIG = replace(TINY, side_px=16, margin=0.25)


def patch() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(1).normal(100, 20, (6, 24, 24)).astype(np.float32)


def test_benign_slices_are_shown_20_times_and_malignant_ones_40_times() -> None:
    # the study's set: 140 benign and 50 malignant patients of three slices
    label = np.repeat([0, 1], [420, 150])
    rows = copies_of(label, benign=20, malignant=40)
    assert len(rows) == 420 * 20 + 150 * 40
    assert np.bincount(label[rows[:, 0]]).tolist() == [8400, 6000]
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert rows[rows[:, 0] == 500, 1].tolist() == list(range(40))


def test_nothing_to_augment_gives_nothing() -> None:
    assert copies_of(np.zeros(0, np.int64), benign=20, malignant=40).shape == (0, 2)


def test_the_first_copy_is_the_patch_itself() -> None:
    one = patch()
    assert make_copy(one, config=CONFIG, generator=None) == pytest.approx(standardised(inner(one, margin_px=4)))


def test_a_copy_that_goes_nowhere_is_the_patch_itself() -> None:
    still = replace(CONFIG, shift=0.0, zoom=0.0, rotation_deg=0.0)
    found = make_copy(patch(), config=still, generator=np.random.default_rng(0))
    assert found == pytest.approx(make_copy(patch(), config=CONFIG, generator=None), abs=1e-4)


def test_copies_differ_and_the_same_seed_gives_the_same() -> None:
    first, again, other = (make_copy(patch(), config=CONFIG, generator=np.random.default_rng(k)) for k in (3, 3, 4))
    assert (first == again).all()
    assert np.abs(first - other).max() > 0.1
    assert first.shape == (6, 16, 16)


def test_a_shifted_copy_shows_what_lay_beyond_the_box() -> None:
    """A spot 2 pixels outside the inner patch comes in when the copy moves by enough."""
    one = np.zeros((6, 24, 24), np.float32)
    one[:, 12, 2] = 1000.0
    far = replace(CONFIG, shift=0.25, zoom=0.0, rotation_deg=0.0)
    shown = [make_copy(one, config=far, generator=np.random.default_rng(k)).max() > 1 for k in range(20)]
    assert any(shown)
    assert not all(shown)
