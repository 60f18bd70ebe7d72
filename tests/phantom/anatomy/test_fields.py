from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from osteon.phantom.anatomy.fields import SmoothField

LOW, HIGH, STEP = np.array([-40.0, -30, 0]), np.array([40.0, 30, 50]), 7.0


@pytest.fixture(scope="module")
def field() -> SmoothField:
    return SmoothField.draw(np.random.default_rng(0), low_mm=LOW, high_mm=HIGH, step_mm=STEP)


def axes(step: float = 2.5) -> list[np.ndarray]:
    return [np.arange(a, b, step, dtype=np.float32) for a, b in zip(LOW, HIGH, strict=True)]


@given(st.integers(0, 19), st.integers(1, 20))
@settings(max_examples=25)
def test_a_slab_alone_is_the_slab_of_the_whole(start: int, count: int) -> None:
    field = SmoothField.draw(np.random.default_rng(0), low_mm=LOW, high_mm=HIGH, step_mm=STEP)
    xs, ys, zs = axes()
    whole = field.sample(xs, ys, zs)
    np.testing.assert_array_equal(field.sample(xs, ys, zs[start : start + count]), whole[start : start + count])


def test_lattice_points_have_the_lattice_values(field: SmoothField) -> None:
    picked = [np.arange(2, n - 2) for n in field.lattice.shape[::-1]]
    xs, ys, zs = (np.float32(origin + STEP * k) for origin, k in zip(field.origin_mm, picked, strict=True))
    inner = field.lattice[2:-2, 2:-2, 2:-2]
    np.testing.assert_allclose(field.sample(xs, ys, zs), inner, atol=1e-3)


def test_the_lattice_covers_the_box(field: SmoothField) -> None:
    low = np.array(field.origin_mm)
    high = low + STEP * (np.array(field.lattice.shape[::-1]) - 1)
    assert (low < LOW).all()
    assert (high > HIGH).all()


def test_blobs_are_as_large_as_the_step() -> None:
    big = SmoothField.draw(np.random.default_rng(1), low_mm=np.zeros(3), high_mm=np.full(3, 200.0), step_mm=8.0)
    line = np.arange(0, 200, 1, dtype=np.float32)
    values = big.sample(line, line[::4], line[::8])
    assert abs(values.mean()) < 0.05
    assert 0.5 < values.std() < 1.0
    near, far = ((values[..., :-lag] * values[..., lag:]).mean() / values.var() for lag in (1, 16))
    assert near > 0.95
    assert abs(far) < 0.1


def test_no_blob_repeats_and_depth_varies_smoothly(field: SmoothField) -> None:
    xs, ys, _ = axes()
    zs = np.arange(0, 50, 0.25, dtype=np.float32)
    values = field.sample(xs, ys, zs)
    assert np.abs(np.diff(values, axis=0)).max() < 0.6
    assert np.abs(values[0] - values[-1]).max() > 1
