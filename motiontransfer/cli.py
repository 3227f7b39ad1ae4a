"""The `motiontransfer` command: what DVC does not do."""

import sys
from pathlib import Path

import typer

from motiontransfer.errors import MotionTransferError
from motiontransfer.stale import remove, stale_files

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def _root() -> None:
    """Do-as-I-do motion transfer: what DVC does not do itself."""


@app.command()
def tidy(*, dry_run: bool = typer.Option(False, help="Only list what would be removed.")) -> None:
    """Remove files that no stage owns any more, after an entry was taken out of params.yaml."""
    root = Path()
    files = stale_files(root)
    for file in files:
        typer.echo(f"{'would remove' if dry_run else 'removed'} {file}")
    if not dry_run:
        remove(root, files)
    typer.echo(f"{len(files)} files that no stage owns")


def main() -> None:
    """Run the command; a fault of the user's is told in one line."""
    try:
        app()
    except MotionTransferError as error:
        typer.echo(f"ERROR: {error}", err=True)
        sys.exit(1)
