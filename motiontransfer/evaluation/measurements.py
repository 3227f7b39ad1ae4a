"""The tidy table of measurements, the definition of every metric, and the table's pivots.

A row is one value of a metric, in a region, of a system, in one frame. Where `frame` is null it is
the value over all frames, with its 95 % interval. A metric that was not measured has a row with
the reason in its note. `metrics.json`, `per_frame.csv` and every page are pivots of this table.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float64

from motiontransfer.errors import MissingFileError
from motiontransfer.evaluation.bootstrap import RatioMetric, bootstrap, rounded
from motiontransfer.storage import damaged, replacing

OURS = "ours"
NEAREST_NEIGHBOURS = "nearest_neighbours"
FRAMES = "frames"
"""Unit of counts, and the metric that is the number of frames."""

Better = Literal["higher", "lower", "near one", "unknown"]

# The keys of a value in metrics.json, in their order; empty ones are left out.
_IMAGE = "{section}.{system}.{region}.{metric}"
_POSE = "{section}.{system}.{metric}.{region}"
_VIDEO = "{section}.{metric}.{region}.{system}"
_SKIPPED = "{section}.skipped_frames.{region}.{metric}"

_LEVELS = "of 255"


class Metric(NamedTuple):
    """Definition of a metric."""

    label: str
    unit: str
    """Empty for a plain number."""
    better: Better
    path: str
    """Dotted path of its values in metrics.json."""

    @property
    def is_of_pose(self) -> bool:
        """True if it compares poses, not images."""
        return self.path == _POSE


METRICS: Mapping[str, Metric] = {
    "l1": Metric("L1", _LEVELS, "lower", _IMAGE),
    "psnr": Metric("PSNR", "dB", "higher", _IMAGE),
    "ssim": Metric("SSIM", "", "higher", _IMAGE),
    "shift_tolerant_ssim": Metric("Shift-tolerant SSIM", "", "higher", _IMAGE),
    "sharpness": Metric("Sharpness", "of the real frame's", "near one", _IMAGE),
    "ms_ssim": Metric("MS-SSIM", "", "higher", _IMAGE),
    "lpips": Metric("LPIPS", "", "lower", _IMAGE),
    "dists": Metric("DISTS", "", "lower", _IMAGE),
    "body_found": Metric("Share of frames with a body", "", "higher", _POSE),
    "missed_detections": Metric("Missed detections, share", "", "lower", _POSE),
    "missed_joints_per_frame": Metric("Missed joints", "a frame", "lower", _POSE),
    "pose_distance_px": Metric("Pose distance", "px", "lower", _POSE),
    "whole_pose_distance_px": Metric("Pose distance, whole poses", "px", "lower", _POSE),
    "pck_10_percent": Metric("PCK at 10 % of the head's height", "", "higher", _POSE),
    "pck_20_percent": Metric("PCK at 20 % of the head's height", "", "higher", _POSE),
    "background_flicker": Metric("Background flicker", _LEVELS, "lower", _VIDEO),
    "warping_error": Metric("Warping error, whole frame", "", "lower", _VIDEO),
    "warping_error_person": Metric("Warping error, person's box", "", "lower", _VIDEO),
    "warping_error_own_flow": Metric("Warping error along its own flow", "", "lower", _VIDEO),
    "warping_error_person_own_flow": Metric(
        "Warping error along its own flow, person's box", "", "lower", _VIDEO
    ),
    "frame_change_to_source": Metric(
        "Frame change relative to the source", "", "near one", "{section}.{metric}"
    ),
    "frame_change_to_truth": Metric(
        "Frame change relative to the ground truth", "", "near one", _VIDEO
    ),
    "frame_change_to_real": Metric(
        "Frame change relative to the real frames", "", "near one", _VIDEO
    ),
    "distance_to_training": Metric(
        "Distance to the nearest real frame", _LEVELS, "unknown", _VIDEO
    ),
    "fid": Metric("FID", "", "lower", _VIDEO),
    "kid": Metric("KID", "", "lower", _VIDEO),
    FRAMES: Metric("Frames", FRAMES, "unknown", "{section}.{metric}"),
    "skipped_frames": Metric("Without a person", FRAMES, "unknown", _VIDEO),
    "not_detected": Metric("Not detected", FRAMES, "unknown", _SKIPPED),
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
    """Reference or kind of evaluation: a first key of metrics.json, or empty."""

    @property
    def path(self) -> tuple[str, ...]:
        """Its keys in metrics.json."""
        keys = METRICS[self.metric].path.format_map(self._asdict()).split(".")
        return tuple(key for key in keys if key)

    @property
    def of_any_system(self) -> "MetricKey":
        """The same metric, region and section."""
        return self._replace(system="")

    @property
    def slug(self) -> str:
        """Section, metric and region, as part of a file name."""
        return "_".join(filter(None, (self.section, self.metric, self.region)))


HEADLINES = (
    MetricKey("ssim", "person", "", "truth"),
    MetricKey("sharpness", "person", "", "truth"),
    MetricKey("shift_tolerant_ssim", "face", "", "truth"),
    MetricKey("lpips", "person", "", "truth"),
    MetricKey("l1", "person", "", "truth"),
    MetricKey("pose_distance_px", "all", "", "truth"),
    MetricKey("pose_distance_px", "all", "", "detection"),
    MetricKey("body_found", "", "", "detection"),
    MetricKey("missed_detections", "hands", "", "detection"),
    MetricKey("background_flicker", "", "", "temporal"),
    MetricKey("frame_change_to_source", "", "", "temporal"),
    MetricKey("warping_error_person", "", "", "temporal"),
    MetricKey("warping_error_person_own_flow", "", "", "temporal"),
)
Scores = Mapping[MetricKey, RatioMetric]
Value = tuple[float | None, tuple[float, float] | None]
"""A metric and its 95 % interval; None where it was not measured, or the interval is unknown."""

FrameScores = Mapping[MetricKey, tuple[float, float]]
"""Numerator and denominator of each metric in one frame; zeros where it was not measured."""


def one_value(value: float) -> tuple[float, float]:
    """Numerator and denominator of a frame's value; zeros where it is NaN."""
    return (0.0, 0.0) if math.isnan(value) else (value, 1.0)


