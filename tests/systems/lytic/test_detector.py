import numpy as np
import pytest
from scipy import ndimage

from osteon.imaging.slices import Window
from osteon.systems.lytic.cases import TrainingCase
from osteon.systems.lytic.config import DetectorConfig
from osteon.systems.lytic.detector import _load, anchors_of, batches, boxes_on_slice, hadamard, list_slices, widen

CONFIG = DetectorConfig(crop=64, samples=7, batch=3)
VIEW = Window(low_hu=CONFIG.window_hu[0], high_hu=CONFIG.window_hu[1])


def depth_outside(mask, spacing):
    """Distance in mm of each pixel to the mask, (y, x)."""
    return ndimage.distance_transform_edt(~mask, sampling=spacing[1::-1])


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 1.0), (0.7, 0.4, 1.0), (1.0, 2.0, 1.0)])
def test_a_mask_is_widened_by_the_margin(spacing):
    mask = np.zeros((60, 70), dtype=bool)
    mask[30, 33] = mask[10:14, 50:60] = True
    wide = widen(mask, spacing_mm=spacing, margin_mm=3.0)
    far, pixel = depth_outside(mask, spacing), max(spacing[:2])
    assert wide[far <= 3.0 - pixel].all()
    assert not wide[far > 3.0 + pixel].any()
    assert np.array_equal(widen(mask, spacing_mm=spacing, margin_mm=0.0), mask)


def test_product_is_the_window_inside_the_widened_mask_and_nothing_outside():
    rng = np.random.default_rng(0)
    hu = rng.integers(-1000, 1500, (5, 40, 50)).astype(np.int16)
    bone = np.zeros(hu.shape, dtype=np.uint8)
    for k in range(5):
        bone[k, 10 + k : 25, 12 : 30 + k] = k + 1
    pixel = (CONFIG.pixel_mm, CONFIG.pixel_mm, 2.5)
    for index in range(5):
        image = hadamard(hu, bone, index, spacing_mm=pixel, config=CONFIG)
        assert image.dtype == np.float32
        for channel, k in enumerate((max(index - 1, 0), index, min(index + 1, 4))):
            wide = widen(bone[k], spacing_mm=pixel, margin_mm=CONFIG.margin_mm)
            assert np.array_equal(image[channel], np.where(wide, VIEW.apply(hu[k]), 0))
        window = (slice(2, 36), slice(3, 45))
        assert np.array_equal(
            hadamard(hu, bone, index, spacing_mm=pixel, config=CONFIG, window=window), image[:, *window]
        )


def test_product_keeps_to_the_mask_when_it_is_resized():
    bone = np.zeros((1, 50, 60), dtype=np.uint8)
    bone[0, 20:30, 25:45] = 1
    spacing = (0.8, 0.9, 3.0)
    image = hadamard(np.full(bone.shape, 2000, np.int16), bone, 0, spacing_mm=spacing, config=CONFIG)
    assert image.shape == (3, round(50 * 0.9 / 0.55), round(60 * 0.8 / 0.55))
    y, x = (np.arange(n) + 0.5 for n in image.shape[1:])
    y, x = y * 50 / image.shape[1], x * 60 / image.shape[2]
    far_y = np.maximum(np.maximum(20 - y, y - 30), 0) * 0.9
    far_x = np.maximum(np.maximum(25 - x, x - 45), 0) * 0.8
    outside = np.maximum(far_y[:, None], far_x[None]) > CONFIG.margin_mm + 2 * 0.9
    assert not image[:, outside].any()
    assert (image[:, np.hypot(far_y[:, None], far_x[None]) == 0] == 1).all()


def test_boxes_are_pixel_edges_up_to_the_border_and_not_of_rims():
    plane = np.zeros((30, 40), dtype=np.uint16)
    plane[0:4, 0:6] = 3
    plane[20:30, 38:40] = 7
    plane[10:12, 10:12] = 4  # 2 x 2 pixels: 2.4 mm at most
    spacing = (1.2, 1.0, 1.0)
    assert boxes_on_slice(plane, spacing).tolist() == [[0, 0, 6, 4], [38, 20, 40, 30]]
    assert len(boxes_on_slice(plane, (1.25, 1.0, 1.0))) == 3
    assert boxes_on_slice(np.zeros_like(plane), spacing).shape == (0, 4)


