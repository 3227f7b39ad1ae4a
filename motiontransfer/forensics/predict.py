"""Probability that a video was rendered."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from motiontransfer.errors import VideoError
from motiontransfer.forensics.corruptions import Frames
from motiontransfer.forensics.evaluation import score_frames, shrunk
from motiontransfer.forensics.model import Calibration, read_detector
from motiontransfer.progress import track
from motiontransfer.video.reader import VideoMetadata, read_frames, read_metadata, upright

_SMALLEST_SIDE_PX = 32
_NUM_DRAWS = 1000
_QUANTILES = (0.025, 0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the detector says of a video."""

    synthesised: float
    """Probability that it was rendered, for a video that is as likely real as not."""

    interval: tuple[float, float]
    """95 % of what other seconds of this video would have given; (0, 1) where there is only one.

    It does not hold what the detector gets wrong on people and cameras that it does not know."""

    per_second: list[tuple[float, float]]
    """(start in seconds, probability) of each second in which something moves."""

    frames: int
    """How many frames the video has."""


def judge_video(path: Path, weights: Path) -> Judgement:
    """Judge a video file from its pictures alone.

    Args:
        weights: of the detector, as `train_forensics` wrote them.

    Raises:
        MissingFileError: no such video, or no such weights.
        WeightsError: no detector was trained, or the file is not one.
        VideoError: it cannot be read, is too small or short, or nothing moves in it.
    """
    detector = read_detector(weights)
    facts = read_metadata(path)
    if min(facts.size) < _SMALLEST_SIDE_PX:
        raise VideoError(
            f"{path}: expected pictures of at least {_SMALLEST_SIDE_PX} pixels a side, got "
            f"{facts.size[1]}x{facts.size[0]}; nothing can be told from fewer"
        )
    num_frames = 1
    seconds: list[tuple[float, float]] = []
    for start, frames in _seconds(facts, max_height=detector.max_height):
        num_frames += len(frames) - 1
        logits = score_frames(detector.network, frames, max_height=detector.max_height)
        if len(logits):
            seconds.append((start, float(logits.mean())))
    if not seconds:
        raise VideoError(
            f"{path}: expected a video in which somebody moves, got {num_frames} frames in which "
            "nothing does; the detector judges movement, so it cannot say anything of this one"
        )
    return _judgement(detector.calibration, seconds, num_frames)


def _judgement(
    calibration: Calibration, seconds: list[tuple[float, float]], num_frames: int
) -> Judgement:
    logits = np.array([logit for _, logit in seconds])
    low, high = 0.0, 1.0
    if len(logits) > 1:
        draws = np.random.default_rng(0)
        drawn = logits[draws.integers(len(logits), size=(_NUM_DRAWS, len(logits)))].mean(axis=1)
        low, high = calibration.probability(np.quantile(drawn, _QUANTILES)).tolist()
    starts = [start for start, _ in seconds]
    return Judgement(
        synthesised=float(calibration.probability(logits.mean(keepdims=True))[0]),
        interval=(low, high),
        per_second=list(zip(starts, calibration.probability(logits).tolist(), strict=True)),
        frames=num_frames,
    )


def _seconds(facts: VideoMetadata, *, max_height: int) -> Iterator[tuple[float, Frames]]:
    """Yield each second's start and frames, and with them the first frame after it."""
    frames: list[np.ndarray] = []
    origin, second = 0.0, 0
    pictures = read_frames(facts)
    name = f"judge {facts.path.name}"
    for timed in track(pictures, name, total=facts.num_frames or 0):
        if not frames:
            origin = timed.start_seconds
        now = int(timed.start_seconds - origin + 1e-6)
        frames.append(shrunk(upright(timed.item, facts), max_height=max_height))
        if now != second:
            yield float(second), np.stack(frames)
            second, frames = now, frames[-1:]
    if len(frames) > 1:
        yield float(second), np.stack(frames)
