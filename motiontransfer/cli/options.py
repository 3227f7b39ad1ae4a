"""Where commands are registered, and the options that several of them have."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False)

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@app.callback()
def _root() -> None:
    """Motion transfer: commands beyond `dvc repro`."""
