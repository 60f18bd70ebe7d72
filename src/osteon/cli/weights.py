"""``osteon weights import``: a published YOLOv5 checkpoint as a bundle to start training from."""

from __future__ import annotations

from pathlib import Path

import typer

from osteon.cli.arguments import check_out

HELP = """Weights of other people's networks.

[bold]Example[/]: osteon weights import yolov5l-tensors.pt --out yolov5l
"""
IMPORT_HELP = """Take over a YOLOv5 checkpoint (release 6: n, s, m, l, x) as a bundle to start training from.

FILE holds plain tensors under the published names (model.0.conv.weight ... model.24.m.2.bias): safetensors, or what
torch.save makes of a state_dict. Anything else in it is refused and never run, whole pickled models included. Size,
classes and anchors are found from the tensors; every tensor must fit, none may be missing or left over.

[bold]Example[/]: osteon weights import yolov5l-tensors.pt --out yolov5l
"""


def register(app: typer.Typer) -> None:
    """Add the verb."""
    weights = typer.Typer(no_args_is_help=True, help=HELP, rich_markup_mode="rich")
    app.add_typer(weights, name="weights")

    @weights.callback()
    def _root() -> None:
        """Keep ``import`` a verb of its own."""

    @weights.command("import", help=IMPORT_HELP)
    def import_(
        file: Path = typer.Argument(..., help="Safetensors, or a torch.save file of a state_dict."),
        out: Path = typer.Option(..., "--out", help="Folder for the bundle; must not exist."),
        classes: list[str] = typer.Option([], "--class", help="Name of a class, in order; else class 0, class 1, ..."),
    ) -> None:
        from osteon.training.import_weights import import_yolov5

        check_out(out)
        bundle = import_yolov5(file, out, classes=tuple(classes))
        config = bundle.facts.config
        typer.echo(f"YOLOv5{config['size']}, {config['classes']} classes, {config['parameters']} parameters")
        typer.echo(f"bundle: {out}")
