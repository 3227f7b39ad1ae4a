"""Commands on results: inspect, compare, together, score, verify and export.

PyTorch, DVC and MediaPipe take seconds to load: each command imports what it needs.
"""

import json
import logging
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from motiontransfer.cli.options import AsJson, OutputFile, command
from motiontransfer.cli.videos import LOOKS, check_films, print_missing_poses
from motiontransfer.core import layout
from motiontransfer.core.errors import (
    DamagedFileError,
    MissingFileError,
    MotionTransferError,
    ParamsError,
    VideoError,
    WeightsError,
)
from motiontransfer.core.events import Made, Note, emit
from motiontransfer.core.params import Compute, Transfer, check_params, load_section, read_films

if TYPE_CHECKING:
    from motiontransfer.evaluation.measurements import Measurements
    from motiontransfer.evaluation.params import PretrainedWeights
    from motiontransfer.forensics.model import Prediction


@command
def inspect(
    video: Annotated[str, typer.Argument(help="Its name in films.yaml, or a film's file.")],
    *,
    output: Annotated[
        Path | None,
        OutputFile(
            help="An .mp4 of all frames or a .png of sampled frames; default: "
            "artifacts/inspection/VIDEO.mp4."
        ),
    ] = None,
    role: Annotated[
        Literal["source", "target"] | None,
        typer.Option(help="What a film's file is to be: a dance, or whom to render."),
    ] = None,
) -> None:
    """Draw detected keypoints and the fitted body on a video, or check a film's file."""
    from motiontransfer.pose.shown import WHOLE, in_words, what_is_shown
    from motiontransfer.project.dances import name_of_file
    from motiontransfer.rendering.inspect import load_inspection, write_overlay, write_overlay_sheet

    writers = {".mp4": write_overlay, ".png": write_overlay_sheet}
    if output is not None and output.suffix not in writers:
        raise MotionTransferError(
            f"--output: expected a name that ends in {' or '.join(writers)}, got {output}"
        )
    films = read_films()
    videos = films.videos
    if video not in videos:
        known = ", ".join(videos)
        if not Path(video).is_file():
            raise ParamsError(f"no video {video!r}; expected a film's file, or one of {known}")
        if output is not None:
            raise ParamsError(
                f"--output: expected a video with known keypoints, one of {known}, got a film's "
                f"file; to check {video} and draw what is found, leave it out"
            )
        emit(LOOKS)
        entered = {each.path: name for name, each in videos.items()}
        name = entered.get(Path(video)) or name_of_file(Path(video))
        targets = {None: None, "source": [], "target": [name]}[role]
        check_films({name: Path(video)}, targets=targets)
        return
    if role is not None:
        raise ParamsError(f"--role: expected a film's file, got the video {video}; leave it out")
    subject = videos[video].subject
    inspection = load_inspection(video, subject)
    film, *_ = layout.inspections(video)
    written = output or film
    writers[written.suffix](written, inspection)
    emit(Made(what="file", files=(str(written),)))
    if (shows := what_is_shown(inspection.keypoints)) != WHOLE:
        emit(Note(text=f"{video} is a film {in_words(shows)}"))
    for name, transfer in films.transfers.items():
        if video == transfer.source or subject == transfer.target:
            print_missing_poses(name, source=transfer.source, target=transfer.target)
    check_params()


@command
def compare(
    before: Annotated[str, typer.Argument(help="A commit, branch, tag or experiment.")],
    after: Annotated[str, typer.Argument(help="Another, or `workspace`.")] = "workspace",
    *,
    transfer: Annotated[str | None, typer.Option(help="Its name, if there are several.")] = None,
    output: Annotated[
        Path | None,
        OutputFile(help="The page; default: artifacts/comparisons/TRANSFER_BEFORE_AFTER.html."),
    ] = None,
) -> None:
    """Write a page that compares two runs: videos in sync, params and metrics."""
    from motiontransfer.report.compare import Revision, choose_transfer, write_comparison_page

    if before == after:
        raise ParamsError(f"expected two different revisions, got {before!r} twice")
    old, new = Revision(Path(), before), Revision(Path(), after)
    chosen = choose_transfer(new, transfer)
    name = re.sub(r"[^\w.-]+", "-", f"{chosen}_{before}_{after}")
    page = output or layout.COMPARISONS_FOLDER / f"{name}.html"
    for note in write_comparison_page(page, old, new, transfer=chosen):
        emit(Note(text=f"note: {note}"))
    emit(Made(what="file", files=(str(page),)))