def in_section(section: str, scores: Scores) -> dict[MetricKey, RatioMetric]:
    """The same scores, of another section."""
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
    """All values of an evaluation."""

    summary: tuple[Measurement, ...]
    """The values over all frames, in the order of metrics.json."""
    per_frame: Mapping[MetricKey, Float64[np.ndarray, " frames"]] = field(default_factory=dict)
    """Values frame by frame; NaN where nothing was measured."""

    @classmethod
    def from_scores(cls, scores: Scores, *, block_frames: int) -> "Measurements":
        """Means with their intervals, and values frame by frame.

        Args:
            block_frames: block length of the bootstrap.
        """
        bounds = bootstrap(list(scores.values()), block_frames=block_frames).tolist()
        summary = tuple(
            _rounded(key, metric.mean(), None if np.isnan(low) else (low, high))
            for (key, metric), (low, high) in zip(scores.items(), bounds, strict=True)
        )
        frames = {key: metric.per_frame() for key, metric in scores.items()}
        return cls(summary=summary, per_frame=frames)

    @classmethod
    def from_values(cls, values: Mapping[MetricKey, Value]) -> "Measurements":
        """Values of whole videos."""
        return cls(summary=tuple(_rounded(key, *value) for key, value in values.items()))

    @classmethod
    def from_counts(cls, counts: Mapping[MetricKey, int]) -> "Measurements":
        """Numbers of frames."""
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
        """Concatenate measurements."""
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
    """Write the tidy table, as Parquet."""
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
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False, write_page_checksum=True)


def read_measurements(path: Path) -> Measurements:
    """Read the table that an evaluation wrote.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not such a table.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such table; `dvc repro` evaluates the transfer")
    try:
        table = pd.read_parquet(path, page_checksum_verification=True)[[*_COLUMNS]].astype(_TYPES)
    except (pa.ArrowException, OSError, LookupError, ValueError, TypeError) as error:
        raise damaged(
            path, f"not a table of measurements: {' '.join(str(error).split())}"
        ) from error
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


def nested(
    found: Measurements, cell: Callable[[Measurement], object] | None = None
) -> dict[str, object]:
    """The pivot for JSON: values over all frames under their `Key.path`.

    Args:
        cell: converts each measurement; None: the value, an integer for counts.
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


def wide(found: Measurements) -> dict[str, Float64[np.ndarray, " frames"]]:
    """The pivot with a column a metric, named by its keys in metrics.json, and a row a frame."""
    return {"_".join(key.path): values for key, values in found.per_frame.items()}


def frame_errors(found: Measurements) -> tuple[Float64[np.ndarray, " frames"], list[str]]:
    """Error of each frame of our system, as a number and as text.

    The error is against the ground truth where there is one, otherwise the distance to the intended
    pose, where a frame without a body is the worst. NaN where nothing was measured.
    """
    ssim = found.per_frame.get(MetricKey("ssim", "person", OURS, "truth"))
    if ssim is not None:
        return -ssim, [f"SSIM {value:.2f}" for value in ssim]
    distance = found.per_frame[MetricKey("pose_distance_px", "all", OURS, "detection")]
    missed = found.per_frame[MetricKey("missed_detections", "body", OURS, "detection")]
    texts = [
        "no body" if gone else f"{px:.1f} px" for gone, px in zip(missed > 0, distance, strict=True)
    ]
    return np.where(missed > 0, np.inf, distance), texts


def _rounded(
    key: MetricKey, value: float | None, interval: tuple[float, float] | None
) -> Measurement:
    return Measurement(
        key=key,
        value=None if value is None else rounded(value),
        interval=None if interval is None else (rounded(interval[0]), rounded(interval[1])),
    )


_COLUMNS = (*MetricKey._fields, "frame", "value", "low", "high", "note")
_TYPES = {
    **dict.fromkeys((*MetricKey._fields, "note"), "category"),
    "frame": "Int32",
    **dict.fromkeys(("value", "low", "high"), "float64"),
}
