"""The cohort folder: ``cohort.json`` names every case, its study, its labels and its ground truth.

Paths inside are relative to the folder and may not leave it, not through symbolic links either.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from osteon.errors import CohortError, InputError, LimitError
from osteon.files import whole_file
from osteon.formats.json_file import read_json

SCHEMA = "osteon-cohort/1"
TRUTH_KINDS = ("bone", "lesions", "vertebrae", "boxes", "features", "lesion_table")
_LONGEST_SHOWN = 100
_HOW = "docs/file-formats.md says how to write one"
COHORT_KINDS = ("phantom", "semi-real", "real", "unknown")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One examination of one patient, with what is known about it.

    Attributes:
        case: unique name in the cohort; also a file name in what is written about it.
        patient: pseudonym; splits are made by it.
        study: folder (or file) of the scan, relative to the cohort.
        age_years: age at the examination.
        sex: "M", "F" or "O".
        centre: where it was made.
        labels: e.g. {"lesions": 3} or {"diagnosis": "myeloma"}.
        truth: kind (see ``TRUTH_KINDS``) -> relative path.

    Raises:
        CohortError: a name that cannot be a file's, an impossible age, a path that leaves the folder, an unknown kind.
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
        _check_name("case", self.case)
        _check_name("patient", self.patient)
        if self.age_years is not None and not (_is_number(self.age_years) and 0 <= self.age_years <= 130):
            raise CohortError(f"case {self.case}: age {self.age_years!r}; expected years from 0 to 130, or null")
        for what, value in (("sex", self.sex), ("centre", self.centre)):
            if value is not None and not isinstance(value, str):
                raise CohortError(f"case {self.case}: {what} {value!r}; expected a text, or null")
        if not isinstance(self.truth, dict) or not isinstance(self.labels, dict):
            raise CohortError(f"case {self.case}: labels and truth must be objects of names and values")
        for path in (self.study, *self.truth.values()):
            if not isinstance(path, str):
                raise CohortError(
                    f"case {self.case}: path {_short(path)}; expected a text, relative to the cohort folder"
                )
            if _leaves(path):
                raise CohortError(
                    f"case {self.case}: path {_short(path)} leaves the cohort folder; make it relative to it"
                )
        unknown = sorted(set(self.truth) - set(TRUTH_KINDS))
        if unknown:
            raise CohortError(f"case {self.case}: unknown truth {unknown}; expected some of {list(TRUTH_KINDS)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cohort:
    """A cohort on disk.

    Attributes:
        root: its folder.
        name: what it is called.
        modality: DICOM Modality, "CT" or "MR".
        system: which system it is for, e.g. "lytic".
        cases: in the order of the file.
        description: where it comes from.
        kind: "phantom" (synthetic), "semi-real" (real scans with synthetic lesions), "real" or "unknown".

    Raises:
        CohortError: two cases of one name, an unknown kind.
    """

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
        for what in ("name", "modality", "system", "description"):
            if not isinstance(getattr(self, what), str):
                raise CohortError(f"cohort.json: {what} {getattr(self, what)!r}; expected a text")
        counts = Counter(case.case for case in self.cases)
        twice = sorted(name for name, count in counts.items() if count > 1)
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
        return self._path(case, kind, case.truth[kind])

    def study_path(self, case: Case) -> Path:
        """Path of the scan of one case.

        Raises:
            CohortError: it is missing.
        """
        return self._path(case, "study", case.study)

    def _path(self, case: Case, what: str, relative: str) -> Path:
        path = self.root / relative
        if not _exists(path):
            raise CohortError(
                f"case {case.case}: {what} {_short(relative)} is missing from the cohort folder; copy it there"
            )
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise CohortError(
                f"case {case.case}: {what} {_short(relative)} is a link out of the cohort folder; copy it there"
            )
        return path


def _short(value: object) -> str:
    """A received value for an error: as it stands, but never a page of it."""
    text = value if isinstance(value, str) and value.isprintable() else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def _exists(path: Path) -> bool:
    """Whether there is such a path; one too long for the file system is nowhere."""
    try:
        return path.exists()
    except OSError:
        return False


def _check_name(what: str, name: object) -> None:
    """Names end up in reports and as file names."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 100:
        raise CohortError(f"{what} {_short(repr(name))}: expected a name of 1 to 100 printable characters")
    if set(name) & set("/\\:") or name.startswith("."):
        raise CohortError(f"{what} {name!r}: expected a name without / \\ : and not beginning with a dot")


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _leaves(path: str) -> bool:
    """Whether a relative path is none, or goes up, on this system or another."""
    parts = {*PurePosixPath(path).parts, *PureWindowsPath(path).parts}
    windows = PureWindowsPath(path)
    absolute = PurePosixPath(path).is_absolute() or bool(windows.drive or windows.root)
    return not path or "\0" in path or absolute or ".." in parts


def write_cohort(cohort: Cohort) -> Path:
    """Write ``cohort.json`` in the cohort's folder and return its path."""
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
    with whole_file(path) as draft:
        draft.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def read_cohort(folder: Path) -> Cohort:
    """Read and check ``cohort.json`` in ``folder``.

    Raises:
        CohortError: the file is missing, is not JSON, or breaks the contract.
    """
    path = folder / "cohort.json"
    if not path.is_file():
        raise CohortError(f"{folder.name}: no cohort.json in this folder; {_HOW}")
    try:
        document = read_json(path, finite=False)
        if document.get("schema") != SCHEMA:
            raise CohortError(f"{path.name}: schema {document.get('schema')!r}, expected {SCHEMA!r}")
        entries = document["cases"]
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise CohortError(f"{path.name}: cases {_short(entries)}; expected a list of objects; {_HOW}")
        cases = tuple(Case(**entry) for entry in entries)
        return Cohort(
            root=folder,
            name=document["name"],
            modality=document["modality"],
            system=document["system"],
            description=document.get("description", ""),
            kind=document.get("kind", "unknown"),
            cases=cases,
        )
    except KeyError as error:
        raise CohortError(f"{path.name}: not a valid cohort file (no {error}); {_HOW}") from error
    except (InputError, LimitError, TypeError, AttributeError) as error:
        raise CohortError(f"{path.name}: not a valid cohort file ({error}); {_HOW}") from error
