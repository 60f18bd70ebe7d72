from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from osteon.dicom.rescale import Rescale, apply_rescale

INT16 = np.iinfo(np.int16)


@given(
    st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    st.booleans(),
    st.integers(-40, 40).filter(bool),
    st.integers(-100_000, 100_000),
)
def test_int16_arithmetic_is_right_or_refused(stored: list[int], signed: bool, slope: int, intercept: int) -> None:
    out = np.array(stored, dtype=np.uint16).view(np.int16).reshape(1, -1)
    raw = out.view(np.int16 if signed else np.uint16)
    expected = raw.astype(np.int64) * slope + intercept
    padded = apply_rescale(raw, Rescale(slope=slope, intercept=intercept), out=out, air=None)
    fits = expected.min() >= INT16.min and expected.max() <= INT16.max
    assert padded == (0 if fits else None)
    if fits:
        assert np.array_equal(out, expected)


@given(st.lists(st.integers(-2000, 3000), min_size=1, max_size=20), st.floats(0.01, 5), st.floats(-2000, 2000))
def test_float_arithmetic(stored: list[int], slope: float, intercept: float) -> None:
    raw = np.array([stored], dtype=np.int16)
    out = np.empty(raw.shape, np.float32)
    assert apply_rescale(raw, Rescale(slope=slope, intercept=intercept), out=out, air=None) == 0
    assert np.allclose(out, raw * slope + intercept, rtol=1e-5, atol=1e-2)


def test_padding_outside_int16_does_not_make_the_volume_float() -> None:
    out = np.array([[-32768, 5, 1000]], np.int16)
    count = apply_rescale(out, Rescale(slope=1, intercept=-1024, padding=(-32768, -32768)), out=out, air=-1024)
    assert (count, out.tolist()) == (1, [[-1024, -1019, -24]])


def test_a_slice_of_nothing_but_padding() -> None:
    out = np.full((2, 2), -2000, np.int16)
    assert apply_rescale(out, Rescale(slope=1, intercept=0, padding=(-2000, -2000)), out=out, air=-1024) == 4
    assert (out == -1024).all()


@pytest.mark.parametrize(("slope", "intercept", "integral"), [(1, -1024, True), (2, 0.5, False), (0.5, 0, False)])
def test_integral(slope: float, intercept: float, integral: bool) -> None:
    assert Rescale(slope=float(slope), intercept=float(intercept)).integral is integral
