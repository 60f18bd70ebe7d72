import numpy as np
import pytest
import torch
from scipy import ndimage

from osteon.imaging.slices import Window
from osteon.systems.lytic.bone_slices import (
    IGNORED,
    LARGEST_HOLE_MM2,
    batches,
    bone_loss,
    bone_masks,
    draw_sample,
    fill_holes,
    slice_image,
    validation_metrics,
)
from osteon.systems.lytic.cases import TrainingCase
from osteon.systems.lytic.config import SITES, BoneConfig

CONFIG = BoneConfig(planes="axial")
BONE_HU, CUT_HU = 700, 250


class FakeBone(torch.nn.Module):
    """Bone where the middle channel is above ``CUT_HU``; one site everywhere."""

    def __init__(self, *, site=2, seen=None):
        super().__init__()
        self.anything = torch.nn.Parameter(torch.zeros(1))
        self.site, self.sizes = site, set() if seen is None else seen

    def forward(self, images):
        self.sizes.add(tuple(images.shape))
        low, high = CONFIG.window_hu
        logits = torch.zeros(len(images), 1 + len(SITES), *images.shape[2:])
        logits[:, 0] = ((images[:, 1] - (CUT_HU - low) / (high - low)) * 1e4).clamp(-30, 30)
        logits[:, self.site] = 5
        return logits


def scene(shape=(20, 61, 53), *, spacing=(0.8, 0.6, 2.0)):
    """Air, a soft body, a bone ellipsoid; HU (z, y, x)."""
    z, y, x = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, spacing[::-1], strict=True)), indexing="ij")
    middle = [n * s / 2 for n, s in zip(shape, spacing[::-1], strict=True)]
    body = ((y - middle[1]) / 17) ** 2 + ((x - middle[2]) / 20) ** 2 < 1
    bone = ((z - middle[0]) / 13) ** 2 + ((y - middle[1]) / 9) ** 2 + ((x - middle[2]) / 12) ** 2 < 1
    return np.where(bone, BONE_HU, np.where(body, 40, -1000)).astype(np.int16)


def assert_close(mask, truth, spacing, reach):
    """No voxel differs that lies deeper than ``reach`` (x, y, z) mm on either side of the true surface."""
    sampling = 1 / np.array(reach)[::-1] * np.array(spacing)[::-1]
    for wrong, inside in ((mask & ~truth, ~truth), (truth & ~mask, truth)):
        depth = ndimage.distance_transform_edt(inside, sampling=sampling)
        assert depth[wrong].max(initial=0) <= 1 + 1e-6


@pytest.mark.parametrize("spacing", [(0.8, 0.6, 2.0), (1.5, 1.5, 1.0), (2.0, 0.9, 5.0)])
def test_mask_is_the_threshold_within_one_network_pixel(spacing):
    hu = scene(spacing=spacing)
    truth = hu > CUT_HU
    network = FakeBone(site=7)
    sites = bone_masks(network, hu, spacing_mm=spacing, config=CONFIG)
    assert sites.shape == hu.shape
    assert sites.dtype == np.uint8
    assert set(np.unique(sites)) == {0, 7}
    assert all(h % 16 == 0 and w % 16 == 0 for _, _, h, w in network.sizes)
    reach = [max(CONFIG.pixel_mm, s) for s in spacing[:2]]
    assert_close(sites > 0, truth, spacing, (*reach, spacing[2]))
    assert 2 * ((sites > 0) & truth).sum() / ((sites > 0).sum() + truth.sum()) > 0.93


@pytest.mark.parametrize("depth", [1, 2])
def test_volumes_of_one_and_two_slices(depth):
    hu = np.full((depth, 40, 48), 40, dtype=np.int16)
    hu[:, 10:30, 12:36] = BONE_HU
    seen = []
    sites = bone_masks(FakeBone(), hu, spacing_mm=(1.5, 1.5, 3.0), config=CONFIG, on_slice=lambda *a: seen.append(a))
    assert np.array_equal(sites > 0, hu > CUT_HU)
    assert seen == [(k + 1, depth) for k in range(depth)]


def test_air_holds_no_bone_and_needs_no_network():
    network = FakeBone()
    sites = bone_masks(network, np.full((3, 20, 30), -1000, np.int16), spacing_mm=(1, 1, 1), config=CONFIG)
    assert not sites.any()
    assert not network.sizes


