"""Video decoding that stops at the first corrupt frame: timestamps, orientation, sRGB."""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Generic, Literal, TypeVar

import av
import numpy as np
from jaxtyping import Float, UInt8

from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import VideoError
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.video.color import opacity, opaque
from motiontransfer.video.container import (
    cause_of,
    find_sound,
    open_input,
    seconds_of,
    video_stream,
)
from motiontransfer.video.fields import Scan, deinterlaced, scan_of
from motiontransfer.video.geometry import Orientation, fit_framing, orientation_of, resize
from motiontransfer.video.isolation import restart_time_limit
from motiontransfer.video.packets import PacketTimes, estimate_frame_rate, read_packet_times
from motiontransfer.video.tiles import tiles_of, whole_picture

_Item = TypeVar("_Item")
Times = Float[np.ndarray, " _"]
"""Ascending, seconds."""

_DEFAULT_RATE = Fraction(25)  # of raw streams that carry no times
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders leave it out
_NUM_LOOKS = 8  # at key frames, evenly spread, for the size that most of the film has
_NUM_RUNS, _RUN_FRAMES = 4, 12  # in which it is seen whether fields are of two moments
_SEEK_BACK_SECONDS = (0.0, 2.0, 10.0)  # formats without an index land after the wanted frame
_ROUNDING_SECONDS = 1e-3  # of times in a container
_SAME_SHAPE = 0.02  # of the aspect: sizes are rounded, in blocks of 16
_MAX_PIXELS = 2**26  # a frame; 8K has half as many
_MAX_PIXELS_OF_PHOTO = 2**28  # phones have up to 200 million
_SQUARE = 1e-3  # aspect of a pixel beside 1 that nobody sees, which encoders' rounding leaves
_LONGEST_FRAME_SECONDS = 60.0  # a frame is repeated while it is shown

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Generic[_Item]):
    """An item with its presentation time."""

    start_seconds: float
    end_seconds: float
    """End, if no other item starts before."""
    item: _Item


class DamagedVideoError(VideoError):
    """A video is corrupt from some frame on; the frames before are intact."""


class _CorruptStreamError(Exception):
    """Decoding stopped; the message is the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoMetadata:
    """Properties of a video that need no decoding beyond the first frame."""

    path: Path
    codec: str
    stored_size: tuple[int, int]
    """(height, width) of the stored frames."""
    size: tuple[int, int]
    """(height, width) of the upright frames with square pixels: what most of the film has."""
    orientation: Orientation
    pixel_aspect: Fraction
    frame_rate: Fraction
    """The constant rate nearest to the timestamps."""
    num_frames: int | None
    """Number of video packets; None where the file has no times."""
    packet_times: PacketTimes
    has_sound: bool
    unheard: str = ""
    """Codecs of the sound tracks, where none can be decoded."""
    scan: Scan = "progressive"
    other_sizes: tuple[tuple[int, int], ...] = ()
    """Sizes that parts of the film have; they are fitted into `size`."""
    is_transparent: bool = False
    """Parts of the first frame are; they become gray, and of a picture its mask is kept."""
    rotate: int = 0
    """Clockwise rotation that the file does not know of: 0, 90, 180 or 270 degrees."""
    trim: tuple[float, float] | None = None
    """The part that is looked at, seconds from the first frame; None: all of it."""
    comment: str = ""
    """Text that the file carries: anybody's."""

    @property
    def is_picture(self) -> bool:
        return self.num_frames == 1

    @property
    def tolerance_seconds(self) -> float:
        """Seconds by which a header may be wrong in an intact file."""
        return max(0.25, 3 / float(self.frame_rate))

    @property
    def part_times(self) -> tuple[Times, Times]:
        """When frames and key frames of the part begin; without any, all are key frames."""
        starts, keys = self.packet_times.starts_seconds, self.packet_times.keys_seconds
        if self.trim and starts.size:
            first, last = starts[0] + np.array(self.trim) - _ROUNDING_SECONDS
            starts, keys = (each[(each >= first) & (each < last)] for each in (starts, keys))
        return starts, keys if keys.size else starts

    def orientation_of(self, frame: av.VideoFrame) -> Orientation:
        return orientation_of(frame).turned(self.rotate)

    def shown_size(self, frame: av.VideoFrame) -> tuple[int, int]:
        """(height, width) of a frame, upright and with square pixels."""
        orientation = self.orientation_of(frame)
        return _shown_size(frame.height, frame.width, orientation, self.pixel_aspect)