def test_boxes_equal_a_search_over_the_labels():
    rng = np.random.default_rng(1)
    for _ in range(20):
        plane = rng.integers(0, 6, (12, 9)) * (rng.random((12, 9)) < 0.2)
        spacing = tuple(rng.uniform(0.3, 1.5, 3))
        wanted = []
        for number in np.unique(plane[plane > 0]):
            y, x = np.nonzero(plane == number)
            if max(np.ptp(x + 0.0) * spacing[0] + spacing[0], np.ptp(y + 0.0) * spacing[1] + spacing[1]) >= 2.5:
                wanted.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
        assert boxes_on_slice(plane, spacing).tolist() == wanted


def case(*, spacing=(0.55, 0.55, 2.0), shape=(8, 90, 110)):
    """A block of bone on slices 1 to 6 with one dark lesion on slices 3 and 4."""
    hu = np.full(shape, 40, dtype=np.int16)
    sites, lesions = np.zeros(shape, np.uint8), np.zeros(shape, np.uint16)
    sites[1:7, 20:80, 20:100] = 1
    hu[sites > 0] = 900
    lesions[3:5, 40:52, 60:70] = 1
    hu[lesions > 0] = -150  # black in the detector's window
    return TrainingCase(case="a", patient="a", cohort="c", phantom=True, fingerprint="f", voxels="v", hu=hu,
                        spacing_mm=spacing, sites=sites, lesions=lesions, has_bone=True, has_sites=True,
                        has_lesions=True)  # fmt: skip


def test_slices_with_a_lesion_and_with_bone_alone():
    positive, negative = list_slices([case(), case()])
    assert [(w.case, w.index) for w in positive] == [(0, 3), (0, 4), (1, 3), (1, 4)]
    assert [(w.case, w.index) for w in negative] == [(k, i) for k in (0, 1) for i in (1, 2, 5, 6)]
    assert all(w.boxes.tolist() == [[60, 40, 70, 52]] for w in positive)


def test_samples_show_the_lesion_where_the_box_says():
    one = case()
    positive, negative = list_slices([one])
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(40):
        sample = _load(one, positive[0], config=CONFIG, generator=rng)
        for x0, y0, x1, y1 in sample.boxes.astype(int):
            around = sample.image[1, max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1]
            assert not sample.image[1, y0:y1, x0:x1].any()
            assert (around == 0).sum() == (y1 - y0) * (x1 - x0)
            seen += 1
        assert not len(_load(one, negative[0], config=CONFIG, generator=rng).boxes)
    assert seen > 20


def test_boxes_of_samples_are_in_network_pixels():
    rng = np.random.default_rng(0)
    one = case(spacing=(1.1, 0.55, 2.0))
    sizes = [tuple(b[2:] - b[:2]) for _ in range(30)
             for b in _load(one, list_slices([one])[0][0], config=CONFIG, generator=rng).boxes]  # fmt: skip
    assert max(sizes, key=sum) == pytest.approx((20, 12), abs=0.01)


def test_batches_are_determined_by_the_seed():
    make = batches([case(), case(spacing=(0.8, 0.7, 3.0))], config=CONFIG)
    first, again, other = (list(make(0, np.random.default_rng(seed))) for seed in (0, 0, 1))
    assert len(first) == 2
    assert all(images.shape == (3, 3, 64, 64) for images, _ in first)
    for a, b in zip(first, again, strict=True):
        assert all(bool((x == y).all()) for x, y in zip(a, b, strict=True))
    assert not bool((first[0][0] == other[0][0]).all())
    for images, targets in first:
        assert float(images.min()) >= 0
        assert float(images.max()) <= 1
        assert targets.shape[1] == 6
        assert set(targets[:, 0].tolist()) <= {0, 1, 2}
        assert bool((targets[:, 2:] >= 0).all() and (targets[:, 2:] <= 64).all())
        assert bool((targets[:, 4:] > targets[:, 2:4]).all())
    assert sum(len(targets) for _, targets in first) > 0


def test_cases_without_a_lesion_give_empty_targets_and_no_anchors():
    one = case()
    empty = TrainingCase(**{name: getattr(one, name) for name in one.__dataclass_fields__}
                         | {"lesions": np.zeros_like(one.lesions)})  # fmt: skip
    assert anchors_of([empty], config=CONFIG) is None
    assert all(not len(targets) for _, targets in batches([empty], config=CONFIG)(0, np.random.default_rng(0)))


def test_anchors_lie_within_the_sizes_of_the_boxes():
    levels = anchors_of([case(spacing=(1.1, 0.55, 2.0))], config=CONFIG)
    pairs = np.array([pair for level in levels for pair in level])
    assert pairs == pytest.approx(np.broadcast_to([20.0, 12.0], pairs.shape), rel=0.5)