def test_one_pixel_a_slice():
    sites = bone_masks(FakeBone(), np.full((2, 1, 1), BONE_HU, np.int16), spacing_mm=(1, 1, 1), config=CONFIG)
    assert sites.tolist() == [[[2]], [[2]]]


@pytest.mark.parametrize(("inner_hu", "filled"), [(40, True), (-90, True), (-900, False)])
def test_marrow_that_the_network_lost_is_filled_but_air_is_not(inner_hu, filled):
    hu = np.full((20, 40, 40), 40, dtype=np.int16)
    hu[4:16, 8:32, 8:32] = BONE_HU
    hu[7:13, 14:26, 14:26] = inner_hu
    sites = bone_masks(FakeBone(), hu, spacing_mm=(1.5, 1.5, 1.5), config=CONFIG)
    assert (sites[7:13, 14:26, 14:26] > 0).all() == filled
    assert (sites[7:13, 14:26, 14:26] > 0).any() == filled
    outer = np.zeros(hu.shape, dtype=bool)
    outer[4:16, 8:32, 8:32] = True
    assert not sites[~outer].any()


def test_spinal_canal_stays_open():
    hu = np.full((20, 40, 40), 40, dtype=np.int16)
    hu[3:17, 8:32, 8:32] = BONE_HU
    hu[:, 16:24, 16:24] = 30
    sites = bone_masks(FakeBone(), hu, spacing_mm=(1.5, 1.5, 1.5), config=CONFIG)
    assert np.array_equal(sites > 0, hu > CUT_HU)


def shell(hole, *, spacing=1.0):
    side = max(hole) + 8
    bone = np.zeros((hole[0] + 8, side, side), dtype=bool)
    bone[2:-2, 2:-2, 2:-2] = True
    inner = tuple(slice(4, 4 + n) for n in hole)
    bone[inner] = False
    return bone, inner


def test_holes_up_to_the_limit_are_filled():
    side = int(np.sqrt(LARGEST_HOLE_MM2))  # 34 x 34 = 1156 mm2
    bone, inner = shell((side, side, side))
    assert fill_holes(bone, spacing_mm=(1, 1, 1))[inner].all()
    assert np.array_equal(fill_holes(bone, spacing_mm=(1.05, 1.05, 1)), bone)
    assert fill_holes(bone, spacing_mm=(1.05, 1.0, 1))[inner].all()  # small enough on the sagittal plane still
    assert fill_holes(bone, spacing_mm=(1.0, 1.05, 1))[inner].all()  # and on the coronal one


def reference_fill(bone, spacing):
    filled = bone.copy()
    for axis, area in ((2, spacing[2] * spacing[1]), (1, spacing[2] * spacing[0])):
        for k in range(bone.shape[axis]):
            plane = np.take(bone, k, axis=axis)
            holes, count = ndimage.label(~plane)
            rim = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
            for hole in set(range(1, count + 1)) - set(rim.tolist()):
                if (holes == hole).sum() * area <= LARGEST_HOLE_MM2:
                    where = [slice(None)] * 3
                    where[axis] = k
                    filled[tuple(where)] |= holes == hole
    return filled


def test_filling_is_that_of_a_search_plane_by_plane():
    rng = np.random.default_rng(3)
    for _ in range(20):
        bone = rng.random(rng.integers(1, 14, 3)) < rng.uniform(0.4, 0.8)
        spacing = tuple(rng.uniform(0.5, 30, 3))
        before = bone.copy()
        assert np.array_equal(fill_holes(bone, spacing_mm=spacing), reference_fill(bone, spacing))
        assert np.array_equal(bone, before)


@pytest.mark.parametrize(("spacing_z", "step"), [(1.0, 2), (2.5, 1), (5.0, 1)])
def test_channels_are_the_slice_and_its_neighbours(spacing_z, step):
    hu = np.arange(7, dtype=np.int16)[:, None, None] * 100 * np.ones((7, 4, 6), np.int16)
    view = Window(low_hu=-200, high_hu=1000)
    for index in range(7):
        image = slice_image(hu, index, spacing_mm=(1.5, 1.5, spacing_z), config=CONFIG)
        wanted = [view.apply(hu[min(max(k, 0), 6)]) for k in (index - step, index, index + step)]
        assert np.array_equal(image, np.stack(wanted))
    alone = slice_image(hu, 3, spacing_mm=(1.5, 1.5, spacing_z), config=BoneConfig(context_mm=0))
    assert np.array_equal(alone, view.apply(hu[3])[None])


