"""Resampling to a constant frame rate (zero-order hold)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Float

_Item = TypeVar("_Item")

_NTSC = Fraction(1000, 1001)
_COMMON_RATES = (
    *(Fraction(rate) for rate in (5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)),
    *(Fraction(rate) * _NTSC for rate in (24, 30, 48, 60, 120)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Generic[_Item]):
    """An item with its presentation time."""

    start_seconds: float
    end_seconds: float
    """End, if no other item starts before."""
    item: _Item


def recognise_rate(rate: Fraction) -> Fraction:
    """The exact rate behind a container's rounded one: n, n·1000/1001, or a small fraction."""
    for family in (Fraction(1), _NTSC):
        nearest = round(rate / family) * family
        if nearest and abs(nearest - rate) <= rate / 20_000:
            return nearest
    return rate.limit_denominator(1001)


def estimate_frame_rate(starts_seconds: Float[np.ndarray, " frames"]) -> Fraction | None:
    """Estimate the constant rate behind timestamps; None for a single frame.

    Jitter is averaged out and up to 10 % of pauses are ignored; a rate within 1 % of a common one
    becomes that.

    Args:
        starts_seconds: sorted.
    """
    intervals = np.diff(starts_seconds)
    intervals = intervals[intervals > 0]
    if intervals.size == 0:
        return None
    regular = intervals[np.abs(intervals - np.median(intervals)) <= 0.25 * np.median(intervals)]
    mostly_regular = regular.size >= 0.9 * intervals.size
    mean = regular.mean() if mostly_regular else intervals.mean()
    measured = Fraction(1 / float(mean)).limit_denominator(100_000)
    # Milliseconds are all that many containers keep: over a few frames 30 and 29.97 look the same.
    spread = 0.001 / float(mean) / intervals.size
    exact = recognise_rate(measured)
    if abs(exact - measured) <= measured / 20_000 and spread < 1 / 20_000:
        return exact
    nearest = min(_COMMON_RATES, key=lambda common: abs(common - measured))
    return nearest if abs(nearest - measured) <= measured / 100 else exact


def resample(
    shown: Iterable[Timed[_Item]], *, frame_rate: Fraction, tolerance_seconds: float
) -> Iterator[Timed[_Item]]:
    """Yield the item shown at each tick k / frame_rate after the first item's start.

    Args:
        shown: in the order of their start.
        tolerance_seconds: an item that starts this much after a tick counts as shown already, so
            that rounded or jittering timestamps neither repeat nor drop frames.
    """
    num_ticks = 0
    origin = 0.0
    previous: Timed[_Item] | None = None
    for current in shown:
        if previous is None:
            origin = current.start_seconds
        else:
            until = current.start_seconds - origin - tolerance_seconds
            while float(num_ticks / frame_rate) < until:
                yield previous
                num_ticks += 1
        previous = current
    if previous is None:
        return
    until = previous.end_seconds - origin - tolerance_seconds
    while num_ticks == 0 or float(num_ticks / frame_rate) < until:
        yield previous
        num_ticks += 1
