"""``osteon cohort check|split|import``: leakage, folds by patient, other people's folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from osteon.cli.progress import progress_bar
from osteon.errors import CohortError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from osteon.cohort.leakage import LeakageReport
    from osteon.cohort.splits import Fold

HELP = """Check, split and import cohorts.

[bold]Example[/]: osteon cohort check cohort
"""
CHECK_HELP = """Look for leakage: the same patient, series, scan or nearly the same slice on two sides of a split.

PATH is a cohort folder, with splits from --splits (else splits.json in the folder; without any, patients are compared
with one another). Or it is a folder of somebody's split: subfolders such as train, val and test with DICOM, PNG or JPEG
slices. Exit code 1 if anything leaks or cannot be read.

[bold]Example[/]: osteon cohort check cohort --splits splits.json --json
"""
SPLIT_HELP = """Write splits.json: folds for cross-validation by patient, or one split into train, val and test.

[bold]Example[/]: osteon cohort split cohort --folds 5 --stratify diagnosis
"""
IMPORT_HELP = """Make a cohort from another tool's folder.

FORMAT is nnunet (a raw dataset folder), labelme (CASE/ with DICOM slices and LabelMe files), coco (a JSON file whose
file_name is CASE/slice.dcm) or seg (DICOM studies with DICOM Segmentations).

