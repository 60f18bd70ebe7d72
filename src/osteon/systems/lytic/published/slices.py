"""Which slices of which patients the study uses, and those slices on disk.

Kept in ``<folder>/<case>/``: ``hu.npy`` int16 and ``bone.npy`` bool, (n, y, x), and ``slices.json``. Whole scans are
read once and not kept: forty of them are 50 GB.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.errors import CohortError
from osteon.files import whole_folder
from osteon.formats.json_file import read_json
from osteon.imaging.canonical import canonical
from osteon.systems.lytic.cases import lesion_numbers, load_case_volume, read_mask
from osteon.systems.lytic.config import SITES
from osteon.systems.lytic.detector import boxes_on_slice

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort
    from osteon.records import Volume
    from osteon.systems.lytic.published.config import DataPart

SEGMENTS = ("skull base", "cervical", "thoracic", "lumbar", "pelvis", "femurs")
"""The study's body segments, in its order."""
_VERSE = {"cervical": (1, 7), "thoracic": (8, 19), "lumbar": (20, 25)}
ROLES = ("bone", "detection", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class StudySlices:
    """Slices of one case.

    Attributes:
        case, patient: names.
        spacing_mm: (x, y, z).
        index: (n,) slice of the axial scan, rising.
        segment: (n,) place in ``SEGMENTS``.
        purpose: for each slice, "annotated", "random" or "both": drawn for training, drawn as the test's are.
        boxes: for each slice, (k, 4) lesions in pixel edges of the scan, x0 y0 x1 y1.
        hu, bone: (n, y, x), memory maps; ``bone`` means nothing where ``has_bone`` is false.
        slices: of the whole scan.
    """

    case: str
    patient: str
    spacing_mm: tuple[float, float, float]
    index: tuple[int, ...]
    segment: tuple[int, ...]
    purpose: tuple[str, ...]
    boxes: tuple[NDArray[np.float32], ...]
    hu: NDArray[np.int16]
    bone: NDArray[np.bool_]
    has_bone: bool
    slices: int

    def rows(self, purpose: str) -> list[int]:
        """Places of the slices drawn for this."""
        return [k for k, one in enumerate(self.purpose) if one in (purpose, "both")]


def non_consecutive(candidates: NDArray[np.intp], count: int, generator: np.random.Generator) -> list[int]:
    """Draw ``count`` slices (fewer if there are fewer), no two next to each other as long as that can be kept."""
    chosen: set[int] = set()
    order = [int(k) for k in generator.permutation(np.asarray(candidates, dtype=np.intp))]
    for apart in (True, False):
        for k in order:
            if len(chosen) < count and k not in chosen and not (apart and {k - 1, k + 1} & chosen):
                chosen.add(k)
    return sorted(chosen)


def segments_of(vertebrae: NDArray[Any] | None, sites: NDArray[Any] | None, slices: int) -> NDArray[np.intp]:
    """Body segment of every axial slice, counted from the feet, as places in ``SEGMENTS``.

    Rule: a slice through vertebrae belongs to the part of the spine with most of its vertebral voxels; one above all of
    them to the skull base; one below them to the pelvis while it shows sacrum or hip bone, else to the femurs. Where
    vertebrae are not known, the scan is divided into six equal lengths.

    Args:
        vertebrae: VerSe numbers (z, y, x), or None.
        sites: bone sites (z, y, x), or None.
        slices: how many there are.
    """
    if vertebrae is None or sites is None or not ((vertebrae > 0) & (vertebrae < 26)).any():
        return np.asarray(len(SEGMENTS) - 1 - np.arange(slices) * len(SEGMENTS) // slices, dtype=np.intp)
    counts = np.zeros((slices, 3), dtype=np.int64)
    for column, (low, high) in enumerate(_VERSE.values()):
        counts[:, column] = np.count_nonzero((vertebrae >= low) & (vertebrae <= high), axis=(1, 2))
    spine = counts.sum(axis=1) > 0
    pelvis = np.isin(sites, [SITES.index("pelvis") + 1, SITES.index("sacrum") + 1]).any(axis=(1, 2))
    z = np.arange(slices)
    top = int(z[spine].max())
    below = np.where(pelvis, SEGMENTS.index("pelvis"), SEGMENTS.index("femurs"))
    other = np.where(z > top, SEGMENTS.index("skull base"), below)
    return np.asarray(np.where(spine, 1 + counts.argmax(axis=1), other), dtype=np.intp)


def keep_slices(cohort: Cohort, case: Case, *, role: str, part: DataPart, seed: int, folder: Path) -> None:
    """Read a case, draw its slices, and keep them in ``folder / case``, unless they are there.

    Args:
        cohort: of the case.
        case: with lesion truth; a patient who teaches bone, with bone truth.
        role: one of ``ROLES``.
        part: how many slices.
        seed: of the draw, with the case's name.
        folder: of all cases.

    Raises:
        CohortError: a truth that the role needs is missing.
    """
    if (folder / case.case / "slices.json").is_file():
        return
    needed = {"bone": "bone", "detection": "lesions", "test": "lesions"}[role]
    if needed not in case.truth:
        raise CohortError(f"case {case.case}: teaches or tests {role} and has no truth.{needed} in cohort.json; add it")
    volume = load_case_volume(cohort, case)
    axial = canonical(volume)
    truth = {kind: _truth(cohort, case, kind, volume) for kind in ("bone", "lesions", "vertebrae")}
    lesions = lesion_numbers(truth["lesions"], case=case.case) if truth["lesions"] is not None else None
    segment = segments_of(truth["vertebrae"], truth["bone"], axial.grid.shape[0])
    boxes = [
        boxes_on_slice(plane, axial.grid.spacing_mm) if lesions is not None else np.zeros((0, 4), np.float32)
        for plane in (lesions if lesions is not None else axial.array)
    ]
    generator = np.random.default_rng([seed, *case.case.encode()])
    annotated, random = _draw(role, boxes, segment, part=part, generator=generator)
    index = sorted({*annotated, *random})
    purpose = ["both" if k in annotated and k in random else "annotated" if k in annotated else "random" for k in index]
    bone = truth["bone"]
    facts = {
        "patient": case.patient,
        "spacing_mm": list(axial.grid.spacing_mm),
        "index": index,
        "segment": [int(segment[k]) for k in index],
        "purpose": purpose,
        "boxes": [boxes[k].tolist() for k in index],
        "has_bone": bone is not None,
        "slices": axial.grid.shape[0],
    }
    with whole_folder(folder / case.case) as draft:
        np.save(draft / "hu.npy", np.clip(axial.array[index], -1024, 3071).astype(np.int16))
        np.save(draft / "bone.npy", bone[index] > 0 if bone is not None else np.zeros((len(index), 1, 1), bool))
        (draft / "slices.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def _truth(cohort: Cohort, case: Case, kind: str, volume: Volume) -> NDArray[Any] | None:
    """A truth mask on the axial grid, or None where there is none."""
    if kind not in case.truth:
        return None
    mask = read_mask(cohort, case, kind, volume=volume)
    return canonical(type(volume)(array=mask, grid=volume.grid, modality="CT")).array


def _draw(
    role: str,
    boxes: list[NDArray[np.float32]],
    segment: NDArray[np.intp],
    *,
    part: DataPart,
    generator: np.random.Generator,
) -> tuple[set[int], set[int]]:
    """Slices to annotate, and random ones of the whole scan."""
    everywhere = np.arange(len(boxes))
    annotated: list[int] = []
    if role == "bone":
        for number in range(len(SEGMENTS)):
            annotated += non_consecutive(everywhere[segment == number], part.slices_per_segment, generator)
    if role == "detection":
        shown = np.array([len(found) > 0 for found in boxes])
        empty = round(part.slices_per_patient * part.background_share)
        annotated += non_consecutive(everywhere[shown], part.slices_per_patient - empty, generator)
        annotated += non_consecutive(everywhere[~shown], empty, generator)
    random = [] if role == "bone" else non_consecutive(everywhere, part.test_slices, generator)
    return set(annotated), set(random)


def open_slices(folder: Path, case: str) -> StudySlices:
    """What ``keep_slices`` kept of one case."""
    facts = read_json(folder / case / "slices.json")
    x, y, z = facts["spacing_mm"]
    return StudySlices(
        case=case,
        patient=facts["patient"],
        spacing_mm=(x, y, z),
        index=tuple(facts["index"]),
        segment=tuple(facts["segment"]),
        purpose=tuple(facts["purpose"]),
        boxes=tuple(np.asarray(found, dtype=np.float32).reshape(-1, 4) for found in facts["boxes"]),
        hu=np.load(folder / case / "hu.npy", mmap_mode="r"),
        bone=np.load(folder / case / "bone.npy", mmap_mode="r"),
        has_bone=facts["has_bone"],
        slices=facts["slices"],
    )


def grey(plane: NDArray[Any], window_hu: tuple[float, float]) -> NDArray[np.uint8]:
    """A slice as the study's 8-bit PNG: windowed, 0 to 255."""
    low, high = window_hu
    scaled = (plane.astype(np.float32) - low) * np.float32(255.0 / (high - low))
    return np.asarray(np.rint(np.clip(scaled, 0, 255)), dtype=np.uint8)


def to_square(plane: NDArray[Any], size: int) -> NDArray[Any]:
    """An image (y, x) brought to ``size`` x ``size``: its longer side fills it, the rest is 0 at the lower right."""
    import cv2

    height, width = plane.shape
    scale = size / max(height, width)
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    if shape != (width, height):
        if plane.dtype == bool:
            plane = cv2.resize(plane.astype(np.uint8), shape, interpolation=cv2.INTER_NEAREST_EXACT) > 0
        else:
            plane = cv2.resize(plane, shape, interpolation=cv2.INTER_AREA if scale < 1 / 1.3 else cv2.INTER_LINEAR)
    return np.pad(plane, ((0, size - plane.shape[0]), (0, size - plane.shape[1])))
