"""From an axial volume to candidates: bone mask, detector on the product, boxes linked, masks, features of each."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from osteon.imaging.slices import pad_to_multiple
from osteon.inference.boxes import link_slices, merge_ensemble
from osteon.inference.lesion_masks import LesionShape, Measures, lesion_shape, measure
from osteon.networks.yolov5 import detect
from osteon.systems.lytic.bone import bone_stage
from osteon.systems.lytic.config import SITES
from osteon.systems.lytic.detector import hadamard
from osteon.systems.lytic.false_positive_reduction import second_look
from osteon.training.batches import prefetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from osteon.inference.boxes import Track
    from osteon.networks.yolov5 import YOLOv5
    from osteon.systems.lytic.config import DetectorConfig, LyticConfig

STRIDE = 32
SMALLEST_BOX_PX = 1.0
MOST_COVERED = 0.5
"""A candidate more of which lies in surer ones is taken for the same lesion and dropped."""
DETECT_EVERY_MM = 2.0
"""Slices closer together than this are read every other (third, ...) one by the detectors."""
AHEAD = 4
"""Images made beforehand for the detectors."""
FEATURES = ("logit of the best score", "mean score over the best", "log of the number of slices", "log of the diameter")
SECOND_LOOK = "logit of the second look"
"""A further feature, where the model has a network for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One linked lesion before calibration.

    Attributes:
        shape, measures: its voxels and what was measured on them, on the axial grid.
        features: (4,) as named by ``FEATURES``, and ``SECOND_LOOK``'s where the model takes one.
        site: bone site with most of its voxels; None where bones are not told apart.
        slices, boxes: slice indices and boxes (x0 y0 x1 y1, pixel edges of the axial grid) behind it.
    """

    shape: LesionShape
    measures: Measures
    features: NDArray[np.float64]
    site: str | None
    slices: tuple[int, ...]
    boxes: NDArray[np.float32]
    scores: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """All candidates of a volume with its bone sites (uint8, z y x) and the seconds each stage took."""

    sites: NDArray[np.uint8]
    found: tuple[Candidate, ...]
    slice_boxes: tuple[tuple[int, NDArray[np.float32], NDArray[np.float32]], ...]
    timings_s: dict[str, float] = field(default_factory=dict)


def find_candidates(
    hu: NDArray[Any],
    *,
    spacing_mm: tuple[float, float, float],
    bone_network: nn.Module,
    detectors: Sequence[YOLOv5],
    reduction: nn.Module | None,
    config: LyticConfig,
    on_progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> Candidates:
    """Run bone network and detectors over an axial volume (z, y, x) in HU, then ``reduction`` over the candidates."""
    started = time.perf_counter()
    sites = bone_stage(config.bone).bone_masks(
        bone_network,
        hu,
        spacing_mm=spacing_mm,
        config=config.bone,
        on_slice=lambda done, total: on_progress(done, total, "bone"),
    )
    timings = {"bone": time.perf_counter() - started}
    return candidates_in_bone(
        hu,
        sites,
        spacing_mm=spacing_mm,
        detectors=detectors,
        reduction=reduction,
        config=config,
        timings_s=timings,
        on_progress=on_progress,
    )


def candidates_in_bone(
    hu: NDArray[Any],
    sites: NDArray[np.uint8],
    *,
    spacing_mm: tuple[float, float, float],
    detectors: Sequence[YOLOv5],
    reduction: nn.Module | None,
    config: LyticConfig,
    timings_s: dict[str, float] | None = None,
    on_progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> Candidates:
    """The same with the bone network's mask at hand; ``timings_s``: of the stages before."""
    started = time.perf_counter()
    per_slice = detect_slices(
        hu, sites > 0, spacing_mm=spacing_mm, detectors=detectors, config=config.detector, on_progress=on_progress
    )
    after_boxes = time.perf_counter()
    step_mm = spacing_mm[2] * detection_step(spacing_mm[2])
    tracks = link_slices(per_slice, spacing_z_mm=spacing_mm[2], gap_mm=max(6.0, 1.5 * step_mm))
    found = _candidates(tracks, hu, sites, spacing_mm=spacing_mm)
    if reduction is not None:
        logits = second_look(
            reduction,
            hu,
            sites,
            [c.measures.centroid_zyx for c in found],
            spacing_mm=spacing_mm,
            config=config.reduction,
        )
        found = tuple(replace(c, features=np.append(c.features, x)) for c, x in zip(found, logits, strict=True))
    timings = {
        **(timings_s or {}),
        "detection": after_boxes - started,
        "lesions": time.perf_counter() - after_boxes,
    }
    return Candidates(sites=sites, found=found, slice_boxes=tuple(per_slice), timings_s=timings)


def detection_step(spacing_z_mm: float) -> int:
    """Every how many slices the detectors look."""
    return max(1, int(DETECT_EVERY_MM / spacing_z_mm + 1e-6))


