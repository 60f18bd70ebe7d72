from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from osteon.phantom.ct.acquisition import (
    KERNELS,
    SHARP,
    SMOOTH,
    Scanner,
    add_noise,
    add_table,
    blur,
    draw_scanner,
    noise_spectrum,
)

FINE = replace(SMOOTH, matrix=256, pixel_mm=0.5)


def even_water(scanner: Scanner, path_mm: float = 260.0, *, count: int = 1) -> np.ndarray:
    """A field as dense as gives every pixel the same path, where noise is neither raised nor streaked."""
    hu = 1000 * (path_mm / (scanner.matrix * scanner.pixel_mm) - 1)
    return np.full((count, scanner.matrix, scanner.matrix), hu, dtype=np.float32)


def noise_of(scanner: Scanner, *, count: int = 1, path_mm: float = 260.0, seed: int = 0) -> np.ndarray:
    image = even_water(scanner, path_mm, count=count)
    return add_noise(image, scanner, rng=np.random.default_rng(seed)) - image


@pytest.mark.parametrize("kernel", [SHARP, SMOOTH])
def test_noise_has_the_sd_asked_for_and_no_bias(kernel: Scanner) -> None:
    scanner = replace(kernel, matrix=256)
    noise = noise_of(scanner, count=2)
    assert noise.std() == pytest.approx(scanner.noise_hu, rel=0.05)
    assert abs(noise.mean()) < 0.05 * scanner.noise_hu


def radial_power(noise: np.ndarray, pixel_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean power by frequency (cycles per mm), by numpy's full transform."""
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=0)
    f = np.fft.fftfreq(noise.shape[-1], pixel_mm)
    radius = np.hypot(f[:, None], f[None, :])
    edges = np.linspace(0, 0.5 / pixel_mm, 26)
    which = np.digitize(radius.ravel(), edges) - 1
    mean = [power.ravel()[which == k].mean() for k in range(25)]
    return (edges[1:] + edges[:-1]) / 2, np.array(mean)


@pytest.mark.parametrize("peak", [0.25, 0.33, 0.6])
def test_noise_power_peaks_where_asked(peak: float) -> None:
    scanner = replace(FINE, noise_peak=peak)
    f, power = radial_power(noise_of(scanner, count=8), scanner.pixel_mm)
    assert f[np.argmax(power)] == pytest.approx(peak, abs=0.08)
    assert power[0] < 0.25 * power.max()  # a ramp at low frequencies
    assert power[0] > 0


def test_a_peak_beyond_the_grid_is_brought_into_it() -> None:
    scanner = replace(SHARP, matrix=256, pixel_mm=1.05)
    f, power = radial_power(noise_of(scanner, count=8), scanner.pixel_mm)
    assert f[np.argmax(power)] == pytest.approx(0.42 / 1.05, abs=0.08)


def test_spectrum_has_unit_variance() -> None:
    spectrum = noise_spectrum(FINE)
    assert spectrum.shape == (256, 129)
    white = np.random.default_rng(0).standard_normal((256, 256))
    assert np.fft.irfft2(np.fft.rfft2(white) * spectrum, s=(256, 256)).std() == pytest.approx(1, rel=0.03)


def test_noise_grows_with_the_path_and_is_bounded() -> None:
    scanner = replace(SMOOTH, matrix=128, pixel_mm=3.0)
    sd = [noise_of(scanner, path_mm=path).std() / scanner.noise_hu for path in (60, 160, 260, 320)]
    assert np.all(np.diff(sd) > 0)
    assert sd[3] == pytest.approx(np.exp(0.0055 * 60), rel=0.06)
    assert sd[0] == pytest.approx(0.35, rel=0.06)


def test_overlapping_slices_share_noise() -> None:
    def correlation(spacing_mm: float) -> float:
        one, two = noise_of(replace(SMOOTH, matrix=256, spacing_mm=spacing_mm), count=2)
        return float(np.corrcoef(one.ravel(), two.ravel())[0, 1])

    assert correlation(1.0) == pytest.approx(0.5, abs=0.05)  # 2 mm slices every 1 mm
    assert abs(correlation(2.0)) < 0.05


