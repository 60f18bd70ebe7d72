from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from osteon.errors import UsageError
from osteon.training.augment_planar import PlanarAugmentation, augment_planar


def disc(size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return ((y - 20) ** 2 + (x - 40) ** 2 < 49).astype(np.uint8)


def test_image_and_mask_move_together_on_every_slice() -> None:
    mask = disc()
    image = np.stack([np.stack([mask * 200, mask * 100]), np.stack([mask * 50, mask * 10])]).astype(np.uint8)
    for seed in range(5):
        moved, labels = augment_planar(
            image, np.stack([mask, mask]), config=PlanarAugmentation(), generator=np.random.default_rng(seed)
        )
        assert moved.shape == image.shape
        assert moved.dtype == labels.dtype == np.uint8
        assert set(np.unique(labels)) <= {0, 1}
        agree = (moved[0, 0] > 100) == (labels[0] > 0)
        assert agree.mean() > 0.99
        np.testing.assert_array_equal(labels[0], labels[1])


def test_ranges_are_kept() -> None:
    config = PlanarAugmentation(rotation_deg=0.0, shift=0.1, zoom=0.0)
    for seed in range(20):
        _, labels = augment_planar(disc(), disc(), config=config, generator=np.random.default_rng(seed))
        y, x = ndimage.center_of_mass(labels)
        assert abs(y - 20) <= 6.5
        assert abs(x - 40) <= 6.5
    areas = [
        augment_planar(disc(), disc(), config=PlanarAugmentation(shift=0), generator=np.random.default_rng(seed))[
            1
        ].sum()
        for seed in range(20)
    ]
    assert 0.75 * disc().sum() < min(areas) < max(areas) < 1.3 * disc().sum()


def test_nothing_asked_changes_nothing_and_nonsense_is_refused() -> None:
    still = PlanarAugmentation(rotation_deg=0.0, shift=0.0, zoom=0.0)
    image = np.random.default_rng(0).integers(0, 255, (2, 32, 32)).astype(np.uint8)
    moved, _ = augment_planar(image, image[0] > 100, config=still, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(moved, image)
    with pytest.raises(UsageError, match="planar augmentation"):
        PlanarAugmentation(zoom=1.0)
