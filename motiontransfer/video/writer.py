"""Encoding: H.264 in the profile that browsers play, with AAC or MP3 audio copied in sync.

Frames with masks become ProRes 4444, for editors, or VP9 with Opus, for browsers, with alpha.
"""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from motiontransfer.core.arrays import Frame, MaskedFrame
from motiontransfer.core.errors import VideoError
from motiontransfer.core.storage import replacing
from motiontransfer.video.container import BITEXACT, find_sound, open_input, open_output, seconds_of
from motiontransfer.video.isolation import restart_time_limit

_logger = logging.getLogger(__name__)

RESULT_PRESET = "veryfast"
"""x264's, of results: 0.8 dB of 53 below `medium` at 0.4 of its time, over a still room."""

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATE = 48000
_MP3_IN_MP4_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
_THREADS = 4  # x264's output depends on the number of threads, so it is fixed
_FASTSTART = {**BITEXACT, "movflags": "+faststart"}
_CONTAINERS = {
    ".mkv": ("matroska", BITEXACT),
    ".mov": ("mov", _FASTSTART),
    ".webm": ("webm", BITEXACT),
}
"""Format and options by suffix; others are MP4."""
_WITH_ALPHA = {
    ".mov": ("prores_ks", "yuva444p10le", {"profile": "4444", "vendor": "apl0"}),
    ".webm": ("libvpx-vp9", "yuva420p", {"crf": "24", "cpu-used": "5", "row-mt": "1"}),
}
"""Codec, format of its pictures, and its options by suffix; others are H.264."""
_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


class Sound(NamedTuple):
    """A sound track of a video."""

    file: Path
    """With AAC or MP3, or for WebM Opus; `store_sound` makes one of any."""
    offset_seconds: float = 0.0
    """Added to the file's timestamps, so that 0 is the first frame."""


@contextmanager
def video_writer(
    path: Path,
    *,
    frame_rate: Fraction,
    sound: Sound | None = None,
    crf: int = 18,
    preset: str = "medium",
    comment: str = "",
) -> Generator[Callable[[Frame | MaskedFrame], None]]:
    """Yield the function that encodes a frame; the file appears at the end of the block.

    It is an MP4, or where the name ends so a Matroska file, which has checksums, or for masks a
    QuickTime or WebM file. Odd sizes are padded by a copy of the edge. Sound is copied, and ends
    with the video.

    Args:
        crf: x264's quality, 0 (lossless) to 51; 18 looks like the input.
        preset: x264's, from `ultrafast` to `veryslow`: time against size.
        comment: text that the file carries.

    Raises:
        VideoError: there is no frame, frames differ in size, or the sound cannot be read.
    """
    with ExitStack() as stack:
        temporary = stack.enter_context(replacing(path))
        sound_file = stack.enter_context(open_input(sound.file)) if sound else None
        container_format, options = _CONTAINERS.get(path.suffix, ("mp4", _FASTSTART))
        codec, pixel_format, codec_options = _WITH_ALPHA.get(
            path.suffix, ("libx264", "yuv420p", {})
        )
        output = stack.enter_context(
            open_output(temporary, container_format=container_format, options=options)
        )
        if comment:
            output.metadata["comment"] = comment
        video: av.VideoStream | None = None
        mux_sound: Callable[[Fraction], None] | None = None
        shape: tuple[int, ...] = ()
        num_frames = 0

        def write(frame: Frame | MaskedFrame) -> None:
            nonlocal video, mux_sound, shape, num_frames
            if video is None:
                shape = frame.shape
                added = output.add_stream(codec, rate=frame_rate)
                assert isinstance(added, av.VideoStream)
                video = added
                context = video.codec_context
                if codec_options:
                    context.options = codec_options
                    _set_up(context, shape, pixel_format)
                else:
                    set_up_x264(context, shape, crf=crf, preset=preset)
                context.gop_size = max(1, round(2 * frame_rate))  # players seek to within 2 s
                context.thread_count = _THREADS
                if sound_file and sound:
                    mux_sound = _sound_muxer(output, sound_file, sound.offset_seconds)
            if frame.shape != shape:
                raise VideoError(
                    f"{path}: frame {num_frames}: expected {shape} as in frame 0, got {frame.shape}"
                )
            yuv = to_yuv(frame, num_frames, frame_rate, pixel_format=pixel_format)
            output.mux(video.encode(yuv))
            num_frames += 1
            if mux_sound:  # sound goes in between, or players would have to seek for it
                mux_sound(num_frames / frame_rate)

        yield write
        if video is None:
            raise VideoError(f"{path}: no frames to write; expected at least one")
        output.mux(video.encode(None))


