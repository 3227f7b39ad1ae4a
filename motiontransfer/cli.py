"""The `motiontransfer` command: what DVC does not do."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from motiontransfer.errors import MotionTransferError
from motiontransfer.params import load_section
from motiontransfer.params_editing import apply_preset, preset_changes
from motiontransfer.stale import remove, stale_files

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def _root() -> None:
    """Do-as-I-do motion transfer: what DVC does not do itself."""


@app.command()
def tidy(*, dry_run: bool = typer.Option(False, help="Only list what would be removed.")) -> None:
    """Remove files that no stage owns any more, after an entry was taken out of params.yaml."""
    root = Path()
    files = stale_files(root)
    for file in files:
        typer.echo(f"{'would remove' if dry_run else 'removed'} {file}")
    if not dry_run:
        remove(root, files)
    typer.echo(f"{len(files)} files that no stage owns")


@app.command()
def inspect(
    video: Annotated[str, typer.Argument(help="Its name in params.yaml.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            help="An .mp4 of all frames, a .png of some, or an .rrd for Rerun. Without it: Rerun's "
            "viewer if it is installed, else artifacts/inspection/VIDEO.mp4."
        ),
    ] = None,
) -> None:
    """Show a video's frames with the people and joints found in them, and measures over time."""
    # Imported here: they load PyTorch, which takes seconds, and `tidy` can do without it.
    from motiontransfer.rendering.inspection import load_inspection
    from motiontransfer.rendering.overlay import write_overlay, write_overlay_sheet
    from motiontransfer.rendering.recording import show_recording, viewer_opens, write_recording

    writers = {".mp4": write_overlay, ".png": write_overlay_sheet, ".rrd": write_recording}
    if output is not None and output.suffix not in writers:
        raise MotionTransferError(
            f"--output: expected a name that ends in {', '.join(writers)}, got {output}"
        )
    inspection = load_inspection(video, load_section(str, f"videos.{video}.subject"))
    if output is None and viewer_opens():
        show_recording(inspection)
        return
    written = output or Path("artifacts/inspection") / f"{video}.mp4"
    writers[written.suffix](written, inspection)
    typer.echo(f"wrote {written}")


@app.command()
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


def main() -> None:
    """Run the command; a fault of the user's is told in one line."""
    try:
        app()
    except MotionTransferError as error:
        typer.echo(f"ERROR: {error}", err=True)
        sys.exit(1)
