"""Glances at a video: moments from all over it, each with a second picture shortly after.

Hides how a file is sampled without reading it through. What cannot be reached is left out, and the
times tell which moments were.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from jaxtyping import UInt8

from motiontransfer.media.opening import open_input, seconds_of, video_stream
from motiontransfer.media.reading import VideoFacts, upright

_logger = logging.getLogger(__name__)

_EARLY = 1e-3  # seconds: times in a file are rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One moment of a video."""

    seconds: float
    """When it is, from the first picture on."""

    picture: UInt8[np.ndarray, "height width 3"]
    """Upright, with square pixels."""

    shortly_after: UInt8[np.ndarray, "height width 3"] | None
    """The same place a little later; None at the end of the video."""

    seconds_between: float
    """How much later; 0 where there is nothing later."""


def glance_at(
    facts: VideoFacts, *, num_glances: int, seconds_between: float = 0.2
) -> Iterator[Glance]:
    """Yield about that many moments, evenly over the video, in the order of time.

    Args:
        seconds_between: how much later the second picture of each is, about.
    """
    starts = facts.packet_times.starts_seconds
    if starts.size == 0:
        return
    last = max(int(np.searchsorted(starts, starts[-1] - seconds_between - _EARLY)), 0)
    wanted = np.unique(np.linspace(0, last, num_glances).round().astype(int))
    with open_input(facts.path) as container:
        stream = video_stream(container, facts.path)
        for start in starts[wanted].tolist():
            try:
                container.seek(int(start * av.time_base))
                pictures = container.decode(stream)
                first = _at(pictures, start)
                second = _at(pictures, start + seconds_between)
            except av.FFmpegError as error:
                _logger.debug("%s: glance at %.2f s: %s", facts.path, start, error)
                continue
            if first is not None:
                yield _glance(facts, first, second, origin=float(starts[0]))


def _glance(
    facts: VideoFacts, first: av.VideoFrame, second: av.VideoFrame | None, *, origin: float
) -> Glance:
    start, later = (None if it is None else seconds_of(it) for it in (first, second))
    start = origin if start is None else start
    return Glance(
        seconds=max(start - origin, 0.0),
        picture=upright(first, facts),
        shortly_after=None if second is None else upright(second, facts),
        seconds_between=0.0 if later is None else later - start,
    )


def _at(pictures: Iterator[av.VideoFrame], seconds: float) -> av.VideoFrame | None:
    """The first picture that is not before; None where the video ends before."""
    for picture in pictures:
        start = seconds_of(picture)
        if start is None or start >= seconds - _EARLY:
            return picture
    return None
