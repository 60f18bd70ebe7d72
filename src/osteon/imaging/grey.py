"""Grey levels of MR, which has no units: minimum to maximum as 0 to 255, and contrast equalised by neighbourhood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLIP_LIMIT, TILES = 2.0, 8
"""Of CLAHE: a guess. The metastasis study names the method and not its settings; these are OpenCV's customary ones."""


def to_bytes(array: NDArray[Any], *, percentiles: tuple[float, float] = (0.0, 100.0)) -> NDArray[np.uint8]:
    """Stretch a volume to whole numbers 0 to 255 and clip what lies outside.

    Args:
        array: any shape.
        percentiles: which become 0 and 255; 0 and 100 are minimum and maximum, as in the metastasis study
            (doi:10.3348/kjr.2023.0671). A volume of one value becomes 0.

    Raises:
        UsageError: percentiles that do not rise within 0 to 100.
    """
    lowest, highest = percentiles
    if not 0 <= lowest < highest <= 100:
        raise UsageError(f"percentiles {percentiles}: expected two rising numbers from 0 to 100")
    if percentiles == (0.0, 100.0):
        low, high = float(array.min()), float(array.max())
    else:
        low, high = (float(value) for value in np.percentile(array, percentiles))
    if not high > low:
        return np.zeros(array.shape, dtype=np.uint8)
    scaled = (array.astype(np.float32) - low) * np.float32(255 / (high - low))
    return np.asarray(np.rint(np.clip(scaled, 0, 255)), dtype=np.uint8)


def equalise(array: NDArray[np.uint8], *, clip_limit: float = CLIP_LIMIT, tiles: int = TILES) -> NDArray[np.uint8]:
    """Contrast-limited adaptive histogram equalisation of each plane of (slices, rows, columns).

    Pizer et al., Comput Vis Graph Image Process 1987 (doi:10.1016/S0734-189X(87)80186-X), as OpenCV has it.

    Args:
        array: grey levels.
        clip_limit: how far contrast may rise, in multiples of an even histogram.
        tiles: neighbourhoods along each side.
    """
    method = cv2.createCLAHE(clipLimit=clip_limit, tileGridSize=(tiles, tiles))
    return np.stack([method.apply(np.ascontiguousarray(plane)) for plane in array])
