"""Report of one transfer: its videos, its metrics, and the files and params it was made of.

The page names no date, machine or commit: DVC caches it, so they would be those of the first run,
not of a run that took it from the cache. Files are named by the MD5 under which DVC keeps
them; that leads to the commit, by way of dvc.lock.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from motiontransfer.errors import MissingFileError, MotionTransferError
from motiontransfer.evaluation.measurements import Measurements, frame_errors, read_measurements
from motiontransfer.evaluation.plots import worst_frames
from motiontransfer.keypoints import Keypoints
from motiontransfer.params import Transfer
from motiontransfer.report.charts import frame_charts, num_open, training_charts
from motiontransfer.report.metrics_table import (
    metric_tables,
    name_of,
    not_measured,
    systems_of,
    tiles,
)
from motiontransfer.report.page import flattened, write_page
from motiontransfer.report.videos import (
    PanelSource,
    Quality,
    check_length,
    finished_panel,
    has_sound,
    jpeg,
    make_panels,
    nearest_panel,
    pose_panel,
    video_panel,
)
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore

_THUMBNAIL_PX = 256
_SAMPLE_PX = 1400
_BASE64 = 4 / 3  # bytes in the page for each byte of video
_UNITS = ("bytes", "kB", "MB", "GB")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRun:
    """Everything that one transfer's report shows."""

    name: str
    names: Transfer
    result: Path
    source: Path
    """The source's frame store."""

    poses: Keypoints
    """Poses as they were rendered."""

    clips: Sequence[TargetClip]
    """The target's, for the baseline."""

    measurements: Path
    """The transfer's table of measurements."""

    held_out_measurements: Path
    """That of the target's held-out frames; may be absent."""

    training: Path
    """Folder with the curves and sample images of the generators' training, a folder each."""

    stage_metrics: Mapping[str, Path]
    """Metrics of every other stage: stage -> its metrics file."""

    files: Mapping[str, Path]
    """Files that the result depends on: role -> path."""

    params: Mapping[str, object]
    """The sections of params.yaml that the result depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """One file that a result depends on."""

    role: str
    """Its role, as shown on the page."""

    path: str

    md5: str
    """Its name in DVC's cache."""

    size: str


def write_transfer_report(path: Path, run: TransferRun, *, max_bytes: int) -> None:
    """Write one HTML file that needs nothing else.

    Args:
        max_bytes: of the page, about; its videos are made smaller, down to a limit, to keep to it.

    Raises:
        MissingFileError: something that it shows is not there.
        VideoError: a video has not as many frames as the result.
    """
    found = read_measurements(run.measurements)
    systems = systems_of(found)
    panels, quality = make_panels(
        _panel_sources(run),
        frame_rate=run.poses.frame_rate,
        num_frames=run.poses.num_frames,
        max_bytes=int(max_bytes / _BASE64),
    )
    charts = frame_charts(
        {
            quantity: {name_of(name): of_system[name] for name in systems if name in of_system}
            for quantity, of_system in found.curves().items()
        }
    )
    trained = {
        folder.name: training_charts(folder)
        for folder in sorted(run.training.glob("[!.]*"))
        if folder.is_dir()
    }
    learning = [chart for of_network in trained.values() for chart in of_network]
    write_page(
        path,
        "report.html",
        {
            "title": f"{run.names.target} performs {run.names.source_subject}'s motion",
            "run": run,
            "panels": panels,
            "master": "result",
            "hidden": {"nearest_neighbours"} if run.names.truth_path else set(),
            "has_sound": has_sound(run.result),
            "copies": _copies_line(quality),
            "tiles": tiles(found),
            "charts": charts,
            "num_open": num_open(charts),
            "worst": _worst(run, found),
            "tables": metric_tables(found),
            "skipped": not_measured(found),
            "stages": {
                stage: flattened(_read_metrics(file)) for stage, file in run.stage_metrics.items()
            },
            "held_out": _held_out(run),
            "training": trained,
            "samples": _samples(run.training),
            "params": {name: flattened(section) for name, section in run.params.items()},
            "files": file_facts(run.files),
            "data": {
                "frames": run.poses.num_frames,
                "rate": float(run.poses.frame_rate),
                "charts": [chart.as_json() for chart in (*charts, *learning)],
            },
        },
    )


