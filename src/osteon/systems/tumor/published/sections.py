"""The tumour study's tables and figures in its order, printed beside ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.healthy import left_out_note
from osteon.evaluation.estimate import Estimate
from osteon.evaluation.published import load_facts
from osteon.report.result import Plot, Section, TableData
from osteon.systems.reproduction import find_claim, printed_figure
from osteon.systems.tumor.config import CLASSES
from osteon.systems.tumor.fusion import BEST, STRATEGIES, Verdict
from osteon.systems.tumor.sections import (
    COLUMNS,
    LOCATIONS,
    RULE,
    Judged,
    call_estimates,
    errors_section,
    estimates,
    judge,
    rests_table,
    roc_plot,
    subset_table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from osteon.systems.tumor.age import AgeTable
    from osteon.systems.tumor.answers import PatientAnswer
    from osteon.systems.tumor.cases import TumorCase
    from osteon.systems.tumor.fusion import ChosenWeights
    from osteon.systems.tumor.published.doctors import Doctor

STUDY = "tumor"
AIM = (0.75, 0.88)
"""Accuracy of Det-Seq-Age that is expected at the phantoms' documented difficulty."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyData:
    """All that the result section is made of.

    Attributes:
        training, test: cases.
        tested: answers of the pair for the test patients.
        table: age table of the training patients.
        chosen: weights, by ``folds`` folds of the training patients.
        frames: N -> answers of the pair with that N.
        own_frames: N of ``tested``.
        doctors: on the test patients.
        left_out: cases that are in neither part.
        healthy: cases without a tumour, which the study does not have.
    """

    training: tuple[TumorCase, ...]
    test: tuple[TumorCase, ...]
    tested: list[PatientAnswer]
    table: AgeTable
    chosen: ChosenWeights
    folds: int
    frames: dict[int, list[PatientAnswer]]
    own_frames: int
    doctors: tuple[Doctor, ...]
    left_out: int
    healthy: int = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before the figures."""
        notes = []
        if any(one.simulated for one in self.doctors):
            notes.append("The doctors are simulated with the study's printed sensitivity and specificity.")
        if self.left_out:
            notes.append(
                f"{self.left_out} cases are left out: metastases of patients or of the centre set apart for testing, "
                "which the study did with primary tumours alone."
            )
        if self.healthy:
            notes.append(left_out_note(self.healthy))
        return tuple(notes)

    def judged(self, strategy: str) -> Judged:
        """One strategy on the test patients."""
        return judge(self.tested, table=self.table, weights=self.chosen.weights, strategy=strategy)


def study_sections(data: StudyData) -> tuple[Section, ...]:
    """All sections, in the study's order."""
    judged = {name: data.judged(name) for name in STRATEGIES}
    return (
        _patients(data),
        _ages(data),
        _weights(data),
        _table_3(judged),
        _table_4(data, judged),
        _figure_6(data, judged),
        Section(
            title="Figure 7: sequences apart",
            tables=(subset_table(data.tested, table=data.table, weights=data.chosen.weights),),
            notes=("The study: T2 is about 3 to 8 % ahead of T1, and all sequences are much like T2 alone.",),
        ),
        _frames(data),
        _aims(judged),
    )


