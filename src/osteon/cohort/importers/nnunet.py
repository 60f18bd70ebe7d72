"""nnU-Net's raw data folder: ``dataset.json``, ``imagesTr``, ``labelsTr`` (format of nnU-Net v2).

The class masks become instance masks: each connected part of a lesion label (26 neighbours) is a lesion.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from osteon.cohort.importers.gathering import ImportOptions, gather, pick_labels, safe_name
from osteon.cohort.splits import Fold, write_splits
from osteon.errors import CohortError, InputError
from osteon.formats.json_file import read_json
from osteon.formats.nifti import read_nifti, write_nifti

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.importers.gathering import Gathering

_ENDINGS = (".nii.gz", ".nii")
_CHANNEL = re.compile(r"(.+)_(\d{4})")
_SPLITS = "splits_final.json"


def import_nnunet(source: Path, out: Path, *, options: ImportOptions) -> tuple[str, ...]:
    """Import the training part of an nnU-Net raw dataset; its ``splits_final.json`` beside it becomes ``splits.json``.

    Args:
        source: ``DatasetXXX_Name``.
        out: folder of the cohort; must not exist, or be empty.
        options: see there.

    Returns:
        What the user should know.

    Raises:
        CohortError: no images, or an image without its mask.
        InputError: a file that cannot be read.
        UsageError: labels that cannot be told apart.
    """
    names, ending = _dataset(source / "dataset.json")
    channels = _channels(source / "imagesTr", ending)
    lesions, bone = pick_labels(list(names), options)
    with gather(out, options) as gathering:
        for case, files in sorted(channels.items()):
            mask_path = source / "labelsTr" / f"{case}{ending}"
            if not mask_path.is_file():
                raise CohortError(f"case {case}: no mask labelsTr/{mask_path.name}; every training image needs one")
            _add_case(gathering, case, files, mask_path, names=names, lesions=lesions, bone=bone)
        _take_splits(source, gathering)
    return tuple(gathering.notes)


def _dataset(path: Path) -> tuple[dict[str, tuple[int, ...]], str]:
    """Label name -> values in the masks, without background; and the files' ending."""
    document = read_json(path)
    labels = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(labels, dict):
        raise InputError(f"{path.name}: no 'labels'; expected nnU-Net's dataset.json")
    ending = document.get("file_ending", ".nii.gz")
    if ending not in _ENDINGS:
        raise InputError(
            f"{path.name}: file_ending {ending!r}; expected one of {', '.join(_ENDINGS)}: convert the files"
        )
    if labels and all(str(key).isdigit() for key in labels):  # nnU-Net v1 wrote {"1": "name"}
        labels = {str(name): int(key) for key, name in labels.items()}
    try:
        values = {
            str(name): tuple(int(one) for one in (value if isinstance(value, list) else [value]))
            for name, value in labels.items()
        }
    except (TypeError, ValueError) as error:
        raise InputError(f"{path.name}: 'labels' holds {error}; expected names with whole numbers") from error
    return {name: value for name, value in values.items() if value != (0,) and name.lower() != "ignore"}, ending


def _channels(folder: Path, ending: str) -> dict[str, list[Path]]:
    """Files of each case in the order of their channels."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob(f"*{ending}")) if folder.is_dir() else []:
        match = _CHANNEL.fullmatch(path.name.removesuffix(ending))
        if match:
            found.setdefault(match[1], []).append(path)
    if not found:
        raise CohortError(f"{folder.name}: no images here; expected files called CASE_0000{ending}")
    return found


def _add_case(
    gathering: Gathering,
    case: str,
    files: list[Path],
    mask_path: Path,
    *,
    names: dict[str, tuple[int, ...]],
    lesions: tuple[str, ...],
    bone: tuple[str, ...],
) -> None:
    name = safe_name(case)
    folder = gathering.folder(name)
    for number, path in enumerate(files):
        gathering.put(path, f"{folder}/image/{number:04d}{'.nii.gz' if path.name.endswith('.gz') else '.nii'}")
    mask = read_nifti(mask_path, modality=gathering.options.modality)
    truth: dict[str, str] = {}
    labels: dict[str, Any] = {}
    if lesions:
        parts, count = _instances(mask.array, [value for label in lesions for value in names[label]])
        truth["lesions"] = f"{folder}/lesions.nii.gz"
        labels["lesions"] = count
        write_nifti(gathering.root / truth["lesions"], parts, mask.grid)
    if bone:
        truth["bone"] = f"{folder}/bone.nii.gz"
        inside = np.isin(mask.array, [value for label in bone for value in names[label]])
        write_nifti(gathering.root / truth["bone"], inside.astype(np.uint8), mask.grid)
    gathering.add(name, study=f"{folder}/image", truth=truth, labels=labels)


def _instances(mask: NDArray[Any], values: list[int]) -> tuple[NDArray[np.uint16], int]:
    parts, count = ndimage.label(np.isin(mask, values), structure=np.ones((3, 3, 3)))
    return parts.astype(np.uint16), int(count)


def _take_splits(source: Path, gathering: Gathering) -> None:
    path = source / _SPLITS
    if not path.is_file():
        return
    folds = [
        Fold(train=tuple(map(safe_name, one["train"])), val=tuple(map(safe_name, one["val"])))
        for one in read_json(path)
    ]
    known = {case.case for case in gathering.cases}
    if {name for fold in folds for name in (*fold.train, *fold.val)} <= known:
        write_splits(gathering.root / "splits.json", folds)
        gathering.note("splits_final.json was taken over as splits.json; check it with `osteon cohort check`")
    else:
        gathering.note("splits_final.json names other cases and was left out")
