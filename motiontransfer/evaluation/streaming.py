"""Streaming metrics, each updated with every frame of videos that are read once, side by side."""

import math
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np

from motiontransfer.core.parallel import map_ahead
from motiontransfer.core.progress import track
from motiontransfer.evaluation.frames import (
    Frames,
    FrameSet,
    PosedFrames,
    Regions,
    all_regions,
    person_regions,
)
from motiontransfer.evaluation.image_metrics import (
    Blurred,
    Thumbnails,
    image_scores,
    training_distances,
)
from motiontransfer.evaluation.measurements import FrameScores, MetricKey, RatioMetric, Ratios
from motiontransfer.evaluation.network_metrics import PretrainedNetworks
from motiontransfer.evaluation.temporal_metrics import (
    BackgroundFlicker,
    frame_changes,
    switch_scores,
    warping_errors,
)
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.rendering.compositing import num_threads

OVER_TIME = ("flicker", "warping", "change", "switches")
"""Metrics of consecutive frames, which make up the section `temporal`."""

# Of a long clip: the demo's intervals are as wide from each fourth of 25 frames, within 4 %, as its
# neighbors are alike. Flow takes longest.
_IMAGES_PER_SECOND, _FLOWS_PER_SECOND, _FEWEST = 6, 12, 40

Metrics = Mapping[str, "BackgroundFlicker | FrameMetric"]
"""By name: `images`, `change`, `switches`, `warping`, `flicker`, `identity`, `surroundings`."""


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


def streaming_metrics(
    videos: Mapping[str, PosedFrames],
    *,
    real: str | None,
    background: Regions,
    training: Thumbnails | None,
) -> Metrics:
    """The metrics of videos, side by side, but for `images`.

    Args:
        real: the video that the others are compared with; None: `warping`, `change` and `switches`
            are left out.
        background: boxes outside which nothing should move.
        training: the target in training; None: no `identity`.
    """
    moving = [name for name in videos if name != real]
    persons = {name: person_regions(posed.keypoints) for name, posed in videos.items()}
    metrics: dict[str, BackgroundFlicker | FrameMetric] = {
        "flicker": BackgroundFlicker(list(persons), persons=background)
    }
    if training is not None:
        identity = partial(training_distances, persons=persons, training=training)
        metrics["identity"] = FrameMetric(identity)
    if real is not None:
        of_real = {"systems": moving, "persons": persons[real]}
        every = _every(videos[real].keypoints, _FLOWS_PER_SECOND)
        warping = partial(warping_errors, **of_real | {"systems": [real, *moving]}, guide=real)
        metrics["warping"] = FrameMetric(warping, every=every)
        metrics["switches"] = FrameMetric(partial(switch_scores, **of_real, real=real), every=every)
        metrics["change"] = FrameMetric(partial(frame_changes, **of_real, real=real))
    return metrics


def image_metric(
    videos: Mapping[str, PosedFrames],
    *,
    real: str,
    networks: PretrainedNetworks,
    regions: Mapping[str, Regions] | None = None,
    blurred: Blurred = MappingProxyType({}),
) -> FrameMetric:
    """The metric `images` of all videos but the real one, in whole frames and in regions.

    Args:
        regions: None: all of the real video.
        blurred: boxes of the real video that have no likeness, frame by frame.
    """
    function = partial(
        image_scores,
        real=real,
        systems=[name for name in videos if name != real],
        regions=all_regions(videos[real].keypoints) if regions is None else regions,
        distances=networks.distances,
        blurred=blurred,
    )
    return FrameMetric(function, every=_every(videos[real].keypoints, _IMAGES_PER_SECOND))


def _every(poses: Keypoints, per_second: int) -> int:
    """How many frames one stands for, where so many a second are looked at, or forty in all."""
    return max(min(round(poses.frame_rate / per_second), poses.num_frames // _FEWEST), 1)


def measure(videos: Mapping[str, PosedFrames], metrics: Metrics) -> dict[str, Ratios]:
    """Scores of each metric over all frames of the videos, which have equally many and one size.

    Frames at which no metric looks are not read.
    """
    total = max(len(one.frames) for one in videos.values())
    every = math.gcd(*(metric.every for metric in metrics.values()))
    shown = range(0, total, every)
    readers = [one.part(shown).read() for one in videos.values()]

    def frame_sets() -> Iterator[FrameSet]:
        previous: Frames | None = None
        for index, row in zip(shown, zip(*readers, strict=True), strict=True):
            yield FrameSet(index, frames := dict(zip(videos, row, strict=True)), previous)
            previous = frames

    def scored(frame_set: FrameSet) -> list[Callable[[], None]]:
        return [metric.scored(frame_set) for metric in metrics.values()]

    ahead = map_ahead(scored, frame_sets(), num_threads=num_threads())
    for number, of_frame in enumerate(track(ahead, "compare frames", total=len(shown))):
        for add in min(every, total - every * number) * of_frame:
            add()
    return {name: metric.compute() for name, metric in metrics.items()}
