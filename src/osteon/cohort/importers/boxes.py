"""LabelMe folders and COCO files with DICOM slices: rectangles on single slices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from osteon.cohort.importers.gathering import ImportOptions, gather, safe_name
from osteon.dicom.scan import scan
from osteon.errors import CohortError, InputError
from osteon.formats.coco import read_coco
from osteon.formats.json_file import read_json, write_json
from osteon.formats.labelme import read_labelme_slice, write_labelme_slice

if TYPE_CHECKING:
    from osteon.cohort.importers.gathering import Gathering
    from osteon.formats.rectangles import SliceAnnotation


def import_labelme(source: Path, out: Path, *, options: ImportOptions) -> tuple[str, ...]:
    """Import folders of DICOM slices with LabelMe files: every folder right below ``source`` is a case.

    A LabelMe file belongs to the DICOM file whose name, without the ending, is that of its ``imagePath``: annotations
    drawn on PNG exports fit as long as the exports kept the slices' names.

    Args:
        source: ``CASE/...`` with DICOM and LabelMe files, in any folders; or these files themselves, for one case.
        out: folder of the cohort.
        options: see there; a label that ``lesion_labels`` does not name is left out, if it names any.

    Raises:
        CohortError: no case, or an annotation without its slice.
        InputError: a file that cannot be read.
    """
    folders = sorted(path for path in source.iterdir() if path.is_dir() and any(path.rglob("*.json")))
    with gather(out, options) as gathering:
        for folder in folders or [source]:
            annotations = [read_labelme_slice(path) for path in sorted(folder.rglob("*.json"))]
            _add_case(gathering, safe_name(folder.name), folder, annotations)
    return tuple(gathering.notes)


def import_coco(source: Path, out: Path, *, options: ImportOptions) -> tuple[str, ...]:
    """Import one COCO file whose images are DICOM slices beside it: ``file_name`` is ``CASE/...slice``.

    Args:
        source: the JSON file, or a folder that holds just one.
        out: folder of the cohort.
        options: as for ``import_labelme``.

    Raises:
        CohortError: an image without a folder, a folder that is not there, or an annotation without its slice.
        InputError: a file that cannot be read.
    """
    path = _only_json(source)
    annotations = read_coco(path)
    names = [str(image["file_name"]) for image in read_json(path)["images"]]
    by_case: dict[str, list[SliceAnnotation]] = {}
    for name, annotation in zip(names, annotations, strict=True):
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if len(parts) < 2 or ".." in parts or PurePosixPath(name).is_absolute():
            raise CohortError(
                f"{path.name}: image {name!r}; expected CASE/slice, with the case's folder beside the file"
            )
        by_case.setdefault(parts[0], []).append(annotation)
    with gather(out, options) as gathering:
        for case, members in sorted(by_case.items()):
            folder = path.parent / case
            if not folder.is_dir():
                raise CohortError(f"{path.name}: no folder {case!r} beside it; expected the case's DICOM slices there")
            _add_case(gathering, safe_name(case), folder, members)
    return tuple(gathering.notes)


def _only_json(source: Path) -> Path:
    if source.is_file():
        return source
    found = sorted(source.glob("*.json"))
    if len(found) != 1:
        raise InputError(f"{source.name}: {len(found)} JSON files here; name the COCO file itself")
    return found[0]


def _add_case(gathering: Gathering, case: str, folder: Path, annotations: list[SliceAnnotation]) -> None:
    """Copy the slices, and write each annotation with the path of its slice in the study."""
    slices = _slices(folder, gathering.options.modality, case)
    study, boxes = f"{gathering.folder(case)}/study", f"{gathering.folder(case)}/boxes"
    by_stem: dict[str, list[Path]] = {}
    for path in slices:
        by_stem.setdefault(path.stem, []).append(path)
        gathering.put(path, f"{study}/{path.relative_to(folder).as_posix()}")
    lesions, used = 0, set()
    for number, annotation in enumerate(annotations, start=1):
        stem = PurePosixPath(annotation.image_name).stem
        matches = by_stem.get(stem, [])
        if len(matches) != 1:
            raise CohortError(
                f"case {case}: annotation of {annotation.image_name}: {len(matches)} DICOM slices of that name; "
                "expected one. Name images as the slices they were made from"
            )
        if stem in used:
            raise CohortError(f"case {case}: two annotations of {annotation.image_name}; expected one a slice")
        used.add(stem)
        wanted = gathering.options.lesion_labels
        kept = tuple(box for box in annotation.rectangles if not wanted or box.label in wanted)
        lesions += len(kept)
        target = gathering.root / boxes / f"{number:05d}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_labelme_slice(target, replace(annotation, image_name=matches[0].name, rectangles=kept))
        # the study's own path in place of the bare name: a study may hold several series with slices of one name
        document = read_json(target) | {"imagePath": matches[0].relative_to(folder).as_posix()}
        write_json(target, document)
    gathering.add(case, study=study, truth={"boxes": boxes}, labels={"boxes": lesions})


def _slices(folder: Path, modality: str, case: str) -> list[Path]:
    """The DICOM files of a folder that are images of the modality."""
    files = {file for series in scan(folder).series if series.modality == modality for file in series.files}
    if not files:
        raise CohortError(f"case {case}: no {modality} slices in DICOM here; annotated pictures alone cannot be read")
    return sorted(Path(file) for file in files)
