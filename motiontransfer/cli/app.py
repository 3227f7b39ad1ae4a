"""The `motiontransfer` command and its subcommands."""

import sys

import typer

from motiontransfer.cli.project import (
    add_transfer,
    add_video,
    clean,
    doctor,
    preset,
    remove_video,
)
from motiontransfer.cli.results import compare, inspect, score, verify
from motiontransfer.cli.sharing import join, share
from motiontransfer.cli.study import study
from motiontransfer.errors import MotionTransferError

app = typer.Typer(no_args_is_help=True, add_completion=False)
for subcommand in (
    clean,
    compare,
    inspect,
    preset,
    share,
    join,
    add_video,
    add_transfer,
    remove_video,
    doctor,
    verify,
    score,
):
    app.command()(subcommand)
app.add_typer(study, name="study")


@app.callback()
def _root() -> None:
    """Do-as-I-do motion transfer: what DVC does not do itself."""


def main() -> None:
    """Run the command; report the user's errors in one line."""
    try:
        app()
    except MotionTransferError as error:
        typer.echo(f"ERROR: {error}", err=True)
        sys.exit(1)
