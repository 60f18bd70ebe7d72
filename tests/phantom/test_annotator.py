from __future__ import annotations

import numpy as np
import pytest

from osteon.phantom.annotator import LEAST_CONTRAST_HU, LEAST_ROSE, Conspicuity, conspicuity, keep_seen

PIXEL_MM = 1.0


def scene(
    contrasts_hu: tuple[float, ...], *, radius: float = 5.0, noise_hu: float = 20.0, bone: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round lesions on three slices of even bone of 200 HU; HU, sites and lesions."""
    shape = (3, 40, 40 * len(contrasts_hu))
    y, x = np.mgrid[: shape[1], : shape[2]]
    lesions = np.zeros(shape, np.uint16)
    hu = np.full(shape, 200.0)
    for k, contrast in enumerate(contrasts_hu):
        disc = (y - 20) ** 2 + (x - 20 - 40 * k) ** 2 <= radius**2
        lesions[:, disc] = k + 1
        hu[:, disc] -= contrast
    hu += np.random.default_rng(0).normal(0, noise_hu, shape)
    sites = np.full(shape, 1 if bone else 0, np.uint8)
    sites[lesions > 0] = 1
    return hu, sites, lesions


def measure(hu: np.ndarray, sites: np.ndarray, lesions: np.ndarray) -> dict[int, Conspicuity]:
    return conspicuity(hu, sites=sites, lesions=lesions, pixel_mm=PIXEL_MM)


def test_contrast_noise_and_area_are_measured() -> None:
    found = measure(*scene((150.0, 40.0), noise_hu=20.0))
    assert set(found) == {1, 2}
    assert found[1].contrast_hu == pytest.approx(150, abs=8)
    assert found[2].contrast_hu == pytest.approx(40, abs=8)
    assert found[1].noise_hu == pytest.approx(20, rel=0.3)
    assert found[1].area_px == (scene((150.0,))[2][0] > 0).sum()


def test_the_largest_slice_counts() -> None:
    hu, sites, lesions = scene((150.0,))
    lesions[0] = 0
    lesions[2, :18] = 0
    hu[1] = 200.0  # no contrast where it is largest
    assert measure(hu, sites, lesions)[1].contrast_hu == pytest.approx(0, abs=1)


def test_only_those_that_stand_out_stay() -> None:
    hu, sites, lesions = scene((150.0, 40.0, 300.0))
    before = lesions.copy()
    assert keep_seen(hu, sites=sites, lesions=lesions, pixel_mm=PIXEL_MM) == {1, 3}
    assert set(np.unique(lesions)) == {0, 1, 3}
    for number in (1, 3):
        assert ((lesions == number) == (before == number)).all()


def test_a_faint_lesion_may_drown_in_noise_but_a_large_one_does_not() -> None:
    assert not measure(*scene((100.0,), radius=2.0, noise_hu=80.0))[1].seen
    assert measure(*scene((100.0,), radius=12.0, noise_hu=80.0))[1].seen


def test_a_lesion_without_bone_round_it_is_not_seen() -> None:
    found = measure(*scene((300.0,), bone=False))[1]
    assert found.contrast_hu == 0
    assert not found.seen


def test_neighbouring_lesions_are_not_taken_for_bone() -> None:
    hu, sites, lesions = scene((150.0,))
    lesions[:, :, 26:31] = np.where(lesions[:, :, 26:31] == 0, 2, lesions[:, :, 26:31])
    hu[lesions == 2] = 5000.0
    assert measure(hu, sites, lesions)[1].contrast_hu == pytest.approx(150, abs=12)


def test_an_empty_mask_has_nothing_to_see() -> None:
    hu, sites, lesions = scene((150.0,))
    lesions[:] = 0
    assert measure(hu, sites, lesions) == {}
    assert keep_seen(hu, sites=sites, lesions=lesions, pixel_mm=PIXEL_MM) == set()


@pytest.mark.parametrize(
    ("contrast", "noise", "area", "seen"),
    [
        (LEAST_CONTRAST_HU, 5.0, 100, True),
        (LEAST_CONTRAST_HU - 1, 5.0, 1000, False),
        (100.0, 100.0, int(LEAST_ROSE**2) + 1, True),
        (100.0, 100.0, int(LEAST_ROSE**2) - 1, False),
        (-200.0, 5.0, 100, False),  # denser than the bone round it
    ],
)
def test_the_two_thresholds(contrast: float, noise: float, area: int, seen: bool) -> None:
    assert Conspicuity(contrast_hu=contrast, noise_hu=noise, area_px=area).seen is seen
