"""Audio tracks: stream copy on decoding, remuxing in sync with rendered frames."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from motiontransfer.errors import VideoError
from motiontransfer.storage import replacing
from motiontransfer.video.reader import BITEXACT, open_input, open_output, seconds_of, sound_stream

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3_IN_MP4_RATES = (16000, 22050, 24000, 32000, 44100, 48000)


class SoundMuxer:
    """Interleaves a sound file's audio track with the frames of an MP4."""

    def __init__(
        self,
        output: av.container.OutputContainer,
        container: av.container.InputContainer,
        *,
        offset_seconds: float,
    ) -> None:
        """Add the audio stream."""
        self._output = output
        source = sound_stream(container)
        if source is None:
            raise VideoError(f"{container.name}: holds no sound; expected an audio stream")
        offset = Fraction(offset_seconds).limit_denominator(1_000_000)
        if _can_be_copied(source):
            stream = output.add_stream_from_template(source)
            self._packets = _copied(container, source, stream, offset)
        else:
            rate = min(_AAC_RATES, key=lambda rate: abs(rate - source.codec_context.sample_rate))
            layout = "mono" if source.codec_context.channels == 1 else "stereo"
            stream = output.add_stream("aac", rate=rate, layout=layout, format="fltp")
            stream.codec_context.thread_count = 1
            stream.codec_context.bit_rate = 96_000 * stream.codec_context.channels
            self._packets = _encoded(container, source, stream, offset)
        self._pending = next(self._packets, None)

    def write_until(self, end_seconds: Fraction) -> None:
        """Write the packets that start before this time."""
        while self._pending is not None and _start_of(self._pending) < end_seconds:
            self._output.mux_one(self._pending)
            self._pending = next(self._packets, None)


def copy_sound(source: Path, path: Path, *, origin_seconds: float) -> float | None:
    """Stream-copy a file's audio into a Matroska file.

    Args:
        origin_seconds: the first frame's time on the source's clock.

    Returns:
        Offset that, added to the new file's timestamps, makes 0 the first frame; None where the
        track holds no packet (then no file is written).

    Raises:
        VideoError: Matroska does not take the codec.
    """
    with open_input(source) as container:
        stream = sound_stream(container)
        assert stream is not None, "the caller knows that there is sound"
        packets = _readable(container.demux(stream))
        first = next(packets, None)
        if first is None:
            return None
        start, first_pts = _start_of(first), first.pts or 0
        try:
            with (
                replacing(path) as temporary,
                open_output(temporary, container_format="matroska", options=BITEXACT) as output,
            ):
                copy = output.add_stream_from_template(stream)
                for packet in chain([first], packets):
                    packet.pts = packet.dts = (packet.pts or 0) - first_pts
                    packet.stream = copy
                    output.mux_one(packet)
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


def _can_be_copied(source: av.AudioStream) -> bool:
    """True if the packets can be stored in MP4 without re-encoding."""
    context = source.codec_context
    if context.name.startswith("aac"):
        return bool(context.extradata)  # ADTS carries its header in each packet instead
    return context.name.startswith("mp3") and context.sample_rate in _MP3_IN_MP4_RATES


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


def _encoded(
    container: av.container.InputContainer,
    source: av.AudioStream,
    stream: av.AudioStream,
    offset: Fraction,
) -> Iterator[av.Packet]:
    rate = stream.codec_context.sample_rate
    layout = stream.codec_context.layout.name
    resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
    try:
        for decoded in chain(container.decode(source), [None]):
            for block in resampler.resample(decoded):
                start = round((Fraction(seconds_of(block) or 0) + offset) * rate)
                samples = block.to_ndarray()[:, max(-start, 0) :]
                if samples.shape[1]:
                    frame = av.AudioFrame.from_ndarray(
                        np.ascontiguousarray(samples, np.float32), format="fltp", layout=layout
                    )
                    frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                    frame.pts = max(start, 0)
                    yield from stream.encode(frame)
    except av.FFmpegError as error:
        raise VideoError(f"{container.name}: sound cannot be decoded: {error.strerror}") from error
    yield from stream.encode(None)
