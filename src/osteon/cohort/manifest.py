"""The cohort folder: ``cohort.json`` names every case, its study, its labels and its ground truth.

Paths inside are relative to the folder and may not leave it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from osteon.errors import CohortError

SCHEMA = "osteon-cohort/1"
TRUTH_KINDS = ("bone", "lesions", "vertebrae", "boxes", "features", "lesion_table")
COHORT_KINDS = ("phantom", "semi-real", "real", "unknown")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One examination of one patient, with what is known about it.

    Attributes:
        case: unique name in the cohort.
        patient: pseudonym; splits are made by it.
        study: folder (or file) of the scan, relative to the cohort.
        truth: kind (see ``TRUTH_KINDS``) -> relative path.
        labels: e.g. {"lesions": 3} or {"diagnosis": "myeloma"}.
    """

    case: str
    patient: str
    study: str
    age_years: float | None = None
    sex: str | None = None
    centre: str | None = None
    labels: dict[str, Any] = field(default_factory=dict)
    truth: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in (self.study, *self.truth.values()):
            pure = PurePosixPath(path)
            if pure.is_absolute() or ".." in pure.parts or not path:
                raise CohortError(f"case {self.case}: path {path!r} leaves the cohort folder; make it relative to it")
        unknown = sorted(set(self.truth) - set(TRUTH_KINDS))
        if unknown:
            raise CohortError(f"case {self.case}: unknown truth {unknown}; expected some of {list(TRUTH_KINDS)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cohort:
    """A cohort on disk: ``root`` and its cases, in the order of the file."""

    root: Path
    name: str
    modality: str
    system: str
    cases: tuple[Case, ...]
    description: str = ""
    kind: str = "unknown"

    def __post_init__(self) -> None:
        if self.kind not in COHORT_KINDS:
            raise CohortError(f"cohort {self.name}: kind {self.kind!r}; expected one of {list(COHORT_KINDS)}")
        names = [case.case for case in self.cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise CohortError(f"cohort {self.name}: case names used twice: {twice}")

    @property
    def is_phantom(self) -> bool:
        """Whether it is synthetic; phantoms made before ``kind`` was written are known by their name."""
        return self.kind == "phantom" or (self.kind == "unknown" and self.name.startswith("phantom-"))

    def truth_path(self, case: Case, kind: str) -> Path:
        """Absolute path of one ground-truth file.

        Raises:
            CohortError: the case has none of this kind, or the file is missing.
        """
        if kind not in case.truth:
            raise CohortError(f"case {case.case}: no {kind!r} truth in cohort.json; it has {sorted(case.truth)}")
        path = self.root / case.truth[kind]
        if not path.exists():
            raise CohortError(f"case {case.case}: {kind} file {case.truth[kind]} is missing from the cohort folder")
        return path

    def study_path(self, case: Case) -> Path:
        """Absolute path of the scan of one case."""
        return self.root / case.study


def write_cohort(cohort: Cohort) -> Path:
    """Write ``cohort.json`` (to a temporary name, then renamed) and return its path."""
    document = {
        "schema": SCHEMA,
        "name": cohort.name,
        "modality": cohort.modality,
        "system": cohort.system,
        "description": cohort.description,
        "kind": cohort.kind,
        "cases": [asdict(case) for case in cohort.cases],
    }
    path = cohort.root / "cohort.json"
    draft = path.with_suffix(".json.part")
    draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105  (atomic)
    return path


def read_cohort(folder: Path) -> Cohort:
    """Read and check ``cohort.json`` in ``folder``.

    Raises:
        CohortError: the file is missing, is not JSON, or breaks the contract.
    """
    path = folder / "cohort.json"
    if not path.is_file():
        raise CohortError(f"{folder.name}: no cohort.json in this folder; make one or run `osteon cohort import`")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("schema") != SCHEMA:
            raise CohortError(f"{path.name}: schema {document.get('schema')!r}, expected {SCHEMA!r}")
        cases = tuple(Case(**entry) for entry in document["cases"])
        return Cohort(
            root=folder,
            name=document["name"],
            modality=document["modality"],
            system=document["system"],
            description=document.get("description", ""),
            kind=document.get("kind", "unknown"),
            cases=cases,
        )
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CohortError(f"{path.name}: not a valid cohort file ({error})") from error
