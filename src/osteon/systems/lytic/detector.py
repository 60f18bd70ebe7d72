"""The lesion detectors: YOLOv5 on the Hadamard product of slice and bone mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from scipy import ndimage

from osteon.imaging.slices import Window, context_step, neighbour_indices, resize_slice
from osteon.networks.anchors import fit_anchors
from osteon.networks.yolov5 import YOLOv5, YOLOv5Config, build_yolov5
from osteon.systems.lytic.config import DetectorConfig
from osteon.training.augment_boxes import BoxAugmentation, BoxSample, augment_boxes
from osteon.training.yolo_loss import YoloLossConfig, pack_targets, yolo_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from osteon.systems.lytic.cases import TrainingCase

SMALLEST_BOX_MM = 2.5
"""Boxes smaller than this on a slice are not taught: the rim of a lesion on its last slice."""


def build_detector(config: DetectorConfig, anchors: Any = None) -> YOLOv5:
    """One YOLOv5 with random weights."""
    extra = {} if anchors is None else {"anchors": anchors}
    return build_yolov5(YOLOv5Config(size=config.size, classes=1, in_channels=3, **extra))


def hadamard(
    hu: NDArray[Any],
    bone: NDArray[Any],
    index: int,
    *,
    spacing_mm: tuple[float, float, float],
    config: DetectorConfig,
    window: tuple[slice, slice] = (slice(None), slice(None)),
) -> NDArray[np.float32]:
    """Detector input (3, H, W), 0 to 1: windowed slices times their bone masks, widened by the margin.

    Args:
        hu: axial volume, (z, y, x).
        bone: mask of the same shape; anything but 0 is bone.
        index: slice.
        spacing_mm: (x, y, z).
        config: window, pixel size, context, margin.
        window: part of the slice (rows, columns) to cut out first.
    """
    view = Window(low_hu=config.window_hu[0], high_hu=config.window_hu[1])
    step = context_step(spacing_mm[2], config.context_mm)
    made: dict[int, NDArray[np.float32]] = {}
    indices = neighbour_indices(index, count=hu.shape[0], step=step)
    for k in indices:
        if k not in made:
            mask = widen(bone[k][window], spacing_mm=spacing_mm, margin_mm=config.margin_mm)
            product = np.where(mask, view.apply(hu[k][window]), np.float32(0))
            made[k] = resize_slice(product, from_mm=spacing_mm[:2], to_mm=config.pixel_mm)
    return np.stack([made[k] for k in indices])


def widen(mask: NDArray[Any], *, spacing_mm: tuple[float, float, float], margin_mm: float) -> NDArray[np.bool_]:
    """Dilate a 2-D mask by ``margin_mm`` with an ellipse of pixels."""
    rx, ry = (round(margin_mm / spacing_mm[k]) for k in (0, 1))
    if rx < 1 and ry < 1:
        return mask.astype(bool)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rx + 1, 2 * ry + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


@dataclass(frozen=True, slots=True)
class _Where:
    """One training slice: case, slice, and its boxes (n, 4) in native pixel edges, x0 y0 x1 y1."""

    case: int
    index: int
    boxes: NDArray[np.float32]


def list_slices(cases: Sequence[TrainingCase]) -> tuple[list[_Where], list[_Where]]:
    """Training slices with lesions, and slices with bone but none."""
    positive, negative = [], []
    for number, case in enumerate(cases):
        for index in range(case.hu.shape[0]):
            boxes = boxes_on_slice(case.lesions[index], case.spacing_mm)
            if len(boxes):
                positive.append(_Where(number, index, boxes))
            elif case.sites[index].any():
                negative.append(_Where(number, index, boxes))
    return positive, negative


def boxes_on_slice(plane: NDArray[Any], spacing_mm: tuple[float, float, float]) -> NDArray[np.float32]:
    """Boxes (n, 4), pixel edges, of the lesions on one slice of a label map, but those under ``SMALLEST_BOX_MM``."""
    boxes = []
    if plane.any():
        for found in ndimage.find_objects(plane):
            if found is None:
                continue
            y, x = found
            size_mm = max((x.stop - x.start) * spacing_mm[0], (y.stop - y.start) * spacing_mm[1])
            if size_mm >= SMALLEST_BOX_MM:
                boxes.append((x.start, y.start, x.stop, y.stop))
    return np.asarray(boxes, dtype=np.float32).reshape(-1, 4)


def anchors_of(cases: Sequence[TrainingCase], *, config: DetectorConfig) -> Any:
    """Anchors fitted to the boxes of the training slices, in network pixels; without any box, YOLOv5's own."""
    positive, _ = list_slices(cases)
    if not positive:
        return None
    sizes = [
        (where.boxes[:, 2:] - where.boxes[:, :2]) * np.asarray(cases[where.case].spacing_mm[:2]) / config.pixel_mm
        for where in positive
    ]
    return fit_anchors(np.concatenate(sizes), generator=np.random.default_rng(0))


