"""Videos side by side, seen once, frame by frame, by everyone who judges them.

Hides who judges: which measures there are with and without real frames, and how their figures
become a table of one row a frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from motiontransfer.evaluation.frame_references import (
    FrameReference,
    read_frames,
    training_poses,
)
from motiontransfer.evaluation.identity import IdentityJudge
from motiontransfer.evaluation.metrics import PictureDistance, PictureJudge
from motiontransfer.evaluation.nearest_neighbours import nearest_neighbours
from motiontransfer.evaluation.pose_accuracy import pose_scores
from motiontransfer.evaluation.pose_distance import selected
from motiontransfer.evaluation.redetection import redetect
from motiontransfer.evaluation.regions import Regions, all_regions, person_regions
from motiontransfer.evaluation.series import Scores, Series, flattened, group
from motiontransfer.evaluation.temporal import ChangeJudge, FlickerJudge
from motiontransfer.evaluation.warping import WarpingJudge
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute
from motiontransfer.progress import track
from motiontransfer.training.clips import TargetClip


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

    def part(self, frames: range) -> "Footage":
        """Some of the frames, in their order."""
        return Footage(
            frames=self.frames[frames.start : frames.stop],
            keypoints=selected(self.keypoints, np.array(frames, np.int64)),
        )


@runtime_checkable
class Judge(Protocol):
    """Measures videos as their frames stream past, and keeps little of them."""

    def see(self, frames: Mapping[str, UInt8[np.ndarray, "_ _ 3"]]) -> None:
        """Take the next frame of every video, by name."""
        ...

    def scores(self) -> Mapping[str, object]:
        """What was measured: series by name."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardsticks:
    """What pictures are measured with, whatever they show."""

    box_margin: float
    """Share of a box's longer side by which it grows on every side."""

    distances: Mapping[str, PictureDistance]
    """Metric -> a network's distance."""

    looks: UInt8[np.ndarray, "looks rows columns 3"] | None
    """What the target looks like in training, from `identity.training_looks`; None: nobody knows,
    so nobody judges identity."""


def judges_of(
    videos: Mapping[str, Footage],
    *,
    real: str | None,
    late: str | None,
    background: Regions,
    yardsticks: Yardsticks,
) -> dict[str, Judge]:
    """Who judges the videos: `pictures`, `change`, `warping`, `flicker` and `identity`.

    Args:
        real: the video that the others are compared with; None: there is none, nobody judges
            pictures and change, and motion is judged along each video's own flow.
        late: a video that is the real one, late: its pictures are judged, its motion is not.
        background: boxes outside which nothing should move.
    """
    moving = [name for name in videos if name not in (real, late)]
    persons = {
        name: person_regions(footage.keypoints, margin=yardsticks.box_margin)
        for name, footage in videos.items()
        if name != late
    }
    judges: dict[str, Judge] = {
        "flicker": FlickerJudge(list(persons), persons=background),
    }
    if yardsticks.looks is not None:
        judges["identity"] = IdentityJudge(yardsticks.looks, persons)
    if real is None:
        judges["warping"] = WarpingJudge(moving, guide=None, persons=background)
        return judges
    judges["pictures"] = PictureJudge(
        real,
        [name for name in videos if name != real],
        regions=all_regions(videos[real].keypoints, margin=yardsticks.box_margin),
        distances=yardsticks.distances,
    )
    judges["warping"] = WarpingJudge([real, *moving], guide=real, persons=persons[real])
    judges["change"] = ChangeJudge(moving, real=real, persons=persons[real])
    return judges


def watch(
    videos: Mapping[str, Sequence[FrameReference]],
    judges: Mapping[str, Judge],
    *,
    size: tuple[int, int],
) -> dict[str, object]:
    """Show every frame of the videos, which have equally many, to the judges.

    Args:
        size: (height, width) of the working image.

    Returns:
        What each judge has measured, under its name.

    Raises:
        VideoError: a video has another size.
    """
    readers = [read_frames(references, size) for references in videos.values()]
    total = max(len(references) for references in videos.values())
    for pictures in track(zip(*readers, strict=True), "compare frames", total=total):
        frames = dict(zip(videos, pictures, strict=True))
        for judge in judges.values():
            judge.see(frames)
    return {name: judge.scores() for name, judge in judges.items()}


def detected_footage(video: Path, *, size: tuple[int, int], compute: Compute) -> Footage:
    """A finished video, with the pose found again in each of its frames.

    Args:
        size: (height, width) of the working image.
    """
    found = redetect(video, size=size, compute=compute)
    return Footage(frames=[(video, i) for i in range(found.num_frames)], keypoints=found)


def against_real(pictures: Scores, videos: Mapping[str, Footage], real: str) -> dict[str, Scores]:
    """What pictures and poses of each video that was judged are worth beside the real one's."""
    return {
        name: {**group(regions), **pose_scores(videos[name].keypoints, videos[real].keypoints)}
        for name, regions in pictures.items()
    }


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


def frame_table(series: Mapping[str, Series]) -> pd.DataFrame:
    """One row a frame, one column a metric, NaN where it was not measured."""
    return pd.DataFrame({name: one.per_frame() for name, one in series.items()})


def method_columns(scores: Scores) -> dict[str, Series]:
    """Columns `<method>_<region>_<metric>` and `<method>_<quantity>`, of method -> scores.

    The distance of poses over all joints is `<method>_pose_distance_px`. Detections missed in a
    frame, `<method>_missed_<group>`, are a number, not a share.
    """
    columns: dict[str, Series] = {}
    for name, one in flattened(scores).items():
        if "_missed_detections_" in name:
            counted = Series(total=one.total, weight=np.ones_like(one.weight))
            columns[name.replace("_missed_detections_", "_missed_")] = counted
        else:
            columns[name.replace("_pose_distance_px_all", "_pose_distance_px")] = one
    return columns


def quantity_columns(scores: Scores) -> dict[str, Series]:
    """Columns `<method>_<quantity>`, of quantity -> method -> series."""
    return {
        f"{method}_{quantity}": one
        for quantity, of_method in scores.items()
        if isinstance(of_method, Mapping)
        for method, one in of_method.items()
    }
