"""A metric over time: what each frame adds to it, so that mean, curve and interval are of one kind.

Hides how a clip's figure is made of its frames. Every metric here is one sum over frames divided by
another: of distances by joints, of missed detections by those expected, of a video's change by the
real one's. Where a frame has nothing to measure it adds to neither.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

_SIGNIFICANT_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What each frame adds to a metric."""

    total: Float64[np.ndarray, " frames"]
    """Added to the numerator; 0 where nothing was measured."""

    weight: Float64[np.ndarray, " frames"]
    """Added to the denominator; 0 where nothing was measured."""

    def __post_init__(self) -> None:
        """Check that the frames agree and that nothing unmeasured is added."""
        assert self.total.shape == self.weight.shape
        assert np.isfinite(self.total).all()
        assert np.isfinite(self.weight).all()

    def mean(self) -> float | None:
        """The metric of the whole clip; None where nothing was measured."""
        weight = float(self.weight.sum())
        return float(self.total.sum()) / weight if weight else None

    def per_frame(self) -> Float64[np.ndarray, " frames"]:
        """The metric of each frame; NaN where nothing was measured."""
        values = np.full(self.total.shape, np.nan)
        np.divide(self.total, self.weight, out=values, where=self.weight != 0)
        return values


def series_of(values: Sequence[float] | Float64[np.ndarray, " frames"]) -> Series:
    """A metric that each frame has once; NaN where it could not be measured."""
    array = np.asarray(values, np.float64)
    measured = np.isfinite(array)
    return Series(total=np.where(measured, array, 0.0), weight=measured.astype(np.float64))


Scores = Mapping[str, object]
"""Metrics by name, in groups by name: each value is a `Series`, or more scores."""


def each_series(scores: Scores, function: Callable[[Series], object]) -> dict[str, object]:
    """The same tree of names with the function's result in place of each series."""
    return {
        name: function(value) if isinstance(value, Series) else each_series(group(value), function)
        for name, value in scores.items()
    }


def means(scores: Scores) -> dict[str, object]:
    """The tree of plain numbers, for JSON: rounded; None where nothing was measured."""
    return each_series(scores, lambda series: rounded(series.mean()))


def joined(parts: Sequence[Scores]) -> dict[str, object]:
    """Scores of clips that follow each other, as of one clip; all have the same names."""
    first = parts[0]
    return {
        name: _concatenated([_series(part[name]) for part in parts])
        if isinstance(first[name], Series)
        else joined([group(part[name]) for part in parts])
        for name in first
    }


def flattened(scores: Scores, prefix: str = "") -> dict[str, Series]:
    """Every series under its names joined by `_`: `ours_person_ssim`."""
    flat: dict[str, Series] = {}
    for name, value in scores.items():
        if isinstance(value, Series):
            flat[prefix + name] = value
        else:
            flat |= flattened(group(value), f"{prefix}{name}_")
    return flat


def rounded(value: float | None) -> float | None:
    """To four decimals, and to four significant digits where the number is small."""
    if value is None or value == 0:
        return value
    decimals = _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(abs(value)))
    return round(value, max(_SIGNIFICANT_DIGITS, decimals))


def _concatenated(parts: Sequence[Series]) -> Series:
    return Series(
        total=np.concatenate([part.total for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
    )


def _series(value: object) -> Series:
    assert isinstance(value, Series)
    return value


def group(value: object) -> Scores:
    """Scores that stand in others under a name."""
    assert isinstance(value, Mapping)
    return value
