"""Splits of a cohort: folds by patient, stratified and seeded, and ``splits.json``.

The file is a list of ``{"train": [...], "val": [...]}`` with case names, as nnU-Net writes it; ``test`` may be added. A
split of single images, which studies publish now and then, is made and read only where it is asked for by name, and
says in the file that it leaks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from osteon.cohort.healthy import LABEL, is_healthy
from osteon.errors import CohortError, InputError, UsageError
from osteon.formats.json_file import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from osteon.cohort.manifest import Case, Cohort

PARTS = ("train", "val", "test")
IMAGE_MARK = "#"
"""Between the case and the slice in the name of an image: ``p0003#17`` is slice 17, from 0, of case p0003."""
IMAGE_LEVEL_WARNING = (
    "split by image: slices of one patient are in several parts, so figures on the test part say how well known "
    "patients are recognised, not how well new patients are read"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One division into parts; the names are of cases, or of images where ``leaks`` says that it is by image.

    Attributes:
        train, val, test: names, in a stable order.
        leaks: "" for a split by patient, else what is wrong with it by design.

    Raises:
        CohortError: a name stands twice, or nothing is left to train on.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...] = ()
    leaks: str = ""

    def __post_init__(self) -> None:
        twice = sorted(name for name, count in Counter((*self.train, *self.val, *self.test)).items() if count > 1)
        if twice:
            raise CohortError(f"split: {twice[:5]} stand in more than one place; every name may stand once a fold")
        if not self.train:
            raise CohortError("split: no case to train on; expected at least one name under 'train'")

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The parts that are not empty, by name."""
        return {name: getattr(self, name) for name in PARTS if getattr(self, name)}


def patient_folds(cohort: Cohort, *, folds: int, seed: int = 0, stratify: Sequence[str] = ()) -> tuple[Fold, ...]:
    """Folds for cross-validation: every patient is in ``val`` of exactly one fold, with all of their cases.

    Args:
        cohort: at least ``folds`` patients.
        folds: how many, from 2.
        seed: of the shuffle; the same cohort and seed give the same folds.
        stratify: what the folds should be alike in: names of labels, or "centre" or "sex". Healthy patients, who lack
            labels of the disease, are of a kind of their own.

    Raises:
        UsageError: fewer than 2 folds, or more than patients.
        CohortError: a case that is not healthy has no such label.
    """
    patients = sorted({case.patient for case in cohort.cases})
    if not 2 <= folds <= len(patients):
        raise UsageError(f"{folds} folds of {len(patients)} patients; expected 2 to as many as there are patients")
    part = _deal(cohort, patients, shares=np.full(folds, 1 / folds), seed=seed, stratify=stratify)
    where = dict(zip(patients, part.tolist(), strict=True))
    return tuple(
        Fold(
            train=tuple(case.case for case in cohort.cases if where[case.patient] != fold),
            val=tuple(case.case for case in cohort.cases if where[case.patient] == fold),
        )
        for fold in range(folds)
    )


def patient_split(
    cohort: Cohort, *, shares: tuple[float, float, float], seed: int = 0, stratify: Sequence[str] = ()
) -> Fold:
    """One division of the patients into train, val and test.

    Args:
        cohort: at least one patient for every part that is asked for.
        shares: of the patients, in the order of ``PARTS``; any positive scale, such as counts. A test share may be 0.
        seed: of the shuffle.
        stratify: as in ``patient_folds``.

    Raises:
        UsageError: shares that are none.
        CohortError: too few patients for a part, or a case has no such label.
    """
    wanted = np.asarray(shares, dtype=np.float64)
    if wanted.shape != (3,) or not np.isfinite(wanted).all() or wanted.min() < 0 or min(wanted[:2]) <= 0:
        raise UsageError(f"shares {shares}: expected three numbers, those of train and val above 0")
    patients = sorted({case.patient for case in cohort.cases})
    part = _deal(cohort, patients, shares=wanted / wanted.sum(), seed=seed, stratify=stratify)
    empty = [name for k, name in enumerate(PARTS) if wanted[k] > 0 and not (part == k).any()]
    if empty:
        raise CohortError(
            f"cohort {cohort.name}: {len(patients)} patients leave none for {', '.join(empty)} at shares {shares}; "
            "take more patients or larger shares"
        )
    where = dict(zip(patients, part.tolist(), strict=True))
    names = [tuple(case.case for case in cohort.cases if where[case.patient] == k) for k in range(3)]
    return Fold(train=names[0], val=names[1], test=names[2])


def image_split(images: Sequence[str], *, sizes: tuple[int, int, int], seed: int = 0) -> Fold:
    """Images at random into train, val and test, whoever they are of: how a study was made, and marked as leaking.

    Args:
        images: names as ``image_name`` makes them.
        sizes: how many go where if there are as many images as their sum; else in these proportions.
        seed: of the shuffle.

    Raises:
        CohortError: too few images for a part.
    """
    total = sum(sizes)
    counts = np.floor(np.asarray(sizes) * len(images) / total + 0.5).astype(int)
    counts[0] = len(images) - counts[1:].sum()
    if min(sizes) < 0 or min(counts[:2]) < 1 or (sizes[2] and counts[2] < 1):
        raise CohortError(f"{len(images)} images leave none for a part at {sizes}; take more images")
    order = np.random.default_rng([seed, 7]).permutation(len(images))
    ends = np.cumsum(counts)
    parts = [tuple(images[k] for k in sorted(one)) for one in np.split(order, ends[:2])]
    return Fold(train=parts[0], val=parts[1], test=parts[2], leaks=IMAGE_LEVEL_WARNING)


def image_name(case: str, index: int) -> str:
    """Name of slice ``index`` (from 0) of a case."""
    return f"{case}{IMAGE_MARK}{index}"


def case_of(name: str) -> str:
    """The case of an image's name; a case's name is its own."""
    return name.rsplit(IMAGE_MARK, 1)[0]


def _deal(
    cohort: Cohort, patients: list[str], *, shares: NDArray[np.float64], seed: int, stratify: Sequence[str]
) -> NDArray[np.intp]:
    """Part of each patient: stratum by stratum, each shuffled patient to the part that lacks most."""
    strata = _strata(cohort, stratify)
    generator = np.random.default_rng(seed)
    part = np.zeros(len(patients), dtype=np.intp)
    index = {patient: k for k, patient in enumerate(patients)}
    overall, dealt = np.zeros(len(shares)), 0
    for stratum in sorted({strata[patient] for patient in patients}):
        members = [patient for patient in patients if strata[patient] == stratum]
        here = np.zeros(len(shares))
        for k, chosen in enumerate(generator.permutation(len(members)), start=1):
            dealt += 1
            lack = np.where(shares > 0, (shares * k - here) + (shares * dealt - overall), -np.inf)
            to = int(np.argmax(np.round(lack, 9)))  # ties: the first part
            here[to] += 1
            overall[to] += 1
            part[index[members[chosen]]] = to
    return part


def _strata(cohort: Cohort, stratify: Sequence[str]) -> dict[str, str]:
    """What each patient is, as text; a patient of several values is of their own kind, a count is none or some."""
    values: dict[str, set[str]] = {}
    for case in cohort.cases:
        values.setdefault(case.patient, set()).add("|".join(_value(case, key) for key in stratify))
    return {patient: " & ".join(sorted(found)) for patient, found in values.items()}


def _value(case: Case, key: str) -> str:
    if key in ("centre", "sex"):
        return str(getattr(case, key))
    if key not in case.labels and is_healthy(case):
        return LABEL
    if key not in case.labels and key == LABEL:
        return str(False)
    if key not in case.labels:
        raise CohortError(
            f"case {case.case}: no label {key!r} to stratify by; it has {sorted(case.labels)} (or take centre, sex)"
        )
    value: Any = case.labels[key]
    return str(value > 0) if type(value) in (int, float) else str(value)


def write_splits(path: Path, folds: Iterable[Fold]) -> None:
    """Write ``splits.json``."""
    entries: list[dict[str, Any]] = []
    for fold in folds:
        entry: dict[str, Any] = {"train": list(fold.train), "val": list(fold.val)}
        if fold.test:
            entry["test"] = list(fold.test)
        if fold.leaks:
            entry |= {"unit": "image", "leaks": fold.leaks}
        entries.append(entry)
    write_json(path, entries)


def read_splits(path: Path, cohort: Cohort, *, by_image: bool = False) -> tuple[Fold, ...]:
    """Read ``splits.json`` (or nnU-Net's ``splits_final.json``) of a cohort.

    Whether patients are on two sides is not checked here but by ``leakage.patients_on_both_sides``, which all who train
    on a split must call; a split by image, which leaks by design, is refused unless ``by_image``.

    Raises:
        InputError: not JSON of this form.
        CohortError: a case that the cohort does not have, or a split by image that nobody asked for.
    """
    document = read_json(path)
    if not isinstance(document, list) or not document or not all(isinstance(entry, dict) for entry in document):
        raise InputError(f"{path.name}: expected a list of folds, each with 'train' and 'val'")
    folds = tuple(_fold(entry, where=f"{path.name}, fold {k}") for k, entry in enumerate(document))
    known = {case.case for case in cohort.cases}
    for k, fold in enumerate(folds):
        if fold.leaks and not by_image:
            raise CohortError(f"{path.name}, fold {k}: split by image, which leaks; use a split by patient")
        names = (*fold.train, *fold.val, *fold.test)
        strange = sorted({name for name in names if (case_of(name) if fold.leaks else name) not in known})
        if strange:
            raise CohortError(f"{path.name}, fold {k}: {strange[:5]} are no cases of cohort {cohort.name}")
    return folds


def _fold(entry: dict[str, Any], *, where: str) -> Fold:
    parts: dict[str, tuple[str, ...]] = {}
    for name in PARTS:
        names = entry.get(name, [] if name == "test" else None)
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise InputError(f"{where}: {name!r} is {str(names)[:60]}; expected a list of case names")
        parts[name] = tuple(names)
    leaks = IMAGE_LEVEL_WARNING if entry.get("unit") == "image" else ""
    try:
        return Fold(train=parts["train"], val=parts["val"], test=parts["test"], leaks=leaks)
    except CohortError as error:
        raise CohortError(f"{where}: {error}") from error
