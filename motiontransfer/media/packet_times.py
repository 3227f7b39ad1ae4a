"""What the packets tell before anything is decoded: when pictures are shown, and if any miss.

FFmpeg takes a file that was cut short for one that ends; its index and its header know better.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float

from motiontransfer.media.decoder import Damage
from motiontransfer.media.opening import open_input, seconds_of, video_stream

_logger = logging.getLogger(__name__)

_FORMATS_WITH_DURATION = {"matroska", "webm", "mov", "mp4", "avi", "flv", "asf"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTimes:
    """What the packets tell before anything is decoded."""

    starts_seconds: Float[np.ndarray, " frames"]
    """When each packet's picture is shown, sorted; empty where the file has no times."""
    end_seconds: float
    """When the last packet of any stream ends."""
    complete_until_seconds: float
    """No picture before this can be missing, even if the file is cut: later packets show later."""
    announced_end_seconds: float | None
    """When the file's header says that it ends."""
    num_missing: int
    """Pictures that the file's index lists and that are not there."""


def read_packet_times(path: Path) -> PacketTimes:
    """Read a video's packets through, undecoded.

    Raises:
        MissingFileError: no such file.
        VideoError: no video in it.
    """
    starts: set[float] = set()
    end = 0.0
    complete_until = float("inf")
    with open_input(path) as container:
        stream = video_stream(container, path)
        announced = _announced_end(container, stream)
        try:
            for packet in container.demux():
                start = seconds_of(packet)
                if start is None or packet.size == 0:
                    continue
                end = max(end, start + float((packet.duration or 0) * packet.time_base))
                if packet.stream_index != stream.index:
                    continue
                if packet.dts is not None:
                    complete_until = float(packet.dts * packet.time_base)
                if not packet.is_discard:
                    starts.add(start)
        except av.FFmpegError as error:  # decoding meets it again and says where
            _logger.debug("%s: %s", path, error)
        file_size = path.stat().st_size
        num_missing = sum(entry.pos + entry.size > file_size for entry in stream.index_entries)
    return PacketTimes(
        starts_seconds=np.array(sorted(starts)),
        end_seconds=end,
        complete_until_seconds=complete_until,
        announced_end_seconds=announced,
        num_missing=num_missing,
    )


def cut_of(times: PacketTimes, interval: float) -> str | None:
    """Tell where the file was cut off, in words; None where it is whole."""
    if times.num_missing:
        return f"the file ends {times.num_missing} frames before the end of its index"
    announced = times.announced_end_seconds
    if announced is None or times.end_seconds >= announced - _tolerance(interval):
        return None
    return f"the file ends {times.end_seconds:.2f} s into the {announced:.2f} s that it announces"


def check_end(times: PacketTimes, end: float, interval: float) -> None:
    """Check that pictures which ended here are all that there should be.

    Args:
        end: of the last picture, seconds.
        interval: between pictures, seconds.

    Raises:
        Damage: there should be more.
    """
    cut = cut_of(times, interval)
    if cut is not None:
        raise Damage(cut)
    if times.starts_seconds.size and end < times.starts_seconds[-1] - _tolerance(interval):
        raise Damage(
            f"no picture after {end:.2f} s, though the packets go on to"
            f" {times.starts_seconds[-1]:.2f} s"
        )


def _announced_end(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Return the end that the header announces.

    Formats without one would make FFmpeg guess from the bit rate.
    """
    ends = [0.0]
    if not _FORMATS_WITH_DURATION & set(container.format.name.split(",")):
        return None
    if container.duration is not None:
        ends.append(((container.start_time or 0) + container.duration) / av.time_base)
    if stream.duration is not None and stream.time_base is not None:
        ends.append(float(((stream.start_time or 0) + stream.duration) * stream.time_base))
    return max(ends) or None


def _tolerance(interval: float) -> float:
    """Return by how many seconds a header may be wrong before it means damage."""
    return max(0.25, 3 * interval)
