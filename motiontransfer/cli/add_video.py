"""`motiontransfer add-video`: a video of one's own, checked at once."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def add_video(
    file: Annotated[Path, typer.Argument(help="The video, wherever it is.")],
    *,
    subject: Annotated[str, typer.Option(help="Who is in it.")],
    name: Annotated[str | None, typer.Option(help="What to call it; else the subject.")] = None,
    crop: Annotated[
        Literal["auto", "none"],
        typer.Option(help="auto: the part around the person; none: the whole picture."),
    ] = "auto",
    target: Annotated[
        bool, typer.Option("--target", help="Learn the subject's looks: a training.")
    ] = False,
) -> None:
    """Add a video to the project, look at it, and say what to mend."""
    # Imported here: they load MediaPipe and PyTorch, and other subcommands do without.
    from motiontransfer.params import load_section
    from motiontransfer.workspace.entries import add_video as add
    from motiontransfer.workspace.entries import check_new_video
    from motiontransfer.workspace.video_check import check_video
    from motiontransfer.workspace.video_report import facts_lines, seen_lines

    name = name or subject
    role = "target" if target else "source"
    check_new_video(name, subject)
    check = check_video(file, size=load_section(tuple[int, int], "decode.size"), crop=crop)
    for line in (*facts_lines(check), *seen_lines(check, role=role)):
        typer.echo(line)
    path = add(file, name=name, subject=subject, crop=crop, role=role)
    typer.echo(f"added videos.{name} to params.yaml; the file is {path}, kept by {path}.dvc")
    typer.echo("next: `motiontransfer add-transfer --source VIDEO --target SUBJECT`")
