"""Streaming frame-by-frame comparison of videos, with or without real frames.

The videos are read once, side by side, and every metric is updated with each frame.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from motiontransfer.evaluation.baselines import TrainingDistance
from motiontransfer.evaluation.bootstrap import RatioMetric
from motiontransfer.evaluation.frames import (
    Footage,
    FrameReference,
    Frames,
    Regions,
    all_regions,
    person_regions,
    read_frames,
)
from motiontransfer.evaluation.image_metrics import ImageMetrics, PictureDistance
from motiontransfer.evaluation.measurements import Key, Scores, in_section
from motiontransfer.evaluation.pose_metrics import pose_scores
from motiontransfer.evaluation.temporal_metrics import BackgroundFlicker, FrameChange, WarpingError
from motiontransfer.parallel import Compute
from motiontransfer.pose.detection import detect_person
from motiontransfer.pose.detectors.registry import default_detector
from motiontransfer.progress import track

_SEGMENT_FRAMES = 100
_WARMUP_FRAMES = 10


@runtime_checkable
class StreamingMetric(Protocol):
    """Metric of several videos that is updated frame by frame, in constant memory."""

    def update(self, frames: Frames) -> None:
        """Take the next frame of every video, by name."""
        ...

    def compute(self) -> Scores:
        """Return the scores."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricConfig:
    """Configuration of the image metrics."""

    box_margin: float
    """Share of a box's longer side by which it grows on every side."""

    distances: Mapping[str, PictureDistance]
    training_pictures: UInt8[np.ndarray, "pictures rows columns 3"] | None
    """Thumbnails of the target in training, from `baselines.training_pictures`; None: no distance
    to training."""


def streaming_metrics(
    videos: Mapping[str, Footage],
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
        name: person_regions(footage.keypoints, margin=config.box_margin)
        for name, footage in videos.items()
        if name != late
    }
    metrics: dict[str, StreamingMetric] = {
        "flicker": BackgroundFlicker(list(persons), persons=background)
    }
    if config.training_pictures is not None:
        metrics["identity"] = TrainingDistance(config.training_pictures, persons)
    if real is None:
        metrics["warping"] = WarpingError(moving, guide=None, persons=background)
        return metrics
    metrics["images"] = ImageMetrics(
        real,
        [name for name in videos if name != real],
        regions=all_regions(videos[real].keypoints, margin=config.box_margin),
        distances=config.distances,
    )
    metrics["warping"] = WarpingError([real, *moving], guide=real, persons=persons[real])
    metrics["change"] = FrameChange(moving, real=real, persons=persons[real])
    return metrics


def measure(
    videos: Mapping[str, Sequence[FrameReference]],
    metrics: Mapping[str, StreamingMetric],
    *,
    size: tuple[int, int],
) -> dict[str, Scores]:
    """Update the metrics with every frame of the videos, which have equally many.

    Args:
        size: (height, width) of the working image.

    Returns:
        Scores of each metric, by its name.

    Raises:
        VideoError: a video has another size.
    """
    readers = [read_frames(references, size) for references in videos.values()]
    total = max(len(references) for references in videos.values())
    for pictures in track(zip(*readers, strict=True), "compare frames", total=total):
        frames = dict(zip(videos, pictures, strict=True))
        for metric in metrics.values():
            metric.update(frames)
    return {name: metric.compute() for name, metric in metrics.items()}


def detected_footage(video: Path, *, size: tuple[int, int], compute: Compute) -> Footage:
    """A finished video, with the pose detected again in each of its frames.

    The pipeline's detector runs with its default settings, not those of the section
    `detect_keypoints`, so that runs with different detection settings can be compared. Its errors
    may correlate with those of the generator, which was trained on its poses.

    Args:
        size: (height, width) of the working image, which a video for players may exceed by a pixel.
    """
    found = detect_person(
        video,
        detector=default_detector(),
        segment_frames=_SEGMENT_FRAMES,
        warmup_frames=_WARMUP_FRAMES,
        compute=compute,
    )
    return Footage(
        frames=[(video, index) for index in range(found.num_frames)],
        keypoints=replace(found, image_size=size),
    )


def against_real(
    images: Scores, videos: Mapping[str, Footage], real: str, *, section: str = ""
) -> dict[Key, RatioMetric]:
    """Image and pose metrics of each video that was compared with the real one."""
    scores = dict(images)
    for system in dict.fromkeys(key.system for key in images):
        scores |= pose_scores(videos[system].keypoints, videos[real].keypoints, system=system)
    return in_section(section, scores)
