"""The `motiontransfer` command and its subcommands, one module each."""

import sys

import typer

from motiontransfer.cli.inspect import inspect
from motiontransfer.cli.preset import preset
from motiontransfer.cli.tidy import tidy
from motiontransfer.errors import MotionTransferError

app = typer.Typer(no_args_is_help=True, add_completion=False)
for subcommand in (tidy, inspect, preset):
    app.command()(subcommand)


@app.callback()
def _root() -> None:
    """Do-as-I-do motion transfer: what DVC does not do itself."""


def main() -> None:
    """Run the command; a fault of the user's is told in one line."""
    try:
        app()
    except MotionTransferError as error:
        typer.echo(f"ERROR: {error}", err=True)
        sys.exit(1)
