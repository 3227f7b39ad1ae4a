"""The `motiontransfer` command and its subcommands, one module each."""

import sys

import typer

from motiontransfer.cli.add_transfer import add_transfer
from motiontransfer.cli.add_video import add_video
from motiontransfer.cli.clean import clean
from motiontransfer.cli.compare import compare
from motiontransfer.cli.doctor import doctor
from motiontransfer.cli.inspect import inspect
from motiontransfer.cli.join import join
from motiontransfer.cli.preset import preset
from motiontransfer.cli.remove_video import remove_video
from motiontransfer.cli.score import score
from motiontransfer.cli.share import share
from motiontransfer.cli.study import study
from motiontransfer.cli.verify import verify
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
    """Run the command; a fault of the user's is told in one line."""
    try:
        app()
    except MotionTransferError as error:
        typer.echo(f"ERROR: {error}", err=True)
        sys.exit(1)
