"""What every importer does: names, patients, copies of files, and a cohort that appears whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from osteon.cohort.manifest import COHORT_KINDS, Case, Cohort, read_cohort, write_cohort
from osteon.errors import CohortError, UsageError
from osteon.files import whole_folder
from osteon.formats.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LESION_WORDS = ("lesion", "tumor", "tumour", "metasta", "lytic", "myeloma", "cancer", "neoplas")
"""A label whose name holds one of these is a lesion's, unless labels are named by the caller."""
_ODD = re.compile(r"[^\w.+-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportOptions:
    """What an importer cannot find in the files.

    Attributes:
        name: of the cohort.
        system: which system it is for.
        modality: "CT" or "MR".
        kind: of ``COHORT_KINDS``.
        lesion_labels: names of the labels that are lesions; () for all whose name says so (``LESION_WORDS``).
        bone_labels: names of the labels that are bone; () for those called "bone" or "bones".
        people: CSV with ``case`` and ``patient``, and optional ``age_years``, ``sex``, ``centre``; any further column
            is a label. Without it every case is taken for a patient of its own.
        link: hard links instead of copies: no disk space, but a file changed here is changed there.

    Raises:
        UsageError: a modality or kind that there is not.
    """

    name: str
    system: str
    modality: str
    kind: str = "real"
    lesion_labels: tuple[str, ...] = ()
    bone_labels: tuple[str, ...] = ()
    people: Path | None = None
    link: bool = False

    def __post_init__(self) -> None:
        if self.modality not in ("CT", "MR"):
            raise UsageError(f"modality {self.modality!r}: expected CT or MR")
        if self.kind not in COHORT_KINDS:
            raise UsageError(f"kind {self.kind!r}: expected one of {', '.join(COHORT_KINDS)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Gathering:
    """A cohort in the making.

    Attributes:
        root: the draft's folder.
        options: see there.
        cases: so far.
        notes: what the user should know.
    """

    root: Path
    options: ImportOptions
    cases: list[Case] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)

    def folder(self, case: str) -> str:
        """Folder of a case, relative to the cohort."""
        return f"cases/{case}"

    def put(self, source: Path, target: str) -> None:
        """Copy (or link) one file to a path relative to the cohort."""
        path = self.root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.options.link:
            try:
                os.link(source.resolve(), path)
                return
            except OSError:
                self.note("files could not be linked (another file system) and were copied")
        shutil.copyfile(source, path)

    def note(self, text: str) -> None:
        """Say something once."""
        if text not in self.notes:
            self.notes.append(text)

    def add(self, case: str, *, study: str, truth: dict[str, str], labels: dict[str, Any], patient: str = "") -> None:
        """Add a case; what the table of people says of it goes before ``patient`` and ``labels``."""
        person = dict(self.people.get(case, {}))
        known: dict[str, Any] = {key: person.pop(key) for key in ("age_years", "sex", "centre") if key in person}
        name = str(person.pop("patient", "") or patient or case)
        self.cases.append(Case(case=case, patient=name, study=study, labels=labels | person, truth=truth, **known))


@contextmanager
def gather(out: Path, options: ImportOptions) -> Iterator[Gathering]:
    """Give a gathering; its cohort is written and ``out`` appears when the block ends without an error.

    Raises:
        CohortError: no case was found, or the table of people names cases that there are not.
        InputError: ``out`` is not empty.
    """
    people = _read_people(options.people) if options.people else {}
    with whole_folder(out) as draft:
        gathering = Gathering(root=draft, options=options, people=people)
        yield gathering
        if not gathering.cases:
            raise CohortError("nothing to import: no case was found; see `osteon cohort import --help` for the layout")
        strange = sorted(people.keys() - {case.case for case in gathering.cases})
        if strange:
            raise CohortError(f"the table of people names {strange[:5]}, which are no cases; it needs the cases' names")
        if not people:
            gathering.note("every case was taken for a patient of its own; give --people where patients come back")
        cohort = Cohort(
            root=draft,
            name=options.name,
            modality=options.modality,
            system=options.system,
            cases=tuple(gathering.cases),
            kind=options.kind,
        )
        write_cohort(cohort)
        read_cohort(draft)  # what was written can be read


def _read_people(path: Path) -> dict[str, dict[str, Any]]:
    table = read_table(path, required=("case", "patient"))
    table.unique_on(["case"])
    cases = table.text("case")
    people: dict[str, dict[str, Any]] = {}
    for row, case in enumerate(cases):
        cells = {name: str(column[row]) for name, column in table.columns.items() if name != "case"}
        person: dict[str, Any] = {name: _typed(cell) for name, cell in cells.items() if cell}
        people[str(case)] = person | {"patient": cells["patient"]}
    return people


def _typed(cell: str) -> Any:
    """A cell of a table as a number, a truth value or text."""
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def safe_name(text: str) -> str:
    """A name that can be a file's, from what stands in somebody's file or folder name."""
    return _ODD.sub("-", text).strip("-.")[:80] or "case"


def pick_labels(
    names: Sequence[str], options: ImportOptions, *, all_there: bool = True
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which labels are lesions and which are bone.

    Args:
        names: of the labels.
        options: which of them the user named.
        all_there: every label that the options name must be among them; not so where ``names`` are one case's only.

    Raises:
        UsageError: the options name a label that is not there, or nothing tells which label is a lesion.
    """
    wanted = (*options.lesion_labels, *options.bone_labels)
    missing = sorted(set(wanted) - set(names))
    if missing and (all_there or len(missing) == len(set(wanted))):
        raise UsageError(f"labels {missing}: not in the files, which have {sorted(names)}")
    bone = options.bone_labels or tuple(name for name in names if name.lower() in ("bone", "bones"))
    lesions = options.lesion_labels or tuple(
        name for name in names if any(word in name.lower() for word in LESION_WORDS) and name not in bone
    )
    if not lesions and not bone:
        raise UsageError(
            f"labels {sorted(names)}: none is plainly a lesion's or bone's; name them with --lesion, --bone"
        )
    return lesions, bone
