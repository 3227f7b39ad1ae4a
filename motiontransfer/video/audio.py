"""Audio tracks: AAC or MP3 on decoding, remuxing in sync with rendered frames."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av

from motiontransfer.errors import VideoError
from motiontransfer.storage import replacing
from motiontransfer.video.isolation import restart_time_limit
from motiontransfer.video.reader import BITEXACT, open_input, open_output, seconds_of, sound_stream

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3_IN_MP4_RATES = (16000, 22050, 24000, 32000, 44100, 48000)


class SoundMuxer:
    """Interleaves a sound file's audio track, AAC or MP3, with the frames of an MP4.

    It decodes nothing: `store_sound` has converted a stranger's sound in an isolated process.
    """

    def __init__(
        self,
        output: av.container.OutputContainer,
        container: av.container.InputContainer,
        *,
        offset_seconds: float,
    ) -> None:
        self._output = output
        source = sound_stream(container)
        if source is None:
            raise VideoError(f"{container.name}: holds no sound; expected an audio stream")
        if not _can_be_copied(source):
            raise VideoError(
                f"{container.name}: expected AAC or MP3 as decode stores them, got"
                f" {source.codec_context.name}; run decode again"
            )
        offset = Fraction(offset_seconds).limit_denominator(1_000_000)
        stream = output.add_stream_from_template(source)
        self._packets = _copied(container, source, stream, offset)
        self._pending = next(self._packets, None)

    def write_until(self, end_seconds: Fraction) -> None:
        while self._pending is not None and _start_of(self._pending) < end_seconds:
            self._output.mux_one(self._pending)
            self._pending = next(self._packets, None)


def store_sound(source: Path, path: Path, *, origin_seconds: float) -> float | None:
    """Copy a file's AAC or MP3 into a Matroska file; other codecs become AAC.

    `origin_seconds` is the first frame's time on the source's clock.

    Returns:
        Offset that, added to the new file's timestamps, makes 0 the first frame; None where the
        track holds no sample (then no file is written).

    Raises:
        VideoError: the sound cannot be decoded, or Matroska does not take it.
    """
    with open_input(source) as container:
        stream = sound_stream(container)
        assert stream is not None, "the caller knows that there is sound"
        packets = _readable(container.demux(stream))
        try:
            with (
                replacing(path) as temporary,
                open_output(temporary, container_format="matroska", options=BITEXACT) as output,
            ):
                if _can_be_copied(stream):
                    stored = output.add_stream_from_template(stream)
                else:
                    stored = _add_aac(output, stream)
                    packets = _converted(packets, stream, stored)
                first = next(packets)
                start, first_pts = _start_of(first), first.pts or 0
                for packet in chain([first], packets):
                    packet.pts = packet.dts = (packet.pts or 0) - first_pts
                    packet.stream = stored
                    output.mux_one(packet)
                    restart_time_limit()
        except StopIteration:
            return None
        except OSError:  # the disk's, not the sound's
            raise
        except (av.FFmpegError, ValueError) as error:
            raise VideoError(
                f"{source}: its sound ({stream.codec_context.name}) cannot be stored: {error};"
                " convert it to AAC, or remove it"
            ) from error
    return round(start - origin_seconds, 6)


def _start_of(packet: av.Packet) -> float:
    start = seconds_of(packet)
    assert start is not None
    return start


def _readable(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Packets with a timestamp, up to the first unreadable one; damage is reported by the video."""
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        if packet.pts is not None and packet.size:
            yield packet


def _add_aac(output: av.container.OutputContainer, source: av.AudioStream) -> av.AudioStream:
    rate = min(_AAC_RATES, key=lambda rate: abs(rate - source.codec_context.sample_rate))
    layout = "mono" if source.codec_context.channels == 1 else "stereo"
    stream = output.add_stream("aac", rate=rate, layout=layout, format="fltp")
    stream.codec_context.thread_count = 1
    stream.codec_context.bit_rate = 96_000 * stream.codec_context.channels
    return stream


def _converted(
    packets: Iterator[av.Packet], source: av.AudioStream, stored: av.AudioStream
) -> Iterator[av.Packet]:
    for packet in chain(packets, [None]):
        for decoded in source.decode(packet):
            yield from stored.encode(decoded)
    yield from stored.encode(None)


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
    for packet in _readable(container.demux(source)):
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
