"""`motiontransfer run`: `dvc repro` with words: what it will do, how far it is, what came of it."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

OWN_ARGUMENTS = {"ignore_unknown_options": True}
"""Options that are not ours go to DVC."""


def run(
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DVC ARGUMENTS]", help="Stages, --force, --pull, ..."),
    ] = None,
    *,
    dry: Annotated[bool, typer.Option("--dry", help="Only explain, run nothing.")] = False,
) -> None:
    """Run `dvc repro` and explain it: before, what will run and why; after, what came of it."""
    from motiontransfer.workspace.explained import Explained

    explained = Explained(Path(), arguments or [], say=_say)
    explained.before()
    if dry:
        return
    status = explained.run(tell=typer.echo)
    if status:
        raise typer.Exit(status)
    explained.after()


def _say(text: str, *, style: str = "plain") -> None:
    colour = {"better": "green", "worse": "red"}.get(style)
    styled = typer.style(text, fg=colour, bold=True if style == "head" else None)
    typer.echo(styled if _is_watched() else text)


def _is_watched() -> bool:
    """Whether a person at a terminal reads along."""
    return sys.stdout.isatty() and not ({"CI", "NO_COLOR"} & set(os.environ))