def read_metadata(
    path: Path, *, rotate: int = 0, trim: tuple[float, float] | None = None
) -> VideoMetadata:
    """Read the packets' timestamps and decode the first frame.

    Args:
        rotate: see `VideoMetadata`.
        trim: the same.

    Raises:
        MissingFileError: no such file.
        VideoError: no video in it, not even its first frame can be decoded, or it ends before the
            part.
    """
    with open_input(path) as container:
        stream = video_stream(container, path)
        codec = stream.codec_context.codec.canonical_name
        announced_rate = stream.guessed_rate
        aspect = stream.sample_aspect_ratio or Fraction(1)
        aspect = aspect if abs(aspect - 1) > _SQUARE else Fraction(1)
        times = read_packet_times(container, stream, path)
        comment = container.metadata.get("comment", "")
    first = _first_frame(path)
    sound, unheard = find_sound(path)
    stored = (first.height, first.width)
    orientation = orientation_of(first).turned(rotate)
    size = _shown_size(*stored, orientation, aspect)
    is_photo = times.starts_seconds.size == 1 and aspect == 1
    most = _MAX_PIXELS_OF_PHOTO if is_photo else _MAX_PIXELS
    if math.prod(size) > most:
        raise VideoError(
            f"{path}: expected at most {most:,} pixels a frame, got {size[1]}x{size[0]}"
            f" (stored {stored[1]}x{stored[0]}, pixel aspect ratio {aspect}); scale it down"
        )
    video = VideoMetadata(
        path=path,
        codec=codec,
        stored_size=stored,
        size=size,
        orientation=orientation,
        pixel_aspect=aspect,
        frame_rate=estimate_frame_rate(times.starts_seconds) or announced_rate or _DEFAULT_RATE,
        num_frames=times.starts_seconds.size or None,
        packet_times=times,
        has_sound=sound is not None,
        unheard=unheard,
        is_transparent=opacity(first) is not None,
        rotate=rotate,
        trim=trim,
        comment=comment,
    )
    seconds = float(np.ptp(times.starts_seconds)) if times.starts_seconds.size else math.inf
    if trim and trim[0] > seconds:
        raise VideoError(f"{path}: trim: expected a part of {seconds:.1f} s, got {trim}")
    return _looked_into(video, first)


def _first_frame(path: Path) -> av.VideoFrame:
    try:
        return next(_decoded(path))
    except (StopIteration, _CorruptStreamError) as error:
        cause = str(error) or "the stream holds no frames"
        raise VideoError(
            f"{path}: frame 0: no frame can be decoded: {cause}; convert it, e.g. to MP4 or PNG"
        ) from error


def _shown_size(
    height: int, width: int, orientation: Orientation, aspect: Fraction
) -> tuple[int, int]:
    """(height, width) of a stored frame, upright and with square pixels."""
    square = (height, round(width * aspect)) if aspect >= 1 else (round(height / aspect), width)
    return orientation.upright_size(square)


