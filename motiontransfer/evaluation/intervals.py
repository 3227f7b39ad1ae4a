"""How sure a figure is: 95 % intervals by the moving-block bootstrap over time.

Neighbouring frames err alike, so frames are not drawn one by one but in blocks of about a second,
from anywhere in the clip (Künsch 1989). All metrics see the same draws. The interval says how much
the figure would differ on another stretch of the same kind of motion; it knows nothing of other
people, other videos or another training, and is a little narrow where errors last longer than a
block.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from jaxtyping import Float64

from motiontransfer.evaluation.series import Scores, Series, each_series, flattened, rounded

NUM_RESAMPLES = 1000
COVERAGE = 0.95

_BLOCK_SECONDS = 1.0
_FEWEST_BLOCKS = 4
_COUNTS_AT_ONCE = 4_000_000


def block_length(num_frames: int, frame_rate: Fraction) -> int:
    """Frames in a block: a second's, but at most a quarter of the clip's, and at least one."""
    return max(1, min(round(_BLOCK_SECONDS * frame_rate), num_frames // _FEWEST_BLOCKS))


def intervals(scores: Scores, *, block_frames: int, seed: int = 0) -> dict[str, object]:
    """The same tree of names with `[low, high]` at each metric; None where it has no mean.

    Args:
        block_frames: length of a block, from 1 (frames are independent) to the clip's.
    """
    flat = flattened(scores)
    if not flat:
        return each_series(scores, lambda _: None)
    low, high = bootstrap(list(flat.values()), block_frames=block_frames, seed=seed)
    bounds = {
        id(series): None
        if np.isnan(low[index])
        else [rounded(float(low[index])), rounded(float(high[index]))]
        for index, series in enumerate(flat.values())
    }
    return each_series(scores, lambda series: bounds[id(series)])


def bootstrap(
    metrics: list[Series], *, block_frames: int, seed: int
) -> tuple[Float64[np.ndarray, " metrics"], Float64[np.ndarray, " metrics"]]:
    """Lower and upper bound of each metric's mean; NaN where nothing was measured.

    Draws in which a metric has nothing to measure do not count for it.
    """
    total = np.stack([series.total for series in metrics], axis=1)
    weight = np.stack([series.weight for series in metrics], axis=1)
    measured = weight.any(axis=0)
    drawn = [
        _ratio(counts @ total[:, measured], counts @ weight[:, measured])
        for counts in resamples(len(total), block_frames, seed)
    ]
    tail = 50 * (1 - COVERAGE)
    bounds = np.full((2, len(metrics)), np.nan)
    if measured.any():
        bounds[:, measured] = np.nanpercentile(np.concatenate(drawn), (tail, 100 - tail), axis=0)
    return bounds[0], bounds[1]


def resamples(
    num_frames: int, block_frames: int, seed: int
) -> Iterator[Float64[np.ndarray, "resamples frames"]]:
    """How often each of 1000 resamples has each frame, some resamples at a time.

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


def _ratio(
    total: Float64[np.ndarray, "resamples metrics"],
    weight: Float64[np.ndarray, "resamples metrics"],
) -> Float64[np.ndarray, "resamples metrics"]:
    return np.divide(total, weight, out=np.full(total.shape, np.nan), where=weight > 0)
