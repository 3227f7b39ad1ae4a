"""`motiontransfer verify`: where a video comes from, by what it says and by what it looks like."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motiontransfer.errors import DamagedFileError, MissingFileError, VideoError, WeightsError

if TYPE_CHECKING:
    from motiontransfer.forensics.predict import Judgement

_DETECTOR = Path("artifacts/forensics/detector.safetensors")
_STATUS_NOT_CREDIBLE = 3
_STATUS_UNSIGNED = 4
_BAR_CHARACTERS = 20


def verify(
    video: Annotated[Path, typer.Argument(help="Any video; MP4 can be signed.")],
    *,
    trust: Annotated[
        Path | None,
        typer.Option(help="Certificates of authorities that you trust, PEM; nothing is fetched."),
    ] = None,
    detector: Annotated[
        Path | None,
        typer.Option(
            help=f"Weights of the forensics detector. Without it: {_DETECTOR}, if there is one."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say where a video comes from: what it says of itself, and what its pictures look like.

    Exit status: 0 signed and unaltered, 1 it cannot be checked, 3 altered or
    signed with a certificate that does not count, 4 not signed. With --trust,
    a certificate counts only if one of those authorities issued it. The
    detector's opinion does not change it.
    """
    from motiontransfer.provenance.verification import provenance_lines, read_provenance

    provenance = read_provenance(video, trusted=trust)
    judgement, silence = _judge(video, detector)
    if as_json:
        content = {
            "video": str(video),
            "provenance": asdict(provenance) if provenance else None,
            "detector": asdict(judgement) if judgement else None,
            "no_opinion": silence,
        }
        typer.echo(json.dumps(content, indent=2))
    else:
        opinion = _opinion(judgement) if judgement else [f"  detector  no opinion: {silence}"]
        typer.echo("\n".join([str(video), *provenance_lines(provenance), *opinion]))
    if provenance is None:
        raise typer.Exit(_STATUS_UNSIGNED)
    is_vouched_for = trust is None or provenance.signer.standing == "trusted"
    if provenance.integrity != "unaltered" or not is_vouched_for:
        raise typer.Exit(_STATUS_NOT_CREDIBLE)


def _judge(video: Path, weights: Path | None) -> "tuple[Judgement | None, str | None]":
    """What the detector says, or why it says nothing."""
    if weights is not None and not weights.exists():
        raise MissingFileError(f"{weights}: no such weights file; expected a forensics detector")
    if not (weights or _DETECTOR).exists():
        return None, f"there is none here: {_DETECTOR}; `detectors` in params.yaml has one trained"
    # Imported here: it loads PyTorch, which takes seconds, and reading a manifest does without it.
    from motiontransfer.forensics.predict import judge_video

    try:
        return judge_video(video, weights or _DETECTOR), None
    except (
        DamagedFileError,
        VideoError,
        WeightsError,
    ) as error:  # too short, too small, not a detector
        return None, str(error)


def _opinion(judgement: "Judgement") -> list[str]:
    """Lines of the table: the verdict, how sure, and a bar for each second."""
    low, high = judgement.interval  # a verdict is one that even odds lie outside of
    verdict = "synthesised" if low > 0.5 else "real" if high < 0.5 else "undecided"
    head = (
        f"  detector  {verdict}: probability {judgement.synthesised:.2f} that it was synthesised,"
        f" 95 % interval over its seconds {low:.2f} to {high:.2f}, {judgement.frames} frames"
    )
    bars = [
        f"  {second:6.1f} s  {score:.2f}  {'█' * round(score * _BAR_CHARACTERS)}"
        for second, score in judgement.per_second
    ]
    return [head, *bars]
