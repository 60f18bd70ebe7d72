"""``osteon implant``: the phantom's lesions in a real scan, with ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from osteon.cli.arguments import check_out
from osteon.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from osteon.records import Series, Volume

HELP = """Put synthetic lesions into a real CT or MR scan and write it as a new, de-identified study with ground truth.

STUDY is a folder, a zip, a DICOM or a NIfTI file with one series. Bones come from --bone, a NIfTI mask on the scan's
grid (bone, sites as in a cohort, or VerSe numbers); on CT without it, from the network of the shipped lytic model. OUT
becomes a cohort of kind semi-real with one case.

[bold]Example[/]: osteon implant study --out semi-real --lesions 6 --seed 1
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("implant", help=HELP)
    def implant(
        study: Path = typer.Argument(..., help="The scan."),
        out: Path = typer.Option(..., "--out", help="Folder for the cohort; must not hold anything."),
        bone: Path | None = typer.Option(None, "--bone", help="NIfTI mask of the bones; needed for MR."),
        vertebrae: Path | None = typer.Option(None, "--vertebrae", help="NIfTI mask of VerSe numbers."),
        lesions: int = typer.Option(6, "--lesions", help="How many; fewer where there is no room."),
        kind: str = typer.Option(
            "lytic", "--kind", help="lytic, metastasis, lytic metastasis, blastic metastasis or mixed metastasis."
        ),
        seed: int = typer.Option(0, "--seed", help="Start of everything random."),
        series_uid: str = typer.Option("", "--series", help="SeriesInstanceUID, where there are several."),
        modality: str = typer.Option("", "--modality", help="CT or MR, for NIfTI, which does not say."),
        role: str = typer.Option("", "--role", help="MR: t1, t2, fs-t2, stir, ce or fo; else read from the header."),
    ) -> None:
        from osteon.dicom.scan import scan
        from osteon.dicom.source import open_source
        from osteon.phantom.implant.implant import ImplantOptions
        from osteon.phantom.implant.implant import implant as put_lesions
        from osteon.phantom.implant.inputs import only_series, read_mask, read_scan
        from osteon.phantom.implant.study import SourceFacts, write_semi_real

        check_out(out)
        ImplantOptions(kind=kind, lesions=lesions, seed=seed)  # wrong usage is told before anything is read
        with open_source(study) as source:
            found = scan(source, modality=modality.upper() or None)
            series = only_series(found.series, uid=series_uid)
            volume = read_scan(series)
            patient = next(one.patient for one in found.studies if series in one.series)
        sequence = _sequence(series, role) if volume.modality == "MR" else None
        sites, levels, named = _bones(volume, bone)
        if vertebrae is not None:
            levels = read_mask(vertebrae, volume.grid).astype("uint8")
        thickness = series.attributes.get("SliceThickness")
        options = ImplantOptions(
            kind=kind,
            lesions=lesions,
            seed=seed,
            thickness_mm=float(thickness) if thickness else None,
            sequence=sequence,
        )
        made = put_lesions(volume, sites, options=options, vertebrae=levels, named=named)
        facts = SourceFacts(attributes=series.attributes, patient=patient, sequence=sequence)
        write_semi_real(out, made, source=facts, bone=sites, vertebrae=levels, kind=kind, seed=seed)
        placed = len(made.truth) + len(made.unseen)
        if placed < lesions:
            typer.echo(f"warning: room for {placed} of {lesions} lesions only", err=True)
        typer.echo(f"lesions: {len(made.truth)}, too faint to count: {len(made.unseen)}, cohort: {out / 'cohort.json'}")


def _sequence(series: Series, role: str) -> Any:
    """The MR sequence, from --role or from the header.

    Raises:
        InputError: neither says.
    """
    from osteon.dicom.roles import role_with_reason
    from osteon.phantom.implant.values import ROLES, SEQUENCES, sequence_of

    if role:
        return sequence_of(role, series.attributes)
    told = role_with_reason(series)
    if told.role not in ROLES:
        raise InputError(
            f"series {series.uid}: role {told.role or 'unknown'} ({told.reason}); expected one of "
            f"{', '.join(SEQUENCES)}: give --role"
        )
    return sequence_of(told.role, series.attributes)


def _bones(volume: Volume, mask: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None, bool]:
    """Bone mask, VerSe numbers if it has them, and whether its numbers are sites."""
    from osteon.phantom.implant.inputs import read_mask, sites_and_vertebrae

    if mask is not None:
        return sites_and_vertebrae(read_mask(mask, volume.grid))
    if volume.modality != "CT":
        raise InputError("an MR scan has no bone network: give a NIfTI mask of its bones with --bone")
    from osteon.cli.arguments import open_model
    from osteon.systems.lytic.bone_sites import bone_sites

    _, model = open_model("lytic", device="auto")
    typer.echo("finding the bones with the shipped network, which was trained on phantoms only ...", err=True)
    return bone_sites(volume, model), None, True
