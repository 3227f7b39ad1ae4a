"""`motiontransfer preset`: named sets of values for params.yaml."""

from typing import Annotated

import typer

from motiontransfer.params_editing import apply_preset, preset_changes


def preset(
    name: Annotated[str, typer.Argument(help="One of those in presets/.")],
    *,
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Write a preset's values into params.yaml, and show each that changes."""
    changes = preset_changes(name) if dry_run else apply_preset(name)
    for change in changes:
        typer.echo(f"{change.key}: {change.old} -> {change.new}")
    typer.echo(f"{len(changes)} values {'would change' if dry_run else 'changed'}")
