"""`motiontransfer remove-video`: a video and what needs it, taken out again."""

from pathlib import Path
from typing import Annotated

import typer


def remove_video(
    name: Annotated[str, typer.Argument(help="Its name in params.yaml.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the file, too.")] = False,
) -> None:
    """Take a video out of params.yaml, with the transfers that use it."""
    from motiontransfer.workspace.orphaned_outputs import orphaned_outputs
    from motiontransfer.workspace.removal import removal_of
    from motiontransfer.workspace.removal import remove_video as remove

    removal = removal_of(name)
    gone = [
        f"videos.{name}",
        *(f"transfers.{transfer}" for transfer in removal.transfers),
        *([f"{removal.subject} in subjects"] if removal.subject else []),
        *([f"{removal.target} in targets"] if removal.target else []),
    ]
    typer.echo(f"goes from params.yaml: {', '.join(gone)}")
    if delete:
        typer.echo(f"is deleted: {removal.path}")
    if not yes:
        typer.confirm("go on?", abort=True)
    remove(removal)
    if delete:
        removal.path.unlink(missing_ok=True)
    elif removal.path.exists():
        typer.echo(f"{removal.path} stays where it is")
    if not Path("dvc.lock").exists():
        return
    paths = orphaned_outputs(Path())
    if paths:
        typer.echo(f"orphaned outputs: {len(paths)}; `motiontransfer clean` deletes them")
