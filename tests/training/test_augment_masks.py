from __future__ import annotations

import numpy as np
import pytest

from osteon.errors import UsageError
from osteon.training.augment_masks import MaskAugmentation, augment_mask


def _disc(side: int = 80) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:side, :side]
    mask = ((x - 20) ** 2 + (y - 55) ** 2 < 10**2)[None]
    image = np.concatenate([mask, ~mask]).astype(np.float32)
    return image, mask


@pytest.mark.parametrize("seed", range(10))
def test_mask_stays_on_the_image(seed: int) -> None:
    image, mask = _disc()
    moved, label = augment_mask(image, mask, config=MaskAugmentation(size=48), generator=np.random.default_rng(seed))
    assert moved.shape == (2, 48, 48)
    assert label.shape == (1, 48, 48)
    assert label.dtype == np.uint8
    assert set(np.unique(label)) <= {0, 1}
    disagree = (moved[0] > 0.5) != label[0].astype(bool)
    assert disagree.mean() < 0.02


def test_crop_without_transform_is_a_part_of_the_image() -> None:
    image = np.arange(80 * 70, dtype=np.float32).reshape(1, 80, 70)
    mask = image > 80 * 35
    config = MaskAugmentation(size=32, rotate=0, flip=0, zoom=0, affine=0)
    moved, label = augment_mask(image, mask, config=config, generator=np.random.default_rng(3))
    row, column = divmod(int(moved[0, 0, 0]), 70)
    np.testing.assert_array_equal(moved[0], image[0, row : row + 32, column : column + 32])
    np.testing.assert_array_equal(label[0], mask[0, row : row + 32, column : column + 32])


@pytest.mark.parametrize(("positive", "low", "high"), [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.5, 0.2, 0.8)])
def test_crops_are_centred_by_label(positive: float, low: float, high: float) -> None:
    image, mask = _disc(200)
    config = MaskAugmentation(size=8, positive=positive, rotate=0, flip=0, zoom=0, affine=0)
    generator = np.random.default_rng(0)
    centres = [augment_mask(image, mask, config=config, generator=generator)[1][0, 4, 4] for _ in range(60)]
    assert low <= np.mean(centres) <= high


@pytest.mark.parametrize("value", [False, True])
def test_mask_of_one_label_is_cropped_anywhere(value: bool) -> None:
    image = np.zeros((1, 40, 40), dtype=np.float32)
    _, label = augment_mask(
        image,
        np.full((1, 40, 40), value),
        config=MaskAugmentation(size=16, affine=0, rotate=0, zoom=0),
        generator=np.random.default_rng(1),
    )
    assert (label == value).all()


def test_small_image_is_centred_in_the_crop() -> None:
    image = np.ones((1, 20, 30), dtype=np.float32)
    config = MaskAugmentation(size=40, rotate=0, flip=0, zoom=0, affine=0, fill=-1)
    moved, label = augment_mask(image, image > 0, config=config, generator=np.random.default_rng(0))
    assert (moved[0, 10:30, 5:35] == 1).all()
    assert (moved == 1).sum() == label.sum() == 600
    assert (moved == -1).sum() == 1000


def test_same_generator_gives_the_same_crop() -> None:
    image, mask = _disc()
    config = MaskAugmentation(size=32)
    one, two, other = (
        augment_mask(image, mask, config=config, generator=np.random.default_rng(seed))[0] for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"positive": 1.5}, {"zoom_range": -0.1}])
def test_impossible_value_is_named(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="mask augmentation"):
        MaskAugmentation(**({"size": 64} | wrong))  # type: ignore[arg-type]
