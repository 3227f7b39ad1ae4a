"""Report of one transfer: its videos, its metrics, and the files and params it depends on.

The page names no date, machine or commit. DVC caches it, so they would be those of the first run,
not of one that took it from the cache. Files are named by the MD5 under which DVC keeps them; that
leads to the commit, by way of dvc.lock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from motiontransfer.body.motion import read_motion
from motiontransfer.body.views import with_views
from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame, Series
from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.params import Transfer, read_sections
from motiontransfer.core.storage import md5_of
from motiontransfer.evaluation.frames import read_frames
from motiontransfer.evaluation.measurements import OURS, Measurements, MetricKey, read_measurements
from motiontransfer.evaluation.metrics import curves
from motiontransfer.evaluation.pose_metrics import nearest_frames
from motiontransfer.evaluation.training_gain import LEAST_DISTANCES
from motiontransfer.filming.pose_advice import compare_poses
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.drawing import draw_pose
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.time_series import peaks
from motiontransfer.report.page import PanelSource, jpeg, leaf_texts, video_panel, write_video_page
from motiontransfer.report.tables import (
    frame_charts,
    measured,
    metric_tables,
    name_of,
    not_measured,
    systems_of,
    tiles,
)
from motiontransfer.video.frame_store import FrameStore

_THUMBNAIL_PX = 256  # longer side of the worst frames
_NUM_WORST = 8  # frames or poses, a row of them on a wide screen
_BASE64 = 4 / 3  # bytes in the page for each byte of video


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRun:
    name: str
    names: Transfer
    poses: Keypoints
    """Poses as they were rendered."""
    clips: Sequence[TargetClip]
    """The target's, for the baseline."""
    files: Mapping[str, Path]
    """Files that the result depends on: role -> path."""
    params: Mapping[str, object]
    """Sections of params.yaml that the result depends on."""

    @property
    def result(self) -> Path:
        return layout.results_folder(self.name) / layout.TRANSFER_FILE

    @property
    def source(self) -> Path:
        return layout.frames_file(self.names.source_subject, self.names.source)


def write_transfer_report(path: Path, run: TransferRun, *, max_bytes: int) -> None:
    """Write one HTML file that needs nothing else; above so many bytes its videos are smaller.

    Raises:
        MissingFileError: something that it shows is not there.
    """
    sources = _panel_sources(run)
    found = read_measurements(layout.measurements_file("evaluate_transfer", run.name))
    systems = systems_of(measured(found))
    shown = {
        key: {name_of(name): of_system[name] for name in systems if name in of_system}
        for key, of_system in curves(found).items()
    }
    content = {
        "title": f"{run.names.target} performs {run.names.source_subject}'s motion",
        "run": run,
        "tiles": tiles(found),
        "worst": _worst(run, found),
        **_coverage(run),
        "tables": metric_tables(found),
        "has_intervals": any(item.interval for item in measured(found)),
        "skipped": not_measured(found),
        "training": {
            stage: read_sections(file)
            for stage in ("train_gan", "train_face_gan")
            if (file := layout.counts_file(stage, run.names.target)).exists()
        },
        "turned": read_sections(layout.counts_file("normalize", run.name)),
        "held_out": _held_out(run),
        "params": {name: leaf_texts(section) for name, section in run.params.items()},
        "files": [
            {"role": role, "path": file.as_posix(), "md5": _md5(file), "size": file.stat().st_size}
            for role, file in run.files.items()
        ],
    }
    write_video_page(
        path,
        "report.html",
        content,
        sources=sources,
        master="result",
        max_bytes=int(max_bytes / _BASE64),
        charts=frame_charts(shown),
    )


def _panel_sources(run: TransferRun) -> list[PanelSource]:
    target, source, truth = run.names.target, run.names.source_subject, run.names.truth_path
    poses = run.poses
    advice = "run `dvc repro` so that all of them are of one run"
    for video in filter(None, (run.result, run.source, truth)):
        with FrameStore(video) as store:
            store.check_length(poses.num_frames, advice)
    panels = [
        video_panel("source", "source", f"source video of {source}", run.source),
        *_fitted_body(run),
        PanelSource(
            name="pose",
            label="pose",
            description=f"pose of {source}, normalized to {target}",
            frames=lambda: (draw_pose(poses, index) for index in range(poses.num_frames)),
        ),
        video_panel(
            "result", "result", f"rendered video of {target}", run.result, is_finished=True
        ),
    ]
    if truth is not None:
        description = f"ground truth: {target} filmed performing the same motion"
        panels.append(video_panel("truth", "truth", description, truth))
    if layout.place_file(run.name).exists():  # in the dancer's film, of another shape
        return panels
    nearest = nearest_frames(poses, run.clips)
    return [
        *panels,
        PanelSource(
            name="nearest_neighbours",
            label="nearest neighbor",
            description=f"baseline: the training frame of {target} with the nearest pose",
            frames=lambda: read_frames(nearest.frames, poses.image_size),
            is_hidden=truth is not None,
        ),
    ]