def _load(case: TrainingCase, where: _Where, *, config: DetectorConfig, generator: np.random.Generator) -> BoxSample:
    """A crop of one slice, masked by its true bone with a random margin, boxes in network pixels."""
    rows, columns = case.hu.shape[1:]
    reach = [round(0.62 * config.crop * config.pixel_mm / case.spacing_mm[k]) for k in (0, 1)]
    if len(where.boxes):
        box = where.boxes[int(generator.integers(len(where.boxes)))]
        middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    else:
        ys, xs = np.nonzero(case.sites[where.index][::4, ::4])
        pick = int(generator.integers(len(ys))) if len(ys) else 0
        middle = np.array([xs[pick] * 4, ys[pick] * 4]) if len(ys) else np.array([columns / 2, rows / 2])
    middle = middle + generator.uniform(-0.45, 0.45, 2) * np.asarray(reach)
    x0, x1 = (int(np.clip(middle[0] + side * reach[0], 0, columns)) for side in (-1, 1))
    y0, y1 = (int(np.clip(middle[1] + side * reach[1], 0, rows)) for side in (-1, 1))
    margin = float(np.clip(config.margin_mm + generator.normal(0, 0.8), 0, 5))
    varied = DetectorConfig(
        pixel_mm=config.pixel_mm, window_hu=config.window_hu, context_mm=config.context_mm, margin_mm=margin
    )
    image = hadamard(
        case.hu,
        case.sites,
        where.index,
        spacing_mm=case.spacing_mm,
        config=varied,
        window=(slice(y0, y1), slice(x0, x1)),
    )
    scale = np.asarray([case.spacing_mm[0], case.spacing_mm[1]] * 2, dtype=np.float32) / np.float32(config.pixel_mm)
    boxes = (where.boxes - np.array([x0, y0, x0, y0], dtype=np.float32)) * scale
    limit = np.array([image.shape[2], image.shape[1]] * 2, dtype=np.float32)
    clipped = np.clip(boxes, 0, limit)
    kept = ((clipped[:, 2:] - clipped[:, :2]) > 0.5 * (boxes[:, 2:] - boxes[:, :2])).all(axis=1)
    return BoxSample(image=image, boxes=clipped[kept], labels=np.zeros(int(kept.sum()), dtype=np.int64))


def batches(
    cases: Sequence[TrainingCase], *, config: DetectorConfig
) -> Callable[[int, np.random.Generator], Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """One epoch's batches for ``training.loop.fit``: two thirds of the images from slices with a lesion."""
    positive, negative = list_slices(cases)
    augmentation = BoxAugmentation(
        size=config.crop, mosaic=config.mosaic, scale=0.25, gain=0.15, gamma=0.15, quarter_turn=0.15, flip_vertical=0.2
    )

    def draw(generator: np.random.Generator) -> BoxSample:
        source = positive if positive and (generator.random() < 0.67 or not negative) else negative
        where = source[int(generator.integers(len(source)))]
        return _load(cases[where.case], where, config=config, generator=generator)

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for _ in range(config.samples // config.batch):
            made = []
            for _ in range(config.batch):
                count = 4 if generator.random() < config.mosaic else 1
                made.append(
                    augment_boxes([draw(generator) for _ in range(count)], config=augmentation, generator=generator)
                )
            images = torch.from_numpy(np.stack([sample.image for sample in made]))
            yield images, pack_targets([torch.from_numpy(sample.boxes) for sample in made])

    return make


def detector_loss(
    network: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], *, model: YOLOv5, loss: YoloLossConfig
) -> dict[str, torch.Tensor]:
    """The published YOLOv5 loss; ``model`` gives the anchors, ``network`` is the same under Fabric's wrapper."""
    images, targets = batch
    parts = yolo_loss(network(images), targets, model, loss)
    return {"loss": parts.total / len(images), "box": parts.box, "objectness": parts.objectness}
