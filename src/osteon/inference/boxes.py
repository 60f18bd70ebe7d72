"""Boxes of several networks on one slice made one, and boxes on neighbouring slices linked into lesions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def pairwise_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """IoU of boxes (n, 4) and (m, 4), x0 y0 x1 y1: (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b))
    joined: NDArray[np.float32] = shared / np.maximum(area_a[:, None] + area_b[None, :] - shared, 1e-9)
    return joined


def merge_ensemble(
    members: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]], *, iou: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Merge the boxes of an ensemble on one slice.

    Rule: going down in score over all members, a box joins the first group whose average box it overlaps by ``iou`` or
    more, else it founds a group. A group's box is the score-weighted mean of its boxes; its score is the sum over
    members of each member's best score in it, divided by the number of members, so that a box which one of three
    networks alone saw keeps a third of its score. (Weighted boxes fusion, Solovyev 2021, arXiv:1910.13302, with that
    rescaling.)

    Args:
        members: per network: boxes (n, 4) and scores (n,).
        iou: overlap from which two boxes are one.

    Returns:
        Boxes (k, 4) and scores (k,), falling.
    """
    boxes = np.concatenate([m[0].reshape(-1, 4) for m in members]).astype(np.float32)
    scores = np.concatenate([m[1] for m in members]).astype(np.float32)
    owner = np.repeat(np.arange(len(members)), [len(m[1]) for m in members])
    groups: list[list[int]] = []
    means: list[NDArray[np.float32]] = []
    for k in np.argsort(-scores, kind="stable"):
        overlaps = pairwise_iou(boxes[k : k + 1], np.stack(means))[0] if means else np.zeros(0)
        if len(overlaps) and overlaps.max() >= iou:
            group = int(np.argmax(overlaps))
            groups[group].append(int(k))
        else:
            group = len(groups)
            groups.append([int(k)])
            means.append(boxes[k])
        chosen = groups[group]
        means[group] = np.average(boxes[chosen], axis=0, weights=np.maximum(scores[chosen], 1e-6)).astype(np.float32)
    totals = np.array(
        [sum(scores[[i for i in g if owner[i] == m]].max(initial=0) for m in set(owner[g])) for g in groups],
        dtype=np.float32,
    ) / max(1, len(members))
    order = np.argsort(-totals, kind="stable")
    merged = np.stack(means)[order] if means else np.zeros((0, 4), dtype=np.float32)
    return merged, totals[order].astype(np.float32)


@dataclass(slots=True)
class Track:
    """Boxes on rising slices taken for one lesion: slice indices, boxes (x0 y0 x1 y1, pixel edges) and scores."""

    slices: list[int] = field(default_factory=list)
    boxes: list[NDArray[np.float32]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def add(self, index: int, box: NDArray[np.float32], score: float) -> None:
        """Append one box."""
        self.slices.append(index)
        self.boxes.append(box)
        self.scores.append(score)


def link_slices(
    slices: Sequence[tuple[int, NDArray[np.float32], NDArray[np.float32]]],
    *,
    spacing_z_mm: float,
    gap_mm: float = 6.0,
    overlap: float = 0.3,
) -> list[Track]:
    """Link boxes on neighbouring slices into lesions.

    Rule: going up through the slices, boxes in falling score; a box continues the open track whose last box it covers
    best, if their shared area is at least ``overlap`` of the smaller box and the last box lies within ``gap_mm``; a
    track takes one box a slice; other boxes open a track.

    Args:
        slices: (slice index, boxes (n, 4), scores (n,)), rising in index.
        spacing_z_mm: distance between slices.
        gap_mm: widest gap that is bridged.
        overlap: shared area over the smaller area.
    """
    tracks: list[Track] = []
    active: list[Track] = []
    for index, boxes, scores in slices:
        active = [t for t in active if (index - t.slices[-1]) * spacing_z_mm <= gap_mm]
        taken: set[int] = set()
        opened: list[Track] = []
        cover = _cover(boxes, np.stack([t.boxes[-1] for t in active])) if active and len(boxes) else None
        for k in np.argsort(-scores, kind="stable"):
            best = _best_track(cover[k], taken, overlap) if cover is not None else None
            if best is None:
                opened.append(Track())
                opened[-1].add(index, boxes[k], float(scores[k]))
            else:
                taken.add(best)
                active[best].add(index, boxes[k], float(scores[k]))
        tracks += opened
        active += opened
    return tracks


def _cover(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shared area over the smaller area, (n, m)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a, area_b = ((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b))
    cover: NDArray[np.float32] = shared / np.maximum(np.minimum(area_a[:, None], area_b[None, :]), 1e-9)
    return cover


def _best_track(cover: NDArray[np.float32], taken: set[int], overlap: float) -> int | None:
    free = [k for k in np.argsort(-cover, kind="stable") if int(k) not in taken and cover[k] >= overlap]
    return int(free[0]) if free else None
