"""Reading any video: each picture with its time, upright, with square pixels, as 8-bit sRGB.

Damage, whether a picture that cannot be decoded or a file cut short, ends the pictures with an
error that names the frame where it begins.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import VideoError
from motiontransfer.media.colour import to_srgb
from motiontransfer.media.decoder import Damage, decoded
from motiontransfer.media.framing import resize
from motiontransfer.media.opening import open_input, seconds_of, sound_stream, video_stream
from motiontransfer.media.orientation import Orientation, orientation_of
from motiontransfer.media.packet_times import PacketTimes, check_end, cut_of, read_packet_times
from motiontransfer.media.timing import Timed, usual_rate

_logger = logging.getLogger(__name__)

_DEFAULT_RATE = Fraction(25)  # of raw streams that carry no times


class DamagedVideoError(VideoError):
    """A video is damaged from some frame on; what comes before is good."""

    def __init__(self, path: Path, *, num_frames: int, damage: str) -> None:
        self.cause = f"{path}: frame {num_frames}: {damage}"
        super().__init__(
            f"{self.cause}; repair the file, or set decode.on_damage: truncate to keep the"
            f" {num_frames} frames before"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoFacts:
    """What is known of a video before it is read through."""

    path: Path
    """The file."""
    codec: str
    """FFmpeg's name of the codec."""
    stored_size: tuple[int, int]
    """(height, width) of the stored pictures."""
    size: tuple[int, int]
    """(height, width) of the upright pictures with square pixels."""
    orientation: Orientation
    """What puts a stored picture upright."""
    frame_rate: Fraction
    """The constant rate that suits the video."""
    num_frames: int | None
    """Frames that the packets promise; None where the file has no times."""
    packet_times: PacketTimes
    """When the packets are shown."""
    has_sound: bool
    """Whether there is a sound track."""


def read_facts(path: Path) -> VideoFacts:
    """Read everything but the pictures, and the first picture.

    Raises:
        MissingFileError: no such file.
        VideoError: no video in it, or not even the first picture can be decoded.
    """
    with open_input(path) as container:
        stream = video_stream(container, path)
        codec, announced_rate = stream.codec_context.codec.canonical_name, stream.guessed_rate
        aspect = stream.sample_aspect_ratio or Fraction(1)
        has_sound = sound_stream(container) is not None
    times = read_packet_times(path)
    try:
        first = next(decoded(path))
    except (StopIteration, Damage) as error:
        cause = str(error) or "the stream holds no pictures"
        raise VideoError(f"{path}: frame 0: no picture can be decoded: {cause}") from error
    orientation = orientation_of(first)
    stored_size = (first.height, first.width)
    return VideoFacts(
        path=path,
        codec=codec,
        stored_size=stored_size,
        size=orientation.upright_size(_square(stored_size, aspect)),
        orientation=orientation,
        frame_rate=usual_rate(times.starts_seconds) or announced_rate or _DEFAULT_RATE,
        num_frames=times.starts_seconds.size or None,
        packet_times=times,
        has_sound=has_sound,
    )


def read_pictures(facts: VideoFacts) -> Iterator[Timed[av.VideoFrame]]:
    """Yield every picture in the order of time.

    Raises:
        DamagedVideoError: after the last good picture, where more should follow.
    """
    interval = float(1 / facts.frame_rate)
    is_cut = cut_of(facts.packet_times, interval) is not None
    previous: float | None = None
    end = 0.0
    num_frames = 0
    try:
        for picture in decoded(facts.path):
            start = seconds_of(picture)
            if start is None or (previous is not None and start <= previous):
                start = 0.0 if previous is None else previous + interval  # time may not run back
            duration = float((picture.duration or 0) * (picture.time_base or 0)) or interval
            if is_cut and start > facts.packet_times.complete_until_seconds + interval / 2:
                break
            previous, end = start, start + duration
            num_frames += 1
            yield Timed(start_seconds=start, end_seconds=end, item=picture)
        check_end(facts.packet_times, end, interval)
    except Damage as damage:
        raise DamagedVideoError(facts.path, num_frames=num_frames, damage=str(damage)) from damage


def upright(picture: av.VideoFrame, facts: VideoFacts) -> UInt8[np.ndarray, "height width 3"]:
    """Return a decoded picture as it is meant to be seen.

    Pictures of another size are scaled to the first's.
    """
    turned = facts.orientation.upright(to_srgb(picture))
    return resize(turned, facts.size)


def sample_pictures(
    facts: VideoFacts, *, num_samples: int
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yield about that many upright pictures from all over the video.

    What cannot be reached is left out.
    """
    starts = facts.packet_times.starts_seconds
    if starts.size == 0:
        for timed in islice(decoded(facts.path), num_samples):
            yield upright(timed, facts)
        return
    wanted = np.unique(np.linspace(0, starts.size - 1, num_samples).round().astype(int))
    with open_input(facts.path) as container:
        stream = video_stream(container, facts.path)
        for index in wanted:
            try:
                container.seek(int(starts[index] * av.time_base))
                picture = next(_up_to(container.decode(stream), starts[index]), None)
            except av.FFmpegError as error:
                _logger.debug("%s: sample at %.2f s: %s", facts.path, starts[index], error)
                continue
            if picture is not None:
                yield upright(picture, facts)


def _up_to(pictures: Iterator[av.VideoFrame], seconds: float) -> Iterator[av.VideoFrame]:
    for picture in pictures:
        start = seconds_of(picture)
        if start is None or start >= seconds - 1e-3:
            yield picture


def _square(size: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """Return the size with square pixels; pictures only ever grow."""
    height, width = size
    return (height, round(width * aspect)) if aspect >= 1 else (round(height / aspect), width)
