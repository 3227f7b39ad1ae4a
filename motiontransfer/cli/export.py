"""The command `export`."""

import logging
from pathlib import Path
from typing import Annotated

import typer


def export(
    target: Annotated[str, typer.Argument(help="A trained target of params.yaml.")],
    *,
    output: Annotated[Path, typer.Option(help="The folder to write.")],
) -> None:
    """Write a target's networks as ONNX files, with a program that renders without PyTorch."""
    # Imported here: it loads PyTorch, which takes seconds.
    from motiontransfer.export.bundle import export_target

    # It misses Triton, which has no part in this.
    logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)
    for file in export_target(target, output):
        typer.echo(f"wrote {file}, {file.stat().st_size / 1e6:.1f} MB")
    typer.echo(f"python {output / 'run.py'} --help tells how to render with it")
