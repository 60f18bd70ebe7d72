"""Lesions as objects in a mask: numbering, volumes, bins of volume, and lesion-wise overlap.

Lesion-wise overlap follows panoptic quality (Kirillov et al., CVPR 2019; for lesions as in panoptica, Kofler et al.
2023): lesions are paired one-to-one in falling fit, and with TP pairs, FP predictions and FN lesions in no pair

- recognition quality RQ = TP / (TP + FP / 2 + FN / 2), the F1 of detection,
- segmentation quality SQ = mean Dice (or IoU) of the pairs, panoptic quality PQ = RQ x SQ,
- lesion-wise Dice = sum of the pairs' Dice / (TP + FP + FN): a lesion that is missed or invented counts as 0 (the
  measure of the BraTS challenge of 2023, without its dilation and size limit).

No lesion in either mask: nothing is defined (nan). No pair: RQ, PQ and lesion-wise Dice are 0, SQ is nan.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from osteon.errors import GeometryError, UsageError
from osteon.evaluation.pairs import Rule, label_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

VOLUME_EDGES_CM3 = (0.5, 1.0, 2.0)
"""Upper edges of the metastasis study's bins (Korean J Radiol 2024, 10.3348/kjr.2023.0671, Table 3)."""
NAN = float("nan")


def number_lesions(mask: ArrayLike, *, connectivity: str = "full") -> tuple[NDArray[np.int32], int]:
    """Number the connected components of a mask from 1.

    Args:
        mask: (z, y, x) or (y, x); anything but 0 is inside.
        connectivity: "full": voxels that share a face, an edge or a corner are connected (26 neighbours, 8 in 2-D);
            "faces": only those that share a face (6, 4 in 2-D).

    Returns:
        Label map, 0 for background, and the number of lesions.

    Raises:
        UsageError: another connectivity.
    """
    if connectivity not in ("full", "faces"):
        raise UsageError(f"connectivity {connectivity!r}: expected 'full' or 'faces'")
    inside = np.asarray(mask) != 0
    structure = ndimage.generate_binary_structure(inside.ndim, inside.ndim if connectivity == "full" else 1)
    labels = np.zeros(inside.shape, dtype=np.int32)
    count = ndimage.label(inside, structure=structure, output=labels)
    return labels, int(count)


def lesion_volumes_mm3(labels: NDArray[np.integer], *, voxel_mm3: float) -> NDArray[np.float64]:
    """Volume of lesions 1 to n by voxel summing, (n,) mm3."""
    return np.asarray(np.bincount(labels[labels > 0].astype(np.intp))[1:] * float(voxel_mm3), dtype=np.float64)


def lesion_scores(labels: NDArray[np.integer], probability: ArrayLike, *, how: str = "max") -> NDArray[np.float64]:
    """Score of lesions 1 to n from a map of probabilities on the same grid, (n,).

    Args:
        labels: label map.
        probability: any map where higher means surer.
        how: "max" or "mean" over the lesion.

    Raises:
        GeometryError: the shapes differ.
        UsageError: another ``how``.
    """
    values = np.asarray(probability)
    if values.shape != labels.shape:
        raise GeometryError(
            f"label map of shape {labels.shape}, scores of shape {values.shape}: expected the same grid"
        )
    if how not in ("max", "mean"):
        raise UsageError(f"lesion score {how!r}: expected 'max' or 'mean'")
    inside = labels > 0
    number, value = labels[inside].astype(np.intp) - 1, values[inside].astype(np.float64)
    counts = np.bincount(number)
    if how == "mean":
        return np.bincount(number, weights=value) / np.maximum(counts, 1)
    highest = np.full(counts.size, -np.inf)
    np.maximum.at(highest, number, value)
    return highest