def _looked_into(video: VideoMetadata, first: av.VideoFrame) -> VideoMetadata:
    """With the size and orientation that it has for the longest time, and its scan."""
    starts, keys = video.packet_times.starts_seconds, video.packet_times.keys_seconds
    if keys.size < 2 and not first.interlaced_frame:
        return video
    looks = np.linspace(starts[0], starts[-1], _NUM_LOOKS) if starts.size else np.zeros(1)
    places, counts = np.unique(
        np.maximum(np.searchsorted(keys, looks, "right") - 1, 0), return_counts=True
    )
    later = (timed.item if timed else None for timed in decode_at(video, keys[places[1:]]))
    shapes: Counter[tuple[int, int, Orientation]] = Counter()
    for frame, count in zip([first, *later], counts.tolist(), strict=False):
        if frame is not None:
            shapes[frame.height, frame.width, video.orientation_of(frame)] += count
    height, width, orientation = next(iter(shapes.most_common(1)))[0]
    sizes = {_shown_size(*shape, video.pixel_aspect) for shape in shapes}
    size = _shown_size(height, width, orientation, video.pixel_aspect)
    runs = (_run(video, seconds) for seconds in looks[:: _NUM_LOOKS // _NUM_RUNS].tolist())
    scan = scan_of(runs) if first.interlaced_frame else "progressive"
    return replace(
        video,
        stored_size=(height, width),
        size=size,
        orientation=orientation,
        other_sizes=tuple(sorted(sizes - {size})),
        scan=scan,
        frame_rate=video.frame_rate * (2 if scan == "interlaced" else 1),
    )


def _run(video: VideoMetadata, seconds: float) -> Iterator[av.VideoFrame]:
    """Some frames as they were decoded."""
    with open_input(video.path) as container, suppress(av.FFmpegError, DamagedVideoError):
        frames = _frames_from(video, container, seconds)
        yield from islice((timed.item for timed in frames), _RUN_FRAMES)


def truncation(video: VideoMetadata) -> str | None:
    times = video.packet_times
    if times.num_missing:
        return f"the file ends {times.num_missing} frames before the end of its index"
    announced = times.announced_end_seconds
    if announced is None or times.end_seconds >= announced - video.tolerance_seconds:
        return None
    return f"the file ends {times.end_seconds:.2f} s into the {announced:.2f} s that it announces"


def read_frames(video: VideoMetadata) -> Iterator[Timed[av.VideoFrame]]:
    """Decode every frame in presentation order.

    Raises:
        DamagedVideoError: after the last intact frame, where more should follow.
    """
    interval, cut = float(1 / video.frame_rate), truncation(video)
    complete_until = video.packet_times.complete_until_seconds + interval / 2
    previous: float | None = None
    end, num_frames = 0.0, 0
    try:
        for frame in deinterlaced(_decoded(video.path), video.scan):
            start = seconds_of(frame)
            if start is None or (previous is not None and start <= previous):
                # Timestamps must not decrease.
                start = 0.0 if previous is None else previous + interval
            duration = float((frame.duration or 0) * (frame.time_base or 0)) or interval
            _check_time(start - (start if previous is None else previous), duration)
            if cut and start > complete_until:
                break
            previous, end = start, start + duration
            num_frames += 1
            restart_time_limit()
            yield Timed(start_seconds=start, end_seconds=end, item=frame)
        starts = video.packet_times.starts_seconds
        if cut is None and starts.size and end < starts[-1] - video.tolerance_seconds:
            cut = f"no frame after {end:.2f} s, though the packets go on to {starts[-1]:.2f} s"
    except _CorruptStreamError as error:
        raise _damaged(video.path, num_frames, str(error)) from error
    if cut is not None:
        raise _damaged(video.path, num_frames, cut)


def _damaged(path: Path, num_frames: int, damage: str) -> DamagedVideoError:
    return DamagedVideoError(
        f"{path}: frame {num_frames}: {damage}; repair the file, or set decode.on_damage: truncate "
        f"to keep the {num_frames} frames before"
    )


def _check_time(pause_seconds: float, duration_seconds: float) -> None:
    """Refuse a frame after which, or before which, another would be shown for long."""
    if max(pause_seconds, duration_seconds) > _LONGEST_FRAME_SECONDS:
        raise _CorruptStreamError(
            f"it begins {pause_seconds:.1f} s after the frame before and lasts "
            f"{duration_seconds:.1f} s; expected at most {_LONGEST_FRAME_SECONDS:.0f} s"
        )


def sample_frames(video: VideoMetadata, *, num_samples: int) -> Iterator[Frame]:
    """Yield about `num_samples` upright frames of the part, evenly spread, but unreadable ones.

    A key frame stands for a sample that is less than half of the samples' distance after it.
    """
    starts, keys = video.part_times
    if starts.size == 0:
        yield from (upright(frame, video) for frame in islice(_decoded(video.path), num_samples))
        return
    wanted = starts[evenly_spaced(range(starts.size), count=num_samples)]
    near = keys[np.maximum(np.searchsorted(keys, wanted, side="right") - 1, 0)]
    half = (wanted[-1] - wanted[0]) / max(2 * (wanted.size - 1), 1)
    wanted = np.unique(np.where(np.abs(wanted - near) < half, near, wanted))
    yield from (upright(timed.item, video) for timed in decode_at(video, wanted) if timed)


def decode_at(
    video: VideoMetadata, times: Float[np.ndarray, " times"]
) -> Iterator[Timed[av.VideoFrame] | None]:
    """Decode the first frame shown at each of some ascending times, or later.

    One at a time; None where the video ends or cannot be decoded before a time. Between two key
    frames decoding goes on; it begins anew at each key frame that is nearer. Frames before that no
    other is decoded from are left out.
    """
    if not times.size:
        return
    before = np.searchsorted(video.packet_times.keys_seconds, times, "right")
    if video.packet_times.is_joined:  # seeking finds times of one part
        before[:] = 0
    with open_input(video.path) as container:
        for group in np.split(times, np.flatnonzero(np.diff(before)) + 1):
            num_left = len(group)
            try:
                wanted = (group - _ROUNDING_SECONDS).tolist()
                needed = wanted[:1]
                frames, shown = _frames_from(video, container, group[0], needed), None
                for seconds in wanted:
                    needed[0] = seconds
                    if shown is None or shown.start_seconds < seconds:
                        shown = next((f for f in frames if f.start_seconds >= seconds), None)
                    num_left -= 1
                    yield shown
            except (av.FFmpegError, DamagedVideoError) as error:
                _logger.debug("%s: frame after %.2f s: %s", video.path, group[0], error)
            yield from [None] * num_left


def _frames_from(
    video: VideoMetadata,
    container: av.container.InputContainer,
    seconds: float,
    needed: Sequence[float] = (-math.inf,),
) -> Iterator[Timed[av.VideoFrame]]:
    """Frames from one that is not after a time; where seeking finds none, from the first.

    Args:
        needed: time before which frames may be missing, which may change meanwhile.
    """
    stream = video_stream(container, video.path)
    is_whole = video.packet_times.is_joined or tiles_of(container)
    for back in () if is_whole else _SEEK_BACK_SECONDS:
        with suppress(av.FFmpegError, StopIteration):
            container.seek(int((seconds - back) * av.time_base))
            frames = map(_timed, _needed_frames(container, stream, needed))
            first = next(frames)
            if first.start_seconds <= seconds + _ROUNDING_SECONDS:
                return chain([first], frames)
    return read_frames(video)


def _needed_frames(
    container: av.container.InputContainer, stream: av.VideoStream, needed: Sequence[float]
) -> Iterator[av.VideoFrame]:
    for packet in container.demux(stream):
        start = seconds_of(packet)
        is_before = start is not None and start < needed[0]
        stream.codec_context.skip_frame = "NONREF" if is_before else "DEFAULT"
        yield from packet.decode()


def _timed(frame: av.VideoFrame) -> Timed[av.VideoFrame]:
    start = seconds_of(frame)
    start = math.inf if start is None else start
    return Timed(start_seconds=start, end_seconds=start, item=frame)


def upright(frame: av.VideoFrame, video: VideoMetadata) -> Frame:
    """Convert to sRGB, over gray where it is transparent, turn, and scale to the video's size.

    What has another shape than most of the video is fitted into it, with bars.
    """
    image = video.orientation_of(frame).upright(opaque(frame))
    height, width = video.shown_size(frame)
    if abs(height * video.size[1] / (width * video.size[0]) - 1) < _SAME_SHAPE:
        return resize(image, video.size)
    whole = (0, 0, width, height)
    return fit_framing((height, width), whole, size=video.size).letterbox(image)


def upright_mask(
    frame: av.VideoFrame, video: VideoMetadata
) -> UInt8[np.ndarray, "upright_height upright_width 1"]:
    """Opacity of a picture that is transparent in parts, as `upright` turns and scales it."""
    alpha = opacity(frame)
    assert alpha is not None
    return resize(video.orientation_of(frame).upright(alpha[..., None]), video.size).reshape(
        *video.size, 1
    )


def is_usual(frame: av.VideoFrame, video: VideoMetadata) -> bool:
    """Whether a frame is stored as most of the video is."""
    usual = (*video.stored_size, video.orientation)
    return (frame.height, frame.width, video.orientation_of(frame)) == usual


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    """Decode on all cores; damage is located on one thread, for the same result on all machines."""
    num_frames = 0
    try:
        for frame in _decoded_with(path, "AUTO"):
            yield frame
            num_frames += 1
    except _CorruptStreamError as error:
        _logger.debug("%s: near frame %d: %s", path, num_frames, error)
    else:
        return
    yield from islice(_decoded_with(path, "NONE"), num_frames, None)


def _decoded_with(path: Path, threads: Literal["AUTO", "NONE"]) -> Iterator[av.VideoFrame]:
    with open_input(path) as container:
        if tiles_of(container):
            try:
                yield whole_picture(container, path)
            except av.FFmpegError as error:
                raise _CorruptStreamError(f"cannot be decoded: {cause_of(error)}") from error
            return
        stream = video_stream(container, path)
        stream.thread_type = threads
        decode, codec = stream.decode, stream.codec_context.codec.canonical_name
        if stream.metadata.get("alpha_mode") == "1" and codec in _WITH_ALPHA:
            context = av.CodecContext.create(_WITH_ALPHA[codec], "r")
            assert isinstance(context, av.VideoCodecContext)
            decode = context.decode
        packets = container.demux(stream)
        has_begun = False
        while True:
            packet: av.Packet | None = None
            try:
                packet = next(packets)
                frames = decode(packet)
            except (StopIteration, EOFError):
                return
            except av.FFmpegError as error:
                if not has_begun and packet is not None and not packet.is_keyframe:
                    continue  # recordings may begin between key frames
                if threads == "NONE":
                    yield from _flushed(stream, None if packet is None else packet.pts)
                raise _CorruptStreamError(f"cannot be decoded: {cause_of(error)}") from error
            for frame in frames:
                if frame.is_corrupt:
                    raise _CorruptStreamError("the frame is damaged")
                has_begun = True
                yield frame


def _flushed(stream: av.VideoStream, before: int | None) -> Iterator[av.VideoFrame]:
    """Intact frames that the decoder still holds and that are shown before a corrupt packet."""
    try:
        frames = stream.decode(None)
    except av.FFmpegError:
        return
    for frame in frames:
        if frame.is_corrupt or (before is not None and (frame.pts or 0) >= before):
            return
        yield frame
