"""Video decoding that stops at the first corrupt frame: timestamps, orientation, sRGB."""

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.stream import Disposition
from jaxtyping import Float, UInt8

from motiontransfer.errors import MissingFileError, VideoError
from motiontransfer.video.color import to_srgb
from motiontransfer.video.geometry import Orientation, orientation_of, resize
from motiontransfer.video.resampling import Timed, usual_rate

BITEXACT = {"fflags": "+bitexact"}
"""Muxer options: no random identifiers, no name of the writing library."""

_PLAYLISTS = {"concat", "dash", "hls", "imf"}


@contextmanager
def open_input(path: Path) -> Generator[av.container.InputContainer]:
    """Open a media file for a `with` block.

    Raises:
        MissingFileError: no such file.
        VideoError: not a file that FFmpeg can open.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; expected a video or sound file")
    if path.is_dir():
        raise VideoError(f"{path}: is a folder; expected a video file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: the file is empty (0 bytes); copy or download it again")
    try:
        # "file:" because FFmpeg takes "12:30.mp4" for the protocol 12; tags need not be UTF-8
        container = av.open(f"file:{path}", options=_input_options(), metadata_errors="replace")
    except av.FFmpegError as error:
        raise VideoError(
            f"{path}: cannot be opened: {error.strerror}; not a video or sound file, or cut short"
        ) from error
    with container:
        yield container


def _input_options() -> dict[str, str]:
    formats = ",".join(sorted(av.formats_available - _PLAYLISTS))
    return {"protocol_whitelist": "file", "format_whitelist": formats}


@contextmanager
def open_output(
    path: Path, *, container_format: str, options: dict[str, str]
) -> Generator[av.container.OutputContainer]:
    """Open a media file for writing, for a `with` block."""
    with av.open(
        f"file:{path}", "w", format=container_format, container_options=options
    ) as container:
        yield container


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the stream that a player would show; a cover picture is none.

    Raises:
        VideoError: there is none, or no decoder for it.
    """
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
        kinds = sorted({stream.type for stream in container.streams})
        raise VideoError(
            f"{path}: holds no video stream; expected one, got {', '.join(kinds) or 'nothing'}"
        )
    if stream.codec_context is None:
        raise VideoError(f"{path}: no decoder for its video; convert it, e.g. to H.264")
    return stream


def sound_stream(container: av.container.InputContainer) -> av.AudioStream | None:
    """Return the stream that a player would play, or None."""
    stream = container.streams.best("audio")
    return stream if isinstance(stream, av.AudioStream) and stream.codec_context else None


def seconds_of(item: av.Packet | av.VideoFrame | av.AudioFrame) -> float | None:
    """Return when the item is shown, or None where the file does not say."""
    if item.pts is None or item.time_base is None:
        return None
    return float(item.pts * item.time_base)


_logger = logging.getLogger(__name__)


class Damage(Exception):  # noqa: N818 - `reading` turns it into an error that names the frame
    """The pictures cannot be read any further; the message is the cause."""


def decoded(path: Path) -> Iterator[av.VideoFrame]:
    """Yield pictures, fast as long as all is well.

    Damage is located with one thread, so that every machine finds the same.
    """
    num_frames = 0
    try:
        for picture in _decoded_with(path, "AUTO"):
            yield picture
            num_frames += 1
    except Damage as damage:
        _logger.debug("%s: near frame %d: %s", path, num_frames, damage)
    else:
        return
    yield from islice(_decoded_with(path, "NONE"), num_frames, None)


def _decoded_with(path: Path, threads: Literal["AUTO", "NONE"]) -> Iterator[av.VideoFrame]:
    with open_input(path) as container:
        stream = video_stream(container, path)
        stream.thread_type = threads
        packets = container.demux(stream)
        has_begun = False
        while True:
            packet: av.Packet | None = None
            try:
                packet = next(packets)
                pictures = packet.decode()
            except (StopIteration, EOFError):
                return
            except av.FFmpegError as error:
                if not has_begun and packet is not None and not packet.is_keyframe:
                    continue  # recordings may begin between key frames
                if threads == "NONE":
                    yield from _held_back(stream, None if packet is None else packet.pts)
                raise Damage(f"cannot be decoded: {error.strerror}") from error
            for picture in pictures:
                if picture.is_corrupt:
                    raise Damage("the picture is damaged")
                has_begun = True
                yield picture


def _held_back(stream: av.VideoStream, before: int | None) -> Iterator[av.VideoFrame]:
    """Yield the good pictures that the decoder still holds and that come before the damage."""
    try:
        pictures = stream.decode(None)
    except av.FFmpegError:
        return
    for picture in pictures:
        if picture.is_corrupt or (before is not None and (picture.pts or 0) >= before):
            return
        yield picture


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
