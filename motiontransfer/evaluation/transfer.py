"""A finished transfer judged: is the intended pose there, is it steady, is it near the truth.

Without a truth clip only the first two can be known. The truth clip shows the target performing the
source's motion, filmed for real, frame for frame beside the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from motiontransfer.errors import VideoError
from motiontransfer.evaluation.benchmark import (
    Footage,
    Yardsticks,
    against_real,
    detected_footage,
    frame_table,
    judges_of,
    method_columns,
    nearest_footage,
    quantity_columns,
    watch,
)
from motiontransfer.evaluation.findings import Findings
from motiontransfer.evaluation.frame_references import check_size, training_poses
from motiontransfer.evaluation.identity import training_looks
from motiontransfer.evaluation.intervals import block_length, intervals
from motiontransfer.evaluation.metrics import NO_NETWORKS, Networks, count_skipped, not_measured
from motiontransfer.evaluation.plots import (
    benchmark_panels,
    plot_curves,
    write_csv,
    write_picture,
)
from motiontransfer.evaluation.pose_accuracy import pose_scores, shows_a_head
from motiontransfer.evaluation.realism import realism
from motiontransfer.evaluation.regions import all_regions, person_regions
from motiontransfer.evaluation.series import Scores, Series, group, means
from motiontransfer.evaluation.temporal import ChangeJudge
from motiontransfer.evaluation.worst_frames import worst_frames_picture
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore


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
    networks: Networks = NO_NETWORKS,
) -> Findings:
    """Judge a transfer, and write its table and pictures.

    Args:
        intended: the normalised poses that the result should show.
        clips: the target's, for the nearest-neighbour baseline.
        box_margin: share of a box's longer side by which it grows on every side.
        folder: where `per_frame.csv`, `curves.png` and `worst_frames.png` go.
        networks: what needs weights.

    Returns:
        Metrics `detection`, `temporal` and `identity`, `realism` where there is a network for it,
        and `truth` where there is one.

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
    footage = {
        "ours": detected_footage(videos.result, size=size, compute=compute),
        "nearest_neighbours": nearest_footage(intended, clips),
    }
    if videos.truth is not None:
        footage["truth"] = detected_footage(videos.truth, size=size, compute=compute)
    yardsticks = Yardsticks(
        box_margin=box_margin,
        distances=networks.distances,
        looks=training_looks(clips, margin=box_margin),
    )
    scores, columns = _arranged(_judge(videos, footage, intended, yardsticks), footage, intended)
    per_frame = _write_table(folder, columns, intended)
    rows = {"source": videos.source, "result": videos.result}
    if videos.truth is not None:
        rows["truth"] = videos.truth
    write_picture(folder / "worst_frames.png", worst_frames_picture(rows, intended, per_frame))
    poses, frames = training_poses(clips)
    filmed = Footage(frames=frames, keypoints=poses)
    as_a_whole = realism(filmed, footage, networks.features, box_margin=box_margin)
    metrics = {"frames": intended.num_frames, **means(scores), **as_a_whole.metrics}
    if videos.truth is not None:
        regions = all_regions(footage["truth"].keypoints, margin=box_margin)
        metrics["truth"] = {"skipped_frames": count_skipped(regions), **group(metrics["truth"])}
    block = block_length(intended.num_frames, intended.frame_rate)
    return Findings(
        metrics=metrics,
        intervals={**intervals(scores, block_frames=block), **as_a_whole.intervals},
        skipped=_skipped(footage, intended, networks),
    )


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


def _judge(
    videos: TransferVideos,
    footage: Mapping[str, Footage],
    intended: Keypoints,
    yardsticks: Yardsticks,
) -> dict[str, object]:
    """Let all videos pass by those who judge frames; the source for how much it changes."""
    judges = judges_of(
        footage,
        real="truth" if "truth" in footage else None,
        late=None,
        background=person_regions(intended, margin=yardsticks.box_margin),
        yardsticks=yardsticks,
    )
    judges["change_to_source"] = ChangeJudge(("ours",), real="source")
    frames = {name: one.frames for name, one in footage.items()}
    frames["source"] = [(videos.source, index) for index in range(intended.num_frames)]
    return watch(frames, judges, size=intended.image_size)


