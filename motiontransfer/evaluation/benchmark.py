"""Methods side by side against what was really filmed, in one table.

Hides which figures a method is judged by: metrics on the frame, the person and the face, and the
distance from the pose found in it to the pose found in the real frames.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from motiontransfer.evaluation.frame_references import (
    FrameReference,
    read_frames,
    training_poses,
)
from motiontransfer.evaluation.metrics import (
    compare_frames,
    count_skipped,
    summarise,
    wide_table,
)
from motiontransfer.evaluation.nearest_neighbours import nearest_neighbours
from motiontransfer.evaluation.pose_distance import (
    pose_distance,
    pose_table,
    selected,
)
from motiontransfer.evaluation.regions import face_regions, person_regions
from motiontransfer.keypoints import Keypoints
from motiontransfer.progress import track
from motiontransfer.training.target_clips import TargetClip


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Frames, real or made, and the pose that was found in each."""

    frames: Sequence[FrameReference]
    """Where the frames are."""

    keypoints: Keypoints
    """Poses found in them, frame by frame."""

    def __post_init__(self) -> None:
        """Check that each frame has its pose."""
        assert len(self.frames) == self.keypoints.num_frames


def benchmark(
    real: Footage, methods: Mapping[str, Footage], *, box_margin: float
) -> tuple[dict[str, object], pd.DataFrame]:
    """Compare each method's frames with the real ones.

    Args:
        methods: name -> its footage, frame for frame beside the real one.
        box_margin: share of a box's longer side by which it grows on every side.

    Returns:
        Means by method, region and metric, with the numbers of skipped frames; and one row a frame,
        with columns such as `ours_person_ssim` and `ours_pose_distance_px`.

    Raises:
        VideoError: a video has another size than the real one's keypoints say.
    """
    size = real.keypoints.image_size
    real_frames = track(read_frames(real.frames, size), "compare frames", total=len(real.frames))
    table = compare_frames(
        real_frames,
        {name: read_frames(footage.frames, size) for name, footage in methods.items()},
        regions={
            "person": person_regions(real.keypoints, margin=box_margin),
            "face": face_regions(real.keypoints, margin=box_margin),
        },
    )
    skipped = {region: n for region, n in count_skipped(table).items() if region != "frame"}
    summary: dict[str, object] = {"skipped_frames": skipped}
    per_frame = wide_table(table)
    for name, footage in methods.items():
        summary[name] = {
            **summarise(table, name),
            "pose_distance_px": pose_distance(footage.keypoints, real.keypoints),
        }
        per_frame = per_frame.merge(
            named_pose_table(footage.keypoints, real.keypoints, name), on="frame_index"
        )
    return summary, per_frame


def named_pose_table(found: Keypoints, expected: Keypoints, name: str) -> pd.DataFrame:
    """Per-frame pose distance and missed detections, columns named for the method."""
    table = pose_table(found, expected).set_index("frame_index")
    return table.add_prefix(f"{name}_").reset_index()


def nearest_footage(poses: Keypoints, clips: Sequence[TargetClip]) -> Footage:
    """The baseline's footage: for each pose the target's training frame with the nearest pose.

    Raises:
        KeypointsError: no training frame has a body.
    """
    candidates, frames = training_poses(clips)
    choice = nearest_neighbours(poses, candidates)
    return Footage(
        frames=[frames[index] for index in choice], keypoints=selected(candidates, choice)
    )
