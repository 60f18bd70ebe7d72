import numpy as np
import pytest
import torch
from scipy import ndimage

from osteon.systems.lytic.bone_planes import (
    AXES,
    _all_planes,
    _body,
    _cavities,
    _frame,
    _plane,
    _settle_core,
    _to_cubes,
    _weights,
    bone_masks,
    draw_sample,
    validation_metrics,
)
from osteon.systems.lytic.bone_slices import IGNORED
from osteon.systems.lytic.cases import TrainingCase
from osteon.systems.lytic.config import SITES, BoneConfig

from .scenes import BONE_HU, SOFT_HU, FakeBone, axes_mm, block

CONFIG = BoneConfig(crop=64)


def case(hu, *, spacing, sites=None, has_sites=True):
    sites = np.where(hu > 250, 4, 0).astype(np.uint8) if sites is None else sites
    return TrainingCase(case="a", patient="a", cohort="c", phantom=True, fingerprint="f", voxels="v", hu=hu,
                        spacing_mm=spacing, sites=sites, lesions=np.zeros(hu.shape, np.uint16), has_bone=True,
                        has_sites=has_sites, has_lesions=True)  # fmt: skip


@pytest.mark.parametrize("spacing", [(0.8, 0.8, 2.5), (1.5, 1.5, 1.5), (1.0, 1.2, 0.6)])
def test_mask_is_the_threshold_within_a_cube(spacing):
    hu = block(tuple(int(np.ceil(48 / s)) for s in spacing[::-1]), spacing)
    sites = bone_masks(FakeBone(), hu, spacing_mm=spacing, config=CONFIG)
    assert sites.shape == hu.shape
    assert set(np.unique(sites)) == {0, 1 + SITES.index("rib")}
    true = hu > 250
    deep = ndimage.distance_transform_edt(true, sampling=spacing[::-1]) > 2.2
    far = ndimage.distance_transform_edt(~true, sampling=spacing[::-1]) > 2.2
    assert (sites > 0)[deep].all()
    assert not (sites > 0)[far].any()


