from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from osteon.imaging.perceptual import ALIKE_BITS, BITS, nearest, perceptual_hash
from tests.cohort.make import texture


def picture(seed: int, index: int = 0) -> np.ndarray:
    return np.clip((texture(seed, side=128)[index] + 160) / 400 * 255, 0, 255).astype(np.uint8)


def differ(a: np.ndarray | None, b: np.ndarray | None) -> int:
    assert a is not None
    assert b is not None
    return int(np.unpackbits(a ^ b).sum())


@pytest.mark.parametrize("seed", range(6))
def test_the_same_picture_stored_otherwise_is_alike_and_another_is_not(seed: int) -> None:
    image = picture(seed)
    first = perceptual_hash(image)
    assert first is not None
    assert first.shape == (BITS // 8,)
    noise = np.random.default_rng(seed).normal(0, 6, image.shape)
    for other in (
        cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE),
        cv2.resize(image, (224, 224), interpolation=cv2.INTER_LINEAR),
        np.clip(image + noise, 0, 255),
        image * 0.5 + 20,
        np.pad(image, ((0, 0), (6, 6))),
    ):
        assert differ(first, perceptual_hash(other)) <= ALIKE_BITS
    assert differ(first, perceptual_hash(picture(seed + 50))) > 2 * ALIKE_BITS
    assert differ(first, perceptual_hash(image[::-1])) > 2 * ALIKE_BITS


def test_pictures_without_structure_have_no_hash() -> None:
    assert perceptual_hash(np.full((40, 40), 7)) is None
    assert perceptual_hash(np.zeros((4, 40))) is None


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.just(32))),
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.just(32))),
)
def test_nearest_agrees_with_counting_bits(first: np.ndarray, second: np.ndarray) -> None:
    index, bits = nearest(first, second)
    table = np.unpackbits(first[:, None] ^ second[None], axis=2).sum(axis=2)
    assert bits.tolist() == table.min(axis=1).tolist()
    assert index.tolist() == table.argmin(axis=1).tolist()
