"""Lesions into a real scan: measure the scan, draw lesions into its bones, compose them, say what is true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon.errors import GeometryError, InputError, UsageError
from osteon.imaging.canonical import canonical
from osteon.phantom.annotator import conspicuity
from osteon.phantom.ct.scan import LesionTruth
from osteon.phantom.implant.compose import Layer, ScanFacts, layer_of, noise_at, put_in
from osteon.phantom.implant.drawing import check_kind, draw_piece, draw_spot
from osteon.phantom.implant.mask_bones import BonePiece, bone_of, pieces_of
from osteon.phantom.implant.noise import soft_blocks
from osteon.phantom.implant.sharpness import Sharpness, measure_sharpness
from osteon.phantom.implant.values import CtValues, MrValues, mr_values
from osteon.records import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.anatomy.bones import Bone
    from osteon.phantom.canvas import Window
    from osteon.phantom.lesions.spot import Spot
    from osteon.phantom.mr.sequence import Sequence

TRIES = 12
"""Attempts for every lesion wanted."""
LEAST_SLICES, LEAST_PX = 3, 32
CONTRAST_HU, CONTRAST_SHARE = 60.0, 0.2
"""A lesion that differs by less from the marrow in its place (MR: from its signal) is drawn again."""
LEAST_VOXELS = 4
LEAST_CORTEX_HU, AIR_HU = 260.0, -930.0
"""A tenth of every bone is denser than this, and no enhanced organ is; lung is seldom as thin as air. Guesses."""
APART_MM = 2.0
MOST_LESIONS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class ImplantOptions:
    """What to put in.

    Attributes:
        kind: one of ``drawing.KINDS``.
        lesions: how many; fewer where there is no room or the marrow looks like the lesion.
        seed: of everything random.
        thickness_mm: slice thickness; None where it is not known, then the slice spacing is taken.
        sequence: of an MR scan; None for CT.

    Raises:
        UsageError: an impossible value.
    """

    kind: str = "lytic"
    lesions: int = 6
    seed: int = 0
    thickness_mm: float | None = None
    sequence: Sequence | None = None

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if not 1 <= self.lesions <= MOST_LESIONS or self.seed < 0:
            raise UsageError(
                f"{self.lesions} lesions, seed {self.seed}: expected 1 to {MOST_LESIONS} lesions and a seed from 0"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Implanted:
    """A scan with lesions, and everything known of them; arrays (z, y, x) on the scan's grid.

    Attributes:
        volume: the scan, of the type that it had.
        lesions: uint16, 0 or the number of the lesion.
        truth: lesions that stand out enough to be counted; these are in ``lesions``.
        unseen: those that do not; they are in the volume, but in no mask.
        noise_sd: of the scan at each lesion, by its number.
        sharpness: of the scan.
    """

    volume: Volume
    lesions: NDArray[np.uint16]
    truth: tuple[LesionTruth, ...]
    unseen: tuple[LesionTruth, ...]
    noise_sd: dict[int, float]
    sharpness: Sharpness


def implant(
    volume: Volume,
    bone: NDArray[Any],
    *,
    options: ImplantOptions,
    vertebrae: NDArray[Any] | None = None,
    named: bool = True,
) -> Implanted:
    """Put lesions into a scan.

    Args:
        volume: CT in HU, or MR.
        bone: mask on its grid, (z, y, x): 0 outside bone, else a bone site as in a cohort's ``bone`` truth, or 1.
        options: what to put in.
        vertebrae: VerSe numbers on its grid, or None.
        named: whether ``bone`` holds sites.

    Raises:
        InputError: no bone, too small a scan, too little soft tissue to measure, or no lesion finds a place.
        GeometryError: a mask of another shape than the scan.
    """
    _check(volume, bone, vertebrae)
    if (volume.modality == "MR") != (options.sequence is not None):
        raise UsageError(f"{volume.modality} scan: an MR scan needs a sequence, a CT scan has none")
    parts, pieces = pieces_of(bone, volume.grid, vertebrae=vertebrae, named=named)
    array = volume.array.astype(np.float32)
    ct, spacing = volume.modality == "CT", volume.grid.spacing_mm
    boxes = ndimage.find_objects(parts)
    pieces = tuple(one for one in pieces if not ct or _is_bone(array, parts, one, box=boxes[one.number - 1]))
    if not pieces:
        raise InputError("bone mask: no bone of 300 mm3 or more; give a mask of the scan's bones with --bone")
    sharpness = measure_sharpness(volume.array, volume.grid, ct=ct)
    facts = ScanFacts(
        grid=volume.grid,
        blocks=soft_blocks(volume.array, bone=parts, grid=volume.grid, ct=ct),
        sigma_mm=sharpness.sigma_mm,
        thickness_mm=options.thickness_mm or spacing[2],
        ct=ct,
    )
    sequence = options.sequence
    values = CtValues() if sequence is None else mr_values(array, parts, spacing_mm=spacing, sequence=sequence)
    work = _Work(array=array, parts=parts, scan=facts, values=values, lesions=np.zeros(array.shape, np.uint16))
    work.fill(pieces, options)
    return _finish(volume, bone, work, sharpness=sharpness)


def _check(volume: Volume, bone: NDArray[Any], vertebrae: NDArray[Any] | None) -> None:
    shape = volume.array.shape
    if volume.modality not in ("CT", "MR"):
        raise InputError(f"modality {volume.modality}: lesions can be put into CT and MR scans only")
    if shape[0] < LEAST_SLICES or min(shape[1:]) < LEAST_PX:
        raise InputError(
            f"scan of {shape[2]} x {shape[1]} pixels and {shape[0]} slices: expected at least {LEAST_PX} x "
            f"{LEAST_PX} and {LEAST_SLICES}; give the whole scan"
        )
    for name, mask in (("bone", bone), ("vertebra", vertebrae)):
        if mask is not None and mask.shape != shape:
            raise GeometryError(
                f"{name} mask of {mask.shape} voxels, scan of {shape} (z, y, x): expected one grid; resample the mask"
            )


def _is_bone(array: NDArray[np.float32], parts: NDArray[np.int32], piece: BonePiece, *, box: Window) -> bool:
    """Whether a piece has a cortex and lies in the body: networks take a kidney or the table for bone now and then."""
    window = tuple(slice(max(part.start - 3, 0), part.stop + 3) for part in box)
    inside = parts[window] == piece.number
    round_it = ndimage.binary_dilation(inside, structure=np.ones((1, 3, 3)), iterations=3) & ~inside
    values = array[window]
    in_air = bool(round_it.any()) and float((values[round_it] < AIR_HU).mean()) > 0.5
    return not in_air and bool(np.percentile(values[inside], 90) >= LEAST_CORTEX_HU)


class _Work:
    """The scan while lesions are put into it, one after the other."""

    def __init__(
        self,
        *,
        array: NDArray[np.float32],
        parts: NDArray[np.int32],
        scan: ScanFacts,
        values: CtValues | MrValues,
        lesions: NDArray[np.uint16],
    ) -> None:
        self.array, self.parts, self.scan, self.values, self.lesions = array, parts, scan, values, lesions
        self.spots: list[Spot] = []
        self.noise_sd: dict[int, float] = {}
        self.bones: dict[int, Bone] = {}
        self.boxes = ndimage.find_objects(parts)
        self.marrow = float(np.median(array[parts > 0]))

    def fill(self, pieces: tuple[BonePiece, ...], options: ImplantOptions) -> None:
        """Draw until there are as many as wanted, or too often in vain."""
        rng = np.random.default_rng([options.seed, 17])
        for _ in range(TRIES * options.lesions):
            if len(self.spots) == options.lesions:
                return
            piece = draw_piece(pieces, options.kind, rng)
            if piece.number not in self.bones:
                self.bones[piece.number] = bone_of(piece, self.parts, self.scan.grid, box=self.boxes[piece.number - 1])
            spot = draw_spot(options.kind, self.bones[piece.number], rng)
            if spot is not None and not any(_near(spot, other) for other in self.spots):
                self.try_one(spot, piece, rng)
        if not self.spots:
            raise InputError(
                f"no place for a {options.kind} lesion in {len(pieces)} bones after {TRIES * options.lesions} "
                "attempts: the bones are too thin, or their marrow looks like the lesion; try another kind, or check"
                " mask and scan"
            )

    def try_one(self, spot: Spot, piece: BonePiece, rng: np.random.Generator) -> None:
        """Put a lesion in unless it would be lost in the marrow there."""
        values = self.values if isinstance(self.values, CtValues) else self.values.scaled(self._brightness(spot))
        layer = layer_of(spot, self.bones[piece.number], values, scan=self.scan, rng=rng)
        if layer is None or layer.inside.sum() < LEAST_VOXELS or not self._differs(layer):
            return
        number, noise = len(self.spots) + 1, noise_at(self.scan, spot)
        held = self.parts[layer.window]
        put_in(self.array, layer, others=(held > 0) & (held != piece.number), noise=noise, rng=rng)
        part = self.lesions[layer.window]
        part[layer.inside & (part == 0)] = number
        self.noise_sd[number] = round(float(noise.sd), 2)
        self.spots.append(spot)

    def _differs(self, layer: Layer) -> bool:
        weight = np.where(layer.inside, layer.share, 0)
        total = float(weight.sum())
        if total <= 0:
            return False
        before = float((weight * self.array[layer.window]).sum()) / total
        after = float(layer.value[layer.inside].sum()) / max(float(layer.share[layer.inside].sum()), 1e-6)
        least = CONTRAST_HU if self.scan.ct else CONTRAST_SHARE * abs(before)
        return abs(before - after) >= least

    def _brightness(self, spot: Spot) -> float:
        """How bright the coil makes marrow near a lesion, relative to all of it; two thirds to one and a half."""
        low, high = (self.scan.grid.to_index(p) for p in spot.solid.bounds())
        low, high = np.minimum(low, high) - 12, np.maximum(low, high) + 12
        window = tuple(slice(max(int(a), 0), max(int(b), 0) + 1) for a, b in zip(low[::-1], high[::-1], strict=True))
        near = self.array[window][self.parts[window] > 0]
        return float(np.clip(np.median(near) / self.marrow, 2 / 3, 1.5)) if near.size and self.marrow > 0 else 1.0


def _near(a: Spot, b: Spot) -> bool:
    (low_a, high_a), (low_b, high_b) = a.solid.bounds(), b.solid.bounds()
    return bool((np.minimum(high_a, high_b) - np.maximum(low_a, low_b) > -APART_MM).all())


def _finish(volume: Volume, bone: NDArray[Any], work: _Work, *, sharpness: Sharpness) -> Implanted:
    """Round as the scan was, and sort lesions into those that can be counted and those that cannot."""
    made = work.array
    if np.issubdtype(volume.array.dtype, np.integer):
        limits = np.iinfo(volume.array.dtype)
        made = np.clip(np.rint(made), limits.min, limits.max)
    result = Volume(
        array=made.astype(volume.array.dtype), grid=volume.grid, modality=volume.modality, warnings=volume.warnings
    )
    voxels = np.bincount(work.lesions.ravel(), minlength=len(work.spots) + 1)
    drawn = tuple(
        _truth(spot, number, volume_mm3=float(voxels[number] * volume.grid.voxel_mm3))
        for number, spot in enumerate(work.spots, start=1)
    )
    seen = _seen(result, bone, work.lesions) if volume.modality == "CT" else {one.number for one in drawn}
    work.lesions[~np.isin(work.lesions, sorted(seen))] = 0
    return Implanted(
        volume=result,
        lesions=work.lesions,
        truth=tuple(one for one in drawn if one.number in seen),
        unseen=tuple(one for one in drawn if one.number not in seen),
        noise_sd=work.noise_sd,
        sharpness=sharpness,
    )


def _seen(volume: Volume, bone: NDArray[Any], lesions: NDArray[np.uint16]) -> set[int]:
    """Numbers of the lesions that an annotator could count on axial slices; dense ones always."""
    axial = canonical(volume)
    masks = [
        canonical(Volume(array=mask, grid=volume.grid, modality=volume.modality)).array
        for mask in ((np.asarray(bone) > 0).astype(np.uint8), lesions)
    ]
    pixel = float(np.sqrt(axial.grid.spacing_mm[0] * axial.grid.spacing_mm[1]))
    measured = conspicuity(axial.array, sites=masks[0], lesions=masks[1], pixel_mm=pixel)
    return {number for number, one in measured.items() if one.seen or one.contrast_hu < 0}


def _truth(spot: Spot, number: int, *, volume_mm3: float) -> LesionTruth:
    x, y, z = (round(float(value), 2) for value in np.mean(spot.solid.bounds(), axis=0))
    return LesionTruth(
        number=number,
        kind=spot.kind,
        bone=spot.bone,
        site=spot.site,
        label=spot.label,
        diameter_mm=round(spot.diameter_mm, 2),
        volume_mm3=round(volume_mm3, 2),
        centre_mm=(x, y, z),
    )
