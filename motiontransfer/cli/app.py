"""The `motiontransfer` command: `app`, to which each module of this package adds its commands."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path

import typer

from motiontransfer.cli import browser, dance, live, results, runs, share, videos  # noqa: F401 - commands
from motiontransfer.cli.options import app
from motiontransfer.core.errors import printable
from motiontransfer.core.stage_runner import fault


def main() -> None:
    # Stages call `python`: the one that runs this, whatever is in the PATH.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for stream in (sys.stdout, sys.stderr):  # signs that a terminal lacks end no command
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:
        message = fault(error)
        if message is None:
            raise
        for line in message.splitlines():
            typer.echo(f"ERROR: {printable(line)}", err=True)
        sys.exit(1)
