"""`motiontransfer tidy`: files that no stage owns any more."""

from pathlib import Path
from typing import Annotated

import typer

from motiontransfer.stale import remove, stale_files


def tidy(
    *, dry_run: Annotated[bool, typer.Option(help="Only list what would be removed.")] = False
) -> None:
    """Remove files that no stage owns any more, after an entry was taken out of params.yaml."""
    root = Path()
    files = stale_files(root)
    for file in files:
        typer.echo(f"{'would remove' if dry_run else 'removed'} {file}")
    if not dry_run:
        remove(root, files)
    typer.echo(f"{len(files)} files that no stage owns")
