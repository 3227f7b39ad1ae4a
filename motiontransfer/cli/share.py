"""Commands that share a project's results with a team.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from motiontransfer.cli.options import command
from motiontransfer.core.events import Note, emit


@command
def share(
    url: Annotated[
        str | None,
        typer.Argument(
            help="The team's remote: a folder, ssh://user@host/folder, s3://bucket/folder. "
            "Required once; stored in .dvc/config."
        ),
    ] = None,
    *,
    endpoint: Annotated[
        str | None, typer.Option(help="Endpoint URL of an S3-compatible store.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Profile in ~/.aws, on every machine.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the remote in .dvc/config.")] = "team",
) -> None:
    """Push videos, outputs and past runs to the team's remote."""
    from motiontransfer.pipeline.sharing import share as share_project
    from motiontransfer.project.merging import set_up

    set_up(Path())
    for line in share_project(url, name=name, endpoint=endpoint, profile=profile):
        emit(Note(text=line))


@command
def join(
    *,
    bring: Annotated[
        Literal["needed", "results", "all"],
        typer.Option(
            help="needed: only dependencies of the stages that run; results: also finished videos; "
            "all: every file."
        ),
    ] = "results",
) -> None:
    """Fetch results from the team's remote and run the stages that changed."""
    from motiontransfer.pipeline.sharing import join as join_project
    from motiontransfer.project.merging import set_up, settle

    set_up(Path())
    for name in settle(Path()):
        emit(Note(text=f"{name}: merged by entries; commit the merge"))
    for line in join_project(bring=bring):
        emit(Note(text=line))
