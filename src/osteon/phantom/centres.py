"""Centres a, b and c of the CT phantoms: scanners and protocol, disease burden, and how their annotators draw.

Centre a is the lytic study's kind of place (doi 10.1007/s00256-022-04160-z) seen by a perfect annotator; b and c are
made up to differ from it in everything that external validation meets, by amounts that are guesses. What the centres of
MR differ in stands with its numbers: scanners and sequences in ``mr.protocol``, metastases in ``lesions.metastasis``
(the metastasis study's own and external centre), diagnoses in ``disease``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from osteon.errors import UsageError
from osteon.phantom.ct.acquisition import SHARP, draw_scanner
from osteon.phantom.ct.scan import CtScan, lesion_record
from osteon.phantom.markings import drawn_outline
from osteon.phantom.readers import LesionReader, case_truth, read_case

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from osteon.phantom.ct.acquisition import Scanner


@dataclass(frozen=True, kw_only=True, slots=True)
class CtCentre:
    """One centre of low-dose CT.

    Attributes:
        name: "a", "b" or "c".
        makers: DICOM Manufacturer of its scanners; () for all, as they are sold.
        dose: exposure relative to centre a's.
        thickness_mm, spacing_mm: slices of the full profile; the small one has as much thicker ones than usual.
        smooth_share: share of its sharp-kernel protocols that are read on a smooth kernel instead.
        lesion_factor: lesions a patient relative to centre a.
        annotator: who drew its truth: lesions that this reader does not mark are in no mask, and outlines run
            ``margin_mm`` outside the edge. None for everything visible, drawn exactly.
    """

    name: str
    makers: tuple[str, ...] = ()
    dose: float = 1.0
    thickness_mm: float = 2.0
    spacing_mm: float = 1.0
    smooth_share: float = 0.0
    lesion_factor: float = 1.0
    annotator: LesionReader | None = None


CT_CENTRES = {
    "a": CtCentre(name="a"),
    "b": CtCentre(
        name="b",
        makers=("GE MEDICAL SYSTEMS",),
        dose=1.6,
        thickness_mm=2.5,
        spacing_mm=1.25,
        smooth_share=0.3,
        lesion_factor=0.7,
        annotator=LesionReader(name="annotator b", half_volume_mm3=25.0, steepness=1.5, margin_mm=0.8),
    ),
    "c": CtCentre(
        name="c",
        makers=("Philips", "TOSHIBA"),
        dose=0.6,
        thickness_mm=3.0,
        spacing_mm=2.0,
        smooth_share=0.6,
        lesion_factor=1.5,
        annotator=LesionReader(name="annotator c", half_volume_mm3=50.0, steepness=1.5, margin_mm=-0.5),
    ),
}
"""b: a general hospital of another maker, more dose, thicker slices, fewer lesions, generous outlines, few missed.
c: older scanners, little dose, thick slices, mostly a smooth kernel, advanced disease, tight outlines, small ones
missed."""


def ct_centre(name: str) -> CtCentre:
    """A centre by its letter.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in CT_CENTRES:
        raise UsageError(f"centre {name!r}: expected one of {', '.join(CT_CENTRES)}")
    return CT_CENTRES[name]


def draw_centre_scanner(rng: np.random.Generator, *, profile: str, centre: CtCentre) -> Scanner:
    """A protocol as ``acquisition.draw_scanner`` draws it, of this centre's makers, dose and slices.

    Args:
        rng: randomness.
        profile: "small" or "full".
        centre: whose.
    """
    smooth = bool(rng.random() < centre.smooth_share)
    scanner = draw_scanner(rng, profile=profile)
    while (centre.makers and scanner.manufacturer not in centre.makers) or (smooth and scanner.edge_gain > 0):
        scanner = draw_scanner(rng, profile=profile)
    thicker = centre.thickness_mm / SHARP.thickness_mm
    thickness = scanner.thickness_mm * thicker
    full = profile == "full"
    return replace(
        scanner,
        thickness_mm=thickness,
        spacing_mm=centre.spacing_mm if full else min(scanner.spacing_mm * thicker, thickness),
        noise_hu=scanner.noise_hu / float(np.sqrt(centre.dose * thicker)),
        exposure_mas=round(scanner.exposure_mas * centre.dose, 1),
    )


def as_drawn(scan: CtScan, annotator: LesionReader, *, case: str, seed: int) -> CtScan:
    """The scan with the truth as an annotator drew it: lesions missed are unseen, outlines are wide or tight.

    False marks are left out: the studies' annotators worked in consensus.

    Args:
        scan: with everything visible in its mask.
        annotator: who draws.
        case: name of the case; with the seed it decides what is missed.
        seed: of the draw.
    """
    known = {"lesions": [lesion_record(lesion) for lesion in scan.truth]}
    careful = replace(annotator, mimic_rate=0.0, random_per_case=0.0)
    found = {mark.number for mark in read_case(case_truth(case, known), [careful], seed=seed)}
    return replace(
        scan,
        lesions=_outlined(scan.lesions, found, scan=scan, margin_mm=annotator.margin_mm),
        truth=tuple(lesion for lesion in scan.truth if lesion.number in found),
        unseen=(*scan.unseen, *(lesion for lesion in scan.truth if lesion.number not in found)),
    )


def _outlined(lesions: NDArray[np.uint16], numbers: set[int], *, scan: CtScan, margin_mm: float) -> NDArray[np.uint16]:
    """Label map of some lesions with moved edges, within bone; a lesion that would vanish keeps its own edge."""
    result = np.zeros_like(lesions)
    spacing = scan.volume.grid.spacing_mm
    reach = [int(np.ceil(max(margin_mm, 0) / s)) + 1 for s in spacing[::-1]]
    boxes = ndimage.find_objects(lesions)
    for number in sorted(numbers):
        box = boxes[number - 1]
        window = tuple(slice(max(b.start - r, 0), b.stop + r) for b, r in zip(box, reach, strict=True))
        exact = lesions[window] == number
        moved = drawn_outline(exact, spacing_mm=spacing, margin_mm=margin_mm)
        free = (scan.sites[window] > 0) & (result[window] == 0) & np.isin(lesions[window], (0, number))
        result[window][(moved if moved.any() else exact) & free] = number
    return result
