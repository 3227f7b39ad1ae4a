"""The tidy table of measurements, the definition of every metric, and the table's pivots.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.storage import read_table, replacing, write_table

if TYPE_CHECKING:
    import pandas as pd

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

    total: Float64[np.ndarray, " frames"]
    weight: Float64[np.ndarray, " frames"]

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
"""The real frames, half a pixel further to the right and down: what no result can be beyond."""
NOISE = "noise"
"""Standard deviation over trainings with other seeds: less of a difference is none."""
FRAMES = "frames"
"""Unit of counts, and the metric that is the number of frames."""

Better = Literal["higher", "lower", "near one", "unknown"]

# The keys of a value in nested JSON, in their order; empty ones are left out.
_IMAGE = "{section}.{system}.{region}.{metric}"
_POSE = "{section}.{system}.{metric}.{region}"
_VIDEO = "{section}.{metric}.{region}.{system}"
_SKIPPED = "{section}.skipped_frames.{region}.{metric}"

_LEVELS = "of 255"


class Metric(NamedTuple):
    label: str
    unit: str
    """Empty for a plain number."""
    better: Better
    path: str
    """Dotted path of its values in nested JSON."""

    @property
    def is_of_pose(self) -> bool:
        """True if it compares poses, not images."""
        return self.path == _POSE


METRICS: Mapping[str, Metric] = {
    "likeness": Metric("Likeness", "", "higher", _IMAGE),
    "coverage": Metric("Share of the dance that the films cover", "", "higher", _POSE),
    "l1": Metric("L1", _LEVELS, "lower", _IMAGE),
    "psnr": Metric("PSNR", "dB", "higher", _IMAGE),
    "ssim": Metric("SSIM", "", "higher", _IMAGE),
    "sharpness": Metric("Sharpness", "of the real frame's", "near one", _IMAGE),
    "sharp_frames": Metric("Sharp frames, share", "", "higher", _IMAGE),
    "lpips": Metric("LPIPS", "", "lower", _IMAGE),
    "missed_detections": Metric("Missed detections, share", "", "lower", _POSE),
    "missed_joints_per_frame": Metric("Missed joints", "a frame", "lower", _POSE),
    "pose_error_px": Metric("Pose error", "px", "lower", _POSE),
    "pose_distance_px": Metric("Pose distance", "px", "lower", _POSE),
    # Best is what real frames have: a picture that stands still has none.
    "background_flicker": Metric("Background flicker", _LEVELS, "unknown", _VIDEO),
    "warping_error": Metric("Warping error, whole frame", "", "unknown", _VIDEO),
    "warping_error_person": Metric("Warping error, person's box", "", "unknown", _VIDEO),
    "frame_change_to_source": Metric(
        "Frame change relative to the source", "", "near one", "{section}.{metric}"
    ),
    "frame_change_to_truth": Metric(
        "Frame change relative to the ground truth", "", "near one", _VIDEO
    ),
    "frame_change_to_real": Metric(
        "Frame change relative to the real frames", "", "near one", _VIDEO
    ),
    "switches": Metric("Switches, share of the person's box", "", "lower", _VIDEO),
    "foggy_rim": Metric("Foggy rim, share", "", "lower", _VIDEO),
    "trace": Metric("Traces, share of the room", "", "lower", _VIDEO),
    "distance_to_training": Metric(
        "Distance to the nearest real frame", _LEVELS, "unknown", _VIDEO
    ),
    FRAMES: Metric("Frames", FRAMES, "unknown", "{section}.{metric}"),
    "not_detected": Metric("Not detected", FRAMES, "unknown", _SKIPPED),
    "blurred": Metric("Blurred in the real frame", FRAMES, "unknown", _SKIPPED),
    "smaller_than_11_pixels": Metric("Smaller than 11 pixels", FRAMES, "unknown", _SKIPPED),
}


class MetricKey(NamedTuple):
    """Metric, region and system of a value."""

    metric: str
    """A key of `METRICS`."""
    region: str
    """A box, or a group of joints; empty for a metric that has none."""
    system: str
    """Empty where any system is meant."""
    section: str = ""
    """Reference or kind of evaluation: a first key of nested JSON, or empty."""

    @property
    def path(self) -> tuple[str, ...]:
        """Its keys in nested JSON."""
        keys = METRICS[self.metric].path.format_map(self._asdict()).split(".")
        return tuple(key for key in keys if key)

    @property
    def of_any_system(self) -> "MetricKey":
        return self._replace(system="")

    @property
    def slug(self) -> str:
        """Section, metric and region, as part of a file name."""
        return "_".join(filter(None, (self.section, self.metric, self.region)))


HEADLINES = (
    MetricKey("likeness", "person", "", "truth"),
    MetricKey("likeness", "face", "", "truth"),
    MetricKey("likeness", "hands", "", "truth"),
    MetricKey("sharp_frames", "face", "", "sharpness"),
    MetricKey("sharp_frames", "hands", "", "sharpness"),
    MetricKey("lpips", "person", "", "truth"),
    MetricKey("pose_distance_px", "all", "", "truth"),
    MetricKey("pose_error_px", "all", "", "detection"),
    MetricKey("missed_detections", "hands", "", "detection"),
    MetricKey("background_flicker", "", "", "temporal"),
    MetricKey("frame_change_to_source", "", "", "temporal"),
    MetricKey("warping_error_person", "", "", "temporal"),
)
Ratios = Mapping[MetricKey, RatioMetric]
Value = tuple[float | None, tuple[float, float] | None]
"""A metric and its 95 % interval; None where it was not measured, or the interval is unknown."""

FrameScores = Mapping[MetricKey, tuple[float, float]]
"""Numerator and denominator of each metric in one frame; zeros where it was not measured."""


def in_section(section: str, scores: Ratios) -> dict[MetricKey, RatioMetric]:
    return {key._replace(section=section): score for key, score in scores.items()}


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

    @property
    def is_count(self) -> bool:
        """True if it is a number of frames."""
        return not self.note and METRICS[self.key.metric].unit == FRAMES


Curves = dict[MetricKey, dict[str, Float64[np.ndarray, " frames"]]]
"""Metric of any system -> system or label -> its values in each frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    summary: tuple[Measurement, ...]
    """The values over all frames, in the order of nested JSON."""
    per_frame: Mapping[MetricKey, Float64[np.ndarray, " frames"]] = field(default_factory=dict)
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
    def from_values(cls, values: Mapping[MetricKey, Value]) -> "Measurements":
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

    def curves(self) -> Curves:
        """The values of each system in each frame; the headline metrics first."""
        found: Curves = {}
        for key, values in self.per_frame.items():
            found.setdefault(key.of_any_system, {})[key.system] = values
        first = [key for key in HEADLINES if key in found]
        return {key: found[key] for key in dict.fromkeys([*first, *found])}