def _patients(data: StudyData) -> Section:
    """Tables 1 and 2."""
    facts = load_facts(STUDY)
    rows: list[tuple[str | int | float, ...]] = []
    for name, part, cases in (("training", "train", data.training), ("test", "test", data.test)):
        for label in CLASSES:
            own = [case for case in cases if case.malignant == (label == CLASSES[1])]
            images = sum(len(series.boxes) for case in own for series in case.series)
            rows.append((f"{name}, {label}: patients", facts["patients"][part][label], len({c.patient for c in own})))
            rows.append((f"{name}, {label}: images with a box", facts["images"][part][label], images))
        sequences = sum(len(case.series) for case in cases)
        rows.append((f"{name}: sequences", facts["sequences"][part], sequences))
        rows.append((f"{name}: metastases", "not printed" if part == "train" else 0, sum(c.metastasis for c in cases)))
    every = [*data.training, *data.test]
    for place in LOCATIONS:
        rows.append((f"location {place}", facts["location"][place], sum(case.location == place for case in every)))
    ages = [case.age_years for case in every if case.age_years is not None]
    spread = f"{np.mean(ages):.0f} (SD {np.std(ages):.0f}), {min(ages):.0f} to {max(ages):.0f}" if ages else "not known"
    printed = facts["age_years"]
    text = "{} (SD {}), {} to {}".format(printed["mean"], printed["sd"], *printed["range"])
    rows.append(("age, years", text, spread))
    rows.append(("histologies", "more than 20", len({case.histology for case in every if case.histology})))
    table = TableData(title="Patients", columns=("", "printed", "ours"), rows=tuple(rows))
    return Section(title="Tables 1 and 2: patients", tables=(table,))


def _ages(data: StudyData) -> Section:
    """Figure 5, from the training patients."""
    table = data.table
    rows = tuple(
        (name, patients, bad, round(share, 3))
        for name, patients, bad, share in zip(
            table.group_names(), table.patients, table.malignant, table.shares, strict=True
        )
    )
    plot = Plot(
        kind="bars",
        title="Share of malignant tumours by age",
        data={
            "categories": list(table.group_names()),
            "series": [
                {
                    "name": "smoothed share",
                    "value": list(table.shares),
                    "low": list(table.shares),
                    "high": list(table.shares),
                }
            ],
            "y_label": "share malignant",
        },
        caption="Training patients only.",
    )
    shown = TableData(title="Age table", columns=("age", "patients", "malignant", "share, smoothed"), rows=rows)
    note = f"The study: {load_facts(STUDY)['malignant_share_by_age']}."
    return Section(title="Figure 5: malignancy by age", tables=(shown,), plots=(plot,), notes=(note,))


def _weights(data: StudyData) -> Section:
    printed = load_facts(STUDY)["fusion"]["weights"][BEST]
    names = ("detector (l1)", "sequence model (l2)", "age (l3)")
    rows = tuple(
        (name, theirs, round(ours, 3)) for name, theirs, ours in zip(names, printed, data.chosen.weights, strict=True)
    )
    how = (
        f"{data.folds} folds by patient of the training patients; accuracy there {data.chosen.accuracy:.3f}, AUC "
        f"{data.chosen.auc:.3f}. The other strategies set weights to 0, as the study did."
        if data.folds
        else "Taken as given: no cross-validation."
    )
    table = TableData(title="Weights", columns=("weight of the", "printed", "ours"), rows=rows, note=how)
    return Section(title="Equation 1: weights of the fusion", tables=(table,))


def _table_3(judged: dict[str, Judged]) -> Section:
    also = load_facts(STUDY)["also_printed"]
    figures = []
    for name, one in judged.items():
        printed = dict(zip(also["columns"], also["table3"][name], strict=True)) | {"AUC": also["auc"][name]}
        for short, (estimate, counts) in estimates(one).items():
            claim = find_claim(STUDY, f"{name}: {COLUMNS[short]}", where="Table 3")
            figures.append(
                printed_figure(
                    short,
                    estimate,
                    printed=printed[short],
                    group=name,
                    counts=counts,
                    rule=RULE if counts else "",
                    claim=claim,
                )
            )
    return Section(
        title="Table 3: six strategies",
        figures=tuple(figures),
        tables=(rests_table(judged),),
        plots=(roc_plot(judged),),
        notes=("AUC: of the mean P of a patient's sequences; the study does not say what its score is.",),
    )


