"""What an annotator could have marked: lesions that stand out from the bone around them.

The lytic study's truth is what two radiologists boxed on sharp-kernel slices in a bone window. A drawn lesion that is
lost in marrow of nearly its own attenuation, or in noise, is none that they would have counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_CONTRAST_HU = 75.0
"""One twentieth of a 1500 HU bone window."""
LEAST_ROSE = 8.0
"""Contrast over noise times the root of the area in pixels. Rose (doi 10.1364/JOSA.38.000196) put certain detection at
about 5; more is asked for here, since noise is correlated and a lesion must be told from bone texture."""
RING_MM = (1.0, 5.0)
"""How far from a lesion the bone round it is measured."""
_LEAST_NOISE_HU = 5.0
_UNKNOWN_NOISE_HU = 30.0  # where too few pixels are there to measure it


@dataclass(frozen=True, kw_only=True, slots=True)
class Conspicuity:
    """How one lesion stands out on its largest slice.

    Attributes:
        contrast_hu: median of the bone round it less median inside.
        noise_hu: SD of the noise inside, from differences of neighbouring pixels.
        area_px: pixels on that slice.
    """

    contrast_hu: float
    noise_hu: float
    area_px: int

    @property
    def seen(self) -> bool:
        """Whether an annotator could count it."""
        rose = self.contrast_hu / max(self.noise_hu, _LEAST_NOISE_HU) * np.sqrt(self.area_px)
        return bool(self.contrast_hu >= LEAST_CONTRAST_HU and rose >= LEAST_ROSE)


def conspicuity(
    hu: NDArray[Any], *, sites: NDArray[np.uint8], lesions: NDArray[np.uint16], pixel_mm: float
) -> dict[int, Conspicuity]:
    """Measure every lesion of a label map on the image, each on the slice where it is largest.

    Args:
        hu: Hounsfield units, (z, y, x); so are the others.
        sites: 0 outside bone.
        lesions: 0 or the lesion's number.
        pixel_mm: width of a (square) pixel.

    Returns:
        Number -> conspicuity.
    """
    result = {}
    reach = int(np.ceil(RING_MM[1] / pixel_mm)) + 2
    for number, window in enumerate(ndimage.find_objects(lesions), start=1):
        if window is None:
            continue
        z, y, x = window
        areas = (lesions[window] == number).sum(axis=(1, 2))
        k = z.start + int(np.argmax(areas))
        part = k, slice(max(y.start - reach, 0), y.stop + reach), slice(max(x.start - reach, 0), x.stop + reach)
        inside, bone = lesions[part] == number, (sites[part] > 0) & (lesions[part] == 0)
        result[number] = _on_slice(hu[part].astype(np.float32), inside=inside, bone=bone, pixel_mm=pixel_mm)
    return result


def keep_seen(hu: NDArray[Any], *, sites: NDArray[np.uint8], lesions: NDArray[np.uint16], pixel_mm: float) -> set[int]:
    """Erase from ``lesions``, in place, those that no annotator could count; arguments as for ``conspicuity``.

    Returns:
        Numbers of the lesions that stay.
    """
    measured = conspicuity(hu, sites=sites, lesions=lesions, pixel_mm=pixel_mm)
    seen = {number for number, one in measured.items() if one.seen}
    numbers = sorted(seen)
    for plane in lesions:  # over a whole body at once, isin would take gigabytes
        plane[~np.isin(plane, numbers)] = 0
    return seen


def _on_slice(
    plane: NDArray[np.float32], *, inside: NDArray[np.bool_], bone: NDArray[np.bool_], pixel_mm: float
) -> Conspicuity:
    """``bone`` is bone without any lesion. A lesion with no bone round it has no contrast."""
    distance = cv2.distanceTransform((~inside).astype(np.uint8), cv2.DIST_L2, 5) * pixel_mm
    ring = bone & (distance > RING_MM[0]) & (distance <= RING_MM[1])
    contrast = float(np.median(plane[ring]) - np.median(plane[inside])) if ring.sum() >= 4 else 0.0
    core = inside[:, 1:] & inside[:, :-1]
    steps = np.diff(plane, axis=1)[core]
    noise = float(1.4826 * np.median(np.abs(steps)) / np.sqrt(2)) if len(steps) >= 6 else _UNKNOWN_NOISE_HU
    return Conspicuity(contrast_hu=contrast, noise_hu=noise, area_px=int(inside.sum()))
