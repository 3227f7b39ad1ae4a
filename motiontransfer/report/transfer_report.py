"""The report of one transfer: what it looks like, how good it is, and what it was made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from motiontransfer.evaluation.plots import worst_frames
from motiontransfer.keypoints import Keypoints
from motiontransfer.params import Transfer
from motiontransfer.report.curves import (
    badness,
    frame_charts,
    num_open,
    read_per_frame,
    training_charts,
)
from motiontransfer.report.footage import (
    check_length,
    finished_panel,
    nearest_panel,
    pose_panel,
    video_panel,
)
from motiontransfer.report.measurements import measurements, methods_of, not_measured
from motiontransfer.report.page import write_page
from motiontransfer.report.panels import (
    PanelSource,
    Quality,
    has_sound,
    jpeg,
    make_panels,
)
from motiontransfer.report.provenance import file_facts, flattened, read_metrics
from motiontransfer.report.readable import name_of
from motiontransfer.report.tables import headlines, metric_tables
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore

_NUM_WORST = 8
_THUMBNAIL_PX = 256
_SAMPLE_PX = 1400
_BASE64 = 4 / 3  # bytes in the page for each byte of video


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRun:
    """Everything that one transfer's report shows."""

    name: str
    """The transfer's."""

    names: Transfer
    """Who performs whose motion."""

    result: Path
    """The finished video."""

    source: Path
    """The source's frame store."""

    poses: Keypoints
    """Poses as they were rendered."""

    clips: Sequence[TargetClip]
    """The target's, for the baseline."""

    metrics: Path
    """The transfer's metrics."""

    evaluation: Path
    """Folder with the transfer's table of frames."""

    findings: Path
    """Folder with the intervals of the metrics, in their shape, and with what was skipped."""

    held_out_findings: Path
    """The same of the target's held-out frames; both may be empty."""

    training: Path
    """Folder with the curves and pictures of the generators' training, a folder each."""

    stage_metrics: Mapping[str, Path]
    """What every other stage measured: stage -> its metrics file."""

    files: Mapping[str, Path]
    """What the result was made of: what each file is to it -> where it is."""

    params: Mapping[str, object]
    """The sections of params.yaml that the result depends on."""


def write_transfer_report(path: Path, run: TransferRun, *, max_bytes: int) -> None:
    """Write one HTML file that needs nothing else.

    Args:
        max_bytes: of the page, about; its videos are made smaller, down to a limit, to keep to it.

    Raises:
        MissingFileError: something that it shows is not there.
        VideoError: a video has not as many frames as the result.
    """
    metrics = read_metrics(run.metrics)
    intervals = _read_if_there(run.findings / "intervals.json")
    per_frame = read_per_frame(run.evaluation / "per_frame.csv")
    panels, quality = make_panels(
        _panel_sources(run),
        frame_rate=run.poses.frame_rate,
        num_frames=run.poses.num_frames,
        max_bytes=int(max_bytes / _BASE64),
    )
    methods = {name: name_of(name) for name in methods_of(measurements(metrics))}
    charts = frame_charts(per_frame, methods)
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
            "headlines": headlines(metrics, intervals),
            "charts": charts,
            "num_open": num_open(charts),
            "worst": _worst(run, per_frame),
            "tables": metric_tables(metrics, intervals),
            "skipped": _skipped(metrics, run.findings),
            "stages": {
                stage: flattened(read_metrics(file)) for stage, file in run.stage_metrics.items()
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


def _worst(run: TransferRun, per_frame: pd.DataFrame) -> list[dict[str, object]]:
    """The worst frames: index, how bad, and small pictures by label."""
    bad, words = badness(per_frame)
    apart = max(1, run.poses.num_frames // (3 * _NUM_WORST))
    chosen = worst_frames(bad, _NUM_WORST, apart=apart)
    beside = run.names.truth_path or run.source
    label = "truth" if run.names.truth_path else "source"
    with FrameStore(run.result) as result, FrameStore(beside) as other:
        return [
            {
                "frame": index,
                "words": words[index],
                "pictures": {
                    name: jpeg(store[index], largest_px=_THUMBNAIL_PX)
                    for name, store in (("result", result), (label, other))
                },
            }
            for index in chosen
        ]


def _held_out(run: TransferRun) -> dict[str, object]:
    """Tables of the target's own held-out frames."""
    file = run.stage_metrics.get("evaluate")
    if file is None:
        return {"tables": (), "skipped": ()}
    metrics = read_metrics(file)
    intervals = _read_if_there(run.held_out_findings / "intervals.json")
    return {
        "tables": metric_tables({"held_out": metrics}, {"held_out": intervals}),
        "skipped": _skipped(metrics, run.held_out_findings),
    }


def _skipped(metrics: Mapping[str, object], findings: Path) -> tuple[str, ...]:
    """What was not measured, and why or in how many frames."""
    reasons = {"skipped": _read_if_there(findings / "skipped.json")}
    return not_measured(metrics) + not_measured(reasons)


def _read_if_there(path: Path) -> dict[str, object]:
    return read_metrics(path) if path.exists() else {}


def _samples(training: Path) -> dict[str, bytes]:
    """The last sample picture of each network's training."""
    last: dict[str, bytes] = {}
    for folder in sorted(training.glob("[!.]*/images")):
        pictures = sorted(folder.glob("[!.]*.png"))
        if pictures:
            with Image.open(pictures[-1]) as image:
                picture = np.asarray(image.convert("RGB"))
            last[folder.parent.name] = jpeg(picture, largest_px=_SAMPLE_PX)
    return last
