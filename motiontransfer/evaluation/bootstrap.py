"""Ratio metrics over time, and their 95 % intervals by the moving-block bootstrap (Künsch 1989).

Every metric of frames is one sum over frames divided by another: of distances by joints, of missed
detections by those expected, of a video's change by the real one's. Errors of
neighboring frames are correlated, so blocks of about a second are drawn, and all metrics share the
draws. The interval covers the variation over further motion of the same kind. It does not cover
other people, videos or training runs, and is too narrow where errors last longer than a block.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float64

NUM_RESAMPLES = 1000
COVERAGE = 0.95
TAILS = (50 * (1 - COVERAGE), 50 * (1 + COVERAGE))
"""Percentiles at which an interval ends."""

_BLOCK_SECONDS = 1.0
_FEWEST_BLOCKS = 4
_COUNTS_AT_ONCE = 500_000
_SIGNIFICANT_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioMetric:
    """Numerator and denominator of a metric, frame by frame; 0 where nothing was measured."""

    total: Float64[np.ndarray, " frames"]
    weight: Float64[np.ndarray, " frames"]

    def __post_init__(self) -> None:
        assert self.total.shape == self.weight.shape
        assert np.isfinite(self.total).all()
        assert np.isfinite(self.weight).all()

    @classmethod
    def concatenated(cls, parts: Sequence["RatioMetric"]) -> "RatioMetric":
        """Concatenate the frames of consecutive clips."""
        return cls(
            total=np.concatenate([part.total for part in parts]),
            weight=np.concatenate([part.weight for part in parts]),
        )

    def mean(self) -> float | None:
        """Return the metric of the whole clip; None where nothing was measured."""
        weight = float(self.weight.sum())
        return float(self.total.sum()) / weight if weight else None

    def per_frame(self) -> Float64[np.ndarray, " frames"]:
        """The metric of each frame; NaN where nothing was measured."""
        values = np.full(self.total.shape, np.nan)
        np.divide(self.total, self.weight, out=values, where=self.weight != 0)
        return values


def rounded(value: float) -> float:
    """Round to four decimals, or four significant digits where the number is small."""
    if value == 0:
        return value
    decimals = _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value)))
    return round(value, max(_SIGNIFICANT_DIGITS, decimals))


def block_length(num_frames: int, frame_rate: Fraction) -> int:
    """Frames in a block: a second's, but at most a quarter of the clip's, and at least one."""
    return max(1, min(round(_BLOCK_SECONDS * frame_rate), num_frames // _FEWEST_BLOCKS))


def bootstrap(
    metrics: Sequence[RatioMetric], *, block_frames: int, seed: int = 0
) -> Float64[np.ndarray, "metrics 2"]:
    """Lower and upper bound of each metric's mean; NaN where nothing was measured.

    Draws in which a metric has nothing to measure do not count for it.

    Args:
        block_frames: length of a block, from 1 (frames are independent) to the clip's.
    """
    bounds = np.full((len(metrics), 2), np.nan)
    measured = [index for index, metric in enumerate(metrics) if metric.weight.any()]
    if not measured:
        return bounds
    total = np.stack([metrics[index].total for index in measured], axis=1)
    weight = np.stack([metrics[index].weight for index in measured], axis=1)
    drawn = []
    for counts in resamples(len(total), block_frames, seed):
        totals, weights = counts @ total, counts @ weight
        nothing = np.full(totals.shape, np.nan)
        drawn.append(np.divide(totals, weights, out=nothing, where=weights > 0))
    bounds[measured] = np.nanpercentile(np.concatenate(drawn), TAILS, axis=0).T
    return bounds


def resamples(
    num_frames: int, block_frames: int, seed: int
) -> Iterator[Float64[np.ndarray, "resamples frames"]]:
    """Frame counts of each of 1000 bootstrap resamples, in batches of resamples.

    A resample has as many frames as the clip: its last block is cut short.
    """
    assert 1 <= block_frames <= num_frames
    num_blocks = -(-num_frames // block_frames)
    length = np.full(num_blocks, block_frames)
    length[-1] = num_frames - block_frames * (num_blocks - 1)
    starts = np.random.default_rng(seed).integers(
        0, num_frames - block_frames + 1, (NUM_RESAMPLES, num_blocks)
    )
    for part in np.array_split(starts, -(-NUM_RESAMPLES * num_frames // _COUNTS_AT_ONCE)):
        rows = np.arange(len(part))[:, None]
        steps = np.zeros((len(part), num_frames + 1))
        np.add.at(steps, (rows, part), 1)
        np.add.at(steps, (rows, part + length), -1)
        yield np.cumsum(steps, axis=1)[:, :num_frames]
