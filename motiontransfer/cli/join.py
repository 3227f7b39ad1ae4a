"""`motiontransfer join`: take part in a shared project, in a fresh clone or after any edit."""

from enum import StrEnum
from typing import Annotated

import typer


class _Brought(StrEnum):
    NEEDED = "needed"
    RESULTS = "results"
    ALL = "all"


def join(
    *,
    bring: Annotated[
        _Brought,
        typer.Option(
            help="needed: only what the stages that run read; results: also finished videos; "
            "all: every file.",
        ),
    ] = _Brought.RESULTS,
) -> None:
    """Run what changed, and bring no more from the team's remote than that takes."""
    # Imported here: it loads DVC, and other subcommands do without it.
    from motiontransfer.workspace.amounts import size_text
    from motiontransfer.workspace.joining import join as join_project

    joined = join_project(bring=bring.value)
    typer.echo(
        f"brought {len(joined.brought)} outs, {size_text(joined.brought_bytes)}, from {joined.url}"
    )
    if joined.num_refused_runs:
        typer.echo(
            f"{joined.num_refused_runs} past runs on {joined.url} were not used: "
            "they are not what `share` sends"
        )
    if joined.renewed:
        typer.echo(f"made anew or restored: {', '.join(joined.renewed)}")
        typer.echo(f"for the others: git add {' '.join(joined.to_commit)}, commit, push, and share")
    else:
        typer.echo("nothing had to run")
