"""What reading one case of a cohort gives to the figures of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case
    from osteon.evaluation.overlap import OverlapCounts
    from osteon.evaluation.pairs import Pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseResult:
    """What one case gives to the figures.

    Attributes:
        bone: voxel counts of the bone mask; None without truth.
        pairs, scores: candidates against lesions; without lesion truth (``lesions_known``) they say nothing.
        lesion_mm, lesion_site: equivalent diameter and bone site of each true lesion, in rising number.
        slice_truth, slice_found: boxes by slice index.
        lesions_known: the case has lesion truth; an empty mask is one. Else it counts in no figure on lesions.
        trained_on: the scan is among those that the model was trained or validated on.
    """

    case: Case
    bone: OverlapCounts | None
    pairs: Pairs
    scores: NDArray[np.float64]
    lesion_mm: NDArray[np.float64]
    lesion_site: tuple[str, ...]
    slice_truth: dict[int, NDArray[np.float32]]
    slice_found: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]]
    seconds: float
    trained_on: bool = False
    lesions_known: bool = True
