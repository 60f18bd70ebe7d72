"""From a station's probability map to lesions: connected, large enough, with features and, once calibrated, scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from osteon.evaluation.lesions import number_lesions
from osteon.evaluation.pairs import Rule, label_pairs
from osteon.systems.metastasis.stations import HIT_PIXELS, hit_voxels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.evaluation.pairs import Pairs
    from osteon.imaging.fixed_size import FixedSize

FEATURES = ("logit of the highest probability", "mean probability", "log of the volume")
MATCH_TEXT = (
    f"a prediction hits a lesion if they share {HIT_PIXELS} pixels of a 224 x 224 image in 24 slices, or as much of "
    "another grid; every prediction that hits is right, a lesion is found once"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLesions:
    """Lesions of one station.

    Attributes:
        labels: uint16 on the sagittal view, 1 to n, 0 elsewhere.
        features: (n, 3) as named by ``FEATURES``.
        mask: pixels above the mask threshold, those of too small lesions included, as the study's Dice counts them.
    """

    labels: NDArray[np.uint16]
    features: NDArray[np.float64]
    mask: NDArray[np.bool_]


def find_lesions(
    probability: NDArray[np.float32], plan: FixedSize, *, voxel_mm3: float, mask_threshold: float
) -> FoundLesions:
    """Cut a probability map into lesions.

    Args:
        probability: (slices, rows, columns) at the networks' size.
        plan: back to the reference's sagittal view.
        voxel_mm3: of that view.
        mask_threshold: probability from which a pixel belongs to a lesion.

    Returns:
        Lesions whose voxels touch by face, edge or corner. What is smaller than the smallest overlap that counts as a
        hit cannot be right and is left out.
    """
    full = plan.to_source(probability)
    mask = full >= mask_threshold
    numbered, count = number_lesions(mask)
    inside = numbered > 0
    number, value = numbered[inside], full[inside]
    sizes = np.bincount(number, minlength=count + 1)
    keep = sizes >= hit_voxels(plan.shape)
    keep[0] = False
    table = np.where(keep, np.cumsum(keep), 0).astype(np.uint16)
    highest = np.zeros(count + 1)
    np.maximum.at(highest, number, value)
    mean = np.bincount(number, weights=value, minlength=count + 1) / np.maximum(sizes, 1)
    top = np.clip(highest, 1e-4, 1 - 1e-4)
    features = np.stack([np.log(top / (1 - top)), mean, np.log(np.maximum(sizes, 1) * voxel_mm3 / 1000)], axis=1)
    return FoundLesions(labels=table[numbered], features=features[keep], mask=mask)


def hits(found: NDArray[np.uint16], true: NDArray[np.uint16]) -> Pairs:
    """Which predictions share enough voxels with which true lesions; both label maps on one grid, without gaps."""
    slices, rows, columns = true.shape
    rule = Rule(name="overlap", at_least=float(hit_voxels((slices, rows, columns))))
    return label_pairs(found, true, rule=rule)
