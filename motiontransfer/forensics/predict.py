"""Probability that a video was rendered, second by second."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from motiontransfer.errors import VideoError
from motiontransfer.forensics.corruptions import Frames
from motiontransfer.forensics.evaluation import bootstrap_interval, limit_height, score_frames
from motiontransfer.forensics.model import read_detector
from motiontransfer.progress import track
from motiontransfer.video.reader import VideoMetadata, read_frames, read_metadata, upright

_MIN_SIDE_PX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The detector's output for a video."""

    synthesized: float
    """Probability that it was rendered, where real and rendered videos are equally likely."""
    interval: tuple[float, float]
    """95 % interval over the seconds of this video; (0, 1) where there is only one.

    Errors of the detector on unknown people and cameras are not in it."""
    per_second: list[tuple[float, float]]
    """(start in seconds, probability) of each second in which something moves."""
    frames: int
    """Number of frames of the video."""


def predict_video(path: Path, weights: Path) -> Prediction:
    """Predict from the frames of a video file alone.

    Args:
        weights: of the detector, as `train_forensics` wrote them.

    Raises:
        MissingFileError: no such video, or no such weights.
        WeightsError: the weights are not a detector's.
        VideoError: the video cannot be read, is too small or short, or nothing moves in it.
    """
    detector = read_detector(weights)
    metadata = read_metadata(path)
    if min(metadata.size) < _MIN_SIDE_PX:
        raise VideoError(
            f"{path}: expected frames of at least {_MIN_SIDE_PX} pixels a side, got "
            f"{metadata.size[1]}x{metadata.size[0]}; the detector needs that many"
        )
    num_frames = 1
    starts: list[float] = []
    means: list[np.ndarray] = []
    for start, frames in _seconds(metadata, max_height=detector.max_height):
        num_frames += len(frames) - 1
        logits = score_frames(detector.network, frames, max_height=detector.max_height)
        if len(logits):
            starts.append(start)
            means.append(logits.mean(keepdims=True))
    if not means:
        raise VideoError(
            f"{path}: expected a video with motion, got {num_frames} frames without "
            "any; the detector classifies only moving parts"
        )
    probability = detector.calibration.probability
    logits = np.concatenate(means)
    low, high = 0.0, 1.0
    if len(means) > 1:
        bounds = bootstrap_interval(lambda drawn: float(drawn.mean()), means)
        low, high = probability(np.array(bounds)).tolist()
    return Prediction(
        synthesized=float(probability(logits.mean(keepdims=True))[0]),
        interval=(low, high),
        per_second=list(zip(starts, probability(logits).tolist(), strict=True)),
        frames=num_frames,
    )


def _seconds(metadata: VideoMetadata, *, max_height: int) -> Iterator[tuple[float, Frames]]:
    """Yield each second's start and frames, and with them the first frame of the next."""
    frames: list[np.ndarray] = []
    origin, second = 0.0, 0
    decoded = track(
        read_frames(metadata), f"detect {metadata.path.name}", total=metadata.num_frames or 0
    )
    for timed in decoded:
        if not frames:
            origin = timed.start_seconds
        now = int(timed.start_seconds - origin + 1e-6)
        frames.append(limit_height(upright(timed.item, metadata), max_height=max_height))
        if now != second:
            yield float(second), np.stack(frames)
            second, frames = now, frames[-1:]
    if len(frames) > 1:
        yield float(second), np.stack(frames)
