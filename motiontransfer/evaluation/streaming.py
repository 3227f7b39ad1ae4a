"""Streaming metrics, each updated with every frame of videos that are read once, side by side."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping
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
    read_frames,
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

OVER_TIME = ("flicker", "warping", "change", "switches")
"""Metrics of consecutive frames, which make up the section `temporal`."""

Metrics = Mapping[str, "BackgroundFlicker | FrameMetric"]
"""By name: `images`, `change`, `switches`, `warping`, `flicker`, `identity`, `surroundings`."""


class FrameMetric:
    """Streaming metric that a function computes from a frame and the one before it."""

    def __init__(self, function: Callable[[FrameSet], FrameScores]) -> None:
        self._function = function
        self._values: dict[MetricKey, array[float]] = defaultdict(partial(array, "d"))

    def update(self, frame_set: FrameSet) -> None:
        for key, total_and_weight in self._function(frame_set).items():
            self._values[key].extend(total_and_weight)

    def compute(self) -> Scores:
        columns = {key: np.array(values).reshape(-1, 2) for key, values in self._values.items()}
        return {key: RatioMetric(total=c[:, 0], weight=c[:, 1]) for key, c in columns.items()}


def streaming_metrics(
    videos: Mapping[str, PosedFrames],
    *,
    real: str | None,
    background: Regions,
    networks: Networks,
    training: Thumbnails | None,
    previous_real: str | None = None,
    blurred: Blurred = MappingProxyType({}),
) -> Metrics:
    """The metrics of videos, side by side.

    Args:
        real: the video that the others are compared with; None: `images`, `warping`, `change` and
            `switches` are left out.
        background: boxes outside which nothing should move.
        training: the target in training; None: no `identity`.
        previous_real: the real video delayed by a frame, a baseline for images, not for motion.
        blurred: boxes of the real video that have no likeness, frame by frame.
    """
    moving = [name for name in videos if name not in (real, previous_real)]
    persons = {
        name: person_regions(posed.keypoints)
        for name, posed in videos.items()
        if name != previous_real
    }
    functions: dict[str, Callable[[FrameSet], FrameScores]] = {}
    if training is not None:
        functions["identity"] = partial(training_distances, persons=persons, training=training)
    if real is not None:
        functions["images"] = partial(
            image_scores,
            real=real,
            systems=[name for name in videos if name != real],
            regions=all_regions(videos[real].keypoints),
            distances=networks.distances,
            blurred=blurred,
        )
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


def measure(videos: Mapping[str, PosedFrames], metrics: Metrics) -> dict[str, Scores]:
    """Scores of each metric over all frames of the videos, which have equally many and one size."""
    readers = [read_frames(one.frames, one.keypoints.image_size) for one in videos.values()]
    total = max(len(one.frames) for one in videos.values())
    previous: Frames | None = None
    rows = zip(*readers, strict=True)
    ahead = map_ahead(lambda _: next(rows), range(total), num_threads=1)  # beside the metrics
    for index, row in enumerate(track(ahead, "compare frames", total=total)):
        frames = dict(zip(videos, row, strict=True))
        for metric in metrics.values():
            metric.update(FrameSet(index, frames, previous))
        previous = frames
    return {name: metric.compute() for name, metric in metrics.items()}
