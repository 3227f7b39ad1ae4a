"""A finished transfer judged: is the intended pose there, is it steady, is it near the truth.

Without a truth clip only the first two can be known. The truth clip shows the target performing the
source's motion, filmed for real, frame for frame beside the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from motiontransfer.errors import VideoError
from motiontransfer.evaluation.benchmark import (
    Footage,
    benchmark,
    named_pose_table,
    nearest_footage,
)
from motiontransfer.evaluation.frame_references import check_size, read_frames
from motiontransfer.evaluation.plots import (
    benchmark_panels,
    plot_curves,
    worst_frames,
    write_csv,
    write_picture,
)
from motiontransfer.evaluation.pose_distance import (
    found_in_frames,
    missed_detections,
    pose_distance,
)
from motiontransfer.evaluation.redetection import redetect
from motiontransfer.evaluation.regions import person_regions
from motiontransfer.evaluation.temporal import background_flicker, frame_change
from motiontransfer.keypoints import Keypoints
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.parallel import Compute
from motiontransfer.pose.drawing import draw_rgb
from motiontransfer.rendering.composition import contact_sheet, evenly_spaced
from motiontransfer.training.target_clips import TargetClip

_PICTURE_COLUMNS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferVideos:
    """The videos of one transfer, frame for frame beside each other."""

    result: Path
    """The rendered video."""

    source: Path
    """The source's frame store."""

    truth: Path | None
    """The target performing the same motion, filmed; None where nobody filmed it."""


def evaluate_transfer(
    videos: TransferVideos,
    intended: Keypoints,
    clips: Sequence[TargetClip],
    *,
    box_margin: float,
    compute: Compute,
    folder: Path,
) -> dict[str, object]:
    """Judge a transfer, and write its table and pictures.

    Args:
        intended: the normalised poses that the result should show.
        clips: the target's, for the nearest-neighbour baseline.
        box_margin: share of a box's longer side by which it grows on every side.
        folder: where `per_frame.csv`, `curves.png` and `worst_frames.png` go.

    Returns:
        The metrics: `detection` and `temporal`, and `truth` where there is one.

    Raises:
        MissingFileError: a video is not there.
        VideoError: a video differs from the result in number of frames or from the working size.
    """
    size = intended.image_size
    check_video(videos.result, intended, "render this transfer again")
    if videos.truth is not None:
        check_video(
            videos.truth, intended, "film or cut it to match, or set this transfer's truth to none"
        )
    ours = _footage(videos.result, size, compute=compute)
    methods = {"ours": ours, "nearest_neighbours": nearest_footage(intended, clips)}
    detection, per_frame = _judge_detection(methods, intended)
    metrics: dict[str, object] = {
        "frames": intended.num_frames,
        "detection": detection,
        "temporal": _judge_steadiness(videos, intended, ours, box_margin=box_margin),
    }
    panels = _pose_panels()
    if videos.truth is not None:
        truth = _footage(videos.truth, size, compute=compute)
        metrics["truth"], against_truth = benchmark(truth, methods, box_margin=box_margin)
        per_frame = per_frame.merge(_only_metrics(against_truth), on="frame_index")
        panels = {**benchmark_panels(("person", "face")), **panels}
    write_csv(folder / "per_frame.csv", per_frame)
    plot_curves(folder / "curves.png", per_frame, panels, title="The result, frame by frame")
    write_picture(folder / "worst_frames.png", _worst_frames(videos, intended, per_frame))
    return metrics


def check_video(path: Path, intended: Keypoints, advice: str) -> None:
    """Accept a video that can be laid beside the intended poses frame by frame.

    Raises:
        MissingFileError: no such video.
        VideoError: another number of frames or another size than the poses have.
    """
    with FrameStore(path) as store:
        check_size(store, intended.image_size)
        if len(store) != intended.num_frames:
            raise VideoError(
                f"{path}: expected {intended.num_frames} frames, one a frame of the source, got "
                f"{len(store)}; {advice}"
            )


def _footage(video: Path, size: tuple[int, int], *, compute: Compute) -> Footage:
    found = redetect(video, size=size, compute=compute)
    return Footage(frames=[(video, i) for i in range(found.num_frames)], keypoints=found)


