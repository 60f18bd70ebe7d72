"""Two cohorts of ``reading.json`` as a detection test set: findings against findings, by their boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from osteon.cli.stats.detection_set import DetectionSet, case_info
from osteon.errors import GeometryError, InputError
from osteon.evaluation.average_precision import make_boxes
from osteon.evaluation.pairs import Rule, box_pairs
from osteon.formats.reading_json import read_reading

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from osteon.evaluation.average_precision import Boxes
    from osteon.formats.tables import CaseTable
    from osteon.records import Finding, Reading

FILE_NAME = "reading.json"


def reading_files(path: Path) -> dict[str, Path]:
    """Every ``reading.json`` below a folder, by the folder it lies in; or the one file given."""
    if path.is_file():
        return {path.stem: path}
    return {found.parent.relative_to(path).as_posix(): found for found in sorted(path.rglob(FILE_NAME))}


def read_reading_test_set(
    truth: Path, predicted: Path, *, rule: Rule, any_class: bool = False, table: CaseTable | None = None
) -> DetectionSet:
    """Read both cohorts and pair their findings.

    Args:
        truth: folder with a ``reading.json`` for each case (an expert's findings), or one such file.
        predicted: the same cases as read by a model.
        rule: when two boxes (x, y, slices) touch.
        any_class: let a finding match one of another kind.
        table: of ``--cases``; its case is the folder of the reading, relative to ``truth``.

    Raises:
        InputError: a case without its counterpart, or a file that is no reading.
        GeometryError: two readings of one case that are of different series.
    """
    pairs = _read_pairs(truth, predicted)
    kinds = sorted({finding.kind for one in pairs.values() for side in one for finding in side.findings})
    known = {finding.kind for true, _ in pairs.values() for finding in true.findings}
    number = {kind: row for row, kind in enumerate(kinds)}
    sides = [
        _boxes([finding for reading in readings for finding in reading.findings], readings, number)
        for readings in ([one[0] for one in pairs.values()], [one[1] for one in pairs.values()])
    ]
    true, found = sides
    groups = [boxes.image * (len(kinds) + 1) + (0 if any_class else boxes.label) for boxes in (found, true)]
    lesions = [finding for one in pairs.values() for finding in one[0].findings]
    return DetectionSet(
        cases=case_info(list(pairs), table=table, word="series"),
        case_word="series",
        score=found.score,
        case=found.image,
        lesion_case=true.image,
        pairs=box_pairs(found.edges, true.edges, rule=rule, predicted_group=groups[0], true_group=groups[1]),
        boxes=(found, make_boxes(true.edges, image=true.image, label=true.label)),
        classes=dict(enumerate(kinds)),
        volume_cm3=np.array([finding.volume_mm3 for finding in lesions], dtype=np.float64) / 1000,
        site=_sites(lesions),
        notes=("Boxes are three-dimensional: columns, rows and slices; their size is in voxels.",),
        warnings=_unknown_kinds(sorted(set(kinds) - known)) if not any_class else (),
    )


def _unknown_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    if not kinds:
        return ()
    return (f"The truth has no finding of kind {', '.join(kinds)}: such findings can only be false (see --any-class).",)


def _read_pairs(truth: Path, predicted: Path) -> dict[str, tuple[Reading, Reading]]:
    left, right = reading_files(truth), reading_files(predicted)
    if truth.is_file() and predicted.is_file():
        right = dict(zip(left, right.values(), strict=True))
    for name, files in ((truth.name, left), (predicted.name, right)):
        if not files:
            raise InputError(f"{name}: no {FILE_NAME} in this folder or below; expected one for each case")
    for case in sorted(set(left) ^ set(right)):
        owner, other = (truth, predicted) if case in left else (predicted, truth)
        raise InputError(
            f"{other.name}: no {FILE_NAME} for case {case!r}, which {owner.name} has; expected the same cases"
        )
    return {case: _read_pair(case, left[case], right[case]) for case in left}


def _read_pair(case: str, truth: Path, predicted: Path) -> tuple[Reading, Reading]:
    readings = []
    for path, side in ((truth, "truth"), (predicted, "prediction")):
        try:
            readings.append(read_reading(path))
        except InputError as error:
            raise InputError(f"case {case} ({side}): {error}") from error
    if readings[0].series_uid != readings[1].series_uid:
        raise GeometryError(
            f"case {case}: truth of series {readings[0].series_uid}, prediction of series {readings[1].series_uid}; "
            "expected the same series, since boxes are on its voxel grid"
        )
    return readings[0], readings[1]


def _boxes(findings: Sequence[Finding], readings: Sequence[Reading], number: dict[str, int]) -> Boxes:
    edges = [(box.x0, box.y0, box.z0, box.x1, box.y1, box.z1) for box in (finding.box for finding in findings)]
    return make_boxes(
        np.array(edges, dtype=np.float64).reshape(-1, 6),
        image=np.repeat(np.arange(len(readings)), [len(reading.findings) for reading in readings]),
        label=np.array([number[finding.kind] for finding in findings], dtype=np.intp),
        score=[finding.score for finding in findings],
    )


def _sites(lesions: Sequence[Finding]) -> np.ndarray | None:
    if not any(finding.site for finding in lesions):
        return None
    return np.array([finding.site or "unknown" for finding in lesions], dtype=np.str_)