def _table_4(data: StudyData, judged: dict[str, Judged]) -> Section:
    """Doctors, and the fusion beside them; seconds a patient."""
    also, facts = load_facts(STUDY)["also_printed"], load_facts(STUDY)["doctors"]
    figures = []
    seconds = float(np.mean([one.seconds for one in data.tested]))
    truth = judged[BEST].truth
    for name in ("images", "images+age"):
        strategy = BEST if name.endswith("age") else "Det-Seq"
        for doctor in (one for one in data.doctors if one.name.endswith(f" {name}")):
            printed = dict(zip(also["columns"], also["table4"].get(doctor.name, ()), strict=False))
            time = str(facts[doctor.name][0]) if doctor.name in facts else "not printed"
            figures.append(_time(doctor.name, None if np.isnan(doctor.seconds) else doctor.seconds, time, len(truth)))
            for short, (estimate, counts) in call_estimates(truth, doctor.called).items():
                claim = find_claim(STUDY, f"{doctor.name}: {COLUMNS[short]}", where="Table 4")
                text = printed.get(short, "not printed")
                figures.append(
                    printed_figure(short, estimate, printed=text, group=doctor.name, counts=counts, claim=claim)
                )
        figures.append(_time(strategy, seconds, str(facts[strategy][0]), len(truth)))
        for short, (estimate, counts) in call_estimates(truth, judged[strategy].called).items():
            text = dict(zip(facts["columns"], facts[strategy], strict=True))[short]
            figures.append(printed_figure(short, estimate, printed=f"{text:.3f}", group=strategy, counts=counts))
    return Section(
        title="Table 4: doctors",
        figures=tuple(figures),
        notes=("Seconds a patient: from images in memory to the answer; both networks run whichever strategy it is.",),
    )


def _time(name: str, seconds: float | None, printed: str, n: int) -> Any:
    ours = None if seconds is None else Estimate(value=seconds, n=n, unit="patients", method="mean, no interval")
    return printed_figure("seconds", ours, printed=printed, group=name)


def _figure_6(data: StudyData, judged: dict[str, Judged]) -> Section:
    """Errors by location and histology of the fusion and of the doctors."""
    readers = {
        one.name: Judged(
            answers=tuple(data.tested),
            verdicts=tuple(
                Verdict(malignant=bool(bad), probability=float(bad), rests_on="reader") for bad in one.called
            ),
        )
        for one in data.doctors
    }
    chosen = {name: judged[name] for name in ("Det-Seq", BEST)} | readers
    return errors_section(chosen, title="Figure 6: errors by vertebral location, and by histology")


def _frames(data: StudyData) -> Section:
    rows: list[tuple[str | int | float, ...]] = []
    for n in sorted(data.frames):
        for strategy in ("Seq", "Det-Seq", BEST):
            one = estimates(judge(data.frames[n], table=data.table, weights=data.chosen.weights, strategy=strategy))
            rows.append((n, strategy, *(f"{one[short][0].value:.3f}" for short in COLUMNS)))
    note = f"N = 16 was the study's best. Weights are those of N = {data.own_frames}."
    table = TableData(
        title="Slices of the sequence model", columns=("N", "strategy", *COLUMNS), rows=tuple(rows), note=note
    )
    return Section(title="N = 4, 8, 16", tables=(table,))


def _aims(judged: dict[str, Judged]) -> Section:
    """What the study found, asked of our figures."""
    value = {name: estimates(one)["ACC"][0].value for name, one in judged.items()}
    low, high = AIM
    ahead = value["Det-Seq"] > max(value["Det"], value["Seq"])
    helps = value[BEST] >= value["Det-Seq"]

    def line(names: Sequence[str]) -> str:
        return ", ".join(f"{name} {value[name]:.3f}" for name in names)

    rows = (
        (f"{BEST} accuracy {low} to {high}", line([BEST]), "yes" if low <= value[BEST] <= high else "no"),
        ("fusion ahead of its parts", line(["Det", "Seq", "Det-Seq"]), "yes" if ahead else "no"),
        ("age does not harm the fusion", line(["Det-Seq", BEST]), "yes" if helps else "no"),
    )
    table = TableData(title="What the study found", columns=("finding", "ours", "holds here"), rows=rows)
    return Section(title="Do the study's findings hold on these data?", tables=(table,))
