"""The tidy table of measurements, and intervals of metrics over frames.

A row is one value of a metric, in a region, of a system, in one frame. Where `frame` is null it is
the value over all frames, with its 95 % interval. A metric that was not measured has a row with
the reason in its note. The headline of `metrics.json`, the curves of `dvc plots` and every page are
pivots of this table.

Every metric of frames is one sum over frames divided by another, such as distances by joints, or
missed detections by expected ones. Its interval is that of the moving-block bootstrap (Künsch
1989). Errors of neighboring frames are correlated, so blocks of about a second are drawn; all
metrics share the draws. It covers the variation over further motion of the same kind. It does not
cover other people, videos or training runs, and is too narrow where errors last longer than a
block.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from motiontransfer.core.arrays import Series
from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.storage import read_table, write_table

TAILS = (2.5, 97.5)
"""Percentiles at which a 95 % interval ends."""

_NUM_RESAMPLES = 1000
_BLOCK_SECONDS = 1.0  # about as long as errors of neighboring frames are correlated
_FEWEST_BLOCKS = 4  # in a clip; a short one has shorter blocks
_COUNTS_AT_ONCE = 500_000  # in memory, 4 MB
_SIGNIFICANT_DIGITS = 4  # of what is written


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioMetric:
    """Numerator and denominator of a metric, frame by frame; 0 where nothing was measured."""

    total: Series
    weight: Series

    def __post_init__(self) -> None:
        assert self.total.shape == self.weight.shape
        assert np.isfinite(self.total).all()
        assert np.isfinite(self.weight).all()

    @classmethod
    def concatenated(cls, parts: Sequence["RatioMetric"]) -> "RatioMetric":
        return cls(
            total=np.concatenate([part.total for part in parts]),
            weight=np.concatenate([part.weight for part in parts]),
        )

    def mean(self) -> float | None:
        """Return the metric of the whole clip; None where nothing was measured."""
        weight = float(self.weight.sum())
        return float(self.total.sum()) / weight if weight else None

    def per_frame(self) -> Series:
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

    Draws in which a metric has nothing to measure do not count for it. Blocks have from one frame
    (they are independent) to all of the clip's.
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
        0, num_frames - block_frames + 1, (_NUM_RESAMPLES, num_blocks)
    )
    for part in np.array_split(starts, -(-_NUM_RESAMPLES * num_frames // _COUNTS_AT_ONCE)):
        rows = np.arange(len(part))[:, None]
        steps = np.zeros((len(part), num_frames + 1))
        np.add.at(steps, (rows, part), 1)
        np.add.at(steps, (rows, part + length), -1)
        yield np.cumsum(steps, axis=1)[:, :num_frames]


OURS = "ours"
NEAREST_NEIGHBORS = "nearest_neighbours"  # as in results of earlier versions
CEILING = "ceiling"
"""The real frames, half a pixel further to the right and down; what is nearer exceeds it."""
NOISE = "noise"
"""Standard deviation over trainings with other seeds: less of a difference is none."""
FRAMES = "frames"
"""Unit of counts, and the metric that is the number of frames."""

Better = Literal["higher", "lower", "near one", "unknown"]
LEVELS = "of 255"
"""Unit of differences of colors."""

# The keys of a value in nested JSON, in their order; empty ones are left out.
OF_IMAGES = "{section}.{system}.{region}.{metric}"
OF_POSES = "{section}.{system}.{metric}.{region}"
OF_VIDEOS = "{section}.{metric}.{region}.{system}"
OF_SKIPPED = "{section}.skipped_frames.{region}.{metric}"


class Metric(NamedTuple):
    """What a page says of a metric; `metrics.METRICS` has all of them by name."""

    label: str
    unit: str
    """Empty for a plain number."""
    better: Better
    path: str
    """Dotted path of its values in nested JSON."""


class MetricKey(NamedTuple):
    """Metric, region and system of a value."""

    metric: str
    """A key of `metrics.METRICS`."""
    region: str
    """A box, or a group of joints; empty for a metric that has none."""
    system: str
    """Empty where any system is meant."""
    section: str = ""
    """Reference or kind of evaluation: a first key of nested JSON, or empty."""

    @property
    def of_any_system(self) -> "MetricKey":
        return self._replace(system="")

    @property
    def slug(self) -> str:
        """Section, metric and region, as part of a file name."""
        return "_".join(filter(None, (self.section, self.metric, self.region)))


Ratios = Mapping[MetricKey, RatioMetric]
ValueAndInterval = tuple[float | None, tuple[float, float] | None]
"""A metric and its 95 % interval; None where it was not measured, or the interval is unknown."""

FrameScores = Mapping[MetricKey, tuple[float, float]]
"""Numerator and denominator of each metric in one frame; zeros where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A value over all frames."""

    key: MetricKey
    value: float | None = None
    """None where nothing was measured."""
    interval: tuple[float, float] | None = None
    """95 %, where it is known."""
    note: str = ""
    """Reason why it was not measured; empty where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    summary: tuple[Measurement, ...]
    """The values over all frames, in the order of nested JSON."""
    per_frame: Mapping[MetricKey, Series] = field(default_factory=dict)
    """Values frame by frame; NaN where nothing was measured."""

    @classmethod
    def from_scores(cls, scores: Ratios, *, block_frames: int) -> "Measurements":
        """Means with their intervals, and values frame by frame."""
        bounds = bootstrap(list(scores.values()), block_frames=block_frames).tolist()
        means = {
            key: (metric.mean(), None if np.isnan(low) else (low, high))
            for (key, metric), (low, high) in zip(scores.items(), bounds, strict=True)
        }
        frames = {key: metric.per_frame() for key, metric in scores.items()}
        return cls(summary=cls.from_values(means).summary, per_frame=frames)

    @classmethod
    def from_values(cls, values: Mapping[MetricKey, ValueAndInterval]) -> "Measurements":
        return cls(
            summary=tuple(
                Measurement(
                    key=key,
                    value=None if value is None else rounded(value),
                    interval=interval and (rounded(interval[0]), rounded(interval[1])),
                )
                for key, (value, interval) in values.items()
            )
        )

    @classmethod
    def from_counts(cls, counts: Mapping[MetricKey, int]) -> "Measurements":
        return cls.from_values({key: (float(count), None) for key, count in counts.items()})

    @classmethod
    def not_measured(cls, reasons: Mapping[str, str]) -> "Measurements":
        """Metrics without a value: metric, or `section metric` -> reason."""
        names = [(name.rpartition(" "), reason) for name, reason in reasons.items()]
        return cls(
            summary=tuple(
                Measurement(key=MetricKey(metric, "", "", section), note=reason)
                for (section, _, metric), reason in names
            )
        )

    def __add__(self, other: "Measurements") -> "Measurements":
        return Measurements(
            summary=(*self.summary, *other.summary), per_frame={**self.per_frame, **other.per_frame}
        )