def volume_bins(
    volumes_cm3: ArrayLike, *, edges_cm3: Sequence[float] = VOLUME_EDGES_CM3
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """Bin lesions by volume; a lesion of exactly an edge's volume belongs to the bin below, as in the study.

    Args:
        volumes_cm3: (n,) cubic centimetres (or areas, if the edges are).
        edges_cm3: rising upper edges; the last bin is open.

    Returns:
        Bin of each lesion (n,) and the names of the bins.

    Raises:
        UsageError: edges that do not rise or are not positive.
    """
    edges = np.asarray(edges_cm3, dtype=np.float64)
    if edges.ndim != 1 or not edges.size or not np.isfinite(edges).all() or (np.diff(edges, prepend=0.0) <= 0).any():
        raise UsageError(f"volume edges {list(edges_cm3)} cm3: expected rising positive numbers")
    text = [f"{edge:.1f}" if float(f"{edge:.1f}") == edge else f"{edge:g}" for edge in edges]
    between = [f"> {low} to ≤ {high}" for low, high in pairwise(text)]
    names = (f"≤ {text[0]}", *between, f"> {text[-1]}")
    volumes = np.round(np.asarray(volumes_cm3, dtype=np.float64), 9)  # 500 voxels of 0.001 cm3 are 0.5, not above
    return np.searchsorted(edges, volumes, side="left"), names


@dataclass(frozen=True, kw_only=True, slots=True)
class LesionwiseOverlap:
    """Lesion-wise overlap of one case.

    Attributes:
        true: (k,) index of the true lesion of each pair, label minus 1.
        predicted: (k,) index of its prediction.
        dice: (k,) of each pair.
        iou: (k,) of each pair.
        missed: number of true lesions in no pair.
        extra: number of predicted lesions in no pair.
    """

    true: NDArray[np.intp]
    predicted: NDArray[np.intp]
    dice: NDArray[np.float64]
    iou: NDArray[np.float64]
    missed: int
    extra: int

    @property
    def recognition_quality(self) -> float:
        """TP / (TP + FP / 2 + FN / 2)."""
        bottom = self.dice.size + (self.missed + self.extra) / 2
        return self.dice.size / bottom if bottom else NAN

    @property
    def segmentation_quality(self) -> float:
        """Mean Dice of the pairs."""
        return float(self.dice.mean()) if self.dice.size else NAN

    @property
    def panoptic_quality(self) -> float:
        """RQ x SQ, with Dice."""
        quality = self.recognition_quality
        return quality * self.segmentation_quality if self.dice.size else quality

    @property
    def lesionwise_dice(self) -> float:
        """Sum of the pairs' Dice / (TP + FP + FN)."""
        bottom = self.dice.size + self.missed + self.extra
        return float(self.dice.sum()) / bottom if bottom else NAN


def lesionwise_overlap(
    true: NDArray[np.integer], predicted: NDArray[np.integer], *, iou_at_least: float | None = None
) -> LesionwiseOverlap:
    """Pair the lesions of two label maps one-to-one, the best IoU first, and measure the pairs.

    Args:
        true: label map (z, y, x) or (y, x), 0 background, lesions 1 to n.
        predicted: label map on the same grid.
        iou_at_least: a pair needs this IoU; None: any overlap. From 0.5 up, the pairing cannot depend on the order.

    Raises:
        InputError: shapes differ, or labels with gaps.
        UsageError: ``iou_at_least`` not above 0 and up to 1.
    """
    rule = Rule(name="iou", at_least=1e-12 if iou_at_least is None else iou_at_least)
    pairs = label_pairs(predicted, true, rule=rule)
    order = np.lexsort((pairs.prediction, pairs.truth, -pairs.affinity))
    chosen, taken_true, taken_predicted = [], set(), set()
    for row in order:
        t, p = int(pairs.truth[row]), int(pairs.prediction[row])
        if t not in taken_true and p not in taken_predicted:
            chosen.append(row)
            taken_true.add(t)
            taken_predicted.add(p)
    rows = np.asarray(chosen, dtype=np.intp)
    iou = pairs.affinity[rows]
    return LesionwiseOverlap(
        true=pairs.truth[rows],
        predicted=pairs.prediction[rows],
        dice=2 * iou / (1 + iou),
        iou=iou,
        missed=int(true.max(initial=0)) - rows.size,
        extra=int(predicted.max(initial=0)) - rows.size,
    )
