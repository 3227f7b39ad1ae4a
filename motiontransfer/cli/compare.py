"""`motiontransfer compare`: two runs of one transfer on one page."""

import re
from pathlib import Path
from typing import Annotated

import typer

from motiontransfer.errors import ParamsError


def compare(
    before: Annotated[str, typer.Argument(help="A commit, branch, tag or experiment.")],
    after: Annotated[
        str, typer.Argument(help="Another, or `workspace`: the files as they lie here.")
    ] = "workspace",
    *,
    transfer: Annotated[
        str | None, typer.Option(help="Its name in params.yaml, if there are several.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The page. Without it: artifacts/comparisons/TRANSFER_BEFORE_AFTER.html."
        ),
    ] = None,
) -> None:
    """Write a page with both runs' videos in step, and what changed in params and metrics."""
    # Imported here: they load DVC and PyTorch, which takes seconds.
    from motiontransfer.report.comparison import choose_transfer, write_comparison_page
    from motiontransfer.report.revisions import Revision

    if before == after:
        raise ParamsError(f"expected two different revisions, got {before!r} twice")
    old, new = Revision(Path(), before), Revision(Path(), after)
    chosen = choose_transfer(new, transfer)
    name = re.sub(r"[^\w.-]+", "-", f"{chosen}_{before}_{after}")
    page = output or Path("artifacts/comparisons") / f"{name}.html"
    for note in write_comparison_page(page, old, new, transfer=chosen):
        typer.echo(f"note: {note}")
    typer.echo(f"wrote {page}")