[bold]Example[/]: osteon cohort import nnunet Dataset001_Spine --out cohort --system lytic --modality CT
"""
IMPORTERS = {
    "nnunet": ("nnunet", "import_nnunet"),
    "labelme": ("boxes", "import_labelme"),
    "coco": ("boxes", "import_coco"),
    "seg": ("seg", "import_seg"),
}
"""Format -> module in ``cohort.importers``, function."""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    cohort = typer.Typer(no_args_is_help=True, help=HELP, rich_markup_mode="rich")
    _register_check(cohort)
    _register_split(cohort)
    _register_import(cohort)
    app.add_typer(cohort, name="cohort")


def _register_check(app: typer.Typer) -> None:
    @app.command("check", help=CHECK_HELP)
    def check(
        path: Path = typer.Argument(..., help="Cohort folder, or a folder with train, val, test."),
        splits: Path | None = typer.Option(None, "--splits", help="splits.json to check."),
        near_duplicates: bool = typer.Option(
            True, "--near-duplicates/--no-near-duplicates", help="Compare slices by perceptual hash too."
        ),
        as_json: bool = typer.Option(False, "--json", help="Print the result as JSON on stdout."),
    ) -> None:
        with progress_bar("reading") as report:
            found = check_path(path, splits=splits, near_duplicates=near_duplicates, on_case=report)
        if as_json:
            typer.echo(json.dumps(found.as_document(path.resolve().name), indent=1))
        else:
            _show(found)
        if not found.clean:
            raise typer.Exit(1)


def check_path(
    path: Path, *, splits: Path | None, near_duplicates: bool, on_case: Callable[[int, int, str], None]
) -> LeakageReport:
    """Check a cohort with its splits, or a folder of train, val, test.

    Raises:
        UsageError: it is neither.
        CohortError: the cohort or the splits break their contract.
    """
    from osteon.cohort.fingerprints import fingerprint_cohort, fingerprint_sides
    from osteon.cohort.leakage import check_cohort, check_sides
    from osteon.cohort.manifest import read_cohort
    from osteon.cohort.splits import read_splits

    if (path / "cohort.json").is_file():
        cohort = read_cohort(path)
        if not cohort.cases:
            raise CohortError(f"{path.resolve().name}: the cohort has no cases; there is nothing to check")
        file = splits or (path / "splits.json" if (path / "splits.json").is_file() else None)
        folds = read_splits(file, cohort, by_image=True) if file else ()
        fingerprints = fingerprint_cohort(cohort, on_case=on_case)
        return check_cohort(cohort, fingerprints, folds=folds, near_duplicates=near_duplicates)
    if splits is not None:
        raise UsageError(f"--splits {splits.name}: {path.name} has no cohort.json that it could be a split of")
    sides = {one.name: one for one in sorted(path.iterdir()) if one.is_dir()} if path.is_dir() else {}
    if len(sides) < 2:
        raise UsageError(f"{path.name}: neither cohort.json nor two or more folders (train, val, test) in it")
    return check_sides(fingerprint_sides(sides, on_case=on_case), near_duplicates=near_duplicates)


def _show(found: LeakageReport) -> None:
    from osteon.cohort.leakage import KINDS

    console = Console(highlight=False)
    what = f"{found.folds} split{'s' if found.folds > 1 else ''}" if found.folds else "patients with one another"
    console.print(f"{found.cases} cases, {found.slices} slices hashed; checked: {what}", soft_wrap=True)
    for leak in found.leaks:
        console.print(f"leak: {leak}", markup=False, soft_wrap=True)
    for case, why in found.failures.items():
        typer.echo(f"failed: {case}: {why}")  # not by rich, which takes minutes for a cohort whose scans are all gone
    for note in found.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if found.clean:
        console.print(f"no leak found: {'; '.join(KINDS.values())}", soft_wrap=True)


def _register_split(app: typer.Typer) -> None:
    @app.command("split", help=SPLIT_HELP)
    def split(
        path: Path = typer.Argument(..., help="Cohort folder."),
        out: Path | None = typer.Option(None, "--out", help="File to write; else splits.json in the cohort folder."),
        folds: int = typer.Option(5, "--folds", help="Folds of the cross-validation."),
        shares: str = typer.Option("", "--shares", help="One split instead: train:val:test, e.g. 70:20:10."),
        stratify: list[str] = typer.Option([], "--stratify", help="Labels (or centre, sex) that folds are alike in."),
        seed: int = typer.Option(0, "--seed", min=0, help="Of the shuffle."),
        as_json: bool = typer.Option(False, "--json", help="Print the splits as JSON on stdout."),
    ) -> None:
        from osteon.cohort.leakage import require_by_patient
        from osteon.cohort.manifest import read_cohort
        from osteon.cohort.splits import patient_folds, patient_split, write_splits

        cohort = read_cohort(path)
        if shares:
            made: tuple[Fold, ...] = (
                patient_split(cohort, shares=_parse_shares(shares), seed=seed, stratify=stratify),
            )
        else:
            made = patient_folds(cohort, folds=folds, seed=seed, stratify=stratify)
        for fold in made:
            require_by_patient(cohort, fold)
        target = out or path / "splits.json"
        if target.exists():
            raise UsageError(f"--out {target.name}: already exists; a split in use is not replaced: remove it first")
        write_splits(target, made)
        if as_json:
            typer.echo(target.read_text(encoding="utf-8"), nl=False)
            return
        patients = {case.case: case.patient for case in cohort.cases}
        for number, fold in enumerate(made):
            sizes = ", ".join(
                f"{part} {len(names)} cases of {len({patients[name] for name in names})} patients"
                for part, names in fold.parts.items()
            )
            typer.echo(f"fold {number}: {sizes}")
        typer.echo(f"splits: {target}")


def _parse_shares(text: str) -> tuple[float, float, float]:
    try:
        train, val, test = (float(part) for part in text.split(":"))
    except ValueError:
        raise UsageError(f"--shares {text!r}: expected three numbers with colons between, e.g. 70:20:10") from None
    return train, val, test


def _register_import(app: typer.Typer) -> None:
    @app.command("import", help=IMPORT_HELP)
    def import_(
        format_: str = typer.Argument(..., metavar="FORMAT", help="nnunet, labelme, coco or seg."),
        source: Path = typer.Argument(..., help="Folder (or COCO file) to import."),
        out: Path = typer.Option(..., "--out", help="Folder for the cohort; must not exist."),
        system: str = typer.Option(..., "--system", help="Which system the cohort is for."),
        modality: str = typer.Option(..., "--modality", help="CT or MR."),
        name: str = typer.Option("", "--name", help="Of the cohort; else that of the folder."),
        kind: str = typer.Option("real", "--kind", help="real, semi-real, phantom or unknown."),
        lesion: list[str] = typer.Option([], "--lesion", help="Label that is a lesion's; else guessed by name."),
        bone: list[str] = typer.Option([], "--bone", help="Label that is bone."),
        people: Path | None = typer.Option(None, "--people", help="CSV: case, patient, age_years, sex, labels ..."),
        link: bool = typer.Option(False, "--link", help="Hard links instead of copies."),
        as_json: bool = typer.Option(False, "--json", help="Print a summary as JSON on stdout."),
    ) -> None:
        import importlib

        from osteon.cohort.importers.gathering import ImportOptions
        from osteon.cohort.manifest import read_cohort

        if format_ not in IMPORTERS:
            raise UsageError(f"format {format_!r}: expected one of {', '.join(IMPORTERS)}")
        if not source.exists():
            raise UsageError(f"{source.name}: no such folder or file; check the path")
        options = ImportOptions(
            name=name or source.resolve().stem,
            system=system,
            modality=modality,
            kind=kind,
            lesion_labels=tuple(lesion),
            bone_labels=tuple(bone),
            people=people,
            link=link,
        )
        module, function = IMPORTERS[format_]
        run = getattr(importlib.import_module(f"osteon.cohort.importers.{module}"), function)
        notes = run(source, out, options=options)
        cases = read_cohort(out).cases
        summary: dict[str, Any] = {
            "cohort": str(out / "cohort.json"),
            "cases": len(cases),
            "patients": len({case.patient for case in cases}),
            "truth": sorted({kind for case in cases for kind in case.truth}),
            "notes": list(notes),
        }
        if as_json:
            typer.echo(json.dumps(summary, indent=1))
            return
        for key, value in summary.items():
            for line in value if key == "notes" else [value]:
                typer.echo(f"{'note' if key == 'notes' else key}: {line}")
