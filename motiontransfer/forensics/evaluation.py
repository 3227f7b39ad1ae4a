"""Evaluation of a detector under corruptions, with a plot, and its prediction for a video."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.transforms import Bbox
from torch import nn

from motiontransfer.errors import VideoError
from motiontransfer.figures import stacked, tiles, write_figure
from motiontransfer.forensics.data import (
    CORRUPTIONS,
    EXACT,
    Frames,
    Segment,
    SegmentSet,
    corrupt,
    draw_augmentation,
)
from motiontransfer.forensics.model import TrainedDetector, has_motion, read_detector
from motiontransfer.progress import track
from motiontransfer.target_clips import spread
from motiontransfer.video.geometry import resize
from motiontransfer.video.reader import VideoMetadata, read_frames, read_metadata, upright
from motiontransfer.video.tensors import frames_to_tensor

Logits = Float64[np.ndarray, " _"]
"""Logits of frame pairs."""

_Image = UInt8[np.ndarray, "_ _ 3"]

_NUM_RESAMPLES = 1000
_QUANTILES = (0.025, 0.975)
_BATCH_SIZE = 8
_COLORS = ("#1f6feb", "#2b8a3e", "#f59f00", "#e8590c", "#862e9c")  # one a corruption
_NUM_EXAMPLES = 8
_MIN_SIDE_PX = 32
_EXAMPLE_PX = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Logits of the frame pairs of each segment; a segment without motion has none."""

    real: Sequence[Logits]
    fake: Sequence[Logits]

    @property
    def pooled(self) -> tuple[Logits, Logits]:
        """All real and all fake pairs."""
        none = np.zeros(0)
        return np.concatenate([none, *self.real]), np.concatenate([none, *self.fake])


def area_under_curve(real: Logits, fake: Logits) -> float:
    """Probability that a fake pair scores higher than a real one; a tie is half (Mann-Whitney)."""
    from scipy.stats import rankdata  # a second of importing, and each run starts with checks

    ranks = rankdata(np.concatenate([real, fake]))
    above = ranks[len(real) :].sum() - len(fake) * (len(fake) + 1) / 2
    return float(above / (len(real) * len(fake)))


def roc_curve(
    real: Logits, fake: Logits
) -> tuple[Float64[np.ndarray, " thresholds"], Float64[np.ndarray, " thresholds"]]:
    """False and true positive rates, from the highest threshold to the lowest."""
    thresholds = np.unique(np.concatenate([real, fake]))[::-1]
    false_positives, true_positives = (
        np.array([0.0, *((logits >= threshold).mean() for threshold in thresholds)])
        for logits in (real, fake)
    )
    return false_positives, true_positives


def balanced_accuracy(real: Logits, fake: Logits, *, threshold: float) -> float:
    """Mean of the shares of real and of fake pairs that are classified correctly."""
    return float(((real < threshold).mean() + (fake >= threshold).mean()) / 2)


def bootstrap_interval(
    statistic: Callable[..., float], *samples: Sequence[Logits]
) -> tuple[float, float]:
    """95 % interval by resampling segments; (0, 1) where a sample has fewer than two.

    Args:
        statistic: a function of the pooled logits of each sample.
    """
    if min(len(segments) for segments in samples) < 2:
        return 0.0, 1.0
    rng = np.random.default_rng(0)

    def resampled(segments: Sequence[Logits]) -> Logits:
        return np.concatenate(
            [segments[i] for i in rng.integers(len(segments), size=len(segments))]
        )

    values = [statistic(*map(resampled, samples)) for _ in range(_NUM_RESAMPLES)]
    low, high = np.quantile(values, _QUANTILES).tolist()
    return low, high


def metrics(scores: Scores, *, threshold: float) -> dict[str, object]:
    """AUC and accuracy with 95 % intervals, and the confusion matrix, of frame pairs.

    Args:
        threshold: pairs from this logit on are classified as fake.
    """
    real, fake = (
        [each for each in segments if len(each)] for segments in (scores.real, scores.fake)
    )
    counts = {
        "seconds": {"real": len(real), "fake": len(fake)},
        "seconds_without_movement": sum(not len(each) for each in [*scores.real, *scores.fake]),
    }
    if not (real and fake):
        return counts
    statistics = {
        "auc": area_under_curve,
        "accuracy": partial(balanced_accuracy, threshold=threshold),
    }
    values: dict[str, float] = {}
    for name, statistic in statistics.items():
        value, interval = statistic(*scores.pooled), bootstrap_interval(statistic, real, fake)
        for suffix, number in zip(("", "_low", "_high"), (value, *interval), strict=True):
            values[f"{name}{suffix}"] = round(number, 4)
    confusion = {
        kind: {
            "predicted_real": int((logits < threshold).sum()),
            "predicted_fake": int((logits >= threshold).sum()),
        }
        for kind, logits in zip(("real", "fake"), scores.pooled, strict=True)
    }
    return {**values, "confusion": confusion, **counts}