def _fitted_body(run: TransferRun) -> list[PanelSource]:
    """The dancer's film with the skeleton over it and from the side, where one was fitted."""
    motion = read_motion(layout.motion_file(run.names.source_subject, run.names.source))
    if not motion.fits.any():
        return []

    def frames() -> Iterator[Frame]:
        with FrameStore(run.source) as store:
            for index, frame in enumerate(store.frames()):
                yield with_views(frame, motion, index)

    description = f"skeleton of {run.names.source_subject}: left orange, right blue; from the side"
    return [PanelSource(name="body", label="fitted body", description=description, frames=frames)]


def _worst(run: TransferRun, found: Measurements) -> list[dict[str, object]]:
    """The worst frames: index, error, and thumbnails by label."""
    errors, texts = frame_errors(found)
    beside = run.names.truth_path or run.source
    label = "truth" if run.names.truth_path else "source"
    return [
        _thumbnails(index, texts[index], {"result": (run.result, index), label: (beside, index)})
        for index in peaks(errors, count=_NUM_WORST, apart=len(errors) // (3 * _NUM_WORST))
    ]


def _coverage(run: TransferRun) -> dict[str, object]:
    """How much of the dance the films show, and the poses that would add most, beside the nearest.

    It is measured as `evaluate_transfer` measures it.
    """
    dance = read_keypoints(layout.keypoints_file(run.names.source_subject, run.names.source))
    filmed = [clip.training_keypoints for clip in run.clips]
    compared, poses = compare_poses(dance, filmed, name=run.name, num_poses=_NUM_WORST)
    gains = np.diff(poses.coverage)
    missing = [
        _thumbnails(
            frame,
            f"+{100 * gain:.1f} %",
            {"the dancer": (run.source, frame), "nearest": (run.clips[clip].frames, index)},
        )
        for frame, (clip, index), gain in zip(poses.frames, poses.nearest, gains, strict=True)
    ]
    return {"compared": compared, "missing": missing}


def _thumbnails(index: int, text: str, shown: Mapping[str, tuple[Path, int]]) -> dict[str, object]:
    images = {}
    for label, (video, frame) in shown.items():
        with FrameStore(video) as store:
            images[label] = jpeg(Image.fromarray(store[frame]), largest_px=_THUMBNAIL_PX)
    return {"frame": index, "text": text, "images": images}


def frame_errors(found: Measurements) -> tuple[Series, list[str]]:
    """Error of each frame of our system, as a number and as text.

    The error is against the ground truth where there is one, otherwise the distance to the intended
    pose. A frame without a body is the worst. NaN where nothing was measured.
    """
    likeness = found.per_frame.get(MetricKey("likeness", "person", OURS, "truth"))
    if likeness is not None:
        return -likeness, [f"likeness {value:.2f}" for value in likeness]
    distance = found.per_frame[MetricKey("pose_error_px", "all", OURS, "detection")]
    missed = found.per_frame[MetricKey("missed_detections", "body", OURS, "detection")]
    texts = [
        "no body" if gone else f"{px:.1f} px" for gone, px in zip(missed > 0, distance, strict=True)
    ]
    return np.where(missed > 0, np.inf, distance), texts


def _held_out(run: TransferRun) -> dict[str, object]:
    """Tables of the target's own held-out frames."""
    file = layout.measurements_file("evaluate", run.names.target)
    if not file.exists():
        return {"tables": (), "gains": (), "skipped": ()}
    found = read_measurements(file)
    gains = [one for one in found.summary if one.key.section in LEAST_DISTANCES]
    rest = [one for one in found.summary if one.key.section not in LEAST_DISTANCES]
    return {
        "tables": metric_tables(Measurements(summary=tuple(rest))),
        "gains": metric_tables(Measurements(summary=tuple(gains))),
        "skipped": not_measured(found),
    }


def _md5(path: Path) -> str:
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it")
    return md5_of(path)
