"""Leakage: the same patient, series, scan or picture on two sides of a split, whoever made the split."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.fingerprints import Fingerprint
from osteon.cohort.splits import case_of
from osteon.errors import CohortError
from osteon.imaging.perceptual import ALIKE_BITS, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from osteon.cohort.manifest import Cohort
    from osteon.cohort.splits import Fold

SCHEMA = "osteon-leakage/1"
KINDS = {
    "patient": "the same patient",
    "identity": "the same PatientID in DICOM under two patients' names",
    "study": "the same StudyInstanceUID",
    "series": "the same SeriesInstanceUID",
    "voxels": "the same scan, voxel by voxel",
    "picture": f"near-duplicate slices (at most {ALIKE_BITS} of 256 bits of the perceptual hash differ)",
}
"""Kinds of leak and what they mean, the surest first."""
_NAMES_SHOWN = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Leak:
    """Something that stands on two sides.

    Attributes:
        kind: of ``KINDS``.
        fold: number of the fold, from 0; None where no split was given and two patients' names share it.
        sides: the two sides, e.g. ("train", "val"), or two patients' names without a split.
        count: how many patients, UIDs, scans or pairs of slices.
        examples: some of the cases, images or pairs.
    """

    kind: str
    fold: int | None
    sides: tuple[str, str]
    count: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        where = f"fold {self.fold}, " if self.fold is not None else ""
        return (
            f"{where}{self.sides[0]} and {self.sides[1]}: {KINDS[self.kind]}, {self.count}: {', '.join(self.examples)}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakageReport:
    """What was looked at and found.

    Attributes:
        cases, slices: how many were compared.
        folds: how many splits were checked; 0 where patients' names were compared with one another.
        leaks: what was found.
        failures: case -> why it could not be read.
        notes: what to know about the comparison.
    """

    cases: int
    slices: int
    folds: int
    leaks: tuple[Leak, ...]
    failures: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing was found, and everything could be looked at."""
        return not self.leaks and not self.failures

    def as_document(self, name: str) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "schema": SCHEMA,
            "input": name,
            "cases": self.cases,
            "slices": self.slices,
            "folds": self.folds,
            "clean": self.clean,
            "leaks": [
                {"kind": leak.kind, "means": KINDS[leak.kind], "fold": leak.fold, "sides": list(leak.sides)}
                | {"count": leak.count, "examples": list(leak.examples)}
                for leak in self.leaks
            ],
            "failures": self.failures,
            "notes": list(self.notes),
        }


def patients_on_both_sides(cohort: Cohort, fold: Fold) -> dict[tuple[str, str], list[str]]:
    """Patients in two parts of a fold, by the pair of parts; empty for a proper split. Reads no scan."""
    of = {case.case: case.patient for case in cohort.cases}
    sides = {name: {of[case_of(one) if fold.leaks else one] for one in names} for name, names in fold.parts.items()}
    pairs = {(a, b): sorted(sides[a] & sides[b]) for a, b in itertools.combinations(sides, 2)}
    return {pair: both for pair, both in pairs.items() if both}


def require_by_patient(cohort: Cohort, fold: Fold) -> None:
    """Refuse a fold that has a patient on two sides.

    Raises:
        CohortError: it has.
    """
    for (a, b), both in patients_on_both_sides(cohort, fold).items():
        raise CohortError(f"patients {both[:5]} are in {a} and {b}; make the split by patient (osteon cohort split)")


def check_cohort(
    cohort: Cohort,
    fingerprints: Sequence[Fingerprint],
    *,
    folds: Sequence[Fold] = (),
    near_duplicates: bool = True,
    on_case: Callable[[int, int, str], None] = lambda done, total, case: None,
) -> LeakageReport:
    """Look for leaks in splits of a cohort, or between its patients where there is no split.

    Args:
        cohort: it.
        fingerprints: of its cases, from ``fingerprint_cohort``.
        folds: splits to check; () compares patients with patients: what a split by patient would let through.
        near_duplicates: compare slices by perceptual hash too.
        on_case: called with (done, total, fold).
    """
    by_name = {one.name: one for one in fingerprints}
    common, notes = _identity_of_all(fingerprints)
    leaks: list[Leak] = []
    if folds:
        for number, fold in enumerate(folds):
            leaks += _check_fold(fold, number, by_name, common=common, near_duplicates=near_duplicates)
            on_case(number + 1, len(folds), f"fold {number}")
    else:
        groups = defaultdict(list)
        for one in fingerprints:
            groups[one.patient].append(one)
        leaks = _compare_groups(groups, None, common=common, near_duplicates=near_duplicates)
    return LeakageReport(
        cases=len(fingerprints),
        slices=sum(len(one.hashes) for one in fingerprints),
        folds=len(folds),
        leaks=tuple(leaks),
        failures={one.name: one.problem for one in fingerprints if one.problem},
        notes=notes,
    )


