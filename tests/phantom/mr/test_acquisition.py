from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.phantom.mr.acquisition import Motion, Surroundings, acquire, draw_motion, draw_surroundings
from osteon.phantom.mr.sequence import Sequence
from osteon.phantom.mr.signal import fat_shift_hz, fat_signal

SIZE = 96
PLAIN = Sequence(
    role="t1", weighting="T1", tr_ms=550, te_ms=10, echo_train=3, acquired=(SIZE, SIZE), matrix=SIZE, bandwidth_hz=200
)
STILL = Motion(shift_px=(0.0, 0.0), ghost=0.0, ghost_turns=5.0, weights=(1.0,))


def surroundings(**changes: object) -> Surroundings:
    one = np.ones((SIZE, SIZE), np.float32)
    even = Surroundings(receive=one, evenness=1.0, excitation=one, spared=one, fat_failure=0 * one)
    return replace(even, **changes)  # type: ignore[arg-type]


def blob(row: float = 40.0, column: float = 50.0) -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.exp(-((y - row) ** 2 + (x - column) ** 2) / 40).astype(np.float32)[None]


def centroid(plane: np.ndarray) -> tuple[float, float]:
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    weight = plane * (plane > 0.1 * plane.max())
    return float((y * weight).sum() / weight.sum()), float((x * weight).sum() / weight.sum())


def scan(fat: np.ndarray, water: np.ndarray, sequence: Sequence = PLAIN, **changes: object) -> np.ndarray:
    values = {"around": surroundings(), "motion": STILL, "noise": 0.0, "rng": np.random.default_rng(0)}
    return acquire(fat, water, sequence=sequence, **(values | changes))[0]  # type: ignore[arg-type]


def test_a_perfect_scanner_shows_the_water() -> None:
    water = blob()
    np.testing.assert_allclose(scan(0 * water, water), water[0], atol=2e-3)


@pytest.mark.parametrize(("readout", "axis"), [("HF", 0), ("AP", 1)])
def test_fat_is_displaced_along_the_readout(readout: str, axis: int) -> None:
    fat = blob()
    sequence = replace(PLAIN, readout=readout)
    moved = np.array(centroid(scan(fat, 0 * fat, sequence))) - centroid(fat[0])
    expected = np.zeros(2)
    expected[axis] = fat_shift_hz(1.5) / 200
    np.testing.assert_allclose(moved, expected, atol=0.05)


def test_other_matrices_show_the_same_place() -> None:
    """Pixel centres: (index + 0.5) times the pixel's width, from the corner of the field of view."""
    water = blob()
    for matrix in (72, 96, 160):
        picture = scan(0 * water, water, replace(PLAIN, matrix=matrix))
        place = (np.array(centroid(picture)) + 0.5) * SIZE / matrix
        np.testing.assert_allclose(place, [40.5, 50.5], atol=0.05)
        assert picture.max() == pytest.approx(water.max(), abs=0.03)


def test_fewer_phase_steps_blur_along_the_phase_direction_only() -> None:
    line = np.zeros((1, SIZE, SIZE), np.float32)
    line[0, 40, :], line[0, :, 50] = 1, 1
    coarse = scan(0 * line, line, replace(PLAIN, acquired=(SIZE, 32)))  # readout AP: phase runs along the rows' axis
    assert coarse[40, 10] < 0.6
    assert coarse[10, 50] > 0.9


def test_noise_is_rician() -> None:
    """Rayleigh in air: mean sd * sqrt(pi / 2); Gaussian with that SD in tissue."""
    flat = np.full((1, SIZE, SIZE), 1.0, np.float32)
    air = scan(0 * flat, 0 * flat, noise=0.05)
    assert air.mean() == pytest.approx(0.05 * np.sqrt(np.pi / 2), rel=0.03)
    tissue = scan(0 * flat, flat, noise=0.05)
    assert tissue.std() == pytest.approx(0.05, rel=0.05)
    assert tissue.mean() == pytest.approx(1, abs=0.01)


def test_saturation_takes_fat_but_where_it_fails() -> None:
    fat = np.ones((1, SIZE, SIZE), np.float32)
    failure = np.zeros((SIZE, SIZE), np.float32)
    failure[:, : SIZE // 2] = 1
    sequence = replace(PLAIN, fat="saturated")
    picture = scan(fat, 0 * fat, sequence, around=surroundings(fat_failure=failure))
    assert np.median(picture[:, 60:85]) == pytest.approx(0.087 * fat_signal(sequence), rel=0.1)
    assert np.median(picture[:, 10:35]) == pytest.approx(fat_signal(sequence), rel=0.1)


def test_coil_shading_is_undone_as_far_as_the_vendor_does() -> None:
    flat = np.ones((1, SIZE, SIZE), np.float32)
    slope = np.linspace(0.2, 1, SIZE, dtype=np.float32)[None, :] * np.ones((SIZE, 1), np.float32)
    raw, even = (scan(0 * flat, flat, around=surroundings(receive=slope, evenness=e)) for e in (0.0, 1.0))
    assert raw[48, 80] / raw[48, 16] == pytest.approx(slope[48, 80] / slope[48, 16], rel=0.1)
    assert even[48, 80] / even[48, 16] == pytest.approx(1, rel=0.1)


def test_motion_shifts_and_ghosts_repeat() -> None:
    water = blob()
    moved = scan(0 * water, water, motion=replace(STILL, shift_px=(1.5, -2.0)))
    np.testing.assert_allclose(centroid(moved), [41.5, 48.0], atol=0.05)
    ghost = scan(0 * water, water, motion=replace(STILL, ghost=0.1, ghost_turns=4.0))
    assert ghost[(40 + SIZE // 4) % SIZE, 50] == pytest.approx(0.05, abs=0.01)  # phase runs from head to feet
    assert ghost[40, (50 + SIZE // 4) % SIZE] < 0.005


def test_maps_of_a_station() -> None:
    band = np.full(SIZE, 30.0)
    for seed in range(6):
        around = draw_surroundings(
            np.random.default_rng(seed), size=SIZE, fov_mm=300.0, back_px=80.0, band=band, field_t=3.0
        )
        assert around.receive[48, 79] > 2 * around.receive[48, 5]  # the coil lies under the back
        assert around.spared[48, 5] < 0.3
        assert around.spared[48, 60] > 0.95
        assert around.excitation[0].mean() < around.excitation[48].mean()  # end of the coil
        assert 0 <= around.fat_failure.min() <= around.fat_failure.max() <= 1


def test_nobody_has_moved_at_first() -> None:
    first = draw_motion(np.random.default_rng(1), pixel_mm=0.7, first=True, subs=3)
    assert first.shift_px == (0, 0)
    assert first.weights == pytest.approx((1 / 3,) * 3)
    later = draw_motion(np.random.default_rng(1), pixel_mm=0.7, first=False, subs=3)
    assert later.shift_px != (0, 0)
    assert sum(later.weights) == pytest.approx(1)
