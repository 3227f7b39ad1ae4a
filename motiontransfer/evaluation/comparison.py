"""Streaming frame-by-frame comparison of videos, with or without real frames.

The videos are read once, side by side, and every metric is updated with each frame.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
from jaxtyping import UInt8

from motiontransfer.evaluation.frames import (
    Frames,
    FrameSet,
    PosedFrames,
    Regions,
    all_regions,
    has_more_pixels,
    person_regions,
    read_frames,
)
from motiontransfer.evaluation.image_metrics import image_scores, training_distances
from motiontransfer.evaluation.measurements import (
    FrameScores,
    Measurements,
    MetricKey,
    RatioMetric,
    Scores,
    in_section,
)
from motiontransfer.evaluation.network_metrics import Networks, fid_and_kid
from motiontransfer.evaluation.pose_metrics import pose_scores
from motiontransfer.evaluation.temporal_metrics import (
    BackgroundFlicker,
    frame_changes,
    warping_errors,
)
from motiontransfer.parallel import Compute
from motiontransfer.pose.detection import detect_person
from motiontransfer.pose.detectors import default_detector
from motiontransfer.progress import track


class FrameMetric:
    """Streaming metric that a function computes from a frame and the one before it."""

    def __init__(self, function: Callable[[FrameSet], FrameScores]) -> None:
        self._function = function
        # Plain numbers: a tuple and two floats for each would take seven times the memory.
        self._values: dict[MetricKey, array[float]] = defaultdict(partial(array, "d"))

    def update(self, frame_set: FrameSet) -> None:
        for key, total_and_weight in self._function(frame_set).items():
            self._values[key].extend(total_and_weight)

    def compute(self) -> Scores:
        columns = {key: np.array(values).reshape(-1, 2) for key, values in self._values.items()}
        return {key: RatioMetric(total=c[:, 0], weight=c[:, 1]) for key, c in columns.items()}


StreamingMetric = BackgroundFlicker | FrameMetric


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricConfig:
    networks: Networks
    training_images: UInt8[np.ndarray, "images rows columns 3"] | None
    """Thumbnails of the target in training, from `training_images`; None: no distance
    to training."""


def streaming_metrics(
    videos: Mapping[str, PosedFrames],
    *,
    real: str | None,
    late: str | None,
    background: Regions,
    config: MetricConfig,
) -> dict[str, StreamingMetric]:
    """The metrics of videos: `images`, `change`, `warping`, `flicker` and `identity`.

    Args:
        real: the video that the others are compared with; None: `images` and `change` are
            left out, and the warping error uses each video's own flow.
        late: the real video delayed by a frame; its images are measured, its motion is not.
        background: boxes outside which nothing should move.
    """
    moving = [name for name in videos if name not in (real, late)]
    persons = {
        name: person_regions(posed.keypoints) for name, posed in videos.items() if name != late
    }
    metrics: dict[str, StreamingMetric] = {
        "flicker": BackgroundFlicker(list(persons), persons=background)
    }
    if (images := config.training_images) is not None:
        metrics["identity"] = FrameMetric(
            partial(training_distances, persons=persons, training=images)
        )
    if real is None:
        metrics["warping"] = FrameMetric(
            partial(warping_errors, systems=moving, guide=None, persons=background)
        )
        return metrics
    image_metrics = partial(
        image_scores,
        real=real,
        systems=[name for name in videos if name != real],
        regions=all_regions(videos[real].keypoints),
        distances=config.networks.distances,
    )
    errors = partial(warping_errors, systems=[real, *moving], guide=real, persons=persons[real])
    changes = partial(frame_changes, systems=moving, real=real, persons=persons[real])
    metrics["images"] = FrameMetric(image_metrics)
    metrics["warping"], metrics["change"] = FrameMetric(errors), FrameMetric(changes)
    return metrics


def measure(
    videos: Mapping[str, PosedFrames], metrics: Mapping[str, StreamingMetric]
) -> dict[str, Scores]:
    """Scores of each metric over all frames of the videos, which have equally many and one size."""
    readers = [read_frames(one.frames, one.keypoints.image_size) for one in videos.values()]
    total = max(len(one.frames) for one in videos.values())
    previous: Frames | None = None
    rows = track(zip(*readers, strict=True), "compare frames", total=total)
    for index, row in enumerate(rows):
        frames = dict(zip(videos, row, strict=True))
        for metric in metrics.values():
            metric.update(FrameSet(index, frames, previous))
        previous = frames
    return {name: metric.compute() for name, metric in metrics.items()}


def detected_frames(video: Path, *, size: tuple[int, int], compute: Compute) -> PosedFrames:
    """A finished video, with the pose detected again in each of its frames.

    The pipeline's detector runs with its default settings, not those of the section
    `detect_keypoints`, so that runs with different detection settings can be compared. Its errors
    may correlate with those of the generator, which was trained on its poses, which are reduced to
    the working image's size.
    """
    found = detect_person(video, detector=default_detector(), compute=compute)
    is_reduced = has_more_pixels(found.image_size, size)
    return PosedFrames(
        frames=[(video, index) for index in range(found.num_frames)],
        keypoints=found.resized(size) if is_reduced else replace(found, image_size=size),
    )


def against_real(
    images: Scores, videos: Mapping[str, PosedFrames], real: str, *, section: str = ""
) -> Scores:
    """Image and pose metrics of each video that was compared with the real one."""
    scores = dict(images)
    for system in dict.fromkeys(key.system for key in images):
        scores |= pose_scores(videos[system].keypoints, videos[real].keypoints, system=system)
    return in_section(section, scores)


def summarize(
    scores: Scores,
    *,
    real: PosedFrames,
    videos: Mapping[str, PosedFrames],
    block_frames: int,
    config: MetricConfig,
    counts: Mapping[MetricKey, int] = MappingProxyType({}),
    notes: Mapping[str, str] = MappingProxyType({}),
) -> Measurements:
    """Counts, means with intervals, FID and KID against `real`; notes on what is not measured."""
    features = config.networks.features
    return (
        Measurements.from_counts(counts)
        + Measurements.from_scores(scores, block_frames=block_frames)
        + fid_and_kid(real, videos, features)
        + Measurements.not_measured(notes)
    )