def score_frames(network: nn.Module, frames: Frames, *, max_height: int) -> Logits:
    """Return the logits of all pairs of consecutive frames in which something moves.

    Args:
        max_height: higher frames are downscaled to it.
    """
    device = next(network.parameters()).device
    frames = np.stack([limit_height(frame, max_height=max_height) for frame in frames])
    logits = [np.zeros(0)]
    for start in range(0, len(frames) - 1, _BATCH_SIZE):
        tensor = frames_to_tensor(list(frames[start : start + _BATCH_SIZE + 1])).to(device)
        pairs = torch.stack([tensor[:-1], tensor[1:]], dim=1)
        pairs = pairs[has_motion(pairs)]
        if len(pairs):
            with torch.inference_mode():
                logits.append(network(pairs).double().cpu().numpy())
    return np.concatenate(logits)


def limit_height(frame: _Image, *, max_height: int) -> _Image:
    """Downscale a frame that is higher than those of the training.

    Real people then have the size that the detector knows, and renders that were enlarged lose
    nothing.
    """
    height, width = frame.shape[:2]
    if height <= max_height:
        return frame
    return resize(frame, (max_height, max(1, round(width * max_height / height))))


def evaluate(
    detector: TrainedDetector, segments: SegmentSet, *, description: str = "test"
) -> dict[str, Scores]:
    """Score real and fake segments after each corruption, by its name."""

    def logits(segments: Sequence[Segment], name: str) -> list[Logits]:
        return [
            score_frames(
                detector.network,
                corrupt(segment.read(), CORRUPTIONS[name]),
                max_height=detector.max_height,
            )
            for segment in track(segments, f"{description} {name}", total=len(segments))
        ]

    return {
        name: Scores(real=logits(segments.real, name), fake=logits(segments.fake, name))
        for name in CORRUPTIONS
    }


def plot_evaluation(
    path: Path,
    detector: TrainedDetector,
    segments: SegmentSet,
    scores_of: Mapping[str, Scores],
    *,
    title: str,
) -> None:
    """Draw ROC curves, the confusion matrix and examples as a PNG.

    Args:
        scores_of: scores of the segments, by the name of the corruption.
    """
    with write_figure(path, width=11.0, height=8.2) as figure:
        figure.suptitle(title, fontsize=12)
        above, below = stacked(figure, (4.4, 3.6))
        curves, table = above.subplots(1, 2, width_ratios=(5, 6))
        _draw_curves(curves, scores_of)
        _draw_confusion(table, scores_of, threshold=detector.calibration.threshold)
        _draw_examples(below, detector, segments, scores_of[EXACT])


def _draw_curves(axes: Axes, scores_of: Mapping[str, Scores]) -> None:
    for color, (name, scores) in zip(_COLORS, scores_of.items(), strict=True):
        real, fake = scores.pooled
        if len(real) and len(fake):
            label = f"{name}, AUC {area_under_curve(real, fake):.3f}"
            axes.plot(*roc_curve(real, fake), color=color, linewidth=1.6, label=label)
    axes.plot([0, 1], [0, 1], color="#adb5bd", linewidth=1, linestyle=":")
    axes.set(xlabel="real pairs called rendered", ylabel="rendered pairs found", aspect="equal")
    axes.set_title("ROC, pairs of consecutive frames", loc="left", fontsize=10)
    axes.grid(visible=True, alpha=0.25)
    axes.legend(loc="lower right", fontsize=8)


def _draw_confusion(axes: Axes, scores_of: Mapping[str, Scores], *, threshold: float) -> None:
    cells = [
        [f"{(logits >= threshold).sum()} of {len(logits)}" for logits in scores.pooled]
        for scores in scores_of.values()
    ]
    axes.set_axis_off()
    axes.set_title("Pairs called rendered, of all pairs", loc="left", fontsize=10)
    table = axes.table(
        cellText=cells,
        rowLabels=list(scores_of),
        colLabels=["of real ones", "of rendered ones"],
        cellLoc="center",
        bbox=Bbox.from_bounds(0.16, 0.12, 0.84, 0.82),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)


def _draw_examples(
    figure: SubFigure, detector: TrainedDetector, segments: SegmentSet, scores: Scores
) -> None:
    """One row a kind: segments from the lowest to the highest probability."""
    axes = tiles(figure, 2, _NUM_EXAMPLES)
    rows = axes[:_NUM_EXAMPLES], axes[_NUM_EXAMPLES:]
    kinds = (("real", segments.real, scores.real), ("rendered", segments.fake, scores.fake))
    for row, (kind, shown, logits) in zip(rows, kinds, strict=True):
        moving = sorted(
            (float(each.mean()), index) for index, each in enumerate(logits) if len(each)
        )
        chosen = spread(moving, count=_NUM_EXAMPLES)
        for cell, (logit, index) in zip(row, chosen, strict=False):
            probability = detector.calibration.probability(np.array([logit]))[0]
            frames = shown[index].read()
            rng = np.random.default_rng(0)
            augmentation = draw_augmentation(frames, frames, crop_size=_EXAMPLE_PX, rng=rng)
            x0, y0, x1, y1 = augmentation.box
            cell.imshow(frames[len(frames) // 2, y0:y1, x0:x1])
            cell.set_title(f"{kind}: {probability:.2f}", fontsize=9)
    figure.suptitle("Probability that a second was rendered; where it moves", fontsize=10)


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
        weights: file that `train_forensics` wrote.

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