def check_sides(sides: dict[str, list[Fingerprint]], *, near_duplicates: bool = True) -> LeakageReport:
    """Look for leaks between folders of pictures, such as train, val and test."""
    everything = [one for members in sides.values() for one in members]
    common, notes = _identity_of_all(everything)
    leaks = _compare_groups(sides, 0, common=common, near_duplicates=near_duplicates)
    if not any(one.identities for one in everything):
        notes = (*notes, "no PatientID in the pictures: the same patient can be told by near-duplicates only")
    return LeakageReport(
        cases=len(everything),
        slices=sum(len(one.hashes) for one in everything),
        folds=1,
        leaks=tuple(leaks),
        failures={one.name: one.problem for one in everything if one.problem},
        notes=notes,
    )


def _identity_of_all(fingerprints: Sequence[Fingerprint]) -> tuple[frozenset[str], tuple[str, ...]]:
    """PatientIDs that all of three patients (or studies) or more have: an anonymiser's, they tell nobody apart."""
    known = [one for one in fingerprints if one.identities]
    groups = {one.patient or ",".join(sorted(one.studies)) for one in known}
    if len(groups) < 3:
        return frozenset(), ()
    common = frozenset.intersection(*(one.identities for one in known))
    return common, (
        "every DICOM file has one and the same PatientID, which therefore was not compared",
    ) if common else ()


def _check_fold(
    fold: Fold, number: int, by_name: dict[str, Fingerprint], *, common: frozenset[str], near_duplicates: bool
) -> list[Leak]:
    """Case by case, or image by image where the fold is by image."""
    sides = {
        part: _of_images(names, by_name) if fold.leaks else [by_name[name] for name in names]
        for part, names in fold.parts.items()
    }
    return _compare_groups(sides, number, common=common, near_duplicates=near_duplicates)


def _of_images(names: Iterable[str], by_name: dict[str, Fingerprint]) -> list[Fingerprint]:
    """The fingerprints of cases with only those slices whose images are named."""
    wanted = defaultdict(set)
    for name in names:
        wanted[case_of(name)].add(int(name.rsplit("#", 1)[1]) if "#" in name else -1)
    found = []
    for case, slices in wanted.items():
        whole = by_name[case]
        keep = [k for k, index in enumerate(whole.indices) if index in slices]
        found.append(
            Fingerprint(
                name=whole.name,
                patient=whole.patient,
                identities=whole.identities,
                studies=whole.studies,
                series=whole.series,
                hashes=whole.hashes[keep],
                places=tuple(whole.places[k] for k in keep),
                indices=tuple(whole.indices[k] for k in keep),
            )
        )
    return found


def _compare_groups(
    groups: dict[str, list[Fingerprint]], fold: int | None, *, common: frozenset[str], near_duplicates: bool
) -> list[Leak]:
    leaks = []
    for (a, first), (b, second) in itertools.combinations(groups.items(), 2):
        found = _shared(first, second, common)
        if near_duplicates:
            found["picture"] = _alike(first, second)
        for kind in KINDS:
            if found.get(kind):
                examples = found[kind]
                shown = tuple(examples[:_NAMES_SHOWN])
                leaks.append(Leak(kind=kind, fold=fold, sides=(a, b), count=len(examples), examples=shown))
    return leaks


def _shared(first: list[Fingerprint], second: list[Fingerprint], common: frozenset[str]) -> dict[str, list[str]]:
    """What two sides have in common, kind by kind; patients already named are not named again for what follows."""
    patients = sorted({one.patient for one in first} & {one.patient for one in second} - {""})
    rest = [[one for one in side if one.patient not in patients] for side in (first, second)]
    found = {"patient": patients}
    for kind, field in (("identity", "identities"), ("study", "studies"), ("series", "series"), ("voxels", "voxels")):
        owners = [_owners(side, field) for side in rest]
        both = (owners[0].keys() & owners[1].keys()) - common
        found[kind] = sorted({f"{owners[0][value]} = {owners[1][value]}" for value in both})
    return found


def _owners(side: list[Fingerprint], field: str) -> dict[str, str]:
    return {value: one.name for one in side for value in getattr(one, field)}


def _alike(first: list[Fingerprint], second: list[Fingerprint]) -> list[str]:
    """Slices of the smaller side that have a near-duplicate on the other; the same patient's too."""
    flat = [[(one, k) for one in side for k in range(len(one.hashes))] for side in (first, second)]
    if not flat[0] or not flat[1]:
        return []
    small, large = (1, 0) if len(flat[1]) <= len(flat[0]) else (0, 1)
    hashes = [np.stack([one.hashes[k] for one, k in side]) for side in flat]
    index, bits = nearest(hashes[small], hashes[large])
    found = []
    for here, there, differ in zip(flat[small], index, bits, strict=True):
        if differ <= ALIKE_BITS:
            (one, k), (other, m) = here, flat[large][int(there)]
            found.append((int(differ), f"{one.name} {one.places[k]} ~ {other.name} {other.places[m]} ({differ} bits)"))
    return [text for _, text in sorted(found)]
