"""`motiontransfer doctor`: what would stop a run."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from motiontransfer.workspace.machine_checks import CheckResult


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check this machine and this project; the status is 1 if a run would fail."""
    colours = {"ok": "green", "warning": "yellow", "fault": "red"}
    results = []
    for result in check_all(Path()):
        results.append(result)
        if as_json:
            continue
        level = typer.style(f"{result.level:<8}", fg=colours[result.level])
        typer.echo(f"{level}{result.subject:<12}{result.message}")
        if result.fix is not None:
            typer.echo(f"{'':<20}-> {result.fix}")
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results], indent=2))
    if any(result.level == "fault" for result in results):
        raise typer.Exit(1)


def check_all(root: Path) -> "Iterator[CheckResult]":
    """Check the machine, and the project where the machine's packages load."""
    from motiontransfer.workspace.machine_checks import check_machine

    broken = False
    for result in check_machine():
        broken = broken or (result.subject == "packages" and result.level == "fault")
        yield result
    if not broken:
        # Imported here: it loads DVC and OpenCV, and what is broken is told before.
        from motiontransfer.workspace.project_checks import check_project

        yield from check_project(root)
