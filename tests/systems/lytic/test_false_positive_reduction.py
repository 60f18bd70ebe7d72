import numpy as np
import pytest
import torch

from osteon.systems.lytic.config import ReductionConfig
from osteon.systems.lytic.false_positive_reduction import (
    Spot,
    ThreePlanes,
    batches,
    candidate_views,
    lesion_spots,
    reduction_loss,
    second_look,
)
from tests.systems.lytic.scenes import ball, block, case

SPACING = (1.0, 0.8, 2.0)
CONFIG = ReductionConfig(backbone="tiny", side_px=24, pixel_mm=1.0, samples=64, batch=16)


def scene():
    """Bone with a dark ball (a lesion) and a dark rod along z (a vessel's channel): alike on axial slices."""
    hu = block((40, 90, 120), SPACING)
    lesion = ball(hu, centre_mm=(30, 36, 40), radius_mm=5, spacing=SPACING)
    rod = np.roll(lesion.any(axis=0), 50, axis=1)[None] & np.ones((40, 1, 1), dtype=bool)
    hu[rod] = -50
    return case(
        "a", hu=hu, sites=np.ones(hu.shape, dtype=np.uint8), lesions=lesion.astype(np.uint16), spacing_mm=SPACING
    )


def test_views_show_grey_values_and_the_bone_mask():
    hu = np.full((20, 40, 40), 300, dtype=np.int16)
    bone = np.zeros(hu.shape, dtype=np.uint8)
    bone[:, :, 20:] = 7
    views = candidate_views(hu, bone, (10, 20, 20), spacing_mm=(1.0, 1.0, 1.0), config=CONFIG)
    assert views.shape == (3, 4, 24, 24)
    assert views[0, :3] == pytest.approx(0.5)
    assert views[1, 0, 0, 0] == pytest.approx(0)  # coronal, beyond the first slice: air
    assert views[0, 3, :, 14:] == pytest.approx(1)
    assert views[0, 3, :, :10] == pytest.approx(0)


def test_every_lesion_is_a_spot():
    one = scene()
    (spot,) = lesion_spots([one])
    assert np.asarray(spot.centre) * SPACING[::-1] == pytest.approx((40, 36, 30), abs=0.6)
    assert spot.is_lesion
    assert spot.case == 0


def test_it_learns_what_an_axial_slice_cannot_show():
    torch.manual_seed(0)
    one = scene()
    spots = [Spot(case=0, centre=(20, 45, 30), is_lesion=True)]
    spots += [Spot(case=0, centre=(z, 45, 80), is_lesion=False) for z in (12, 20, 28)]
    network = ThreePlanes(CONFIG)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    make = batches([one], spots, config=CONFIG)
    generator = np.random.default_rng(0)
    for epoch in range(16):
        for batch in make(epoch, generator):
            optimiser.zero_grad()
            reduction_loss(network, batch)["loss"].backward()
            optimiser.step()
    network.eval()
    logits = second_look(network, one.hu, one.sites, [spot.centre for spot in spots], spacing_mm=SPACING, config=CONFIG)
    assert logits[0] > logits[1:].max() + 4


def test_batches_are_half_lesions_and_repeat():
    spots = [Spot(case=0, centre=(20, 45, 30), is_lesion=True), Spot(case=0, centre=(20, 45, 80), is_lesion=False)]
    make = batches([scene()], spots, config=CONFIG)
    first, again = ([*make(0, np.random.default_rng(4))] for _ in range(2))
    assert len(first) == 4
    assert all(
        torch.equal(a, b) for one, other in zip(first, again, strict=True) for a, b in zip(one, other, strict=True)
    )
    assert 0.3 < torch.cat([wanted for _, wanted in first]).mean() < 0.7


def test_a_bent_lesion_is_taught_on_itself():
    lesions = np.zeros((9, 9, 9), dtype=np.uint16)
    lesions[4, 1:8, 1:8] = 3
    lesions[4, 2:7, 2:7] = 0  # a ring
    (spot,) = lesion_spots([case("a", lesions=lesions)])
    assert lesions[spot.centre] == 3


def test_no_candidate_no_answer():
    one = scene()
    assert second_look(ThreePlanes(CONFIG), one.hu, one.sites, [], spacing_mm=SPACING, config=CONFIG).shape == (0,)
