import numpy as np
import pytest
import torch

from osteon.systems.metastasis.config import NetworkConfig
from osteon.systems.metastasis.network import _cropped, build_network


@pytest.mark.parametrize("shape", [(64, 80), (6, 64, 80)])
def test_parts_hold_some_of_a_lesion_wherever_it_lies(shape):
    generator = np.random.default_rng(0)
    places = set()
    for row, column in ((0, 0), (63, 79), (30, 40)):
        mask = np.zeros(shape, dtype=np.uint8)
        mask[..., row, column] = 1
        image = np.stack([mask * 9, mask * 5])
        for _ in range(20):
            part, label = _cropped(image, mask, side=32, generator=generator)
            assert label.shape == (*shape[:-2], 32, 32)
            assert label.max() == 1
            assert np.array_equal(part, np.stack([label * 9, label * 5]))
            places.add(tuple(np.argwhere(label)[0, -2:].tolist()))
    assert len(places) > 15


def test_parts_without_lesions_come_from_everywhere_and_small_images_stay_whole():
    generator = np.random.default_rng(0)
    mask = np.zeros((64, 80), dtype=np.uint8)
    image = np.arange(64 * 80).reshape(1, 64, 80)
    corners = {int(_cropped(image, mask, side=32, generator=generator)[0][0, 0, 0]) for _ in range(60)}
    assert len(corners) > 40
    assert _cropped(image, mask, side=128, generator=generator)[0].shape == image.shape
    assert _cropped(image, mask, side=0, generator=generator)[0].shape == image.shape


def test_a_new_network_finds_lesions_rare():
    torch.manual_seed(0)
    network = build_network("T1+CE", NetworkConfig(width=4, levels=3))
    assert network(torch.rand(2, 2, 32, 32)).sigmoid().mean() < 0.1