@command
def list_results(*, as_json: AsJson = False) -> None:
    """List finished results, the newest first: whose, of which dance, when, how large."""
    from motiontransfer.project.results import finished_results

    found = finished_results()
    if as_json:
        content = [asdict(each) for each in found]
        typer.echo(json.dumps(content, indent=2, default=Path.as_posix))
        return
    for each in found:
        whose = f"{each.target} performs {each.source}" if each.target else "no transfer any more"
        typer.echo(f"{each.video}: {whose}, {each.facts}")
    if not found:
        typer.echo("no finished results")


@command
def convert(
    result: Annotated[str, typer.Argument(help="Its name, that of a transfer.")],
    *,
    output: Annotated[
        Path, OutputFile(help="A .webm of all of it, or a .gif of 4 seconds of its middle.")
    ],
) -> None:
    """Write a finished result in another format; neither has Content Credentials."""
    from motiontransfer.project.results import finished_results
    from motiontransfer.video.conversion import WRITERS

    if output.suffix not in WRITERS:
        raise MotionTransferError(
            f"--output: expected a name that ends in {' or '.join(WRITERS)}, got {output}"
        )
    found = {each.name: each for each in finished_results()}
    if result not in found:
        known = ", ".join(found) or "none"
        raise ParamsError(f"no finished result {result!r}; there are {known}")
    WRITERS[output.suffix](found[result].video, output)
    emit(Made(what="file", files=(str(output),)))


@command
def together(
    transfers: Annotated[list[str], typer.Argument(help="Two or more, of one source.")],
    *,
    output: Annotated[
        Path | None, OutputFile(help="The page; default: artifacts/comparisons/TRANSFERS.html.")
    ] = None,
) -> None:
    """Write a page with a source and several transfers of it, in sync."""
    from motiontransfer.report.compare import write_transfers_page

    known = load_section(dict[str, Transfer], "transfers")
    if unknown := [name for name in transfers if name not in known]:
        raise ParamsError(f"no transfer {unknown[0]!r}; expected some of {', '.join(known)}")
    found = {name: known[name] for name in transfers}
    page = output or layout.COMPARISONS_FOLDER / f"{'_'.join(found)}.html"
    write_transfers_page(page, found)
    emit(Made(what="file", files=(str(page),)))


_WEIGHTS = "a file, or `published` (downloaded once)"


@command
def score(
    videos: Annotated[list[Path], typer.Argument(help="One or several, of any system.")],
    *,
    truth: Annotated[Path, typer.Option(help="Ground-truth video with the same frames.")],
    lpips_weights: Annotated[str, typer.Option(help=f"AlexNet's, for LPIPS: {_WEIGHTS}.")] = "none",
    as_json: AsJson = False,
) -> None:
    """Measure videos against a ground truth, with the metrics of the evaluation.

    Each value is followed by its 95 % confidence interval.
    """
    from motiontransfer.evaluation.metrics import nested
    from motiontransfer.evaluation.params import NetworkParams
    from motiontransfer.evaluation.protocols import as_text
    from motiontransfer.video.isolation import run_isolated

    names = [video.stem for video in videos]
    references = ("ceiling", "truth")
    if len({*names, *references}) < len(names) + len(references):
        raise ParamsError(
            f"expected videos of different names, none of them {' or '.join(references)}, got "
            f"{', '.join(names)}; rename one"
        )
    asked = NetworkParams.model_validate({"lpips_weights": lpips_weights}).lpips_weights
    scored = run_isolated(_score, dict(zip(names, videos, strict=True)), truth, asked)
    if as_json:
        intervals = nested(scored, lambda one: one.interval)
        typer.echo(json.dumps({"metrics": nested(scored), "intervals": intervals}, indent=2))
        return
    rows = as_text(scored)
    names += [name for name in references if any(name in row for row in rows.values())]
    width = 2 + max(len(text) for row in rows.values() for text in (*names, *row.values()))
    for label, row in {"": {name: name for name in names}, **rows}.items():
        cells = "".join(row.get(name, "").rjust(width) for name in names)
        typer.echo((label.ljust(max(map(len, rows))) + cells).rstrip())


