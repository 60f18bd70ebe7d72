"""The nouns that pass between layers: volumes, series, studies, findings, readings.

Records are frozen and valid once made. Units stand in the names; points are LPS ``(x, y, z)`` in millimetres, arrays
are ``(z, y, x)`` and read-only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003  (dataclass fields are resolved at run time by tools)
from typing import Any

import numpy as np
from numpy.typing import NDArray  # noqa: TC002

from osteon.errors import GeometryError, InputError
from osteon.geometry import Grid, Triple  # noqa: TC001


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """One image volume on a regular grid.

    Attributes:
        array: voxel values, (z, y, x), read-only. CT: int16 or float32 Hounsfield units; MR: as stored after rescale.
        grid: where the voxels are.
        modality: DICOM ``Modality``, "CT" or "MR".
        warnings: what a reader of this volume should know (resampled from a tilt, RescaleSlope missing, ...).
    """

    array: NDArray[Any]
    grid: Grid
    modality: str
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if tuple(self.array.shape) != self.grid.shape:
            raise GeometryError(f"volume of shape {self.array.shape} on a grid of shape {self.grid.shape}")
        if self.array.flags.writeable:
            view = self.array.view()
            view.flags.writeable = False
            object.__setattr__(self, "array", view)


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """An axis-aligned box on one slice, or over several, in voxel *edges* of the source grid.

    Attributes:
        x0, y0, x1, y1: column and row edges; a box round the single pixel (3, 5) is 3, 5, 4, 6.
        z0, z1: first slice index and one past the last.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    z0: int
    z1: int

    def __post_init__(self) -> None:
        values = (self.x0, self.y0, self.x1, self.y1)
        if not all(np.isfinite(values)) or self.x1 <= self.x0 or self.y1 <= self.y0 or self.z1 <= self.z0:
            raise GeometryError(f"box {values}, slices {self.z0} to {self.z1}: expected x0 < x1, y0 < y1, z0 < z1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One suspected lesion, in DICOM patient space (LPS).

    Attributes:
        number: 1 for the first; also the segment number in the SEG.
        kind: what it is taken for, e.g. "lytic lesion".
        site: bone site, e.g. "vertebra", "rib", "pelvis", or a vertebra such as "L3"; None if unknown.
        score: calibrated probability, 0 to 1.
        centre_mm: LPS centroid.
        box: bounding box on the source volume's grid.
        key_slice: slice index (z) of the source volume that shows it best.
        longest_diameter_mm: longest in-plane diameter (on any slice).
        short_diameter_mm: largest extent perpendicular to that, on the same slice.
        volume_mm3: volume by voxel summing.
        mean_value: mean voxel value inside (HU on CT), or None.
        tracking_uid: DICOM UID that names this lesion in SEG and SR.
        series_uid: the series on whose grid box and key slice lie, where it is not the reading's: a study read from
            several series.
    """

    number: int
    kind: str
    score: float
    centre_mm: Triple
    box: Box
    key_slice: int
    longest_diameter_mm: float
    short_diameter_mm: float
    volume_mm3: float
    tracking_uid: str
    site: str | None = None
    mean_value: float | None = None
    series_uid: str | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.score <= 1.0:
            raise InputError(f"finding {self.number}: score {self.score} is not a probability")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """What may be known of a patient outside DICOM objects: no name, no ID, no date."""

    age_years: float | None = None
    sex: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One series (or one geometric stack of it) that can be read as a volume, still on disk.

    Attributes:
        uid: SeriesInstanceUID, or a UID made from the content for a NIfTI file.
        study_uid: StudyInstanceUID.
        modality: DICOM Modality.
        grid: geometry of the volume that ``dicom.series.load_volume`` returns; None where no volume can be made.
        files: the instances in slice order (first = index 0 of the array), one file several frames for multi-frame.
        frames: for multi-frame files, of each slice the index into ``files`` and the number of the frame, from 0;
            empty where every file is one slice.
        source: "dicom" or "nifti".
        description: SeriesDescription on one line, without words of the patient's name and ID; None if nothing is left.
        frame_of_reference_uid: None where absent.
        attributes: DICOM keywords -> plain values that the rest of osteon may need (ConvolutionKernel, SliceThickness,
            KVP, Manufacturer, EchoTime ...), and ``tilt_deg`` as measured if the gantry was tilted. Never a patient's
            identity.
        problems: errors; a series with any cannot be read as a volume.
        warnings: what was noticed and handled.
    """

    uid: str
    study_uid: str
    modality: str
    files: tuple[Path, ...]
    frames: tuple[tuple[int, int], ...] = ()
    source: str = "dicom"
    grid: Grid | None = None
    description: str | None = None
    frame_of_reference_uid: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """The series of one examination of one patient."""

    uid: str
    patient: Patient
    series: tuple[Series, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """How a reading came to be; timings in seconds by stage."""

    software_version: str
    model_name: str
    model_hash: str
    device: str
    precision: str
    calibration: str
    training_data: str
    timings_s: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one system says about one study.

    Attributes:
        system: "lytic", "metastasis", ...
        study_uid, series_uid: what was read.
        findings: in falling order of score, numbered from 1.
        verdicts: patient-level answers, e.g. {"lesion_count": 4, "burden_mm3": 812.0, "bone_volume_mm3": 1.1e6}.
        operating_point: the score threshold used and how it was chosen.
        warnings: everything a radiologist should know before trusting this.
    """

    system: str
    study_uid: str
    series_uid: str
    findings: tuple[Finding, ...]
    verdicts: dict[str, Any]
    operating_point: dict[str, Any]
    provenance: Provenance
    patient: Patient = field(default_factory=Patient)
    warnings: tuple[str, ...] = ()
