"""Streaming metrics, each updated with every frame of videos that are read once, side by side."""

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Union

import numpy as np

from motiontransfer.core.parallel import map_ahead
from motiontransfer.core.progress import track
from motiontransfer.evaluation.frames import (
    FrameSet,
    PosedFrames,
    Regions,
    SyncedFrames,
    all_regions,
    person_regions,
)
from motiontransfer.evaluation.image_metrics import Blurred, ImageDistance, image_scores
from motiontransfer.evaluation.measurements import FrameScores, MetricKey, RatioMetric, Ratios
from motiontransfer.evaluation.temporal_metrics import OVER_TIME, BackgroundFlicker
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.rendering.compositing import num_threads

# Of a long clip: the demo's intervals are as wide from each fourth of 25 frames, within 4 %, as its
# neighbors are alike.
_IMAGES_PER_SECOND, _FEWEST = 6, 40


StreamingMetric = Union[BackgroundFlicker, "FrameMetric"]


class FrameMetric:
    """Streaming metric that a function computes from a frame and the one before it.

    With `every`, from each so many-th frame, which stands for those up to the next.
    """

    def __init__(self, function: Callable[[FrameSet], FrameScores], *, every: int = 1) -> None:
        self._function, self.every = function, every
        self._last: FrameScores = {}
        self._values: dict[MetricKey, array[float]] = defaultdict(partial(array, "d"))

    def scored(self, frame_set: FrameSet) -> Callable[[], None]:
        """Compute a frame's scores, in any thread; the call adds them, in the order of frames."""
        found = self._function(frame_set) if frame_set.index % self.every == 0 else None
        return partial(self._add, found)

    def _add(self, found: FrameScores | None) -> None:
        self._last = self._last if found is None else found
        for key, total_and_weight in self._last.items():
            self._values[key].extend(total_and_weight)

    def compute(self) -> Ratios:
        columns = {key: np.array(values).reshape(-1, 2) for key, values in self._values.items()}
        return {key: RatioMetric(total=c[:, 0], weight=c[:, 1]) for key, c in columns.items()}


def over_time(videos: Mapping[str, PosedFrames], *, real: str) -> list[StreamingMetric]:
    """The metrics of consecutive frames of all videos, beside those of the real one."""
    poses = videos[real].keypoints
    systems = [name for name in videos if name != real]
    of_real = {"real": real, "systems": systems, "persons": person_regions(poses)}
    return [
        FrameMetric(partial(metric.scores, **of_real), every=_every(poses, metric.per_second))
        for metric in OVER_TIME
    ]


def image_metric(
    videos: Mapping[str, PosedFrames],
    *,
    real: str,
    lpips: ImageDistance | None,
    regions: Mapping[str, Regions] | None = None,
    blurred: Blurred = MappingProxyType({}),
    section: str = "",
) -> FrameMetric:
    """The metrics of images of all videos but the real one, in whole frames and in regions.

    Args:
        regions: None: all of the real video.
        blurred: boxes of the real video that have no likeness, frame by frame.
    """
    function = partial(
        image_scores,
        real=real,
        systems=[name for name in videos if name != real],
        regions=all_regions(videos[real].keypoints) if regions is None else regions,
        lpips=lpips,
        blurred=blurred,
        section=section,
    )
    return FrameMetric(function, every=_every(videos[real].keypoints, _IMAGES_PER_SECOND))


def _every(poses: Keypoints, per_second: int | None) -> int:
    """How many frames one stands for, where so many a second are looked at, or forty in all."""
    if per_second is None:
        return 1
    return max(min(round(poses.frame_rate / per_second), poses.num_frames // _FEWEST), 1)


def measure(videos: Mapping[str, PosedFrames], metrics: Sequence[StreamingMetric]) -> Ratios:
    """Scores of all metrics over all frames of the videos, which have equally many and one size.

    Frames at which no metric looks are not read.
    """
    total = max(len(one.frames) for one in videos.values())
    every = math.gcd(*(metric.every for metric in metrics))
    shown = range(0, total, every)
    readers = [one.part(shown).read() for one in videos.values()]

    def frame_sets() -> Iterator[FrameSet]:
        previous: SyncedFrames | None = None
        for index, row in zip(shown, zip(*readers, strict=True), strict=True):
            yield FrameSet(index, frames := dict(zip(videos, row, strict=True)), previous)
            previous = frames

    def scored(frame_set: FrameSet) -> list[Callable[[], None]]:
        return [metric.scored(frame_set) for metric in metrics]

    ahead = map_ahead(scored, frame_sets(), num_threads=num_threads())
    for number, of_frame in enumerate(track(ahead, "compare frames", total=len(shown))):
        for add in min(every, total - every * number) * of_frame:
            add()
    return {key: scores for metric in metrics for key, scores in metric.compute().items()}