def detect_slices(
    hu: NDArray[Any],
    bone: NDArray[np.bool_],
    *,
    spacing_mm: tuple[float, float, float],
    detectors: Sequence[YOLOv5],
    config: DetectorConfig,
    on_progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> list[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """Boxes (n, 4) in pixel edges of the volume and scores (n,), by slice, for slices with bone."""
    result = []
    step = detection_step(spacing_mm[2])

    def prepared() -> Iterator[tuple[int, tuple[slice, slice] | None, NDArray[np.float32] | None]]:
        for index in range(0, hu.shape[0], step):
            window = _bone_window(bone, index, spacing_mm=spacing_mm, margin_mm=10.0)
            image = None
            if window is not None:
                image = hadamard(hu, bone, index, spacing_mm=spacing_mm, config=config, window=window)
            yield index, window, image

    with closing(prefetch(prepared(), ahead=AHEAD)) as images:  # made by a thread while the networks work
        for index, window, image in images:
            if window is not None and image is not None:
                boxes, scores = _detect_image(image, detectors, config)
                rows, columns = (part.stop - part.start for part in window)
                scale = np.array([columns / image.shape[2], rows / image.shape[1]] * 2, dtype=np.float32)
                offset = np.array([window[1].start, window[0].start] * 2, dtype=np.float32)
                result.append((index, boxes * scale + offset, scores))
            on_progress(min(index + step, hu.shape[0]), hu.shape[0], "lesions")
    return result


def _bone_window(
    bone: NDArray[np.bool_], index: int, *, spacing_mm: tuple[float, float, float], margin_mm: float
) -> tuple[slice, slice] | None:
    """Rows and columns that hold the slice's bone, with a margin; None without bone."""
    rows, columns = bone[index].any(axis=1), bone[index].any(axis=0)
    if not rows.any():
        return None
    window = []
    for line, size in ((rows, spacing_mm[1]), (columns, spacing_mm[0])):
        filled = np.flatnonzero(line)
        margin = int(np.ceil(margin_mm / size))
        window.append(slice(max(int(filled[0]) - margin, 0), min(int(filled[-1]) + 1 + margin, len(line))))
    return window[0], window[1]


def _detect_image(
    image: NDArray[np.float32], detectors: Sequence[YOLOv5], config: DetectorConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Merged boxes of the ensemble on one image, in its pixels."""
    padded = torch.from_numpy(pad_to_multiple(image, STRIDE))[None]
    members = []
    for model in detectors:
        weight = next(model.parameters())
        images = padded.to(weight.device, weight.dtype).contiguous(memory_format=torch.channels_last)
        found = detect(model, images, confidence=config.min_score, iou=config.nms_iou)[0]
        boxes = found.boxes_xyxy.float().cpu().numpy()
        boxes = np.clip(boxes, 0, np.array([image.shape[2], image.shape[1]] * 2, dtype=np.float32))
        real = (boxes[:, 2:] - boxes[:, :2] >= SMALLEST_BOX_PX).all(axis=1)  # the rest lies in the padding
        members.append((boxes[real], found.scores.float().cpu().numpy()[real]))
    return merge_ensemble(members, iou=config.merge_iou)


def _candidates(
    tracks: Sequence[Track], hu: NDArray[Any], sites: NDArray[np.uint8], *, spacing_mm: tuple[float, float, float]
) -> tuple[Candidate, ...]:
    """Tracks as lesions that share no voxel: the surer keeps what two claim; what is mostly claimed is dropped."""
    kept: list[Candidate] = []
    for track in sorted(tracks, key=lambda track: -max(track.scores)):
        shape = lesion_shape(track, hu, sites, spacing_mm=spacing_mm)
        free = shape.mask.copy()
        for other in kept:
            _take_away(free, shape.start, other.shape)
        if free.any() and free.sum() >= (1 - MOST_COVERED) * shape.mask.sum():
            shape = LesionShape(start=shape.start, mask=free)
            kept.append(_candidate(track, shape, hu, sites, spacing_mm=spacing_mm))
    return tuple(kept)


def _take_away(mask: NDArray[np.bool_], start: tuple[int, int, int], other: LesionShape) -> None:
    """Clear, in place, the voxels of ``mask`` (its window begins at ``start``) that another lesion has."""
    low = [max(a, b) for a, b in zip(start, other.start, strict=True)]
    high = [min(a + n, b + m) for a, n, b, m in zip(start, mask.shape, other.start, other.mask.shape, strict=True)]
    if all(a < b for a, b in zip(low, high, strict=True)):
        mine = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
        theirs = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, other.start, strict=True))
        mask[mine] &= ~other.mask[theirs]


def _candidate(
    track: Track,
    shape: LesionShape,
    hu: NDArray[Any],
    sites: NDArray[np.uint8],
    *,
    spacing_mm: tuple[float, float, float],
) -> Candidate:
    measures = measure(shape, hu, spacing_mm=spacing_mm)
    inside = sites[shape.window][shape.mask]
    counts = np.bincount(inside, minlength=len(SITES) + 1)
    counts[0] = 0
    site = SITES[int(np.argmax(counts)) - 1] if counts.any() else None
    best = float(np.clip(max(track.scores), 1e-4, 1 - 1e-4))
    features = np.array(
        [
            np.log(best / (1 - best)),
            float(np.mean(track.scores)) / best,
            np.log(len(track.slices)),
            np.log(max(measures.longest_mm, 1.0)),
        ]
    )
    return Candidate(
        shape=shape,
        measures=measures,
        features=features,
        site=site,
        slices=tuple(track.slices),
        boxes=np.stack(track.boxes),
        scores=tuple(track.scores),
    )
