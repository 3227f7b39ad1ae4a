"""`motiontransfer inspect`: a video with what was found in it."""

from pathlib import Path
from typing import Annotated

import typer

from motiontransfer.errors import MotionTransferError
from motiontransfer.params import load_section


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
    # Imported here: they load PyTorch, which takes seconds, and other subcommands do without it.
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