def _panel_sources(run: TransferRun) -> list[PanelSource]:
    target, source, truth = run.names.target, run.names.source_subject, run.names.truth_path
    for video in (run.result, run.source, *([truth] if truth else [])):
        check_length(video, run.poses.num_frames)
    shown = [
        video_panel("source", "source", f"{source}, whose motion is copied", run.source),
        pose_panel(run.poses, description=f"{source}'s pose, moved to where {target} stands"),
        finished_panel("result", "result", f"{target} as generated, in that pose", run.result),
    ]
    if truth is not None:
        shown.append(
            video_panel("truth", "truth", f"{target} really doing it, for comparison", truth)
        )
    nearest = f"the real frame of {target} whose pose is nearest, a baseline"
    return [*shown, nearest_panel(run.poses, run.clips, description=nearest)]


def _copies_line(quality: Quality) -> str:
    smaller = "" if quality.scale == 1 else f" at {quality.scale:.0%} of their size"
    return f"copies made for this page (H.264, crf {quality.crf}{smaller})"


def _worst(run: TransferRun, found: Measurements) -> list[dict[str, object]]:
    """The worst frames: index, error, and thumbnails by label."""
    errors, texts = frame_errors(found)
    beside = run.names.truth_path or run.source
    label = "truth" if run.names.truth_path else "source"
    with FrameStore(run.result) as result, FrameStore(beside) as other:
        return [
            {
                "frame": index,
                "text": texts[index],
                "images": {
                    name: jpeg(store[index], largest_px=_THUMBNAIL_PX)
                    for name, store in (("result", result), (label, other))
                },
            }
            for index in worst_frames(errors)
        ]


def _held_out(run: TransferRun) -> dict[str, object]:
    """Tables of the target's own held-out frames."""
    if not run.held_out_measurements.exists():
        return {"tables": (), "skipped": ()}
    found = read_measurements(run.held_out_measurements)
    return {"tables": metric_tables(found), "skipped": not_measured(found)}


def _samples(training: Path) -> dict[str, bytes]:
    """The last sample image of each network's training."""
    last: dict[str, bytes] = {}
    for folder in sorted(training.glob("[!.]*/images")):
        pictures = sorted(folder.glob("[!.]*.png"))
        if pictures:
            with Image.open(pictures[-1]) as image:
                picture = np.asarray(image.convert("RGB"))
            last[folder.parent.name] = jpeg(picture, largest_px=_SAMPLE_PX)
    return last


def file_facts(files: Mapping[str, Path]) -> tuple[FileFact, ...]:
    """Describe files.

    Args:
        files: role -> path.

    Raises:
        MissingFileError: one of them is not there.
    """
    return tuple(
        FileFact(
            role=role, path=path.as_posix(), md5=_md5(path), size=size_text(path.stat().st_size)
        )
        for role, path in files.items()
    )


def size_text(num_bytes: int) -> str:
    """Format a size: 364.7 kB."""
    value, unit = float(num_bytes), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[0]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def _read_metrics(path: Path) -> dict[str, object]:
    """Read a metrics file.

    Raises:
        MissingFileError: no such file.
        MotionTransferError: not a JSON object.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such metrics; `dvc repro` writes them")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise MotionTransferError(f"{path}: expected metrics, a JSON object: {error}") from error
    if not isinstance(content, dict):
        raise MotionTransferError(
            f"{path}: expected metrics, a JSON object, got {type(content).__name__}"
        )
    return content


def _md5(path: Path) -> str:
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
