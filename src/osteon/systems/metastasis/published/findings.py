"""The rest of the metastasis study's result section: networks beside radiologists, FROC, causes, and what was found."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from osteon.evaluation.estimate import Estimate
from osteon.report.result import Figure, Section, TableData
from osteon.systems.metastasis.config import COMBINATIONS
from osteon.systems.metastasis.gallery import gallery
from osteon.systems.metastasis.published.study_data import RULE, SELECTED, TESTS, Cell, StudyData, claim_of
from osteon.systems.metastasis.sections import at_threshold, by_volume, false_positives, froc_section, segmentation
from osteon.systems.reproduction import printed_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def table_4(data: StudyData, facts: dict[str, Any]) -> Section:
    """Networks and radiologists on the external test set."""
    figures: list[Figure] = []
    also = facts["also_printed"]
    for combination in SELECTED:
        answers = data.cells[2, combination].answers("external_test")
        point = at_threshold(answers) if answers else None
        group = f"2D {combination}"
        figures += [
            printed_figure("sensitivity", point.sensitivity if point else None, group=group, rule=RULE,
                           printed=also["sensitivity"][combination]["all"][1]),
            printed_figure("PPV, per lesion", point.ppv_lesions if point else None, group=group, rule=RULE,
                           printed=also["external_ppv"][combination], claim=claim_of(f"{combination}: per-lesion PPV")),
            printed_figure("false positives a series", point.false_positive_rate if point else None, group=group,
                           rule=RULE, printed=also["external_fp_per_series"][combination]),
        ]  # fmt: skip
    for name, estimate in _reader_figures(data.readers).items():
        printed = {
            "sensitivity": str(facts["radiologist_sensitivity"]),
            "PPV, per lesion": str(facts["external_ppv"]["radiologists"]),
            "false positives a series": str(facts["external_fp_per_series"]["radiologists"]),
        }[name]
        figures.append(
            printed_figure(
                name,
                estimate,
                group="five radiologists (simulated)",
                printed=printed,
                rule="marks of readers made to the printed figures",
            )
        )
    return Section(
        title="Table 4: detection by networks and radiologists, external test",
        figures=tuple(figures),
        notes=("The readers are simulated and set to the printed means: they check the arithmetic, not radiologists.",),
    )


def _reader_figures(readers: Sequence[dict[str, Any]]) -> dict[str, Estimate | None]:
    """Mean over readers, with the t interval of five values."""
    values: dict[str, list[float]] = {"sensitivity": [], "PPV, per lesion": [], "false positives a series": []}
    for one in readers:
        values["sensitivity"].append(one["found"] / max(one["lesions"], 1))
        values["PPV, per lesion"].append(one["found"] / max(one["found"] + one["false_positives"], 1))
        values["false positives a series"].append(one["false_positives"] / max(one["series"], 1))
    return {name: _mean_of_readers(found) for name, found in values.items()}


def _mean_of_readers(values: Sequence[float]) -> Estimate | None:
    if len(values) < 2:
        return None
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    mean = float(np.mean(values))
    return Estimate(
        value=mean, low=mean - half, high=mean + half, n=len(values), unit="readers", method="t, over readers"
    )


def figure_6(data: StudyData) -> list[Section]:
    """FROC curves of the selected networks, one section a test set."""
    sections = []
    for test, side in TESTS.items():
        models = {name: data.cells[2, name].answers(test) for name in SELECTED}
        there = {f"2D {name}": answers for name, answers in models.items() if answers is not None}
        sections.append(froc_section(there, title=f"Figure 6: FROC, {side} test", resamples=data.resamples))
    return sections


def causes(cell: Cell, facts: dict[str, Any]) -> Section:
    """What the T1 + CE network took for metastases, internal test."""
    printed = facts["internal_false_positives_of_T1+CE"]
    answers = cell.answers("internal_test")
    false = false_positives(answers) if answers else []
    ours = Counter(one.cause for one in false)
    rows = tuple(
        (kind, printed.get(kind, ""), ours.get(kind, "")) for kind in [*printed, *sorted(set(ours) - set(printed))]
    )
    total = ("total", sum(printed.values()), sum(ours.values()))
    table = TableData(
        title="False positives of 2D T1 + CE, internal test",
        columns=("cause", "printed", "ours"),
        rows=(*rows, total),
        note="Ours: the kind of phantom mimic beside the false positive; printed: what radiologists saw.",
    )
    return Section(title="False positives by cause", tables=(table,), gallery=gallery(false))


def findings(data: StudyData) -> Section:
    """What the study found, asked of our figures."""

    def dice(dimensions: int, name: str, test: str) -> float:
        answers = data.cells[dimensions, name].answers(test)
        return segmentation(answers)["dice"].value if answers else float("nan")

    best = data.cells[2, "T1+CE"].answers("external_test")
    rising = [share.sensitivity.value for share in by_volume(best) if share.lesions] if best else []
    flat = [dice(2, name, "internal_test") - dice(3, name, "internal_test") for name in COMBINATIONS]
    external = {name: dice(2, name, "external_test") for name in SELECTED}
    sensitivity = at_threshold(best).sensitivity.value if best else float("nan")
    gaps, values = ", ".join(f"{gap:+.3f}" for gap in flat), ", ".join(f"{value:.3f}" for value in rising)
    ahead = external["T1+CE"] > max(external["T1"], external["CE"])
    rises = len(rising) > 1 and rising == sorted(rising)
    rows = (
        ("T1 + CE ahead of T1 and of CE, external Dice", _words(external), _answer(ahead)),
        ("2-D ahead of 3-D, internal Dice, all seven", gaps, _answer(all(gap > 0 for gap in flat))),
        ("sensitivity rises with volume, external T1 + CE", values, _answer(rises)),
        ("external T1 + CE Dice 0.60 to 0.80", f"{external['T1+CE']:.3f}", _answer(0.6 <= external["T1+CE"] <= 0.8)),
        ("external T1 + CE sensitivity 0.75 to 0.92", f"{sensitivity:.3f}", _answer(0.75 <= sensitivity <= 0.92)),
    )
    table = TableData(title="What the study found", columns=("finding", "ours", "holds here"), rows=rows)
    return Section(title="Do the study's findings hold on these data?", tables=(table,))


def _words(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in values.items())


def _answer(holds: bool) -> str:
    return "yes" if holds else "no"
