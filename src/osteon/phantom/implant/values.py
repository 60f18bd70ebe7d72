"""What a lesion's tissue looks like in this scan: Hounsfield units on CT, signal beside the scan's own muscle on MR."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon.errors import InputError, UsageError
from osteon.phantom.lesions.tissues import BLASTIC, FAT_MARROW, FLUID, LYTIC, MIXED, MUSCLE, RED_MARROW, SCLEROSIS
from osteon.phantom.mr.sequence import Sequence
from osteon.phantom.mr.signal import signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.anatomy.shapes import Array
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.tissue import Tissue

SEQUENCES = {
    "t1": Sequence(role="t1", weighting="T1", tr_ms=550, te_ms=11, echo_train=3),
    "t2": Sequence(role="t2", weighting="T2", tr_ms=3500, te_ms=100, echo_train=16),
    "fs-t2": Sequence(role="fs-t2", weighting="T2", tr_ms=3800, te_ms=80, echo_train=16, fat="saturated"),
    "stir": Sequence(role="stir", weighting="STIR", tr_ms=4000, te_ms=55, ti_ms=160, echo_train=12, fat="nulled"),
    "ce": Sequence(role="ce", weighting="T1", tr_ms=600, te_ms=11, echo_train=3, fat="saturated", enhanced=True),
    "fo": Sequence(role="fo", weighting="T1", tr_ms=600, te_ms=11, echo_train=3, fat="dixon fat", enhanced=True),
}
"""Usual times of each role; the scan's own are put in their place where its header states them."""
ROLES = {
    "T1": "t1",
    "T2": "t2",
    "T2 fat-suppressed": "fs-t2",
    "STIR": "stir",
    "T1 fat-suppressed contrast-enhanced": "ce",
    "Dixon fat": "fo",
}
"""Roles of ``dicom.roles`` and what they are called here."""
NEAR_BONE_MM = (4.0, 45.0)
BLASTIC_HU, MIXED_HU = 450.0, 160.0
_AIR_SHARE = 0.08
EDGE_SHARE = 0.1


def sequence_of(role: str, attributes: dict[str, Any]) -> Sequence:
    """The sequence of a series: its role's usual one with the times and field that its header states.

    Args:
        role: a key of ``SEQUENCES``, or a role of ``dicom.roles``.
        attributes: of the series.

    Raises:
        UsageError: an unknown role.
    """
    name = ROLES.get(role, role)
    if name not in SEQUENCES:
        raise UsageError(f"MR role {role!r}: expected one of {', '.join(SEQUENCES)}")
    usual = SEQUENCES[name]
    tr, te = attributes.get("RepetitionTime"), attributes.get("EchoTime")
    field = attributes.get("MagneticFieldStrength")
    try:
        if tr and te and 100 <= float(tr) <= 15000:
            usual = replace(usual, tr_ms=float(tr), te_ms=float(te))
        if field and 0.2 <= float(field) <= 7:
            usual = replace(usual, field_t=float(field))
        if usual.ti_ms is not None and (ti := attributes.get("InversionTime")):
            usual = replace(usual, ti_ms=float(ti))
    except (TypeError, ValueError):  # times that no spin echo has: the usual ones stay
        return SEQUENCES[name]
    return usual


@dataclass(frozen=True, slots=True)
class CtValues:
    """Attenuation of a spot's parts, in two channels: HU, and 1."""

    def filling(self, spot: Spot) -> Array:
        """What fills a spot."""
        return _pair(spot.hu)

    def pattern(self, spot: Spot) -> Array:
        """What a spot's inner structure is made of."""
        return _pair(spot.hu if spot.pattern_tissue is None else spot.pattern_tissue.hu)

    def rim(self, spot: Spot) -> Array:
        """The sclerotic rim of a spot that has one."""
        return _pair(spot.hu if spot.rim_hu is None else spot.rim_hu)


@dataclass(frozen=True, slots=True)
class MrValues:
    """Signal of a spot's parts, in two channels: the scan's units, and 1.

    The signal equation gives an order of tissues; the scan's own muscle, marrow and fat (or fluid) say how far apart
    they are in this scan, and what lies between two of them is interpolated.

    Attributes:
        sequence: of the scan.
        predicted, measured: (n,) signals of the reference tissues by the equation and in the scan, both rising from 0.
        gain: what all of it is multiplied by.
    """

    sequence: Sequence
    predicted: tuple[float, ...]
    measured: tuple[float, ...]
    gain: float = 1.0

    def filling(self, spot: Spot) -> Array:
        """What fills a spot."""
        return _pair(self.of(tissue_of(spot)))

    def pattern(self, spot: Spot) -> Array:
        """What a spot's inner structure is made of."""
        return _pair(self.of(spot.pattern_tissue or tissue_of(spot)))

    def rim(self, spot: Spot) -> Array:
        """The sclerotic rim of a spot that has one."""
        return _pair(self.of(SCLEROSIS))

    def of(self, tissue: Tissue) -> float:
        """Signal of any tissue; above the brightest reference in proportion to it."""
        found = signal(self.sequence, tissue)
        if found > self.predicted[-1]:
            return self.gain * self.measured[-1] * found / self.predicted[-1]
        return self.gain * float(np.interp(found, self.predicted, self.measured))

    def scaled(self, factor: float) -> MrValues:
        """The same where the coil makes everything brighter by ``factor``."""
        return replace(self, gain=self.gain * factor)


