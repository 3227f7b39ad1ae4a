"""Streaming metrics, each updated with every frame of videos that are read once, side by side."""

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
from motiontransfer.evaluation.measurements import FrameScores, MetricKey, RatioMetric, Scores
from motiontransfer.evaluation.network_metrics import Networks
from motiontransfer.evaluation.temporal_metrics import (
    BackgroundFlicker,
    frame_changes,
    switch_scores,
    warping_errors,
)
from motiontransfer.rendering.compositing import num_threads

OVER_TIME = ("flicker", "warping", "change", "switches")
"""Metrics of consecutive frames, which make up the section `temporal`."""

_IMAGES_PER_SECOND, _FEWEST_IMAGES = 6, 40

Metrics = Mapping[str, "BackgroundFlicker | FrameMetric"]
"""By name: `images`, `change`, `switches`, `warping`, `flicker`, `identity`, `surroundings`."""


class FrameMetric:
    """Streaming metric that a function computes from a frame and the one before it.

    With `every`, from each so many-th frame, which stands for those up to the next.
    """

    def __init__(self, function: Callable[[FrameSet], FrameScores], *, every: int = 1) -> None:
        self._function, self._every = function, every
        self._last: FrameScores = {}
        self._values: dict[MetricKey, array[float]] = defaultdict(partial(array, "d"))

    def scored(self, frame_set: FrameSet) -> Callable[[], None]:
        """Compute a frame's scores, in any thread; the call adds them, in the order of frames."""
        found = self._function(frame_set) if frame_set.index % self._every == 0 else None
        return partial(self._add, found)

    def _add(self, found: FrameScores | None) -> None:
        self._last = self._last if found is None else found
        for key, total_and_weight in self._last.items():
            self._values[key].extend(total_and_weight)

    def compute(self) -> Scores:
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
    functions: dict[str, Callable[[FrameSet], FrameScores]] = {}
    if training is not None:
        functions["identity"] = partial(training_distances, persons=persons, training=training)
    if real is not None:
        functions["warping"] = partial(
            warping_errors, systems=[real, *moving], guide=real, persons=persons[real]
        )
        functions["change"] = partial(
            frame_changes, systems=moving, real=real, persons=persons[real]
        )
        functions["switches"] = partial(
            switch_scores, systems=moving, real=real, persons=persons[real]
        )
    flicker = BackgroundFlicker(list(persons), persons=background)
    return {
        "flicker": flicker,
        **{name: FrameMetric(function) for name, function in functions.items()},
    }


def image_metric(
    videos: Mapping[str, PosedFrames],
    *,
    real: str,
    networks: Networks,
    regions: Mapping[str, Regions] | None = None,
    blurred: Blurred = MappingProxyType({}),
) -> FrameMetric:
    """The metric `images` of all videos but the real one, in whole frames and in regions.

    Of a long clip from six frames a second: the demo's intervals are as wide from each fourth of
    25 frames, within 4 %, as its neighbors are alike.

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
    real_poses = videos[real].keypoints
    rare = round(real_poses.frame_rate / _IMAGES_PER_SECOND)
    every = max(min(rare, real_poses.num_frames // _FEWEST_IMAGES), 1)
    return FrameMetric(function, every=every)


def measure(videos: Mapping[str, PosedFrames], metrics: Metrics) -> dict[str, Scores]:
    """Scores of each metric over all frames of the videos, which have equally many and one size."""
    readers = [one.read() for one in videos.values()]
    total = max(len(one.frames) for one in videos.values())

    def frame_sets() -> Iterator[FrameSet]:
        previous: Frames | None = None
        for index, row in enumerate(zip(*readers, strict=True)):
            yield FrameSet(index, frames := dict(zip(videos, row, strict=True)), previous)
            previous = frames

    def scored(frame_set: FrameSet) -> list[Callable[[], None]]:
        return [metric.scored(frame_set) for metric in metrics.values()]

    ahead = map_ahead(scored, frame_sets(), num_threads=num_threads())
    for of_frame in track(ahead, "compare frames", total=total):
        for add in of_frame:
            add()
    return {name: metric.compute() for name, metric in metrics.items()}
