"""One lesion seen in two overlapping stations is one finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.geometry import Grid

SAME_LESION = 0.25
"""Share of the smaller lesion's voxels, of those in both fields of view, that must lie in the other: a guess."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Lesions of one station.

    Attributes:
        labels: (z, y, x) on ``grid``, 1 to n.
        grid: of the labels.
        scores: (n,).
    """

    labels: NDArray[np.uint16]
    grid: Grid
    scores: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class MergedLesion:
    """One lesion.

    Attributes:
        parts: (station, label) pairs, the one that shows most of it first.
        score: the highest of its parts.
    """

    parts: tuple[tuple[int, int], ...]
    score: float


def merge_stations(stations: Sequence[Seen]) -> list[MergedLesion]:
    """Lesions of all stations, those that lie in one place as one, in falling score."""
    nodes = [(k, label) for k, one in enumerate(stations) for label in range(1, len(one.scores) + 1)]
    parent = {node: node for node in nodes}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        while parent[node] != node:
            node = parent[node]
        return node

    for a in range(len(stations)):
        for b in range(a + 1, len(stations)):
            for mine, other in _same(stations[a], stations[b]):
                parent[root((a, mine))] = root((b, other))
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for node in nodes:
        groups.setdefault(root(node), []).append(node)
    volumes = [np.bincount(one.labels.ravel(), minlength=len(one.scores) + 1) * one.grid.voxel_mm3 for one in stations]
    merged = []
    for members in groups.values():
        ordered = sorted(members, key=lambda node: -volumes[node[0]][node[1]])
        score = max(float(stations[k].scores[label - 1]) for k, label in members)
        merged.append(MergedLesion(parts=tuple(ordered), score=score))
    return sorted(merged, key=lambda lesion: -lesion.score)


def _same(a: Seen, b: Seen) -> set[tuple[int, int]]:
    """Pairs of labels that are one lesion."""
    return _found_in(a, b) | {(mine, other) for other, mine in _found_in(b, a)}


def _found_in(a: Seen, b: Seen) -> set[tuple[int, int]]:
    """Labels of ``a`` whose voxels within ``b``'s field of view lie in a label of ``b``."""
    places = np.argwhere(a.labels > 0)
    if not len(places) or not len(b.scores):
        return set()
    index = np.rint(b.grid.to_index(a.grid.to_mm(places[:, ::-1]))).astype(int)[:, ::-1]
    inside = ((index >= 0) & (index < np.asarray(b.labels.shape))).all(axis=1)
    mine = a.labels[tuple(places[inside].T)].astype(int)
    other = b.labels[tuple(index[inside].T)].astype(int)
    within = np.bincount(mine, minlength=len(a.scores) + 1)
    pairs, counts = np.unique(np.stack([mine, other])[:, other > 0], axis=1, return_counts=True)
    return {(int(m), int(o)) for m, o, n in zip(*pairs, counts, strict=True) if n >= SAME_LESION * within[int(m)]}
