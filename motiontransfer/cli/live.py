"""Command that renders a target from a camera.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from motiontransfer.cli.options import OutputFile, command
from motiontransfer.cli.side_by_side import endings_as_interrupt
from motiontransfer.core.errors import ParamsError
from motiontransfer.core.events import Made, emit


@command
def live(
    *,
    target: Annotated[
        str | None, typer.Option(help="One of `targets` in films.yaml, once it is made.")
    ] = None,
    photo: Annotated[
        list[Path] | None,
        typer.Option(help="A photo of the target in its place; again for more of one person."),
    ] = None,
    camera: Annotated[int, typer.Option(min=0, max=99, help="The camera's number.")] = 0,
    video: Annotated[
        Path | None, typer.Option(help="A video, played in its own time, in place of a camera.")
    ] = None,
    poses: Annotated[
        Path | None, typer.Option(help="Keypoints (Parquet) in place of a camera.")
    ] = None,
    output: Annotated[
        Path | None, OutputFile(help="An .mp4 to record, with the video's sound.")
    ] = None,
    headless: Annotated[bool, typer.Option("--headless", help="Open no window.")] = False,
    virtual_camera: Annotated[
        bool, typer.Option("--virtual-camera", help="Send the result to a virtual camera.")
    ] = False,
) -> None:
    """Render a target live from a camera, in real time.

    Keys: q quits, space pauses, r forgets the person's proportions and place
    and f freezes them, m mirrors, s saves an image to results/live.
    """
    if output is not None and output.suffix != ".mp4":
        raise ParamsError(f"--output: expected a name that ends in .mp4, got {output}")
    if (target is None) == (not photo):
        raise ParamsError("expected --target or --photo, and not both")
    if video is not None and poses is not None:
        raise ParamsError("expected --video or --poses, got both")
    from motiontransfer.live.command import run_live
    from motiontransfer.live.devices import Window, open_camera, open_poses, open_video

    if poses is not None:
        open_source = partial(open_poses, poses)
    elif video is not None:
        open_source = partial(open_video, video)
    else:
        open_source = partial(open_camera, camera)
    with endings_as_interrupt():  # then the recording is finished, too
        performed = run_live(
            target or photo or [],
            open_source,
            output=output,
            open_window=nullcontext if headless else Window,
            has_camera=virtual_camera,
        )
    emit(performed)
    if output is not None and output.exists():
        emit(Made(what="file", files=(str(output),)))
