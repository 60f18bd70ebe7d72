"""Training pictures of the tumour detector: labelled slices of both classes in balance, pasted copies, parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from osteon.errors import CohortError
from osteon.systems.tumor.frames import evened_out, fit_picture
from osteon.training.augment_boxes import BoxAugmentation, BoxSample, augment_boxes
from osteon.training.self_cutmix import SelfCutMix, self_cutmix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from osteon.systems.tumor.cases import SeriesFrames, TumorCase
    from osteon.systems.tumor.config import DetectorConfig

_ROUND_A_PART = 1.5
"""What is cut before turning and zooming, in sides of what is left."""
_PARTS_WITH_LABEL = 0.8

Place = tuple["SeriesFrames", int]


def labelled_places(cases: Sequence[TumorCase]) -> tuple[list[list[Place]], list[Place]]:
    """Labelled frames by class, and frames without a label of series that have some.

    Raises:
        CohortError: no labelled frame of one of the classes.
    """
    labelled: list[list[Place]] = [[], []]
    empty: list[Place] = []
    for series in (one for case in cases for one in case.series if one.boxes):
        for index in range(len(series.frames)):
            if index in series.boxes:
                labelled[int(series.labels[index].max())].append((series, index))
            else:
                empty.append((series, index))
    if not all(labelled):
        raise CohortError(
            f"{len(labelled[0])} benign and {len(labelled[1])} malignant frames with a box to train the detector on; "
            "expected some of each"
        )
    return labelled, empty


def picture_batches(
    listed: tuple[list[list[Place]], list[Place]], config: DetectorConfig
) -> Callable[[int, np.random.Generator], Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]]:
    """What makes an epoch's batches: pictures (3, y, x) of 0 to 1, and boxes with labels, 1 benign, 2 malignant."""
    labelled, empty = listed
    paste = SelfCutMix(
        probability=config.cutmix, least=config.least_factor, most=config.most_factor, reach=config.reach
    )
    vary = BoxAugmentation(
        size=config.crop or config.image_px,
        flip_horizontal=config.mirror,
        flip_vertical=0.0,
        mosaic=0.0,
        scale=0.2,
        translate=0.0 if config.crop else 0.08,
        gain=0.2,
        gamma=0.2,
    )

    def draw(generator: np.random.Generator) -> BoxSample:
        plain = bool(empty) and generator.random() >= config.labelled
        chosen = empty if plain else labelled[int(generator.integers(2))]  # classes in balance
        series, index = chosen[int(generator.integers(len(chosen)))]
        sample = _sample(series, index, paste=paste, config=config, generator=generator)
        if config.crop:
            sample = part_of(sample, side=round(_ROUND_A_PART * config.crop), reach=config.crop, generator=generator)
        return augment_boxes([sample], config=vary, generator=generator)

    def make(epoch: int, generator: np.random.Generator) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]]]]:
        for _ in range(max(1, config.samples // config.batch)):
            made = [draw(generator) for _ in range(config.batch)]
            images = [torch.from_numpy(np.ascontiguousarray(one.image)).expand(3, -1, -1) for one in made]
            yield (
                images,
                [
                    {
                        "boxes": torch.from_numpy(one.boxes.reshape(-1, 4).astype(np.float32)),
                        "labels": torch.from_numpy(one.labels.astype(np.int64)),
                    }
                    for one in made
                ],
            )

    return make


def _sample(
    series: SeriesFrames, index: int, *, paste: SelfCutMix, config: DetectorConfig, generator: np.random.Generator
) -> BoxSample:
    """One frame with its boxes, perhaps with a pasted copy, at the network's size; labels from 1."""
    boxes = series.boxes.get(index, np.zeros((0, 4), np.float32))
    labels = series.labels.get(index, np.zeros(0, np.int64)) + 1
    frame, boxes, labels = self_cutmix(
        np.asarray(series.frames[index])[..., None],
        boxes,
        labels,
        config=paste,
        generator=generator,
    )
    picture, factor = fit_picture(frame, config.image_px)
    return BoxSample(
        image=evened_out(picture, spread=config.even_out).transpose(2, 0, 1),
        boxes=(boxes * np.float32(factor)).astype(np.float32),
        labels=labels,
    )


def part_of(sample: BoxSample, *, side: int, reach: float, generator: np.random.Generator) -> BoxSample:
    """A square part of a picture: mostly one that shows a label, not always in the middle; else anywhere.

    Args:
        sample: the whole.
        side: of the part in pixels; black beyond the picture's edges.
        reach: pixels; the label's centre is up to four tenths of these from the part's.
        generator: of all that is random.
    """
    height, width = sample.image.shape[1:]
    if len(sample.boxes) and generator.random() < _PARTS_WITH_LABEL:
        box = sample.boxes[int(generator.integers(len(sample.boxes)))]
        middle = (box[:2] + box[2:]) / 2 + generator.uniform(-0.4, 0.4, 2) * reach
    else:
        middle = generator.uniform(0.1, 0.9, 2) * (width, height)
    left, top = (int(value) for value in np.clip(np.rint(middle), 0, (width - 1, height - 1)) - side // 2)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    part = np.zeros((len(sample.image), side, side), np.float32)
    part[:, y0 - top : y1 - top, x0 - left : x1 - left] = sample.image[:, y0:y1, x0:x1]
    moved = sample.boxes - np.array([left, top, left, top], np.float32)
    return BoxSample(image=part, boxes=moved, labels=sample.labels)