def write_video(
    path: Path,
    frames: Iterable[Frame | MaskedFrame],
    *,
    frame_rate: Fraction,
    sound: Sound | None = None,
    crf: int = 18,
    preset: str = "medium",
) -> None:
    with video_writer(path, frame_rate=frame_rate, sound=sound, crf=crf, preset=preset) as write:
        for frame in frames:
            write(frame)


def set_up_x264(
    context: av.VideoCodecContext, shape: tuple[int, ...], *, crf: int, preset: str = "medium"
) -> None:
    """Configure an encoder for frames of a shape: 4:2:0 and BT.709, the same bytes each time."""
    # mbtree reads uninitialised memory: with it, one run in twenty gives other bytes.
    context.options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
    _set_up(context, shape, "yuv420p")


def _set_up(context: av.VideoCodecContext, shape: tuple[int, ...], pixel_format: str) -> None:
    height, width, _ = shape
    context.width, context.height = width + width % 2, height + height % 2
    context.pix_fmt = pixel_format
    context.flags |= Flags.bitexact
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG


def to_yuv(
    frame: Frame | MaskedFrame, index: int, frame_rate: Fraction, *, pixel_format: str = "yuv420p"
) -> av.VideoFrame:
    """Convert a frame for that encoder; odd sides grow by a copy of the edge."""
    height, width, channels = frame.shape
    odd = (0, height % 2), (0, width % 2), (0, 0)
    even = np.pad(frame, odd, mode="edge") if np.any(odd) else frame
    rgb = "rgba" if channels == 4 else "rgb24"
    yuv = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format=rgb).reformat(
        format=pixel_format,
        interpolation=_SCALING,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        threads=1,  # started for each frame, more cost more than they save
    )
    yuv.pts, yuv.time_base = index, 1 / frame_rate
    return yuv


def _sound_muxer(
    output: av.container.OutputContainer,
    container: av.container.InputContainer,
    offset_seconds: float,
) -> Callable[[Fraction], None]:
    """A function that muxes a sound file's track up to a time in seconds.

    It decodes nothing: `store_sound` has converted a stranger's sound in an isolated process.
    """
    source = container.streams.best("audio")
    if not isinstance(source, av.AudioStream):
        raise VideoError(f"{container.name}: holds no sound; expected an audio stream")
    is_webm = output.format.name == "webm"
    if not ("opus" in source.codec_context.name if is_webm else _can_be_copied(source)):
        raise VideoError(
            f"{container.name}: expected AAC or MP3 as decode stores them, got"
            f" {source.codec_context.name}; run decode again"
        )
    offset = Fraction(offset_seconds).limit_denominator(1_000_000)
    packets = _copied(container, source, output.add_stream_from_template(source), offset)
    pending = next(packets, None)

    def mux_until(end_seconds: Fraction) -> None:
        nonlocal pending
        while pending is not None and _start_of(pending) < end_seconds:
            output.mux_one(pending)
            pending = next(packets, None)

    return mux_until


def store_sound(
    source: Path, path: Path, *, origin_seconds: float, codec: Literal["aac", "libopus"] = "aac"
) -> Sound | None:
    """Copy a file's sound into a Matroska file; what the results cannot have is encoded anew.

    AAC and MP3 are copied where that is `aac`. Times never step back; pauses are kept.
    `origin_seconds` is the first frame's time on the source's clock.

    Returns:
        None, and no file, where no track holds a sample that can be decoded.
    """
    index, _ = find_sound(source)
    if index is None:
        return None
    for convert in (False, True):
        with open_input(source) as container:
            stream = container.streams[index]
            assert isinstance(stream, av.AudioStream)
            if not convert and not (codec == "aac" and _can_be_copied(stream)):
                continue
            try:
                with (
                    replacing(path) as temporary,
                    open_output(temporary, container_format="matroska", options=BITEXACT) as output,
                ):
                    packets = container.demux(stream)
                    if convert:
                        stored = _add_encoder(output, stream, codec)
                        packets = _converted(packets, stream, stored)
                    else:
                        packets = _unchanging(_readable(packets), stream)
                        stored = output.add_stream_from_template(stream)
                    packets = _in_order(packets)
                    first = next(packets)
                    start, first_pts = _start_of(first), first.pts or 0
                    for packet in chain([first], packets):
                        packet.pts = packet.dts = (packet.pts or 0) - first_pts
                        packet.stream = stored
                        output.mux_one(packet)
                        restart_time_limit()
                return Sound(path, round(start - origin_seconds, 6))
            except OSError:  # the disk's, not the sound's
                raise
            except (StopIteration, av.FFmpegError, ValueError) as error:
                told = "cannot be kept" if convert else "cannot be copied"
                _logger.warning("%s: its sound %s: %s", source, told, error)
    return None


