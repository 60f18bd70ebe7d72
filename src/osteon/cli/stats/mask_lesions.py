"""Label maps and probability maps as a detection test set: every connected component is a lesion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cli.stats.detection_set import DetectionSet, case_info
from osteon.cli.stats.mask_files import (
    MaskFiles,
    check_grids,
    cut_mask,
    mask_folder,
    pair_files,
    read_labels,
    read_map,
)
from osteon.errors import InputError, UsageError
from osteon.evaluation.lesions import lesion_scores, lesion_volumes_mm3, number_lesions
from osteon.evaluation.pairs import Pairs, Rule, join_pairs, label_pairs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.formats.tables import CaseTable


@dataclass(frozen=True, kw_only=True, slots=True)
class MaskOptions:
    """How masks become lesions.

    Attributes:
        cut: a voxel of a probability map is inside from here on; None: 0.5.
        score: of a component, "max" or "mean" of its voxels.
        scores: folder (or file) of probability maps that score predicted *label* maps; None: every component scores 1.
        connectivity: "full" or "faces".
        numbered: the labels of both maps number the lesions; otherwise connected components do.
    """

    cut: float | None = None
    score: str = "max"
    scores: Path | None = None
    connectivity: str = "full"
    numbered: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class _CaseLesions:
    pairs: Pairs
    score: NDArray[np.float64]
    volume_mm3: NDArray[np.float64]
    label: NDArray[np.intp]  # number of each true lesion in its file


def read_mask_test_set(
    truth: Path,
    predicted: Path,
    *,
    rule: Rule,
    options: MaskOptions,
    table: CaseTable | None = None,
    lesion_table: CaseTable | None = None,
) -> DetectionSet:
    """Read two NIfTI files, or two folders of them, and pair their lesions.

    Args:
        truth: label maps.
        predicted: label maps or probability maps, named as the truth.
        rule: when two lesions touch.
        options: how masks become lesions.
        table: of ``--cases``; its case is the file name without the ending.
        lesion_table: of ``--lesions``: case, label and site of each true lesion; for ``numbered`` maps.

    Raises:
        InputError: files that do not pair, or values that cannot be.
        GeometryError: grids that differ.
        UsageError: a table of lesions without numbered labels.
    """
    if lesion_table is not None and not options.numbered:
        raise UsageError("--lesions names lesions by the labels of the truth: add --numbered")
    files = pair_files(truth, predicted)
    scores = _score_files(files, options)
    found = [_one_case(one, rule=rule, options=options, scores=path) for one, path in zip(files, scores, strict=True)]
    lesions, predictions = [one.label.size for one in found], [one.score.size for one in found]
    shift = np.cumsum([0, *predictions]), np.cumsum([0, *lesions])
    pairs = join_pairs(
        [
            Pairs(
                prediction=one.pairs.prediction + shift[0][number],
                truth=one.pairs.truth + shift[1][number],
                affinity=one.pairs.affinity,
            )
            for number, one in enumerate(found)
        ]
    )
    names = [one.case for one in files]
    numbers = np.arange(len(files))
    lesion_case = np.repeat(numbers, lesions)
    labels = np.concatenate([one.label for one in found])
    return DetectionSet(
        cases=case_info(names, table=table, word="series"),
        case_word="series",
        score=np.concatenate([one.score for one in found]),
        case=np.repeat(numbers, predictions),
        lesion_case=lesion_case,
        pairs=pairs,
        volume_cm3=np.concatenate([one.volume_mm3 for one in found]) / 1000,
        site=None if lesion_table is None else _sites(lesion_table, names, lesion_case, labels),
        notes=_notes(options),
    )


def _score_files(files: list[MaskFiles], options: MaskOptions) -> list[Path | None]:
    if options.scores is None:
        return [None] * len(files)
    scored = mask_folder(options.scores) if options.scores.is_dir() else {files[0].case: options.scores}
    missing = [one.case for one in files if one.case not in scored]
    if missing:
        raise InputError(f"{options.scores.name}: no map of scores for case {missing[0]!r}; name it as the truth")
    return [scored[one.case] for one in files]


def _one_case(files: MaskFiles, *, rule: Rule, options: MaskOptions, scores: Path | None) -> _CaseLesions:
    true, grid = read_labels(files.truth)
    predicted, predicted_grid = read_map(files.predicted)
    check_grids(grid, predicted_grid, case=files.case)
    if options.numbered and predicted.dtype.kind == "f":
        raise InputError(f"{files.predicted.name}: probabilities; --numbered expects labels that number the lesions")
    true_lesions, names = _lesions(true > 0, true, options)
    inside = cut_mask(predicted, files.predicted, cut=None if options.numbered else options.cut)
    predicted_lesions, _ = _lesions(inside, predicted, options)
    return _CaseLesions(
        pairs=label_pairs(predicted_lesions, true_lesions, rule=rule),
        score=_scores(predicted_lesions, predicted, grid=grid, files=files, path=scores, how=options.score),
        volume_mm3=lesion_volumes_mm3(true_lesions, voxel_mm3=grid.voxel_mm3),
        label=names,
    )


def _lesions(
    inside: NDArray[np.bool_], labels: NDArray[Any], options: MaskOptions
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Lesions 1 to n, and the number of each in the file."""
    if not options.numbered:
        components, count = number_lesions(inside, connectivity=options.connectivity)
        return components, np.arange(1, count + 1)
    names, codes = np.unique(labels[inside], return_inverse=True)
    numbered = np.zeros(labels.shape, dtype=np.int32)
    numbered[inside] = codes.reshape(-1) + 1
    return numbered, names.astype(np.intp)


def _scores(
    lesions: NDArray[np.int32], predicted: NDArray[Any], *, grid: Any, files: MaskFiles, path: Path | None, how: str
) -> NDArray[np.float64]:
    if path is not None:
        predicted, score_grid = read_map(path)
        check_grids(grid, score_grid, case=files.case)
    elif predicted.dtype.kind != "f":
        return np.ones(int(lesions.max(initial=0)))
    return lesion_scores(lesions, predicted, how=how)


def _sites(
    table: CaseTable, names: list[str], lesion_case: NDArray[np.intp], labels: NDArray[np.intp]
) -> NDArray[np.str_]:
    table.unique_on(["case", "label"])
    keys = zip(table.text("case").tolist(), table.numbers("label").astype(int).tolist(), strict=True)
    site = dict(zip(keys, table.text("site").tolist(), strict=True))
    return np.array(
        [site.get((names[case], int(label)), "unknown") for case, label in zip(lesion_case, labels, strict=True)],
        dtype=np.str_,
    )


def _notes(options: MaskOptions) -> tuple[str, ...]:
    neighbours = "a face, an edge or a corner" if options.connectivity == "full" else "a face"
    if options.numbered:
        lesions = "The labels of both maps number the lesions."
    else:
        lesions = f"A lesion is a connected component; voxels that share {neighbours} are connected."
    cut = 0.5 if options.cut is None else options.cut
    scores = (
        f"A probability map is cut at {cut:g} before its components are found; a component scores the {options.score} "
        "of its voxels, so that thresholds below the cut find nothing more. Components of a label map score 1 without "
        "--scores."
    )
    return lesions, scores
