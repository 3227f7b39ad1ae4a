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
            help="An .mp4 of all frames or a .png of some. Without it: "
            "artifacts/inspection/VIDEO.mp4."
        ),
    ] = None,
) -> None:
    """Show a video's frames with the people and joints found in them, and measures over time."""
    # Imported here: they load PyTorch, which takes seconds, and other subcommands do without it.
    from motiontransfer.rendering.inspect import (
        load_inspection,
        write_overlay,
        write_overlay_sheet,
    )

    writers = {".mp4": write_overlay, ".png": write_overlay_sheet}
    if output is not None and output.suffix not in writers:
        raise MotionTransferError(
            f"--output: expected a name that ends in {' or '.join(writers)}, got {output}"
        )
    inspection = load_inspection(video, load_section(str, f"videos.{video}.subject"))
    written = output or Path("artifacts/inspection") / f"{video}.mp4"
    writers[written.suffix](written, inspection)
    typer.echo(f"wrote {written}")