def case(*, has_sites=True, spacing=(0.8, 0.6, 2.0), size=(6, 150, 150)):
    hu = scene(size, spacing=spacing)
    hu = np.where(hu == 40, 40 + np.arange(size[2]) % 7, hu).astype(np.int16)
    sites = np.where(hu > CUT_HU, 4, 0).astype(np.uint8)
    return TrainingCase(case="a", patient="a", cohort="c", phantom=True, fingerprint="f", voxels="v", hu=hu,
                        spacing_mm=spacing, sites=sites, lesions=np.zeros(hu.shape, np.uint16), has_bone=True,
                        has_sites=has_sites, has_lesions=True)  # fmt: skip


@pytest.mark.parametrize("has_sites", [True, False])
def test_samples_are_determined_by_the_seed(has_sites):
    config = BoneConfig(crop=64)
    labels_seen = set()
    made = []
    for seed in (0, 0, 1):
        rng = np.random.default_rng(seed)
        drawn = [draw_sample([case(has_sites=has_sites)], config=config, generator=rng) for _ in range(12)]
        for image, labels in drawn:
            assert image.shape == (3, 64, 64)
            assert image.dtype == np.float32
            assert image.min() >= 0
            assert image.max() <= 1
            assert labels.shape == (64, 64)
            assert labels.dtype == np.uint8
            labels_seen |= set(np.unique(labels).tolist())
        made.append(np.stack([np.concatenate([image, labels[None]]) for image, labels in drawn]))
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert labels_seen == {0, 4 if has_sites else IGNORED}


def test_batches_have_the_size_asked_for():
    make = batches([case()], config=BoneConfig(crop=64, samples=7, batch=3))
    got = list(make(0, np.random.default_rng(0)))
    assert [tuple(images.shape) for images, _ in got] == [(3, 3, 64, 64)] * 2
    assert [tuple(labels.shape) for _, labels in got] == [(3, 64, 64)] * 2


def test_loss_falls_to_nothing_for_the_right_answer_and_ignores_unknown_sites():
    labels = torch.zeros(2, 8, 8, dtype=torch.uint8)
    labels[:, 2:6, 2:6] = 3
    right = torch.zeros(2, 1 + len(SITES), 8, 8)
    right[:, 0] = torch.where(labels > 0, 40.0, -40.0)
    right[:, 3] = 40.0
    wrong = right.clone()
    wrong[:, 3], wrong[:, 5] = 0.0, 40.0

    def loss(logits, target):
        return bone_loss(lambda _: logits, (torch.zeros(1), target), dice_only=False)

    assert float(loss(right, labels)["loss"]) < 1e-3
    assert float(loss(wrong, labels)["site"]) > 10
    assert float(loss(-right, labels)["bone"]) > 1
    unknown = torch.where(labels > 0, torch.tensor(IGNORED, dtype=torch.uint8), labels)
    assert float(loss(wrong, unknown)["loss"]) < 1e-3


@pytest.mark.parametrize(("site", "accuracy"), [(4, 1.0), (5, 0.0)])
def test_validation_of_a_perfect_and_of_a_misnaming_network(site, accuracy):
    cases = [case(spacing=(1.5, 1.5, 3.0), size=(9, 40, 40)), case(spacing=(1.5, 1.5, 3.0), size=(6, 30, 44))]
    got = validation_metrics(FakeBone(site=site), cases, config=BoneConfig(validation_slices=5))
    assert got == {"dice": 1.0, "site_accuracy": accuracy}


def test_validation_dice_is_pooled_over_the_slices():
    one = case(spacing=(1.5, 1.5, 3.0), size=(9, 40, 40))
    sites = one.sites.copy()
    sites[:, :20] = 0
    half = TrainingCase(**{name: getattr(one, name) for name in one.__dataclass_fields__} | {"sites": sites})
    found, true = one.sites > 0, sites > 0
    got = validation_metrics(FakeBone(site=4), [half], config=BoneConfig(validation_slices=100))
    assert got["dice"] == pytest.approx(2 * (found & true).sum() / (found.sum() + true.sum()))