def test_every_direction_has_a_third_of_the_say():
    class Stripes(FakeBone):
        """Bone only on planes that are 30 wide, as sagittal ones are here."""

        def forward(self, images):
            logits = super().forward(images)
            logits[:, 0] = 30.0 if images.shape[3] - 48 == 32 else -30.0
            return logits

    cubes = np.full((30, 40, 20), 200, np.uint8)  # axial 40 x 20, coronal 30 x 20, sagittal 30 x 40; padded to 32s
    widths = [20, 20, 40]
    chance, _ = _all_planes(Stripes(), cubes, config=CONFIG, on_plane=lambda *_: None)
    padded = [-(-(width + 48) // 16) * 16 - 48 for width in widths]
    assert np.abs(chance.astype(int) - round(255 * padded.count(32) / 3)).max() <= 1


def test_progress_ends_at_all_planes():
    seen = []
    _all_planes(FakeBone(), np.zeros((9, 17, 4), np.uint8), config=CONFIG, on_plane=lambda *now: seen.append(now))
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_cavities_are_filled_but_not_a_tube_nor_a_large_one():
    bone = np.zeros((40, 40, 40), bool)
    bone[5:35, 5:35, 5:35] = True
    bone[12:18, 12:18, 12:18] = False
    bone[12, 14, 12:14] = False
    tube = bone.copy()
    tube[:, 25:30, 25:30] = False
    got = _cavities(tube, pixel_mm=1.5)
    assert got[14, 14, 14] == 1
    assert got[20, 27, 27] == 0
    assert got.sum() <= 6**3 + 4
    assert _cavities(tube, pixel_mm=12.0).sum() == 0
    pierced = tube.copy()
    pierced[14, 14, :14] = False  # a vessel through the shell, one cube wide
    assert _cavities(pierced, pixel_mm=1.5)[14, 14, 14] == 1


def test_air_in_a_cavity_is_no_bone():
    hu = np.full((40, 40, 40), SOFT_HU, np.int16)
    hu[5:35, 5:35, 5:35] = BONE_HU
    hu[15:22, 15:22, 15:22] = -900
    assert (bone_masks(FakeBone(), hu, spacing_mm=(1.5,) * 3, config=CONFIG)[16:21, 16:21, 16:21] == 0).all()


@pytest.mark.parametrize(("depth", "spacing"), [(40, 0.7), (20, 1.5), (9, 4.0), (1, 3.0)])
def test_cubes_keep_means_and_positions(depth, spacing):
    rng = np.random.default_rng(1)
    hu = np.cumsum(rng.uniform(0, 20, (depth, 1, 1)), axis=0) * np.ones((1, 30, 30))
    cubes = _to_cubes(hu.astype(np.int16), spacing_mm=(1.5, 1.5, spacing), config=CONFIG)
    assert len(cubes) == max(1, round(depth * spacing / 1.5))
    got = cubes[:, 0, 0] / 255 * 1200 - 200
    middles = (np.arange(len(cubes)) + 0.5) * depth / len(cubes) - 0.5
    assert np.abs(got - np.interp(middles, np.arange(depth), hu[:, 0, 0])).max() < 18
    for k in range(len(cubes)):
        assert sum(weight for _, weight in _weights(k, count=len(cubes), depth=depth)) == pytest.approx(1)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_plain_plane_is_the_slice_and_its_neighbours(kind):
    spacing = (1.0, 1.2, 2.0)
    z, y, x = axes_mm((40, 60, 70), spacing)
    hu = (2 * x + 3 * y + z).astype(np.int16)  # linear, so interpolation is exact to rounding
    sites = ((x > 30) * 2).astype(np.uint8)
    centre = np.array([35.0, 30.0, 20.0])
    frame = _frame(kind, np.random.default_rng(0), plain=True)
    config = BoneConfig(crop=16, context_mm=3.0)
    image, labels = _plane(case(hu, spacing=spacing, sites=sites), centre, frame, config=config)
    slope = np.array([2.0, 3.0, 1.0])
    normal, rows, columns = AXES[kind]
    steps = (np.arange(16) - 7.5) * 1.5
    middle = float(slope @ (centre * spacing))
    wanted = middle + slope[rows] * steps[:, None] + slope[columns] * steps[None, :]
    wanted = wanted[None] + slope[normal] * np.array([-3.0, 0, 3.0])[:, None, None]
    assert np.abs(image * 1200 - 200 - wanted).max() < 1.5
    if columns == 0:
        assert np.array_equal(labels[0] > 0, 35 + steps > 30)


@pytest.mark.parametrize("has_sites", [True, False])
def test_samples_are_determined_by_the_seed(has_sites):
    one = case(block((30, 60, 60), (1.0, 1.0, 2.0)), spacing=(1.0, 1.0, 2.0), has_sites=has_sites)
    made, seen = [], set()
    for seed in (0, 0, 1):
        rng = np.random.default_rng(seed)
        drawn = [draw_sample([one], config=CONFIG, generator=rng) for _ in range(6)]
        seen |= {int(value) for _, labels in drawn for value in np.unique(labels)}
        made.append(np.stack([np.concatenate([image, labels[None]]) for image, labels in drawn]))
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert seen == {0, 4 if has_sites else IGNORED}


def test_validation_of_a_perfect_network():
    one = case(block((30, 60, 60), (1.0, 1.0, 2.0)), spacing=(1.0, 1.0, 2.0))
    got = validation_metrics(FakeBone(), [one], config=CONFIG)
    assert got["dice"] > 0.93
    assert got["site_accuracy"] == (1.0 if SITES[3] == "rib" else 0.0)


def test_air_needs_no_network():
    class Never(FakeBone):
        def forward(self, images):
            raise AssertionError

    assert not bone_masks(
        Never(), np.full((3, 20, 30), -1000, np.int16), spacing_mm=(1.0, 1.0, 1.0), config=CONFIG
    ).any()
    assert torch.is_tensor(next(Never().parameters()))


def test_a_table_is_no_body_but_an_arm_is():
    cubes = np.zeros((30, 80, 80), np.uint8)
    cubes[:, 10:50, 20:60] = 60
    cubes[:, 20:32, 66:78] = 60  # an arm, apart
    cubes[:, 60:62, 5:75] = 90  # the shell of a table
    cubes[12:18, 66:72, 5:11] = 200  # a buckle on it
    cubes[:, 50, 40] = 60  # a fold of the gown that touches both
    body = _body(cubes, pixel_mm=1.5)
    assert body[:, 12:48, 22:58].all()
    assert body[:, 22:30, 68:76].all()
    assert not body[:, 58:].any()
    assert not _body(np.zeros((3, 4, 5), np.uint8), pixel_mm=1.5).any()
    assert _body(np.full((1, 9, 9), 60, np.uint8), pixel_mm=1.5).all()


def test_doubtful_marrow_is_bone_under_the_surface_alone():
    chance = np.zeros((12, 12, 12), np.uint8)
    chance[2:10, 2:10, 2:10] = 60
    chance[2, 2:10, 2:10] = 250
    _settle_core(chance, config=BoneConfig(threshold=0.4, core_threshold=0.2))
    bone = chance > 255 * 0.4
    assert bone[3:9, 3:9, 3:9].all()
    assert bone[2, 2:10, 2:10].all()
    assert bone.sum() == 6**3 + 8 * 8
    assert chance[9, 5, 5] == 60
    assert chance[2, 5, 5] == 250


class HuNet(FakeBone):
    """A chance of bone by the middle channel's attenuation: ``table`` of (from HU, logit), rising."""

    def __init__(self, *table):
        super().__init__()
        self.table = table

    def forward(self, images):
        logits = super().forward(images)
        low, high = BoneConfig().window_hu
        logits[:, 0] = -30.0
        for least, logit in self.table:
            logits[:, 0] = torch.where(images[:, 1] * (high - low) + low > least, logit, logits[:, 0])
        return logits


def test_bright_voxels_in_doubt_are_bone_beside_sure_bone_and_dark_ones_are_not():
    hu = np.full((40, 60, 60), 40, dtype=np.int16)
    hu[8:32, 10:30, 10:30] = 200
    hu[10:30, 12:28, 12:28] = 500
    hu[8:32, 42:50, 42:50] = 200  # bright, in doubt, but far from bone
    network = HuNet((0.0, -0.85), (350.0, 30.0))  # soft tissue and more: 0.3; dense: sure
    settled = BoneConfig(threshold=0.6, bright_hu=150, bright_threshold=0.1, core_threshold=0.9)
    bone = bone_masks(network, hu, spacing_mm=(1.0, 1.0, 1.0), config=settled) > 0
    assert bone[20, 14:26, 10:30].all()
    assert bone[8:32, 20, 20].all()
    assert not bone[hu < 150].any()
    assert not bone[:, 42:50, 42:50].any()
    strict = BoneConfig(threshold=0.6, bright_hu=150, bright_threshold=0.6, core_threshold=0.9)
    assert not (bone_masks(network, hu, spacing_mm=(1.0, 1.0, 1.0), config=strict) > 0)[8:9].any()


@pytest.mark.parametrize(("cortex_hu", "expected"), [(250, False), (500, True)])
def test_what_has_no_cortex_is_no_bone_however_sure_the_network(cortex_hu, expected):
    hu = np.full((40, 60, 60), 40, dtype=np.int16)
    hu[8:32, 10:34, 10:34] = cortex_hu
    hu[10:30, 12:32, 12:32] = 200
    bone = bone_masks(HuNet((150.0, 30.0)), hu, spacing_mm=(1.0, 1.0, 1.0), config=CONFIG) > 0
    assert bone[20, 20, 20] == expected
