import numpy as np
import pytest

from osteon.systems.lytic.bone_variation import _cut_field, vary


def scene():
    """Air, muscle at 0.2, and a shell of bone at 0.9 round marrow at 0.35; its labels."""
    image = np.zeros((3, 80, 80), np.float32)
    image[:, 5:75, 5:75] = 0.2
    image[:, 20:60, 20:60] = 0.9
    image[:, 23:57, 23:57] = 0.35
    labels = np.zeros((80, 80), np.uint8)
    labels[20:60, 20:60] = 4
    return image, labels


def test_cut_field_blanks_image_and_labels_alike():
    rng = np.random.default_rng(0)
    cut = 0
    for _ in range(50):
        image, labels = _cut_field(np.ones((3, 64, 50), np.float32), np.full((64, 50), 3, np.uint8), rng)
        assert all(np.array_equal(plane > 0, labels > 0) for plane in image)
        rows, columns = labels.any(axis=1), labels.any(axis=0)
        assert np.array_equal(labels > 0, rows[:, None] & columns)
        assert rows.sum() >= 40
        assert columns.sum() >= 40
        assert np.abs(np.diff(rows.astype(int))).sum() <= 2
        cut += not labels.all()
    assert cut > 25
    short = _cut_field(np.ones((3, 32, 64), np.float32), np.full((32, 64), 3, np.uint8), rng)[1]
    assert short.any(axis=1).all()


def test_air_stays_air_and_labels_change_only_where_the_field_is_cut():
    rng = np.random.default_rng(3)
    cut = 0
    for _ in range(60):
        image, labels = scene()
        got, kept = vary(image, labels, rng)
        assert got.dtype == np.float32
        assert got.shape == image.shape
        assert got.min() >= 0
        assert got.max() <= 1
        lost = (labels > 0) & (kept == 0)
        assert (got[:, lost] == 0).all()
        assert np.array_equal(kept[~lost], labels[~lost])
        cut += bool(lost.any())
    assert 5 < cut < 40


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.3), (0.45, 1.0)])
def test_marrow_gets_darker_than_muscle_and_denser_than_it_was(low, high):
    rng = np.random.default_rng(4)
    means = []
    for _ in range(120):
        image, labels = scene()
        got, kept = vary(image, labels, rng)
        if kept.all(where=labels > 0):
            means.append(float(got[1, 30:50, 30:50].mean()))
    assert sum(low <= mean <= high for mean in means) >= 5


def test_the_same_seed_gives_the_same_crop():
    made = [vary(*scene(), np.random.default_rng(seed))[0] for seed in (5, 5, 6)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
