"""The frame of ``osteon reproduce``: what every study's result section is made and written with.

How a system uses it (``systems/fracture/published/reproduce.py`` is the example)::

    def reproduce(out, *, options, on_step, on_case):
        config = ...                                        # configure(..., recipes.study_settings(SYSTEM, options))
        run = start_run(out, SYSTEM, options, recipe=...)   # OUT.run, made or taken up again
        study = Study(run=run, config=config, ...)          # a ``StudyWork``: its stages, its data, its sections
        return conduct(out, SYSTEM, study, options=options, run=run, recipe=..., on_case=on_case)

Every figure stands in one row: what the study printed, ours, its interval and n. Printed figures that do not follow
from the study's own counts are marked from ``evaluation.published``, in the row and in a section of their own.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from osteon.evaluation.estimate import Estimate
from osteon.evaluation.published import load_facts, study_claims
from osteon.files import whole_folder
from osteon.report.claims_section import claims_section
from osteon.report.result import Figure, Section, StatsResult, to_document
from osteon.systems.protocol import Reproduction
from osteon.systems.stages import is_done, open_run, run_stages, stage_facts, stage_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from osteon.cohort.manifest import Cohort
    from osteon.evaluation.published import Claim
    from osteon.phantom.options import PhantomOptions
    from osteon.systems.protocol import ReproduceOptions
    from osteon.systems.stages import Stage

KINDS = {
    "phantom": "Phantoms: synthetic patients. These figures say how the method does on them, nothing about patients.",
    "semi-real": "Semi-real: real scans with synthetic lesions. Figures on real lesions may be lower.",
    "unknown": "The cohort does not say whether it is synthetic or real.",
}


def start_run(out: Path, system: str, options: ReproduceOptions, *, recipe: dict[str, Any]) -> Path:
    """The folder ``<out>.run`` of this reproduction; asking for single stages is going on, too.

    Raises:
        UsageError: another run is there, or one that ``options.resume`` does not allow to go on.
    """
    data = "phantom" if options.cohort is None else cohort_fingerprint(options.cohort)
    identity = {"system": system, "profile": options.profile, "seed": options.seed, "recipe": recipe, "data": data}
    return open_run(out, identity=identity, resume=options.resume or bool(options.stages))


def cohort_fingerprint(cohort: Cohort) -> str:
    """Name and SHA-256 of ``cohort.json``: which data a run is of."""
    import hashlib

    digest = hashlib.sha256((cohort.root / "cohort.json").read_bytes()).hexdigest()
    return f"{cohort.name} {digest[:16]}"


def take_cohort(options: ReproduceOptions, make: Callable[[], Cohort], *, modality: str) -> Cohort:
    """The cohort that was given, or a phantom one.

    Args:
        options: with or without a cohort.
        make: makes the phantoms, or opens those that are made already.
        modality: DICOM Modality that the study reads.

    Raises:
        CohortError: the given cohort is of another modality.
    """
    from osteon.errors import CohortError

    if options.cohort is None:
        return make()
    if options.cohort.modality != modality:
        raise CohortError(f"cohort {options.cohort.name}: {options.cohort.modality} studies; expected {modality}")
    return options.cohort


def run_phantoms(
    options: PhantomOptions, root: Path, *, on_case: Callable[[int, int, str], None] = lambda done, total, case: None
) -> Cohort:
    """The phantoms of a run: made on the first call, read on later ones.

    Args:
        options: what to make; of one run they are always the same.
        root: folder of the cohort.
        on_case: called with (done, total, case) while they are made.
    """
    from osteon.cohort.manifest import read_cohort
    from osteon.phantom.cohort import make_cohort

    if (root / "cohort.json").is_file():  # written last
        return read_cohort(root)
    return make_cohort(options, root, jobs=os.cpu_count() or 1, on_case=on_case)


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyReport:
    """What a study's stages come to.

    Attributes:
        sections: in the study's order.
        rows: of per_case.csv.
        settings: that shape the figures, beside the recipe's.
        warnings: beside those of every run.
    """

    sections: Sequence[Section]
    rows: Sequence[dict[str, Any]] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()


class StudyWork(Protocol):
    """One study: what is to be done, on which data, and what comes of it."""

    def stages(self) -> list[Stage]:
        """In an order in which every stage comes after what it needs."""

    def cohort(self) -> Cohort:
        """The data: given, or phantoms."""

    def report(self, facts: dict[str, dict[str, Any]]) -> StudyReport:
        """From what every stage returned, by its name."""


def conduct(
    out: Path,
    system: str,
    study: StudyWork,
    *,
    options: ReproduceOptions,
    run: Path,
    recipe: dict[str, Any],
    on_case: Callable[[int, int, str], None],
) -> Reproduction:
    """Do the stages that are not done, and where all are, write the result.

    Args:
        out: of the result.
        system: whose study it is.
        study: the work.
        options: of the run; where they name stages, no result is written.
        run: from ``start_run``.
        recipe: of the run, for the settings in the result.
        on_case: called with (done, total, stage) after every stage.

    Raises:
        UsageError: as ``run_stages``.
        InputError: ``out`` exists and is not an empty folder.
    """
    stages = study.stages()
    done = run_stages(run, stages, only=options.stages, on_stage=on_case)
    if options.stages or not all(is_done(run, stage.name) for stage in stages):
        return Reproduction(result=None, done=done, complete=False)
    report = study.report({stage.name: stage_facts(run, stage.name) for stage in stages})
    own = {"hardware": hardware(options.device), "seconds by stage": stage_seconds(run, stages)}
    result = compose(
        system,
        options,
        cohort=study.cohort(),
        sections=report.sections,
        settings={**recipe_settings(recipe), **report.settings, **own},
        warnings=report.warnings,
    )
    write_reproduction(out, result, report.rows)
    return Reproduction(result=result, rows=tuple(report.rows), done=done)


def printed_figure(
    name: str,
    estimate: Estimate | None,
    *,
    printed: str,
    group: str = "",
    counts: str = "",
    rule: str = "",
    claim: Claim | None = None,
) -> Figure:
    """One row: what the study printed beside ours.

    Args:
        name: what it is.
        estimate: ours, with its interval; None where it was not measured (``rule`` then says why).
        printed: as the study prints it, e.g. "0.93 (SD 0.03)"; "not printed" where it does not.
        group: a subgroup, a model.
        counts: the fraction behind ours.
        rule: how ours was decided.
        claim: from ``find_claim``; one that does not follow marks the printed figure.
    """
    if claim is not None and claim.follows is False:
        printed = f"{printed} [slip: its own counts give {claim.recomputed}]"
    nothing = Estimate(value=float("nan"), n=0, unit="", method="not measured")
    return Figure(name=name, estimate=estimate or nothing, group=group, counts=counts, rule=rule, printed=printed)


def find_claim(study: str, item: str, *, where: str = "") -> Claim | None:
    """The study's claim about ``item`` (in ``where``, if given), from ``evaluation.published``; None if there is none.

    For marking a printed figure in ``printed_figure``.
    """
    for claim in study_claims(study):
        if claim.item == item and where in ("", claim.where):
            return claim
    return None


def compose(
    study: str,
    options: ReproduceOptions,
    *,
    cohort: Cohort,
    sections: Sequence[Section],
    settings: dict[str, Any],
    warnings: Sequence[str] = (),
) -> StatsResult:
    """The whole result: data named, sections in the study's order, the study's own slips last.

    Args:
        study: name of the study and system.
        options: of the run.
        cohort: the data that was used.
        sections: in the study's order.
        settings: what shapes the figures; the profile, seed and data are added here.
        warnings: further ones; that of the cohort's kind and of the small profile are added here.
    """
    facts = load_facts(study)
    patients = len({case.patient for case in cohort.cases})
    kind = "phantom" if cohort.is_phantom else cohort.kind
    notes = [KINDS[kind]] if kind in KINDS else []
    if options.profile == "small":
        notes.append("Profile small: few patients, small networks, few epochs. It shows that the recipe runs; the "
                     "published sizes and epochs are --profile full.")  # fmt: skip
    slips = claims_section(
        "The study's printed figures against its own counts", facts["source"], study_claims(study), slips=True
    )
    return StatsResult(
        verb="reproduce",
        title=f"{study}, as published: {facts['title']}",
        inputs=(f"{cohort.name} ({kind}, {patients} patients, {len(cohort.cases)} scans)",),
        settings={"study": facts["source"], "profile": options.profile, "seed": options.seed, "data": kind, **settings},
        sections=(*sections, slips),
        warnings=(*notes, *warnings),
    )


def recipe_settings(recipe: dict[str, Any]) -> dict[str, Any]:
    """Every "table.key" of a recipe, for the settings of ``compose``; what stands in no table is left out."""
    tables = {name: keys for name, keys in recipe.items() if isinstance(keys, dict)}
    return {f"{name}.{key}": value for name, keys in tables.items() for key, value in keys.items()}


def hardware(device: str) -> str:
    """What a run of this device name computes on, in words."""
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, {os.cpu_count()} cores"
    return f"CPU, {torch.get_num_threads()} threads of {os.cpu_count()} cores"


def write_reproduction(out: Path, result: StatsResult, rows: Sequence[dict[str, Any]] = ()) -> None:
    """Write evaluation.json, report.html and, where there are rows, per_case.csv; all of them or none.

    Raises:
        InputError: ``out`` exists and is not an empty folder.
    """
    from osteon.report.stats_page import write_page

    with whole_folder(out) as draft:
        text = json.dumps(to_document(result) | {"failures": {}}, indent=1)
        (draft / "evaluation.json").write_text(text + "\n", encoding="utf-8")
        if rows:
            with (draft / "per_case.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, fieldnames=list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        write_page(result, draft / "report.html")
