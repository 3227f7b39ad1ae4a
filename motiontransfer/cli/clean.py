"""`motiontransfer clean`: delete orphaned outputs."""

from pathlib import Path
from typing import Annotated

import typer


def clean(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete what stages made that params.yaml no longer asks for; your own files stay."""
    from motiontransfer.workspace.orphaned_outputs import delete, orphaned_outputs

    paths = orphaned_outputs(Path())
    if not paths:
        typer.echo("no orphaned outputs")
        return
    for path in paths:
        typer.echo(path)
    if not yes:
        typer.confirm(f"delete these {len(paths)}?", abort=True)
    delete(Path(), paths)
    typer.echo(f"deleted {len(paths)}")