def test_streaks_lie_along_the_rows_of_wide_bodies() -> None:
    """Through shoulders and hips, noise averages out less along a row than it does elsewhere."""
    scanner = replace(SMOOTH, matrix=256, pixel_mm=2.0)

    def left_over(width: int) -> float:
        image = np.full((1, 256, 256), -1000.0, dtype=np.float32)
        body = np.s_[100:140, 128 - width // 2 : 128 + width // 2]
        image[0][body] = 0
        noise = (add_noise(image, scanner, rng=np.random.default_rng(0)) - image)[0][body]
        return float(noise.reshape(40, -1, 10).mean(axis=2).std() / noise.std())

    assert left_over(250) > 1.3 * left_over(150)


def test_dose_lowers_noise_and_is_written_down() -> None:
    scanners = [draw_scanner(np.random.default_rng(k), profile="full") for k in range(300)]
    sharp = [one for one in scanners if one.edge_gain > 0]
    assert len(sharp) / len(scanners) == pytest.approx(0.65, abs=0.09)
    pairs = {maker: (sharp[0], smooth[0]) for maker, _, sharp, smooth in KERNELS}
    assert {one.manufacturer for one in scanners} == set(pairs)
    assert all(one.kernel == pairs[one.manufacturer][one.edge_gain == 0] for one in scanners)
    dose = np.array([one.exposure_mas for one in sharp])
    level = np.array([one.noise_hu for one in sharp])
    assert np.corrcoef(np.log(dose), np.log(level))[0, 1] < -0.7
    assert np.polyfit(np.log(dose), np.log(level), 1)[0] == pytest.approx(-0.5, abs=0.1)
    assert dose.min() >= 0.45 * 50 - 0.1
    assert 0.6 * 0.72 < min(one.mtf50 for one in sharp) < max(one.mtf50 for one in sharp) < 1.4 * 0.82


def test_profiles() -> None:
    full = draw_scanner(np.random.default_rng(0), profile="full")
    assert (full.matrix, full.thickness_mm, full.spacing_mm) == (512, 2.0, 1.0)
    assert 0.9 <= full.pixel_mm <= 0.98
    small = [draw_scanner(np.random.default_rng(k), profile="small") for k in range(100)]
    assert {one.matrix for one in small} == {384}
    assert {one.spacing_mm for one in small} == {1.5, 2.0, 2.5, 3.0}
    assert all(one.thickness_mm >= one.spacing_mm for one in small)
    close = [one.pixel_mm < 0.75 for one in small]
    assert 0.05 < np.mean(close) < 0.3


def test_blur_takes_detail_away_and_keeps_the_mean() -> None:
    image = np.random.default_rng(0).normal(0, 100, (2, 256, 256)).astype(np.float32)
    soft = blur(image, FINE)
    assert soft.std() < 0.5 * image.std()
    assert soft.mean() == pytest.approx(image.mean(), abs=0.5)


@pytest.mark.parametrize("mtf50", [0.35, 0.42, 0.6])
def test_blur_halves_contrast_at_the_mtf50(mtf50: float) -> None:
    """A sine at MTF50 keeps half its contrast, what the pixel itself takes included."""
    scanner = replace(SMOOTH, mtf50=mtf50, pixel_mm=0.5, matrix=256)
    x = (np.arange(256) + 0.5) * scanner.pixel_mm
    sine = np.tile(np.sin(2 * np.pi * mtf50 * x), (1, 256, 1)).astype(np.float32)
    middle = blur(sine, scanner)[0, 128, 64:192]
    kept = np.sqrt(2) * middle.std() * np.sinc(mtf50 * scanner.pixel_mm)
    assert kept == pytest.approx(0.5, abs=0.05)


def test_sharp_kernels_overshoot_at_edges_and_smooth_ones_do_not() -> None:
    step = np.zeros((1, 64, 64), np.float32)
    step[..., 32:] = 1000
    assert blur(step, replace(SHARP, matrix=64)).max() > 1030
    assert blur(step, replace(SMOOTH, matrix=64)).max() <= 1000.5


def test_the_table_lies_under_the_patient_in_air_only() -> None:
    slices = np.full((2, 200, 200), -1000, dtype=np.float32)
    slices[:, 80:125] = 40  # lies on the table and a little in it
    before = slices.copy()
    add_table(slices, origin_y_mm=-200, pixel_mm=2.5, back_mm=110, origin_x_mm=-250)
    changed = slices != before
    rows = -200 + 2.5 * np.flatnonzero(changed.any(axis=(0, 2)))
    assert (before[changed] < -700).all()
    assert rows.min() > 110 - 0.0006 * 215**2 - 2.5
    assert rows.max() < 110 + 42
    assert set(np.unique(slices[changed])) == {-925, -60}  # foam and shell
    middle = slices[0, :, 100]
    assert (middle[(before[0, :, 100] < -700)] > -1000).any()


def test_a_table_outside_the_picture_changes_nothing() -> None:
    slices = np.full((1, 40, 40), -1000, np.float32)
    add_table(slices, origin_y_mm=-200, pixel_mm=2.5, back_mm=400, origin_x_mm=-50)
    assert (slices == -1000).all()
