"""From a cohort's scans to 8-bit pictures: slices that show the disease, windowed, stored as JPEG, resized.

The study converted its slices to JPEG before anything else; here the JPEG is kept on disk as what the networks see, so
that it can be looked at. Cases become ``<cache>/case-<fingerprint>/NNNNN.jpg`` and ``case.json``.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from osteon.cohort.splits import image_name
from osteon.errors import CohortError, InputError
from osteon.imaging.canonical import canonical
from osteon.imaging.slices import Window
from osteon.systems.differential.config import CLASSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.records import Volume
    from osteon.systems.differential.config import DifferentialConfig

AIR_HU = -1000
_FORMAT = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """Pictures of one side, in memory.

    Attributes:
        pixels: uint8 (n, y, x).
        label: (n,) index into ``CLASSES``.
        patient, case: (n,) names.
        index: (n,) axial slice of the case, from 0.
        fingerprint: of pixels, labels and names.
    """

    pixels: NDArray[np.uint8]
    label: NDArray[np.int64]
    patient: NDArray[np.str_]
    case: NDArray[np.str_]
    index: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each picture, as splits by image have it."""
        return tuple(image_name(case, int(index)) for case, index in zip(self.case, self.index, strict=True))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all there is."""
        digest = hashlib.sha256(f"{self.pixels.shape}|{'|'.join(self.names)}|{'|'.join(self.patient)}".encode())
        digest.update(np.ascontiguousarray(self.pixels).data)
        digest.update(self.label.tobytes())
        return digest.hexdigest()

    def take(self, rows: NDArray[Any]) -> Pictures:
        """Some of the pictures: (n,) booleans or indices."""
        return Pictures(
            pixels=self.pixels[rows],
            label=self.label[rows],
            patient=self.patient[rows],
            case=self.case[rows],
            index=self.index[rows],
        )


def disease_slices(lesions: NDArray[Any], *, pixel_mm2: float, config: DifferentialConfig) -> NDArray[np.intp]:
    """Axial slices (z, y, x) that show the disease; evenly thinned out to ``config.max_slices``."""
    shown = np.flatnonzero((lesions > 0).sum(axis=(1, 2)) * pixel_mm2 >= max(config.min_lesion_mm2, pixel_mm2))
    if config.max_slices and len(shown) > config.max_slices:
        shown = shown[np.linspace(0, len(shown) - 1, config.max_slices).round().astype(int)]
    return shown


def slice_jpeg(
    plane: NDArray[Any], lesions: NDArray[Any], *, spacing_mm: tuple[float, float], config: DifferentialConfig
) -> bytes:
    """One axial slice (y, x) in HU as an 8-bit JPEG: cut, windowed, compressed.

    Args:
        plane: HU.
        lesions: mask of the slice; where it is cut, round the middle of these.
        spacing_mm: of the pixels (x, y).
        config: window, field and quality.
    """
    if config.field_mm > 0:
        plane = _cut(plane, lesions, spacing_mm=spacing_mm, field_mm=config.field_mm)
    grey = np.rint(Window(low_hu=config.window_hu[0], high_hu=config.window_hu[1]).apply(plane) * 255).astype(np.uint8)
    done, data = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, config.jpeg_quality])
    assert done  # fails for shapes and types only
    return bytes(data.tobytes())


def _cut(
    plane: NDArray[Any], lesions: NDArray[Any], *, spacing_mm: tuple[float, float], field_mm: float
) -> NDArray[Any]:
    """The square round the lesions' middle; air beyond the edge of the slice."""
    ys, xs = np.nonzero(lesions)
    spans, pads = [], []
    for places, length, size in ((ys, plane.shape[0], spacing_mm[1]), (xs, plane.shape[1], spacing_mm[0])):
        side = max(1, round(field_mm / size))
        middle = (places.min() + places.max()) // 2 if len(places) else length // 2
        low, high = int(middle) - side // 2, int(middle) - side // 2 + side
        spans.append(slice(max(low, 0), min(high, length)))
        pads.append((max(-low, 0), max(high - length, 0)))
    return np.pad(plane[spans[0], spans[1]], pads, constant_values=AIR_HU)


def decode(data: bytes) -> NDArray[np.uint8]:
    """The grey picture of a JPEG.

    Raises:
        InputError: it is none.
    """
    grey = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if grey is None:
        raise InputError("a stored slice is no JPEG any more; remove the cache and run again")
    return np.asarray(grey, dtype=np.uint8)