def write_measurements(path: Path, found: Measurements) -> None:
    import pandas as pd  # here: what reads no table does without

    rows = [
        (*one.key, None, one.value, *(one.interval or (None, None)), one.note)
        for one in found.summary
    ]
    rows += [(*key, None, None, None, None, "") for key in found.per_frame]
    table = pd.DataFrame(rows, columns=_COLUMNS).astype(_TYPES)
    values = list(found.per_frame.values())
    lengths = [1] * len(found.summary) + [len(of_frames) for of_frames in values]
    table = table.take(np.repeat(np.arange(len(rows)), lengths)).reset_index(drop=True)
    if values:
        per_frame = slice(len(found.summary), None)
        table.loc[per_frame, "frame"] = np.concatenate([np.arange(len(v)) for v in values])
        table.loc[per_frame, "value"] = np.concatenate(values)
    columns = {name: _as_array(table[name]) for name in _COLUMNS}
    write_table(path, columns, key=_TABLE_KEY, description={})


def read_measurements(path: Path) -> Measurements:
    """Read the table that an evaluation wrote.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not such a table.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such table; `dvc repro` evaluates the transfer")
    import pandas as pd

    columns, _ = read_table(path, key=_TABLE_KEY)
    table = pd.DataFrame(columns, columns=_COLUMNS).astype(_TYPES)
    over_all, of_frames = table[table["frame"].isna()], table[table["frame"].notna()]
    keys = [*MetricKey._fields]
    return Measurements(
        summary=tuple(
            Measurement(
                key=MetricKey(*row[: len(keys)]),
                value=None if np.isnan(value) else value,
                interval=None if np.isnan(low) else (low, high),
                note=note,
            )
            for *row, _, value, low, high, note in over_all.itertuples(index=False, name=None)
        ),
        per_frame={
            MetricKey(*key): rows["value"].to_numpy()
            for key, rows in of_frames.groupby(keys, sort=False, observed=True)
        },
    )


def _as_array(column: "pd.Series") -> np.ndarray:
    """Texts, or numbers with NaN where there is none."""
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.to_numpy(dtype=object)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def nested(
    found: Measurements, cell: Callable[[Measurement], object] | None = None
) -> dict[str, object]:
    """The pivot for JSON: values over all frames under their `Key.path`.

    `cell` converts each measurement; None: the value, an integer for counts.
    """
    tree: dict[str, object] = {}
    for one in found.summary:
        if one.note:
            continue
        *groups, name = one.key.path
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
            assert isinstance(node, dict)
        whole = one.is_count and one.value is not None
        node[name] = cell(one) if cell else int(one.value) if whole else one.value
    return tree


def write_curves(folder: Path, found: Measurements) -> None:
    """Write a CSV for each headline metric of both systems, with a row a frame.

    `dvc plots` draws one plot a file and needs the same columns in all. Metrics that only one of
    the systems has are left out. Held-out frames are compared as with a ground truth. Missing
    values are empty cells. Numbers have four decimals, and small ones four significant digits.
    """
    import pandas as pd

    def number(value: float) -> str:
        return f"{value:.4g}" if 0 < abs(value) < 0.1 else f"{value:.4f}"

    folder.mkdir(parents=True, exist_ok=True)
    for key, of_system in found.curves().items():
        is_headline = key in HEADLINES or key._replace(section="truth") in HEADLINES
        if is_headline and {OURS, NEAREST_NEIGHBORS} <= of_system.keys():
            table = pd.DataFrame({name: of_system[name] for name in (OURS, NEAREST_NEIGHBORS)})
            with replacing(folder / f"{key.slug}.csv") as temporary:
                table.to_csv(
                    temporary, index_label="frame_index", float_format=number, lineterminator="\n"
                )


_TABLE_KEY = "motiontransfer.measurements"
_COLUMNS = (*MetricKey._fields, "frame", "value", "low", "high", "note")
_TYPES = {
    **dict.fromkeys((*MetricKey._fields, "note"), "category"),
    "frame": "Int32",
    **dict.fromkeys(("value", "low", "high"), "float64"),
}
