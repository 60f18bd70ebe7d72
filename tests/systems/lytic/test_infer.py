import numpy as np
import pytest
import torch

from osteon.systems.lytic import infer
from osteon.systems.lytic.config import LyticConfig
from osteon.systems.lytic.infer import detect_slices, detection_step, find_candidates
from tests.systems.lytic.scenes import BONE_HU, FakeBone, FakeDetector, ball, block, fake_detect

CONFIG = LyticConfig()


@pytest.fixture(autouse=True)
def _fake(monkeypatch):
    monkeypatch.setattr(infer, "detect", fake_detect)


def run(hu, spacing, *, bone=None, detectors=None, **more):
    detectors = (FakeDetector(),) if detectors is None else detectors
    return find_candidates(
        hu,
        spacing_mm=spacing,
        bone_network=bone or FakeBone(),
        detectors=detectors,
        **{"reduction": None, "config": CONFIG, **more},
    )


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 1.0), (0.9, 0.6, 2.5), (0.55, 0.8, 0.6)])
def test_a_dark_ball_in_bone_is_found_once_in_its_place(spacing):
    shape = tuple(round(mm / s) for mm, s in zip((50, 60, 70), spacing[::-1], strict=True))
    hu = block(shape, spacing)
    truth = ball(hu, centre_mm=(31.3, 33.1, 24.7), radius_mm=8, spacing=spacing)
    found = run(hu, spacing)
    assert len(found.found) == 1
    one = found.found[0]
    centre = np.array(one.measures.centroid_zyx)[::-1] * spacing
    assert np.linalg.norm(centre - (31.3, 33.1, 24.7)) < 1
    assert one.site == "rib"
    mask = np.zeros(shape, dtype=bool)
    mask[one.shape.window] = one.shape.mask
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.85
    assert one.measures.longest_mm == pytest.approx(16, abs=2.5)
    assert set(np.diff(one.slices)) == {detection_step(spacing[2])}
    assert found.sites.shape == shape


@pytest.mark.parametrize(("spacing_z", "step"), [(0.5, 4), (1.0, 2), (0.6, 3), (1.5, 1), (2.0, 1), (5.0, 1)])
def test_slices_are_read_about_every_two_millimetres(spacing_z, step):
    assert detection_step(spacing_z) == step


def test_without_bone_there_is_nothing_to_find():
    for hu in (np.full((6, 40, 40), -1000, np.int16), np.full((6, 40, 40), 40, np.int16)):
        found = run(hu, (1, 1, 2))
        assert found.found == ()
        assert found.slice_boxes == ()
        assert not found.sites.any()


def test_bone_without_dark_spots_has_no_candidates():
    assert run(block((10, 50, 60), (1, 1, 2)), (1, 1, 2)).found == ()


def test_boxes_in_the_padding_are_dropped_and_those_across_the_edge_cut():
    spacing = (0.55, 0.55, 2.0)
    hu = np.full((3, 45, 50), BONE_HU, np.int16)  # 45 x 50 network pixels, padded to 64 x 64
    wild = FakeDetector(
        fixed=[(52, 2, 60, 30, 0.9), (2, 46, 30, 63, 0.8), (40, 35, 63, 63, 0.7), (49.5, 0, 64, 9, 0.6)]
    )
    found = run(hu, spacing, detectors=(wild,))
    assert wild.sizes == {(1, 3, 64, 64)}
    assert [index for index, _, _ in found.slice_boxes] == [0, 1, 2]
    for _, boxes, scores in found.slice_boxes:
        assert boxes == pytest.approx(np.array([[40, 35, 50, 45]]), abs=1e-3)
        assert scores == pytest.approx([0.7])
    assert len(found.found) == 1


def test_boxes_are_mapped_to_the_pixels_of_the_volume():
    spacing = (0.83, 0.71, 3.0)
    hu = np.full((2, 80, 90), 40, np.int16)
    bone = np.zeros(hu.shape, dtype=bool)
    bone[:, 25:61, 30:72] = True
    hu[bone] = BONE_HU
    hu[:, 36:50, 44:58] = -50
    got = detect_slices(hu, bone, spacing_mm=spacing, detectors=(FakeDetector(),), config=CONFIG.detector)
    for _, boxes, _ in got:
        assert boxes == pytest.approx(np.array([[44, 36, 58, 50]]), abs=1.0)