def _arranged(
    found: Scores, footage: Mapping[str, Footage], intended: Keypoints
) -> tuple[dict[str, object], dict[str, Series]]:
    """What was found as the metrics' file has it, and as columns of the table."""
    detection = {
        name: pose_scores(footage[name].keypoints, intended)
        for name in ("ours", "nearest_neighbours")
    }
    along = "" if "truth" in footage else "_own_flow"
    temporal = {
        "background_flicker": found["flicker"],
        f"warping_error{along}": group(found["warping"])["frame"],
        f"warping_error_person{along}": group(found["warping"])["person"],
    }
    identity = {"distance_to_training": found["identity"]}
    scores: dict[str, object] = {"detection": detection, "temporal": temporal, "identity": identity}
    columns = {
        name.replace("_pose_distance_px", "_intended_distance_px"): one
        for name, one in method_columns(detection).items()
    }
    if "truth" in footage:
        temporal["frame_change_to_truth"] = found["change"]
        scores["truth"] = against_real(group(found["pictures"]), footage, "truth")
        # What was missed and found against the intended pose stands in the table already.
        columns = method_columns(group(scores["truth"])) | columns
    quantities = {"frame_change_to_source": found["change_to_source"], **temporal, **identity}
    columns |= quantity_columns(quantities)
    temporal["frame_change_to_source"] = group(found["change_to_source"])["ours"]
    return scores, columns


def _skipped(
    footage: Mapping[str, Footage], intended: Keypoints, networks: Networks
) -> dict[str, str]:
    """Metric, or group of them -> why it is not there."""
    truth_poses = footage["truth"].keypoints if "truth" in footage else None
    skipped = not_measured(intended.image_size, networks)
    if "truth" not in footage:
        skipped["truth"] = "nobody filmed the target doing this: there are no frames to compare"
        skipped["warping_error"] = (
            "no real frames to take the flow from; warping_error_own_flow is along the video's own"
        )
    for section, poses in (("detection", intended), ("truth", truth_poses)):
        if poses is not None and not shows_a_head(poses):
            skipped[f"{section} pck"] = "no pose to compare with has a head, chin and forehead"
    return skipped


def _write_table(folder: Path, columns: Mapping[str, Series], intended: Keypoints) -> pd.DataFrame:
    """Write what was measured frame by frame, and the curves of some of it."""
    per_frame = frame_table(columns)
    frame_index = np.arange(intended.num_frames)
    per_frame.insert(0, "frame_index", frame_index)
    per_frame.insert(1, "pts_seconds", frame_index / float(intended.frame_rate))
    write_csv(folder / "per_frame.csv", per_frame)
    plot_curves(
        folder / "curves.png", per_frame, _panels(columns), title="The result, frame by frame"
    )
    return per_frame


def _panels(columns: Mapping[str, Series]) -> dict[str, dict[str, str]]:
    """What the curves show: likeness to the truth where there is one, poses, steadiness."""
    panels = benchmark_panels(("person", "face")) if "ours_person_ssim" in columns else {}
    groups = ("body", "hands", "face")
    names = {"ours": "ours", "nearest neighbours": "nearest_neighbours", "truth": "truth"}
    (along,) = {name[len("ours_") :] for name in columns if name.startswith("ours_warping_error_p")}
    return {
        **panels,
        "Pose distance to the intended pose (pixels)": {
            label: f"{name}_intended_distance_px"
            for label, name in names.items()
            if name != "truth"
        },
        "Detections missed in the result": {group: f"ours_missed_{group}" for group in groups},
        "Warping error in the person's box": {
            label: f"{name}_{along}"
            for label, name in names.items()
            if f"{name}_{along}" in columns
        },
    }