def _judge_detection(
    methods: Mapping[str, Footage], intended: Keypoints
) -> tuple[dict[str, object], pd.DataFrame]:
    """Pose found against pose intended; needs no truth."""
    frame_index = np.arange(intended.num_frames)
    per_frame = pd.DataFrame(
        {
            "frame_index": frame_index,
            "pts_seconds": frame_index / float(intended.frame_rate),
        }
    )
    detection: dict[str, object] = {}
    for name, footage in methods.items():
        detection[name] = {
            "body_found": found_in_frames(footage.keypoints, "body"),
            "missed_detections": missed_detections(footage.keypoints, intended),
            "pose_distance_px": pose_distance(footage.keypoints, intended),
        }
        table = named_pose_table(footage.keypoints, intended, name)
        table = table.rename(columns={f"{name}_pose_distance_px": f"{name}_intended_distance_px"})
        per_frame = per_frame.merge(table, on="frame_index")
    return detection, per_frame


def _judge_steadiness(
    videos: TransferVideos, intended: Keypoints, ours: Footage, *, box_margin: float
) -> dict[str, object]:
    size, persons = intended.image_size, person_regions(intended, margin=box_margin)
    change = frame_change(read_frames(ours.frames, size))
    with FrameStore(videos.source) as source:
        source_change = frame_change(source.frames())
    flicker = {"ours": background_flicker(read_frames(ours.frames, size), persons)}
    if videos.truth is not None:
        truth_frames = [(videos.truth, index) for index in range(intended.num_frames)]
        flicker["truth"] = background_flicker(read_frames(truth_frames, size), persons)
    return {
        "background_flicker": flicker,
        "frame_change_to_source": round(change / source_change, 4)
        if change is not None and source_change
        else None,
    }


def _only_metrics(against_truth: pd.DataFrame) -> pd.DataFrame:
    """Without the missed detections: those against the intended pose stand in the table already."""
    return against_truth[[name for name in against_truth.columns if "_missed_" not in name]]


def _pose_panels() -> dict[str, dict[str, str]]:
    groups = ("body", "hands", "face")
    return {
        "Pose distance to the intended pose (pixels)": {
            "ours": "ours_intended_distance_px",
            "nearest neighbours": "nearest_neighbours_intended_distance_px",
        },
        "Detections missed in the result": {group: f"ours_missed_{group}" for group in groups},
    }


def _badness(
    per_frame: pd.DataFrame,
) -> tuple[Float[np.ndarray, " frames"], list[str]]:
    """How bad each frame of the result is, and in words: by the truth where there is one."""
    if "ours_person_ssim" in per_frame.columns:
        ssim = per_frame["ours_person_ssim"].to_numpy(np.float64)
        return 1 - ssim, [f"SSIM {value:.2f}" for value in ssim]
    distance = per_frame["ours_intended_distance_px"].to_numpy(np.float64)
    lost = per_frame["ours_missed_body"].to_numpy() > 0
    words = ["no body" if gone else f"{px:.1f} px" for gone, px in zip(lost, distance, strict=True)]
    return np.where(lost, np.inf, distance), words


def _worst_frames(
    videos: TransferVideos, intended: Keypoints, per_frame: pd.DataFrame
) -> UInt8[np.ndarray, "height width 3"]:
    badness, words = _badness(per_frame)
    apart = max(1, intended.num_frames // (3 * _PICTURE_COLUMNS))
    chosen = worst_frames(badness, _PICTURE_COLUMNS, apart=apart)
    chosen = chosen or evenly_spaced(intended.num_frames, _PICTURE_COLUMNS)
    size = intended.image_size
    with FrameStore(videos.source) as source:
        rows = {"source": [source[index] for index in chosen]}
    rows["pose"] = [
        draw_rgb(
            intended.points[index],
            intended.score[index],
            skeleton=intended.skeleton,
            size=size,
            line_width_px=max(2.0, size[0] / 80),
        )
        for index in chosen
    ]
    rows["result"] = list(read_frames([(videos.result, index) for index in chosen], size))
    if videos.truth is not None:
        rows["truth"] = list(read_frames([(videos.truth, index) for index in chosen], size))
    return contact_sheet(rows, [f"frame {index}, {words[index]}" for index in chosen])
