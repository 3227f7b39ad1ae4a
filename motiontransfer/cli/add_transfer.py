"""`motiontransfer add-transfer`: who performs whose motion."""

from typing import Annotated

import typer


def add_transfer(
    *,
    source: Annotated[str, typer.Option(help="The video whose motion is copied.")],
    target: Annotated[str, typer.Option(help="The subject who performs it.")],
    name: Annotated[str | None, typer.Option(help="Else TARGET_as_SUBJECT.")] = None,
    truth: Annotated[
        str, typer.Option(help="A file in data/truth/ of the target really doing it.")
    ] = "none",
) -> None:
    """Add a transfer to params.yaml, and say whether it needs a training."""
    from motiontransfer.params import load_section
    from motiontransfer.workspace.entries import add_transfer as add

    learnt = target in load_section(list[str], "targets")
    name = add(source=source, target=target, name=name, truth=truth)
    typer.echo(f"added transfers.{name} to params.yaml: {target} performs {source}")
    if learnt:
        typer.echo(f"{target} is a target already: this needs no training of its own")
    else:
        typer.echo(f"added {target} to targets: `dvc repro` will train a generator of {target}")
