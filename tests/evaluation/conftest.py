from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.evaluation.bootstrap import RatioMetric
from motiontransfer.evaluation.comparison import FrameMetric
from motiontransfer.evaluation.frames import FrameSet, PosedFrames, concatenated
from motiontransfer.evaluation.measurements import FrameScores, Scores
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.skeleton import HOLISTIC, Skeleton
from motiontransfer.target_clips import HeldOut, TargetClip, read_target_clips
from tests.films import film
from tests.people import blocks, figure

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


def read_clips(
    folder: Path, *, held_out_fraction: float = 0.25, gap_frames: int = 1
) -> list[TargetClip]:
    """Read the clips that were added to the folder."""
    held_out = HeldOut(held_out_fraction=held_out_fraction, gap_frames=gap_frames)
    return read_target_clips("ada", held_out, root=folder)


@pytest.fixture
def posed(tmp_path) -> Callable[..., PosedFrames]:
    """A video of the figure, with the poses that it shows."""

    def make(name: str, centers: Sequence[tuple[float, float]], **options) -> PosedFrames:
        keypoints = figure(centers, **options)
        path = film(tmp_path / f"{name}.mkv", keypoints, draw=blocks)
        return PosedFrames(frames=[(path, i) for i in range(len(centers))], keypoints=keypoints)

    return make
