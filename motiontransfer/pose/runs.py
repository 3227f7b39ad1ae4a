"""Unbroken runs in time, and which joints share them.

Hides how a mask over frames becomes stretches that can be worked on one by one.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int64


def runs_of(flags: Bool[np.ndarray, " frames"]) -> list[tuple[int, int]]:
    """(first frame, one past the last) of each unbroken run of True, in order."""
    edges = np.diff(np.concatenate([[0], flags.astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def longest_run(flags: Bool[np.ndarray, " frames"]) -> int:
    """Length of the longest unbroken run of True."""
    return max((stop - start for start, stop in runs_of(flags)), default=0)


def inner_gaps(seen: Bool[np.ndarray, " frames"], *, longest: int) -> list[tuple[int, int]]:
    """Runs of False of at most `longest` frames with True on both sides."""
    return [
        (start, stop)
        for start, stop in runs_of(~seen)
        if start > 0 and stop < len(seen) and stop - start <= longest
    ]


def alike(
    seen: Bool[np.ndarray, "frames joints"],
) -> Iterator[tuple[Int64[np.ndarray, " some"], Bool[np.ndarray, " frames"]]]:
    """Indices of joints that are seen in the very same frames, with those frames."""
    if not seen.size:
        return
    patterns, of_joint = np.unique(seen, axis=1, return_inverse=True)
    for index in range(patterns.shape[1]):
        yield np.flatnonzero(of_joint.reshape(-1) == index), patterns[:, index]
