"""`motiontransfer score`: any video against the truth."""

import json
from pathlib import Path
from typing import Annotated

import typer

from motiontransfer.errors import ParamsError

_WEIGHTS = "a file, or `published`: from the cache, or downloaded once"


def score(
    videos: Annotated[list[Path], typer.Argument(help="One or several, made by whatever system.")],
    *,
    truth: Annotated[Path, typer.Option(help="What was really filmed, frame for frame.")],
    lpips_weights: Annotated[str, typer.Option(help=f"AlexNet's, for LPIPS: {_WEIGHTS}.")] = "none",
    dists_weights: Annotated[str, typer.Option(help=f"VGG16's, for DISTS: {_WEIGHTS}.")] = "none",
    inception_weights: Annotated[
        str, typer.Option(help=f"Inception's, for FID and KID: {_WEIGHTS}.")
    ] = "none",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Compare videos with what was really filmed, by the measures of our own evaluation.

    Each figure is followed by its 95 % interval over time.
    """
    # Imported here: it loads MediaPipe, which takes seconds.
    from motiontransfer.evaluation.networks import NetworkParams, open_networks
    from motiontransfer.evaluation.scoring import figures, score_videos
    from motiontransfer.parallel import Compute

    names = [video.stem for video in videos]
    if len(set(names)) < len(names) or "truth" in names:
        raise ParamsError(
            f"expected videos of different names, none of them truth, got {', '.join(names)}; "
            "rename one"
        )
    weights = {"lpips": lpips_weights, "dists": dists_weights, "inception": inception_weights}
    asked = NetworkParams.model_validate({f"{name}_weights": w for name, w in weights.items()})
    scored = score_videos(
        dict(zip(names, videos, strict=True)),
        truth,
        compute=Compute(backend="local", address=None, num_workers=0),
        networks=open_networks(asked, option="--{}-weights"),
    )
    if as_json:
        found = {"metrics": scored.metrics, "intervals": scored.intervals}
        typer.echo(json.dumps(found, indent=2))
        return
    by_video = figures(scored)
    label_width = max(map(len, by_video))
    width = 2 + max(len(text) for row in by_video.values() for text in (*names, *row.values()))
    header = "".join(name.rjust(width) for name in (*names, "truth"))
    typer.echo(" " * label_width + header)
    for label, row in by_video.items():
        cells = "".join(row.get(name, "").rjust(width) for name in (*names, "truth"))
        typer.echo((label.ljust(label_width) + cells).rstrip())