def _score(videos: dict[str, Path], truth: Path, weights: "PretrainedWeights") -> "Measurements":
    from motiontransfer.core.parallel import end_workers
    from motiontransfer.evaluation.protocols import open_lpips, score_videos

    try:
        return score_videos(
            videos,
            truth,
            compute=Compute(num_workers=0),
            lpips=open_lpips(weights, param="--lpips-weights"),
        )
    finally:
        end_workers()


_DETECTOR = layout.detector_file("detector")
_STATUS_NOT_VALID = 3
_STATUS_UNSIGNED = 4
_BAR_CHARACTERS = 20


@command
def verify(
    video: Annotated[Path, typer.Argument(help="Any video; MP4 can be signed.")],
    *,
    detector: Annotated[
        Path | None,
        typer.Option(help=f"Weights of the detector of rendered video; default: {_DETECTOR}."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read a video's Content Credentials and run the detector of rendered video.

    Exit status: 0 signed and unaltered, 1 unreadable, 3 altered or signed with
    a certificate that does not count, 4 not signed. Nobody is asked who the
    signer is. The detector does not change the status.
    """
    from motiontransfer.provenance.verification import provenance_lines, read_provenance
    from motiontransfer.video.isolation import run_isolated

    provenance = run_isolated(read_provenance, video)
    prediction, reason = _predict(video, detector)
    if as_json:
        content = {
            "video": str(video),
            "provenance": asdict(provenance) if provenance else None,
            "detector": asdict(prediction) if prediction else None,
            "no_opinion": reason,
        }
        typer.echo(json.dumps(content, indent=2))
    else:
        opinion = _opinion(prediction) if prediction else [f"  detector  no opinion: {reason}"]
        typer.echo("\n".join([str(video), *provenance_lines(provenance), *opinion]))
    if provenance is None:
        raise typer.Exit(_STATUS_UNSIGNED)
    if provenance.integrity != "unaltered":
        raise typer.Exit(_STATUS_NOT_VALID)


def _predict(video: Path, weights: Path | None) -> "tuple[Prediction | None, str | None]":
    """The detector's prediction, or the reason why there is none."""
    if weights is not None and not weights.exists():
        raise MissingFileError(f"{weights}: no such weights file; expected a forensics detector")
    if not (weights or _DETECTOR).exists():
        return None, f"there is none here: {_DETECTOR}; `detectors` in films.yaml has one trained"
    from motiontransfer.forensics.model import predict_video
    from motiontransfer.video.isolation import run_isolated

    try:
        return run_isolated(predict_video, video, weights or _DETECTOR), None
    except (DamagedFileError, VideoError, WeightsError) as error:  # too short, not a detector
        return None, str(error)


def _opinion(prediction: "Prediction") -> list[str]:
    """Lines of the table: verdict, confidence interval, and a bar per second."""
    low, high = prediction.interval  # a verdict needs an interval without 0.5
    verdict = "synthesized" if low > 0.5 else "real" if high < 0.5 else "undecided"
    head = (
        f"  detector  {verdict}: probability {prediction.synthesized:.2f} that it was synthesized,"
        f" 95 % interval over its seconds {low:.2f} to {high:.2f}, {prediction.frames} frames"
    )
    bars = [
        f"  {second:6.1f} s  {score:.2f}  {'█' * round(score * _BAR_CHARACTERS)}"
        for second, score in prediction.per_second
    ]
    return [head, *bars]


@command
def export(
    target: Annotated[str, typer.Argument(help="A trained target of films.yaml.")],
    *,
    output: Annotated[Path, typer.Option(file_okay=False, help="The folder to write.")],
) -> None:
    """Write a target's networks as ONNX files, its poses so far, and a program without PyTorch."""
    from motiontransfer.export.bundle import export_target

    # It misses Triton, which has no part in this.
    logging.getLogger("torch.utils.flop_counter").setLevel(logging.ERROR)
    for file in export_target(target, output):
        emit(Note(text=f"wrote {file}, {file.stat().st_size / 1e6:.1f} MB"))
    emit(Note(text=f"see `python {output / 'run.py'} --help`"))
