from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.evaluation.bootstrap import RatioMetric
from motiontransfer.evaluation.comparison import FrameMetric
from motiontransfer.evaluation.frames import FrameSet, PosedFrames, concatenated
from motiontransfer.evaluation.measurements import FrameScores, Scores
from motiontransfer.keypoints import Keypoints, write_keypoints
from motiontransfer.parallel import Compute
from motiontransfer.skeleton import HOLISTIC, Skeleton
from motiontransfer.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.video.frame_store import write_frames

JOINTS = {
    "nose": (0, -20),
    "left_shoulder": (6, -12),
    "right_shoulder": (-6, -12),
    "left_hip": (4, 4),
    "right_hip": (-4, 4),
    "left_ankle": (5, 22),
    "right_ankle": (-5, 22),
    "left_hand_wrist": (12, 0),
    "left_hand_index_tip": (14, 3),
    "face_chin": (0, -16),
    "face_forehead": (0, -28),
    "left_face_temple": (6, -22),
    "right_face_temple": (-6, -22),
}

LOCAL = Compute(backend="local", address=None, num_workers=1)
BODY = tuple(HOLISTIC.joints[HOLISTIC.slice("body")])


def poses_of_clips(*clips: Keypoints) -> Keypoints:
    """The poses of several clips, one after the other."""
    parts = [PosedFrames(frames=[(Path(), 0)] * len(clip.points), keypoints=clip) for clip in clips]
    return concatenated(parts).keypoints


def scores_of(function: Callable[[FrameSet], FrameScores], videos: Mapping) -> Scores:
    """A metric of all frames of videos, by their names."""
    metric, frames = FrameMetric(function), [*zip(*videos.values(), strict=True)]
    frame_sets = [dict(zip(videos, row, strict=True)) for row in frames]
    for index, (now, previous) in enumerate(zip(frame_sets, [None, *frame_sets], strict=False)):
        metric.update(FrameSet(index, now, previous))
    return metric.compute()


def ratio_of(values: Sequence[float]) -> RatioMetric:
    """A metric with one value a frame; NaN where it was not measured."""
    return RatioMetric(total=np.nan_to_num(values), weight=np.isfinite(values).astype(float))


def without(
    keypoints: Keypoints, joints: Sequence[str], frames: slice | list[int] = slice(None)
) -> Keypoints:
    """The same poses without some joints."""
    points, score = keypoints.points.copy(), keypoints.score.copy()
    for joint in joints:
        points[frames, HOLISTIC.index(joint)] = 0
        score[frames, HOLISTIC.index(joint)] = 0
    return replace(keypoints, points=points, score=score)


def reordered(keypoints: Keypoints) -> Keypoints:
    """The same joints under the same names, stored in another order."""
    groups = tuple((group, tuple(reversed(names))) for group, names in reversed(HOLISTIC.groups))
    skeleton = Skeleton(groups=groups)
    order = [HOLISTIC.index(name) for name in skeleton.joints]
    return replace(
        keypoints,
        skeleton=skeleton,
        points=keypoints.points[:, order],
        score=keypoints.score[:, order],
    )


def body_of(keypoints: Keypoints) -> Keypoints:
    """The same poses of a skeleton without hands and face."""
    part = HOLISTIC.slice("body")
    return replace(
        keypoints,
        skeleton=Skeleton(groups=(("body", BODY),)),
        points=keypoints.points[:, part],
        score=keypoints.score[:, part],
    )


def keypoints_of(
    frames: Sequence[Mapping[str, tuple[float, float]]], size: tuple[int, int] = (60, 80)
) -> Keypoints:
    """Keypoints with the given joints in each frame."""
    points = np.zeros((len(frames), len(HOLISTIC.joints), 2), np.float32)
    score = np.zeros(points.shape[:2], np.float32)
    for index, joints in enumerate(frames):
        for name, point in joints.items():
            points[index, HOLISTIC.index(name)] = point
            score[index, HOLISTIC.index(name)] = 0.9
    return Keypoints(
        points=points,
        score=score,
        skeleton=HOLISTIC,
        image_size=size,
        frame_rate=Fraction(25),
        detector="drawn",
    )


def standing(
    centres: Sequence[tuple[float, float]],
    *,
    size: tuple[int, int] = (64, 64),
    absent: Sequence[str] = (),
) -> Keypoints:
    """Keypoints of a standing figure, one frame for each centre, without the `absent` joints."""
    offsets = {name: offset for name, offset in JOINTS.items() if name not in absent}
    frames = [{name: (x + dx, y + dy) for name, (dx, dy) in offsets.items()} for x, y in centres]
    return keypoints_of(frames, size)


def frame_of(keypoints: Keypoints, frame_index: int) -> np.ndarray:
    """A ramp with a block around each joint."""
    height, width = keypoints.image_size
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = (np.arange(width)[None, :, None] * 2 + 60).astype(np.uint8)
    for x, y in keypoints.points[frame_index][keypoints.score[frame_index] > 0].astype(int):
        frame[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = (200, 40, 20 + 3 * y % 200)
    return frame


def film(path: Path, keypoints: Keypoints) -> Path:
    """Write the figure, frame by frame, to a file."""
    frames = (frame_of(keypoints, index) for index in range(keypoints.num_frames))
    write_frames(path, frames, frame_rate=keypoints.frame_rate)
    return path


def add_clip(folder: Path, name: str, keypoints: Keypoints) -> None:
    """Add a clip of the target to frames and keypoints in the folder."""
    film(folder / "artifacts/frames/ada" / name / "frames.mkv", keypoints)
    write_keypoints(folder / "artifacts/keypoints/ada" / f"{name}.parquet", keypoints)


def read_clips(
    folder: Path, *, held_out_fraction: float = 0.25, gap_frames: int = 1
) -> list[TargetClip]:
    """Read the clips that were added to the folder."""
    held_out = HeldOut(held_out_fraction=held_out_fraction, gap_frames=gap_frames)
    return read_target_clips("ada", held_out, root=folder)


@pytest.fixture
def posed(tmp_path) -> Callable[..., PosedFrames]:
    """A video of the figure, with the poses that it shows."""

    def make(name: str, centres: Sequence[tuple[float, float]], **options) -> PosedFrames:
        keypoints = standing(centres, **options)
        path = film(tmp_path / f"{name}.mkv", keypoints)
        return PosedFrames(frames=[(path, i) for i in range(len(centres))], keypoints=keypoints)

    return make