def _start_of(packet: av.Packet) -> float:
    start = seconds_of(packet)
    assert start is not None
    return start


def _readable(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Packets up to the first unreadable one; damage is reported by the video."""
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        if packet.size:
            yield packet


def _unchanging(packets: Iterator[av.Packet], source: av.AudioStream) -> Iterator[av.Packet]:
    """Packets of a track that stays as it began: its copy can name one rate and layout only."""
    began: tuple[str, int] | None = None
    for packet in packets:
        with suppress(*([] if began else [av.FFmpegError])):  # it may begin within a frame
            for frame in source.decode(packet):
                got = (frame.layout.name, frame.sample_rate)
                if got != (began := began or got):
                    raise ValueError(f"it changes from {began} to {got}")
        yield packet


_Item = TypeVar("_Item", av.Packet, av.AudioFrame)


def _in_order(items: Iterable[_Item]) -> Iterator[_Item]:
    """With times that never step back: the track goes on where they do, or where there are none.

    Pauses stay as they are. They step back where recordings were joined.
    """
    previous = end = shift = 0
    for count, item in enumerate(items):
        if item.pts is None:
            item.pts = end - shift
        if count and item.pts + shift < previous:
            shift = end - item.pts
        item.pts += shift
        previous, end = item.pts, item.pts + (item.duration or 0)
        yield item


def _add_encoder(
    output: av.container.OutputContainer, source: av.AudioStream, codec: str
) -> av.AudioStream:
    rates = _AAC_RATES if codec == "aac" else (_OPUS_RATE,)
    rate = min(rates, key=lambda rate: abs(rate - source.codec_context.sample_rate))
    layout = "mono" if source.codec_context.channels == 1 else "stereo"
    stream = output.add_stream(codec, rate=rate, layout=layout)
    assert isinstance(stream, av.AudioStream)
    stream.codec_context.thread_count = 1
    stream.codec_context.bit_rate = 96_000 * stream.codec_context.channels
    return stream


def _converted(
    packets: Iterator[av.Packet], source: av.AudioStream, stored: av.AudioStream
) -> Iterator[av.Packet]:
    """Encode what can be decoded; a track that changes its rate or channels stays as it began."""
    began: tuple[str, str, int] | None = None
    resamplers: dict[tuple[str, str, int], av.AudioResampler] = {}
    for frame in _in_order(_decoded(packets, source)):
        got = (frame.format.name, frame.layout.name, frame.sample_rate)
        began = began or got
        if got == began:
            yield from stored.encode(frame)
            continue
        for each in resamplers.setdefault(got, av.AudioResampler(*began)).resample(frame):
            each.pts = round((each.pts or 0) * (each.time_base or 0) / (frame.time_base or 1))
            each.time_base = frame.time_base or Fraction(1)
            yield from stored.encode(each)
    yield from stored.encode(None)


def _decoded(packets: Iterator[av.Packet], source: av.AudioStream) -> Iterator[av.AudioFrame]:
    for packet in chain(_readable(packets), [None]):
        with suppress(av.FFmpegError):  # a broken packet is a pause
            yield from source.decode(packet)


def _can_be_copied(source: av.AudioStream) -> bool:
    context = source.codec_context
    is_mp3 = context.name.startswith("mp3") and context.sample_rate in _MP3_IN_MP4_RATES
    return context.name == "aac" or is_mp3


def _copied(
    container: av.container.InputContainer,
    source: av.AudioStream,
    stream: av.AudioStream,
    offset: Fraction,
) -> Iterator[av.Packet]:
    rate = source.codec_context.sample_rate
    expected: int | None = None
    for packet in _in_order(_readable(container.demux(source))):
        time_base = packet.time_base or Fraction(1)
        start = round(((packet.pts or 0) * time_base + offset) * rate)
        length = round((packet.duration or 0) * time_base * rate)
        nominal = source.codec_context.frame_size
        if nominal and (not length or abs(length - nominal) <= max(nominal // 4, rate // 500)):
            length = nominal
        if expected is not None and abs(start - expected) <= rate // 500:
            start = expected  # only rounded to milliseconds: there is no gap here
        expected = start + length
        if expected <= -length:  # one packet before time 0 stays: decoders need it to warm up
            continue
        packet.stream = stream
        packet.time_base = Fraction(1, rate)
        packet.pts = packet.dts = start
        packet.duration = length
        yield packet