def in_section(section: str, scores: Ratios) -> dict[MetricKey, RatioMetric]:
    return {key._replace(section=section): score for key, score in scores.items()}


def write_measurements(path: Path, found: Measurements) -> None:
    rows = [
        (*it.key, None, it.value, *(it.interval or (None, None)), it.note) for it in found.summary
    ]
    for key, values in found.per_frame.items():
        rows += [(*key, *frame, None, None, "") for frame in enumerate(values.tolist())]
    columns = {
        name: np.array(column, float if name in _NUMBERS else object)
        for name, column in zip(_COLUMNS, zip(*rows, strict=True), strict=True)
    }
    write_table(path, columns, key=_TABLE_KEY, description={})


def read_measurements(path: Path) -> Measurements:
    """Read the table that an evaluation wrote.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not such a table.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such table; `dvc repro` evaluates the transfer")
    columns, _ = read_table(path, key=_TABLE_KEY)
    starts = np.flatnonzero(columns["frame"] == 0).tolist()
    over_all, *of_frames = np.split(columns["value"], starts)

    def key_of(row: int) -> MetricKey:
        return MetricKey(*(columns[name][row] for name in MetricKey._fields))

    summary = []
    for row in range(len(over_all)):
        value, *interval = (float(columns[name][row]) for name in ("value", "low", "high"))
        summary.append(
            Measurement(
                key=key_of(row),
                value=None if np.isnan(value) else value,
                interval=None if np.isnan(interval[0]) else (interval[0], interval[1]),
                note=columns["note"][row],
            )
        )
    per_frame = {key_of(start): values for start, values in zip(starts, of_frames, strict=True)}
    return Measurements(summary=tuple(summary), per_frame=per_frame)


_TABLE_KEY = "motiontransfer.measurements"
_NUMBERS = ("frame", "value", "low", "high")
_COLUMNS = (*MetricKey._fields, *_NUMBERS, "note")
