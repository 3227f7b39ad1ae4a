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
    from motiontransfer.pose.quality import NOTHING_TO_MEND
    from motiontransfer.workspace.entries import add_video as add
    from motiontransfer.workspace.entries import check_new_video
    from motiontransfer.workspace.video_check import advice, check_video, facts_line, seen_lines

    name = name or subject
    role = "target" if target else "source"
    check_new_video(name, subject)
    check = check_video(file, size=load_section(tuple[int, int], "decode.size"), crop=crop)
    typer.echo(facts_line(check))
    for line in seen_lines(check):
        typer.echo(line)
    sentences = advice(check, is_target=target)
    if sentences == [NOTHING_TO_MEND]:
        typer.echo(NOTHING_TO_MEND)
    else:
        typer.echo("\n  - ".join(["to mend:", *sentences]))
    path = add(file, name=name, subject=subject, crop=crop, role=role)
    typer.echo(f"added videos.{name} to params.yaml; the file is {path}, kept by {path}.dvc")
    typer.echo("next: `motiontransfer add-transfer --source VIDEO --target SUBJECT`")
