"""Command that opens the page.

Gradio and DVC take seconds to load: the command imports what it needs.
"""

import logging
from importlib.util import find_spec
from typing import Annotated

import typer

from motiontransfer.cli.options import command
from motiontransfer.core.errors import MissingLibraryError


@command
def app(
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen at; others than this get a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default: 7860, or another free one.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
) -> None:
    """Open a page in the browser: drop two films, watch the run, play the dance."""
    if find_spec("gradio") is None:
        raise MissingLibraryError(
            "gradio is not installed; `uv run --extra app motiontransfer app` does"
        )
    from motiontransfer.app.server import serve

    logging.basicConfig(format="%(message)s")
    logging.getLogger("motiontransfer.app").setLevel(logging.INFO)
    serve(host=host, port=port, opens=open_)
