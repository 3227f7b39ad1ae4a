"""`motiontransfer doctor`: what would stop a run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Examine this machine and this project; the status is 1 if a run would fail."""
    from motiontransfer.workspace.doctor import examine

    colours = {"ok": "green", "warning": "yellow", "fault": "red"}
    findings = []
    for finding in examine(Path()):
        findings.append(finding)
        if as_json:
            continue
        level = typer.style(f"{finding.level:<8}", fg=colours[finding.level])
        typer.echo(f"{level}{finding.subject:<12}{finding.told}")
        if finding.mend is not None:
            typer.echo(f"{'':<20}-> {finding.mend}")
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if any(finding.level == "fault" for finding in findings):
        raise typer.Exit(1)
