"""How a centre scans a spine: vendor, field strength, sequences, slices and stations.

Times, slices and matrices are those usual today and of the studies: 3 or 4 mm, matrix 320 to 1296, 1.5 and 3 T of three
vendors, 2 or 3 stations a spine (doi 10.3348/kjr.2023.0671); T1, T2 and fat-suppressed T2 of 3 to 7 mm
(doi 10.1002/ima.22800). Which centre has what is made up: a has Siemens and Dixon, b (external) GE and none, c Philips.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from osteon.phantom.mr.sequence import Sequence

if TYPE_CHECKING:
    import numpy as np

STUDIES = {"metastasis": ("t1", "fo", "ce"), "tumor": ("t1", "t2", "fs-t2"), "fracture": ("t1", "t2")}
"""Roles of the series of a study, in their order."""
_VENDORS = {"a": "SIEMENS", "b": "GE MEDICAL SYSTEMS", "c": "Philips Medical Systems"}
_MODELS = {
    "SIEMENS": ("Aera", "Skyra"),
    "GE MEDICAL SYSTEMS": ("Optima MR450w", "DISCOVERY MR750w"),
    "Philips Medical Systems": ("Ingenia", "Achieva dStream"),
}
_MATRICES = {
    "SIEMENS": (320, 448, 512, 640, 896),
    "GE MEDICAL SYSTEMS": (512, 512, 1024),
    "Philips Medical Systems": (480, 560, 640, 864, 1296),
}
_SMALL_MATRICES = (192, 208, 224, 256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    """One examination's settings.

    Attributes:
        centre: "a", "b" or "c".
        vendor, model: DICOM Manufacturer and ManufacturerModelName.
        field_t: 1.5 or 3.
        sequences: in the order they are made.
        fov_mm: side of the square field of view.
        thickness_mm, gap_mm: of the slices.
        slices: of each station.
        stations: how many.
        saturation_band: whether the tissue in front of the spine is saturated.
    """

    centre: str
    vendor: str
    model: str
    field_t: float
    sequences: tuple[Sequence, ...]
    fov_mm: float
    thickness_mm: float
    gap_mm: float
    slices: int
    stations: int
    saturation_band: bool

    @property
    def pitch_mm(self) -> float:
        """From slice to slice."""
        return self.thickness_mm + self.gap_mm

    def sequence(self, role: str) -> Sequence:
        """The sequence of a role.

        Raises:
            KeyError: there is none.
        """
        for one in self.sequences:
            if one.role == role:
                return one
        raise KeyError(f"no sequence for {role!r}; there are {[one.role for one in self.sequences]}")


def draw_protocol(rng: np.random.Generator, *, study: str, centre: str = "a", profile: str = "small") -> Protocol:
    """Draw the settings of one examination.

    Args:
        rng: randomness.
        study: one of ``STUDIES``.
        centre: "a", "b" (without Dixon) or "c".
        profile: "full", or "small" for matrices of 192 to 256, fewer slices and mostly one station.
    """
    vendor = _VENDORS[centre]
    strong = bool(rng.random() < 0.45)
    field = 3.0 if strong else 1.5
    thickness = _thickness(rng, study)
    full = profile == "full"
    matrix = int(rng.choice(_MATRICES[vendor] if full else _SMALL_MATRICES))
    phase_share = float(rng.uniform(0.68, 0.9))
    base = Sequence(
        role="t1",
        weighting="T1",
        tr_ms=float(rng.uniform(450, 700)),
        te_ms=float(rng.uniform(8, 14)),
        echo_train=int(rng.integers(3, 6)) if rng.random() < 0.85 else 1,
        echo_spacing_ms=float(rng.uniform(8, 11)),
        field_t=field,
        readout="AP" if rng.random() < 0.7 else "HF",
        acquired=_acquired(matrix, phase_share, full=full),
        matrix=matrix,
        bandwidth_hz=float(rng.uniform(150, 300)) * (1.4 if strong else 1.0),
        snr=float(rng.uniform(20, 55)) * (1.25 if strong else 1.0),
    )
    roles = tuple(role for role in STUDIES[study] if not (role == "fo" and centre == "b"))
    return Protocol(
        centre=centre,
        vendor=vendor,
        model=_MODELS[vendor][int(strong)],
        field_t=field,
        sequences=tuple(_sequence(role, base, rng=rng, centre=centre) for role in roles),
        fov_mm=float(rng.uniform(300, 400) if study == "metastasis" else rng.uniform(260, 330)),
        thickness_mm=thickness,
        gap_mm=round(0.1 * thickness, 2),
        slices=int(rng.integers(15, 25) if full else rng.integers(11, 16)),
        stations=int(rng.integers(2, 4))
        if full and study == "metastasis"
        else 1 + int(not full and rng.random() < 0.15),
        saturation_band=bool(rng.random() < 0.65),
    )


def _thickness(rng: np.random.Generator, study: str) -> float:
    if study == "metastasis":
        return 3.0 if rng.random() < 341 / 663 else 4.0
    return float(rng.choice([3.0, 3.5, 4.0, 5.0, 6.0, 7.0], p=[0.25, 0.15, 0.35, 0.15, 0.05, 0.05]))


def _acquired(matrix: int, phase_share: float, *, full: bool) -> tuple[int, int]:
    """Sampled points: large matrices are mostly interpolated."""
    readout = matrix if not full else min(matrix, 512) if matrix < 600 else 448
    return readout, 2 * round(readout * phase_share / 2)


def _sequence(role: str, base: Sequence, *, rng: np.random.Generator, centre: str) -> Sequence:
    """The sequence for a role, from the settings of T1."""
    if role == "t1":
        return base
    if role in ("t2", "fs-t2"):
        long_tr = float(rng.uniform(2800, 4500))
        train = int(rng.integers(12, 22))
        spaced = replace(base, role=role, weighting="T2", tr_ms=long_tr, echo_train=train, echo_spacing_ms=9.5)
        if role == "t2":
            return replace(spaced, te_ms=float(rng.uniform(85, 120)))
        if rng.random() < 0.45:
            ti = float(rng.uniform(150, 170) if base.field_t < 2 else rng.uniform(200, 225))
            return replace(
                spaced, weighting="STIR", te_ms=float(rng.uniform(40, 70)), ti_ms=ti, fat="nulled", echo_train=10
            )
        return replace(spaced, te_ms=float(rng.uniform(60, 95)), fat="saturated")
    late = replace(base, role=role, tr_ms=float(rng.uniform(500, 750)), enhanced=True, snr=base.snr * 0.9)
    if role == "fo":
        return replace(late, fat="dixon fat", bandwidth_hz=base.bandwidth_hz * 1.5)
    by_dixon = centre != "b" and bool(rng.random() < 0.5)
    return replace(late, fat="dixon water" if by_dixon else "saturated")
