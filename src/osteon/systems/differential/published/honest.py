"""What a split by image does to the figures: the same networks by patient, the difference, and why, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.evaluation.intervals import bootstrap_estimate, cluster_codes, resample_totals
from osteon.evaluation.published import load_facts
from osteon.imaging.perceptual import ALIKE_BITS, nearest, perceptual_hash
from osteon.report.result import Section, TableData
from osteon.systems.differential.sections import STUDIED_FIGURES
from osteon.systems.scored import estimates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from osteon.evaluation.estimate import Estimate
    from osteon.systems.differential.images import Pictures
    from osteon.systems.scored import Answers

SPLITS = ("by image", "by patient")
MOST_HASHED = 4000
"""Pictures of a side that are looked up for near-duplicates."""


def accuracy_gap(first: Answers, second: Answers, *, seed: int = 0) -> Estimate:
    """Accuracy on the first minus accuracy on the second set of slices, interval over resampled patients."""
    rows = []
    for k, answers in enumerate((first, second)):
        columns = np.zeros((len(answers.label), 4))
        columns[:, 2 * k] = answers.called == (answers.label == 1)
        columns[:, 2 * k + 1] = 1
        rows.append(columns)
    units = np.concatenate(rows)
    patients = np.concatenate([first.patient, second.patient])
    totals = resample_totals(units, patients, seed=seed)
    whole = units.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        replicates = totals[..., 0] / totals[..., 1] - totals[..., 2] / totals[..., 3]
    return bootstrap_estimate(
        float(whole[0] / whole[1] - whole[2] / whole[3]),
        replicates,
        n=len(units),
        unit=first.unit,
        clusters=cluster_codes(patients)[1],
        seed=seed,
    )


def honest_section(
    answers: dict[str, dict[str, Answers]], *, tested: Sequence[str], pictures: Pictures, folds: int
) -> Section:
    """What the split by image does to the accuracy, network by network, and why.

    Args:
        answers: network -> split -> its test slices.
        tested: names of the test slices of the split by image.
        pictures: of the whole cohort.
        folds: of the split by patient.
    """
    printed = load_facts("differential")["printed"]
    gaps = {name: accuracy_gap(one[SPLITS[0]], one[SPLITS[1]]) for name, one in answers.items()}
    rows = []
    for name, one in answers.items():
        cells = [_cell(estimates(one[split], STUDIED_FIGURES)["accuracy"], percent=True) for split in SPLITS]
        areas = [_cell(estimates(one[split], STUDIED_FIGURES)["AUROC"], percent=False) for split in SPLITS]
        accuracy = f"{100 * printed[name][4]:.1f} %" if name in printed else ""
        rows.append((name, accuracy, *cells, _cell(gaps[name], percent=True), *areas))
    table = TableData(
        title="Accuracy of a slice, by image and by patient",
        columns=("network", "printed", *SPLITS, "difference", "AUROC by image", "AUROC by patient"),
        rows=tuple(rows),
        note="95 % intervals over resampled patients; the difference resamples patients of both test sets together.",
    )
    words = in_words(answers, gaps, shared=leak_of(tested, pictures), folds=folds)
    return Section(title="What the split does to the figures", tables=(table,), notes=(words,))


def _cell(estimate: Estimate, *, percent: bool) -> str:
    scale, digits, unit = (100, 1, " %") if percent else (1, 3, "")
    if not np.isfinite(estimate.value):
        return "not defined"
    value = f"{scale * estimate.value:.{digits}f}{unit}"
    if not np.isfinite([estimate.low, estimate.high]).all():
        return value
    return f"{value} ({scale * estimate.low:.{digits}f} to {scale * estimate.high:.{digits}f})"


def leak_of(tested_names: Sequence[str], pictures: Pictures) -> dict[str, Any]:
    """How much of the test set by image the training set already holds: patients, and near-duplicate slices."""
    tested = np.isin(np.array(pictures.names), list(tested_names))
    patients = set(pictures.patient[tested].tolist())
    known = patients & set(pictures.patient[~tested].tolist())
    hashes = [_hashes(pictures.pixels[rows]) for rows in (tested, ~tested)]
    alike = 0.0
    if len(hashes[0]) and len(hashes[1]):
        alike = float((nearest(hashes[0], hashes[1])[1] <= ALIKE_BITS).mean())
    return {"patients": len(patients), "known": len(known), "alike": alike, "slices": int(tested.sum())}


def _hashes(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found = [perceptual_hash(one) for one in pixels[:: max(1, len(pixels) // MOST_HASHED)]]
    return np.array([one for one in found if one is not None], dtype=np.uint8)


def in_words(
    answers: dict[str, dict[str, Answers]], gaps: dict[str, Estimate], *, shared: dict[str, Any], folds: int
) -> str:
    """One paragraph on the difference, with this run's own figures."""
    accuracy = {
        split: [100 * estimates(one[split], STUDIED_FIGURES)["accuracy"].value for one in answers.values()]
        for split in SPLITS
    }
    gap = [100 * one.value for one in gaps.values()]
    certain = sum(one.low > 0 for one in gaps.values())
    reversed_ = sum(one.high < 0 for one in gaps.values())
    middle = {split: float(np.median(values)) for split, values in accuracy.items()}
    verdict = (
        "Here the split by image flatters the networks: the part of its figures that lies above those by patient is "
        "recognition of known patients, and no new patient will profit from it."
        if certain
        else "In this run the difference is within its interval for every network, which says that the data are too "
        "few to measure it, not that the split by image is harmless."
    )
    return (
        f"The study divided slices, not patients. Of the {shared['patients']} patients whose slices are in this run's "
        f"test set by image, {shared['known']} also have slices among those that the networks learned from or that "
        f"chose the epoch, and {100 * shared['alike']:.0f} % of its {shared['slices']} slices have a near-duplicate "
        f"there (at most {ALIKE_BITS} of 256 bits of a perceptual hash differ). A network can then be right by knowing "
        "the patient's anatomy, the scanner's noise or the neighbouring slice of the same lesion, without knowing the "
        f"disease. Split by patient, in {folds} folds, it cannot. The median accuracy of {len(answers)} networks is "
        f"{middle[SPLITS[0]]:.1f} % by image and {middle[SPLITS[1]]:.1f} % by patient; the difference runs from "
        f"{min(gap):.1f} to {max(gap):.1f} percentage points and is above 0 beyond its interval for {certain} of "
        f"{len(gaps)} networks (below 0 for {reversed_}). {verdict} Only the figures by patient say what to expect of "
        "a patient who was not in the data; the study names the repeated patients as a limitation itself."
    )
