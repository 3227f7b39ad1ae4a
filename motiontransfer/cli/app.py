"""The `motiontransfer` command and its subcommands."""

import os
import sys
from pathlib import Path

import typer

from motiontransfer.cli import project, results
from motiontransfer.core.errors import printable
from motiontransfer.core.stage_runner import fault

app = typer.Typer(no_args_is_help=True, add_completion=False)
for command in (
    *(project.clean, results.compare, results.inspect, project.preset, project.share, project.join),
    *(project.dance, project.add_video, project.add_transfer, project.remove_video, project.doctor),
    *(
        project.import_dataset,
        project.repro,
        results.together,
        results.verify,
        results.score,
        results.export,
    ),
    results.live,
):
    app.command()(command)
app.add_typer(results.study, name="study")


@app.callback()
def _root() -> None:
    """Motion transfer: commands beyond `dvc repro`."""


def main() -> None:
    # Stages call `python`: the one that runs this, whatever is in the PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    try:
        app()
    except Exception as error:
        message = fault(error)
        if message is None:
            raise
        for line in message.splitlines():
            typer.echo(f"ERROR: {printable(line)}", err=True)
        sys.exit(1)
