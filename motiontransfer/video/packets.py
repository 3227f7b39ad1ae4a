"""Timestamps of a video's packets, read without decoding, and the frame rate behind them."""

import logging
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float

from motiontransfer.video.container import seconds_of

_FORMATS_WITH_DURATION = {"matroska", "webm", "mov", "mp4", "avi", "flv", "asf"}
_STEP_BACK_SECONDS = 0.5  # a decoder's clock: reordered frames have times of their own
_NTSC = Fraction(1000, 1001)
_COMMON_RATES = (
    *(Fraction(rate) for rate in (5, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240)),
    *(Fraction(rate) * _NTSC for rate in (24, 30, 48, 60, 120)),
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTimes:
    """Timestamps of a video's packets, read without decoding."""

    starts_seconds: Float[np.ndarray, " frames"]
    """Presentation time of each video packet, sorted; empty where the file has no times."""
    keys_seconds: Float[np.ndarray, " keys"]
    """The same of packets from which decoding may begin."""
    end_seconds: float
    """End of the last packet of any stream."""
    complete_until_seconds: float
    """Time before which no frame can be missing, even in a truncated file."""
    announced_end_seconds: float | None
    """End according to the file's header."""
    num_missing: int
    """Packets that the file's index lists beyond the end of the file."""
    is_joined: bool = False
    """Their times began anew within the file; here they go on."""


def recognize_rate(rate: Fraction) -> Fraction:
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
    exact = recognize_rate(measured)
    if abs(exact - measured) <= measured / 20_000 and spread < 1 / 20_000:
        return exact
    nearest = min(_COMMON_RATES, key=lambda common: abs(common - measured))
    return nearest if abs(nearest - measured) <= measured / 100 else exact


def read_packet_times(
    container: av.container.InputContainer, stream: av.VideoStream, path: Path
) -> PacketTimes:
    announced = _announced_end(container, stream)
    starts: set[float] = set()
    keys: set[float] = set()
    end = shift = step = 0.0
    complete_until, decoded = float("inf"), -math.inf
    try:
        for packet in container.demux():
            start = seconds_of(packet)
            if start is None or packet.size == 0:
                continue
            duration = float((packet.duration or 0) * packet.time_base)
            if packet.stream_index == stream.index and packet.dts is not None:
                complete_until = float(packet.dts * packet.time_base) + shift
                if complete_until < decoded - _STEP_BACK_SECONDS:  # recordings that were joined
                    shift += decoded + step - complete_until
                    complete_until = decoded + step
                step = max(complete_until - decoded, 0.0) if decoded > -math.inf else step
                decoded = complete_until
            start += shift
            end = max(end, start + duration)
            if packet.stream_index != stream.index:
                continue
            if not packet.is_discard:
                starts.add(start)
                if packet.is_keyframe:
                    keys.add(start)
    except av.FFmpegError as error:  # decoding fails there too, and names the frame
        _logger.debug("%s: %s", path, error)
    file_size = path.stat().st_size
    return PacketTimes(
        starts_seconds=np.array(sorted(starts)),
        keys_seconds=np.array(sorted(keys or starts)),
        end_seconds=end,
        complete_until_seconds=complete_until,
        announced_end_seconds=announced,
        num_missing=sum(entry.pos + entry.size > file_size for entry in stream.index_entries),
        is_joined=shift > 0,
    )


def _announced_end(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Duration in the header; None for formats without one, where FFmpeg estimates it."""
    if not _FORMATS_WITH_DURATION & set(container.format.name.split(",")):
        return None
    ends = [0.0]
    if container.duration is not None:
        ends.append(((container.start_time or 0) + container.duration) / av.time_base)
    if stream.duration is not None and stream.time_base is not None:
        ends.append(float(((stream.start_time or 0) + stream.duration) * stream.time_base))
    return max(ends) or None