def resize(grey: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A picture as a square of ``side`` pixels, as the networks take it; bilinear, by area where it shrinks."""
    shrinks = side * 1.3 < max(grey.shape)
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (side, side), interpolation=how), dtype=np.uint8)


def scan_jpegs(
    volume: Volume, lesions: NDArray[Any], *, config: DifferentialConfig
) -> tuple[NDArray[np.intp], list[bytes]]:
    """Axial slices that show the disease, and the JPEG of each.

    Args:
        volume: CT in HU, any orientation.
        lesions: mask on its grid.
        config: which slices, and how.
    """
    axial = canonical(volume)
    mask = canonical(type(volume)(array=np.asarray(lesions), grid=volume.grid, modality=volume.modality)).array
    dx, dy, _ = axial.grid.spacing_mm
    shown = disease_slices(mask, pixel_mm2=dx * dy, config=config)
    return shown, [slice_jpeg(axial.array[k], mask[k] > 0, spacing_mm=(dx, dy), config=config) for k in shown]


def cohort_pictures(
    cohort: Cohort,
    cache: Path,
    *,
    config: DifferentialConfig,
    side: int,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> Pictures:
    """All pictures of a cohort, each scan read once into ``cache``.

    A case whose diagnosis is not one of ``CLASSES``, or whose lesions are not known, is an error; one whose lesions do
    not show gives no picture.

    Raises:
        CohortError: a case that cannot be used, or no picture at all.
    """
    rows: list[tuple[NDArray[np.uint8], int, str, str, int]] = []
    for number, case in enumerate(cohort.cases, start=1):
        label = diagnosis_of(case)
        folder = cache / f"case-{_fingerprint(cohort, case, config)}"
        if not (folder / "case.json").exists():
            _write_case(cohort, case, folder, config=config)
        for index in json.loads((folder / "case.json").read_text(encoding="utf-8"))["slices"]:
            grey = resize(decode((folder / f"{index:05d}.jpg").read_bytes()), side)
            rows.append((grey, label, case.patient, case.case, index))
        on_case(number, len(cohort.cases), case.case)
    if not rows:
        raise CohortError(f"cohort {cohort.name}: no slice shows a lesion of {config.min_lesion_mm2:g} mm2 or more")
    return gather_pictures(rows)


def gather_pictures(rows: Sequence[tuple[NDArray[np.uint8], int, str, str, int]]) -> Pictures:
    """Pictures from rows of picture, label, patient, case and slice."""
    return Pictures(
        pixels=np.stack([row[0] for row in rows]),
        label=np.array([row[1] for row in rows], dtype=np.int64),
        patient=np.array([row[2] for row in rows], dtype=np.str_),
        case=np.array([row[3] for row in rows], dtype=np.str_),
        index=np.array([row[4] for row in rows], dtype=np.int64),
    )


def diagnosis_of(case: Case) -> int:
    """Index of a case's diagnosis in ``CLASSES``.

    Raises:
        CohortError: it is none of them.
    """
    diagnosis = case.labels.get("diagnosis")
    if diagnosis not in CLASSES:
        raise CohortError(f"case {case.case}: label 'diagnosis' is {diagnosis!r}; expected one of {', '.join(CLASSES)}")
    return CLASSES.index(diagnosis)


def load_case(cohort: Cohort, case: Case) -> tuple[Volume, NDArray[Any]]:
    """CT and lesion mask of a case, in the voxel order of the CT.

    Raises:
        CohortError: no CT that can be read, or a mask on another grid.
    """
    from osteon.dicom.choose import choose_ct_series
    from osteon.dicom.scan import scan
    from osteon.dicom.series import load_volume
    from osteon.dicom.source import open_source

    path = cohort.truth_path(case, "lesions")
    with open_source(cohort.study_path(case)) as source:
        chosen = choose_ct_series(scan(source, modality="CT").series)
        if chosen is None:
            raise CohortError(f"case {case.case}: no CT series in {case.study} can be read; see `osteon info`")
        volume = load_volume(chosen)
    try:
        return volume, read_lesions(path, volume)
    except InputError as error:
        raise CohortError(f"case {case.case}: {error}") from error


def read_lesions(path: Path, volume: Volume) -> NDArray[Any]:
    """A lesion mask (NIfTI) on the grid of a volume.

    Raises:
        InputError: it lies on another grid, or holds what is no label.
    """
    from osteon.formats.nifti import read_nifti

    mask = read_nifti(path, modality="CT")
    if mask.grid.shape != volume.grid.shape or not np.allclose(mask.grid.affine, volume.grid.affine, atol=0.01):
        raise InputError(
            f"lesion mask has grid {mask.grid.shape} from {np.round(mask.grid.origin_mm, 1)} mm, the CT "
            f"{volume.grid.shape} from {np.round(volume.grid.origin_mm, 1)} mm; resample the mask onto the CT"
        )
    if not np.isfinite(mask.array).all() or mask.array.min() < 0:
        raise InputError("lesion mask has negative values or values that are no numbers; expected labels from 0")
    return mask.array


def _fingerprint(cohort: Cohort, case: Case, config: DifferentialConfig) -> str:
    """Name of the cached pictures: changes with the case's files and with what shapes a picture."""
    shaping = (config.window_hu, config.jpeg_quality, config.field_mm, config.min_lesion_mm2, config.max_slices)
    text = f"{_FORMAT}|{cohort.root.resolve()}|{cohort.name}|{case.case}|{case.study}|{shaping}"
    digest = hashlib.sha256(text.encode())
    study = cohort.study_path(case)
    files = [study] if study.is_file() else sorted(path for path in study.rglob("*") if path.is_file())
    for path in [*files, cohort.truth_path(case, "lesions")]:
        stat = path.stat()
        digest.update(f"|{path.relative_to(cohort.root).as_posix()}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _write_case(cohort: Cohort, case: Case, folder: Path, *, config: DifferentialConfig) -> None:
    volume, lesions = load_case(cohort, case)
    indices, pictures = scan_jpegs(volume, lesions, config=config)
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for index, jpeg in zip(indices, pictures, strict=True):
        (draft / f"{index:05d}.jpg").write_bytes(jpeg)
    (draft / "case.json").write_text(json.dumps({"slices": [int(k) for k in indices]}) + "\n", encoding="utf-8")
    draft.rename(folder)