def tissue_of(spot: Spot) -> Tissue:
    """A spot's tissue; where it was drawn for CT alone, the tumour of about its attenuation."""
    if spot.tissue is not None:
        return spot.tissue
    return BLASTIC if spot.hu >= BLASTIC_HU else MIXED if spot.hu >= MIXED_HU else LYTIC


def _pair(value: float) -> Array:
    return np.array([value, 1.0], dtype=np.float32).reshape(2, 1, 1, 1)


def muscle_level(array: NDArray[Any], bone: NDArray[Any], *, spacing_mm: tuple[float, float, float]) -> float:
    """Signal of muscle (and cord and disc, which are near it) on a spin echo without fat suppression or with it.

    Tissue 4 to 45 mm from bone, air left out, is cut in two by Otsu's threshold; the darker part's median is taken. On
    T1 and T2 the brighter part is fat and, on T2, fluid; with fat suppression it is fluid and vessels. A darker part of
    less than a tenth is the edge of the body; then the rest is cut.

    Args:
        array: the scan (z, y, x).
        bone: mask (z, y, x).
        spacing_mm: (x, y, z).

    Raises:
        InputError: hardly any tissue lies there.
    """
    away = ndimage.distance_transform_edt(np.asarray(bone) == 0, sampling=spacing_mm[::-1])
    near = (away >= NEAR_BONE_MM[0]) & (away <= NEAR_BONE_MM[1])
    values = np.asarray(array)[near].astype(np.float64)
    top = float(np.percentile(values, 99)) if values.size else 0.0
    values = values[values > _AIR_SHARE * top]
    if values.size < 200 or top <= 0:
        raise InputError(
            f"{values.size} voxels of tissue within {NEAR_BONE_MM[1]:g} mm of bone; expected at least 200 to compare "
            "with. Give the whole scan and a mask of its bones"
        )
    values = np.minimum(values, top)
    threshold = _otsu(values)
    if (values <= threshold).mean() < EDGE_SHARE:
        values = values[values > threshold]
        threshold = _otsu(values)
    return float(np.median(values[values <= threshold]))


def _otsu(values: NDArray[np.float64]) -> float:
    """Threshold of largest variance between the two sides (Otsu, IEEE Trans SMC 1979, 9:62), 128 bins."""
    counts, edges = np.histogram(values, bins=128)
    middle = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts), np.cumsum(counts * middle)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums / below - (sums[-1] - sums) / above
        between = below.astype(float) * above * gap**2
    return float(middle[int(np.nanargmax(between))])


def mr_values(
    array: NDArray[Any], bone: NDArray[Any], *, spacing_mm: tuple[float, float, float], sequence: Sequence
) -> MrValues:
    """Values of an MR scan by its own tissues: muscle, red marrow for what is in the bones, and the brightest tissue.

    That is fat where fat is seen (the 97th percentile of the scan), fluid where it is suppressed (the 99.8th). In a
    Dixon fat picture, where muscle is as dark as noise, fat comes first. A reference that the scan has in another order
    than the equation is left out.

    Args:
        array: the scan (z, y, x).
        bone: mask (z, y, x).
        spacing_mm: (x, y, z).
        sequence: its times and what it does with fat.
    """
    fat = replace(FAT_MARROW, fat_fraction=0.95)
    seen = sequence.fat in ("kept", "dixon in", "dixon fat")
    brightest = (signal(sequence, fat if seen else FLUID), float(np.percentile(array, 97.0 if seen else 99.8)))
    marrow = (signal(sequence, RED_MARROW), float(np.median(np.asarray(array)[np.asarray(bone) > 0])))
    if sequence.fat == "dixon fat":
        wanted = [brightest, marrow]
    else:
        level = muscle_level(array, bone, spacing_mm=spacing_mm)
        wanted = [(signal(sequence, MUSCLE), level), marrow, brightest]
    points = [(0.0, 0.0)]
    for x, y in wanted:
        if all((x - a) * (y - b) > 0 for a, b in points):
            points.append((x, y))
    points.sort()
    return MrValues(sequence, tuple(x for x, _ in points), tuple(y for _, y in points))