def test_overlapping_candidates_share_no_voxel_and_the_surer_keeps_its_own():
    hu = np.full((3, 64, 64), BONE_HU, np.int16)
    sure, less = (10, 10, 30, 30, 0.9), (22, 10, 42, 30, 0.5)
    both = run(hu, (0.55, 0.55, 2.0), detectors=(FakeDetector(fixed=[sure, less]),))
    assert [max(c.scores) for c in both.found] == pytest.approx([0.9, 0.5])
    masks = np.zeros((2, *hu.shape), dtype=bool)
    for mask, candidate in zip(masks, both.found, strict=True):
        mask[candidate.shape.window] = candidate.shape.mask
    assert not masks.all(axis=0).any()
    alone = [run(hu, (0.55, 0.55, 2.0), detectors=(FakeDetector(fixed=[box]),)).found[0] for box in (sure, less)]
    whole = np.zeros_like(masks)
    for mask, candidate in zip(whole, alone, strict=True):
        mask[candidate.shape.window] = candidate.shape.mask
    assert whole.all(axis=0).any()
    assert np.array_equal(masks[0], whole[0])
    assert np.array_equal(masks[1], whole[1] & ~whole[0])
    assert both.found[1].measures.volume_mm3 == pytest.approx(masks[1].sum() * 0.55 * 0.55 * 2)


def test_what_lies_mostly_in_a_surer_candidate_is_dropped():
    hu = np.full((3, 64, 64), BONE_HU, np.int16)
    small = FakeDetector(fixed=[(10, 10, 40, 40, 0.9), (20, 20, 30, 30, 0.5)])
    found = run(hu, (0.55, 0.55, 2.0), detectors=(small,)).found
    assert [max(c.scores) for c in found] == pytest.approx([0.9])


def test_an_ensemble_shares_the_vote():
    hu = np.full((2, 64, 64), BONE_HU, np.int16)
    one, none = FakeDetector(fixed=[(10, 10, 30, 30, 0.9)]), FakeDetector(fixed=[])
    found = run(hu, (0.55, 0.55, 2.0), detectors=(one, none)).found
    assert [c.scores for c in found] == [pytest.approx((0.45, 0.45))]


def test_features_are_as_named():
    hu = np.full((3, 64, 64), BONE_HU, np.int16)
    one = run(hu, (0.55, 0.55, 2.0), detectors=(FakeDetector(fixed=[(10, 10, 30, 30, 0.8)]),)).found[0]
    assert one.features == pytest.approx([np.log(4), 1, np.log(3), np.log(one.measures.longest_mm)], abs=1e-5)


def test_progress_reaches_the_last_slice_of_both_stages():
    seen = []
    run(block((7, 40, 40), (1, 1, 0.5)), (1, 1, 0.5), on_progress=lambda *a: seen.append(a))
    for stage in ("bone", "lesions"):
        done = [d for d, _, name in seen if name == stage]
        assert done == sorted(done)
        assert done[-1] == next(total for _, total, name in seen if name == stage)


def test_the_second_look_is_one_more_feature():
    spacing = (1.0, 1.0, 1.0)
    hu = block((50, 60, 90), spacing)
    ball(hu, centre_mm=(27, 30, 25), radius_mm=7, spacing=spacing)
    ball(hu, centre_mm=(63, 30, 25), radius_mm=5, spacing=spacing)

    class Darkness(torch.nn.Module):
        """Share of the middle axial view that is dark bone."""

        def __init__(self):
            super().__init__()
            self.anything = torch.nn.Parameter(torch.zeros(1))

        def forward(self, views):
            return (views[:, 0, 1] < 0.2).float().mean(dim=(1, 2))

    plain, looked = run(hu, spacing), run(hu, spacing, reduction=Darkness())
    assert len(plain.found) == len(looked.found) == 2
    for one, other in zip(plain.found, looked.found, strict=True):
        assert other.features[:-1] == pytest.approx(one.features)
    large, small = sorted(looked.found, key=lambda c: -c.measures.longest_mm)
    area = np.pi * 7**2 / (CONFIG.reduction.side_px * CONFIG.reduction.pixel_mm) ** 2
    assert large.features[-1] == pytest.approx(area, rel=0.2)  # pixels at the rim are mixed
    assert small.features[-1] < large.features[-1]
