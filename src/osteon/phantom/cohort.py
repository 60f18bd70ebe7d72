"""Phantom patients as a cohort folder: DICOM studies, masks, LabelMe boxes and ``cohort.json``.

The same seed gives the same bytes, whatever the number of processes; what is there already is not made again.
"""

from __future__ import annotations

import importlib
import json
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.manifest import Case, Cohort, write_cohort
from osteon.errors import CohortError, InputError, OsteonError
from osteon.files import whole_file, whole_folder
from osteon.formats.json_file import read_json
from osteon.phantom.cohorts.files import write_json
from osteon.phantom.options import FORMAT, MODALITIES, PhantomOptions
from osteon.phantom.workers import in_order

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["PhantomOptions", "make_cohort", "make_patient"]


def make_cohort(
    options: PhantomOptions,
    out: Path,
    *,
    jobs: int = 1,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> Cohort:
    """Write a cohort folder and return it.

    A patient's folder appears only when complete, so that a run that was killed goes on where it stopped, and two runs
    into one folder do each other no harm.

    Args:
        options: what to make.
        out: folder; made if missing, resumed if it holds phantoms of the same options.
        jobs: processes.
        on_case: called after each patient with (done, total, case).

    Raises:
        CohortError: ``out`` holds something else, or cannot be written.
        LimitError: a process was ended from outside.
    """
    _check_same(options, out)
    arguments = [(options, index, out) for index in range(options.patients)]
    cases = []
    for case in in_order(_make, arguments, jobs=jobs):
        cases.append(case)
        on_case(len(cases), options.patients, case.case)
    modality = MODALITIES[options.system]
    cohort = Cohort(
        root=out,
        name=f"phantom-{options.system}-{options.seed}",
        modality=modality,
        system=options.system,
        cases=tuple(cases),
        description=f"Synthetic {modality}, profile {options.profile}, seed {options.seed}. No patient data.",
        kind="phantom",
    )
    write_cohort(cohort)
    return cohort


def _make(argument: tuple[PhantomOptions, int, Path]) -> Case:
    options, index, out = argument
    return make_patient(options, index, out=out)


def _check_same(options: PhantomOptions, out: Path) -> None:
    """Refuse to mix phantoms of different options; the number of patients may grow."""
    wanted = {"format": FORMAT, **options.document()}
    wanted.pop("patients")
    text = json.dumps(wanted, indent=1) + "\n"
    path = out / "phantom.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(not _is_draft(entry) for entry in out.iterdir()):
                raise CohortError(f"{out.name}: is not empty and holds no phantom.json; choose a new folder")
            with whole_file(path) as draft:
                draft.write_text(text, encoding="utf-8")
        found = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise CohortError(f"{out.name}: cannot be used as a folder for phantoms ({error.strerror})") from error
    if found != text:
        raise CohortError(f"{out.name}: {_difference(found, wanted)}; choose another folder")


def _is_draft(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".part")


def _difference(found: str, wanted: dict[str, Any]) -> str:
    """In what the options in a folder's phantom.json differ from those wanted."""
    try:
        there = json.loads(found)
        plain = json.loads(json.dumps(wanted))
        keys = [key for key in {**plain, **there} if key != "patients" and there.get(key) != plain.get(key)]
    except (ValueError, RecursionError, AttributeError, TypeError):
        return "phantom.json is damaged"
    listed = ", ".join(f"{key} {there.get(key)!r}, not {plain.get(key)!r}" for key in keys)
    return f"holds phantoms of other options ({listed or 'see phantom.json'})"


def make_patient(options: PhantomOptions, index: int, *, out: Path) -> Case:
    """Make one patient's folder in the cohort folder ``out``, unless it is there already.

    Raises:
        CohortError: the folder cannot be written or was changed by hand.
    """
    name = f"p{index:04d}"
    folder = out / "cases" / name
    record = folder / "case.json"
    if not record.exists():
        try:
            with whole_folder(folder) as draft:
                case = _draw_case(options, index, folder=draft, name=name)
                write_json(draft / "case.json", asdict(case))
        except (OSError, InputError) as error:
            if not record.exists():  # else another run was faster, with the same bytes
                reason = error.strerror if isinstance(error, OSError) else str(error)
                raise CohortError(
                    f"{out.name}: case {name} cannot be written ({reason}); what is finished is kept: "
                    "put that right and run the same command again"
                ) from error
    for draft in folder.parent.glob(f".{name}.*.part"):  # of a run that was killed, or is too late
        shutil.rmtree(draft, ignore_errors=True)
    try:
        return Case(**read_json(record))
    except (OsteonError, TypeError) as error:
        raise CohortError(f"{out.name}: cases/{name}/case.json is damaged; remove that folder and run again") from error


def _draw_case(options: PhantomOptions, index: int, *, folder: Path, name: str) -> Case:
    """The case's files but for ``case.json``, by the system's module."""
    module = importlib.import_module(f"osteon.phantom.cohorts.{options.system}")  # only names of MODALITIES get here
    number = list(MODALITIES).index(options.system)
    rng = np.random.default_rng([FORMAT, options.seed, index, number][: 4 if number else 3])
    case = module.make_case(rng, options, folder, name)
    if not isinstance(case, Case):
        raise TypeError(f"{module.__name__}.make_case returned {type(case).__name__}, not a Case")
    return case
