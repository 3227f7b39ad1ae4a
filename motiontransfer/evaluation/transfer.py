"""Evaluation of a transfer: intended pose, temporal stability, identity and ground truth.

Image metrics need a ground truth: a real video of the target performing the source's motion,
frame by frame as in the result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from motiontransfer.evaluation.baselines import nearest_frames, training_images
from motiontransfer.evaluation.bootstrap import block_length
from motiontransfer.evaluation.comparison import (
    FrameMetric,
    MetricConfig,
    against_real,
    detected_frames,
    measure,
    streaming_metrics,
    summarize,
)
from motiontransfer.evaluation.frames import (
    PosedFrames,
    all_regions,
    check_frames,
    person_regions,
    training_frames,
)
from motiontransfer.evaluation.image_metrics import count_skipped
from motiontransfer.evaluation.measurements import (
    FRAMES,
    NEAREST_NEIGHBOURS,
    OURS,
    Measurements,
    MetricKey,
    Scores,
    in_section,
)
from motiontransfer.evaluation.network_metrics import NO_NETWORKS, Networks, not_measured
from motiontransfer.evaluation.plots import (
    likeness_panels,
    systems,
    worst_frames_sheet,
    write_image,
    write_per_frame,
)
from motiontransfer.evaluation.pose_metrics import REPORTED_GROUPS, head_heights_px, pose_scores
from motiontransfer.evaluation.temporal_metrics import frame_changes
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.target_clips import TargetClip
from motiontransfer.video.frame_store import FrameStore

_TRUTH = "truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferVideos:
    """The videos of one transfer, synchronised frame by frame."""

    result: Path
    """The rendered video."""
    source: Path
    """The source's frame store."""
    truth: Path | None
    """Ground truth: the target filmed performing the same motion; None where there is none."""


def evaluate_transfer(
    videos: TransferVideos,
    intended: Keypoints,
    clips: Sequence[TargetClip],
    *,
    box_margin: float,
    compute: Compute,
    folder: Path,
    networks: Networks = NO_NETWORKS,
) -> Measurements:
    """Evaluate a transfer, and write its per-frame table and figures.

    Args:
        intended: the normalised poses that the result should show.
        clips: the target's, for the nearest-neighbour baseline.
        box_margin: share of a box's longer side by which it grows on every side.
        folder: where `per_frame.csv`, `curves.png` and `worst_frames.png` go.
        networks: of the metrics that need weights.

    Returns:
        Sections `detection`, `temporal` and `identity`, `realism` (FID and KID) where there is a
        network for it, and `truth` where there is a ground truth.

    Raises:
        MissingFileError: a video is not there.
        VideoError: a video differs from the result in number of frames or from the working size.
    """
    size = intended.image_size
    check_frames(videos.result, intended, "render this transfer again")
    posed = {
        OURS: detected_frames(videos.result, size=size, compute=compute),
        NEAREST_NEIGHBOURS: nearest_frames(intended, clips),
    }
    rows = {"source": videos.source, "result": videos.result}
    counts = {MetricKey(FRAMES, "", ""): intended.num_frames}
    if videos.truth is not None:
        check_frames(
            videos.truth, intended, "film or cut it to match, or set this transfer's truth to none"
        )
        posed[_TRUTH] = detected_frames(videos.truth, size=size, compute=compute)
        rows[_TRUTH] = videos.truth
        regions = all_regions(posed[_TRUTH].keypoints, margin=box_margin)
        counts |= count_skipped(regions, section=_TRUTH)
    config = MetricConfig(
        box_margin=box_margin,
        networks=networks,
        training_images=training_images(clips, margin=box_margin),
    )
    found = summarize(
        _scores(videos.source, posed, intended, config),
        real=training_frames(clips),
        videos=posed,
        block_frames=block_length(intended.num_frames, intended.frame_rate),
        config=config,
        counts=counts,
        notes=_notes(posed, intended, networks),
    )
    frame_index = np.arange(intended.num_frames)
    columns = {"frame_index": frame_index, "pts_seconds": frame_index / float(intended.frame_rate)}
    write_per_frame(folder, found, columns, _panels(found), title="The result, frame by frame")
    write_image(folder / "worst_frames.png", worst_frames_sheet(rows, intended, found))
    return found


def _scores(
    source: Path, posed: Mapping[str, PosedFrames], intended: Keypoints, config: MetricConfig
) -> Scores:
    """Every metric of all videos; the source is the reference of the frame change."""
    metrics = streaming_metrics(
        posed,
        real=_TRUTH if _TRUTH in posed else None,
        late=None,
        background=person_regions(intended, margin=config.box_margin),
        config=config,
    )
    metrics["change_to_source"] = FrameMetric(
        partial(frame_changes, systems=(OURS,), real="source")
    )
    shown = [(source, index) for index in range(intended.num_frames)]
    with FrameStore(source) as store:  # its frames may have another shape
        poses = replace(intended, image_size=store.size)
    found = measure({**posed, "source": PosedFrames(frames=shown, keypoints=poses)}, metrics)
    detection = {
        **pose_scores(posed[OURS].keypoints, intended, system=OURS),
        **pose_scores(posed[NEAREST_NEIGHBOURS].keypoints, intended, system=NEAREST_NEIGHBOURS),
    }
    temporal = {
        **found["flicker"],
        **found["warping"],
        **found.get("change", {}),
        **found["change_to_source"],
    }
    scores = {
        **in_section("detection", detection),
        **in_section("temporal", temporal),
        **in_section("identity", found["identity"]),
    }
    if _TRUTH in posed:
        scores |= against_real(found["images"], posed, _TRUTH, section=_TRUTH)
    return scores


def _notes(
    posed: Mapping[str, PosedFrames], intended: Keypoints, networks: Networks
) -> dict[str, str]:
    """Metric -> reason why it was not measured."""
    notes = not_measured(intended.image_size, networks)
    references = {"detection": intended}
    if _TRUTH in posed:
        references[_TRUTH] = posed[_TRUTH].keypoints
    else:
        notes[_TRUTH] = "this transfer has no ground-truth video"
        notes["warping_error"] = (
            "no real frames to take the flow from; warping_error_own_flow is along the video's own"
        )
    for section, poses in references.items():
        if head_heights_px(poses) is None:
            notes[f"{section} pck"] = "no pose to compare with has a head, chin and forehead"
    return notes


def _panels(found: Measurements) -> dict[str, dict[str, MetricKey]]:
    """Panels of the curves: similarity to the ground truth, pose distance, stability."""
    has_truth = any(key.section == _TRUTH for key in found.per_frame)
    warping = "warping_error_person" if has_truth else "warping_error_person_own_flow"
    of_warping = systems(warping, "", "temporal")
    if has_truth:
        of_warping["truth"] = MetricKey(warping, "", _TRUTH, "temporal")
    return {
        **(likeness_panels("truth") if has_truth else {}),
        "Pose distance to the intended pose (pixels)": systems(
            "pose_distance_px", "all", "detection"
        ),
        "Share of detections missed in the result": {
            group: MetricKey("missed_detections", group, OURS, "detection")
            for group in REPORTED_GROUPS
        },
        "Warping error in the person's box": of_warping,
    }
