"""Lossless frame storage: FFV1 in Matroska, every frame a key frame, random access."""

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.codec.context import Flags

from motiontransfer.errors import VideoError
from motiontransfer.storage import replacing
from motiontransfer.video.color import Frame, to_srgb
from motiontransfer.video.isolation import restart_time_limit
from motiontransfer.video.matroska_checksums import CHECKED, MatroskaChecksums
from motiontransfer.video.reader import BITEXACT, open_input, open_output, seconds_of, video_stream
from motiontransfer.video.resampling import recognise_rate

CODEC, PIXEL_FORMAT = "ffv1", "bgr0"
_ENCODER_OPTIONS = {"level": "3", "slices": "4", "slicecrc": "1", "context": "0"}
# Short clusters: random access reads one whole cluster.
_CONTAINER_OPTIONS = {**BITEXACT, "cluster_time_limit": "200"}


def write_frames(path: Path, frames: Iterable[Frame], *, frame_rate: Fraction) -> None:
    """Write a frame store; see `frame_writer`."""
    with frame_writer(path, frame_rate=frame_rate) as write:
        for frame in frames:
            write(frame)


@contextmanager
def frame_writer(path: Path, *, frame_rate: Fraction) -> Generator[Callable[[Frame], None]]:
    """Yield the function that writes a frame; the file appears at the end of the block.

    Raises:
        VideoError: there is no frame, or frames differ in size.
    """
    with (
        replacing(path) as temporary,
        open_output(temporary, container_format="matroska", options=_CONTAINER_OPTIONS) as output,
    ):
        stream: av.VideoStream | None = None
        shape: tuple[int, ...] = ()
        num_frames = 0

        def write(frame: Frame) -> None:
            nonlocal stream, shape, num_frames
            if stream is None:
                shape = frame.shape
                stream = output.add_stream(CODEC, rate=frame_rate)
                stream.height, stream.width, _ = shape
                stream.pix_fmt = PIXEL_FORMAT
                stream.codec_context.gop_size = 1
                stream.codec_context.thread_count = 4
                stream.codec_context.options = _ENCODER_OPTIONS
                stream.codec_context.flags |= Flags.bitexact
            if frame.shape != shape:
                raise VideoError(f"{path}: frame {num_frames}: expected {shape}, got {frame.shape}")
            stored = _to_bgr0(frame)
            stored.pts, stored.time_base = num_frames, 1 / frame_rate
            output.mux(stream.encode(stored))
            num_frames += 1

        yield write
        if stream is None:
            raise VideoError(f"{path}: no frames to write; expected at least one")
        output.mux(stream.encode(None))


def _to_bgr0(frame: Frame) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    return rgb.reformat(format=PIXEL_FORMAT)


class FrameStore:
    """Reads the frames of a constant-rate file: by index in any order, or a range in order."""

    def __init__(self, path: Path) -> None:
        """Open the file and count its frames.

        Reading a damaged frame raises DamagedFileError, or VideoError in a file of another kind
        than `write_frames` writes.

        Raises:
            MissingFileError: no such file.
            VideoError: the file holds no frames.
            DamagedFileError: it was cut, or its header or index is damaged.
        """
        self.path = path
        self._stack = ExitStack()
        self._checksums: MatroskaChecksums | None = None
        self._open()
        context = self._stream.codec_context
        is_own = context.name == CODEC or self._container.metadata.get("COMMENT") == CHECKED
        if "matroska" in self._container.format.name and is_own:
            self._checksums = MatroskaChecksums(path)
        is_lossless = (context.name, context.pix_fmt) == (CODEC, PIXEL_FORMAT)
        has_settings = self._checksums is not None and is_lossless
        self.decoder_settings: bytes | None = (context.extradata or b"") if has_settings else None
        """Codec extradata of a file that `write_frames` wrote; None for other files."""
        self.size: tuple[int, int] = (context.height, context.width)
        if not self._stream.average_rate:
            raise VideoError(f"{path}: names no frame rate; expected a video of constant rate")
        self.frame_rate: Fraction = recognise_rate(self._stream.average_rate)
        self._num_frames = self._count_frames()

    def _open(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_input(self.path))
        self._stream = video_stream(self._container, self.path)
        # One packet in, one frame out: frame threads would need several packets after each seek.
        self._stream.thread_type = "NONE"
        self._process = os.getpid()
        self._following: Iterator[av.VideoFrame] = iter(())
        self._next_index = -1

    def _count_frames(self) -> int:
        last = -1
        try:
            self._container.seek(self._container.duration or 0, backward=True)
            for packet in self._demuxed():
                if packet.size:
                    last = max(last, self.index_of(packet))
        except av.FFmpegError as error:
            raise VideoError(f"{self.path}: cannot be read: {error.strerror}; cut short") from error
        if last < 0:
            raise VideoError(f"{self.path}: holds no frames")
        return last + 1

    def __len__(self) -> int:
        return self._num_frames

    def __getitem__(self, index: int) -> Frame:
        wanted = index + self._num_frames if index < 0 else index
        if not 0 <= wanted < self._num_frames:
            raise IndexError(f"{self.path}: frame {index} of {self._num_frames}")
        if os.getpid() != self._process:  # a forked worker must not share the file position
            self._open()
        if wanted != self._next_index:
            self._following = self._decode_from(wanted)
        decoded = next(self._following)
        self._next_index = wanted + 1
        return to_srgb(decoded)

    def _decode_from(self, wanted: int) -> Iterator[av.VideoFrame]:
        """Yield every frame from `wanted` to the last, without a gap, or raise."""
        expected, cause = wanted, "the file ends before it"
        try:
            for decoded in self._after_key_frame(wanted):
                index = self.index_of(decoded)
                if index > expected or decoded.is_corrupt:
                    cause = "it is missing or damaged"
                    break
                if index == expected:
                    restart_time_limit()
                    yield decoded
                    expected += 1
                    if expected == self._num_frames:
                        return
        except av.FFmpegError as error:
            cause = error.strerror or "it cannot be decoded"
        raise VideoError(f"{self.path}: frame {expected}: {cause}; make this file again")

    def _after_key_frame(self, wanted: int) -> Iterator[av.VideoFrame]:
        """Seek to a key frame at or before `wanted` and yield all that follow."""
        for earlier in (0, 16, wanted):  # a key frame may be shown later than it is stored
            packets = self.packets(max(wanted - earlier, 0))
            decoded = (frame for packet in packets for frame in packet.decode())
            first = next(decoded, None)
            if first is not None and self.index_of(first) <= wanted:
                return chain([first], decoded)
        return iter(())

    def packets(self, start: int) -> Iterator[av.Packet]:
        """Seek to a key frame at or before `start` and yield the packets, the last one empty."""
        pts = int(start / self.frame_rate / (self._stream.time_base or 1))
        self._container.seek(pts, backward=True, stream=self._stream)
        self._next_index = -1
        return self._demuxed()

    def _demuxed(self) -> Iterator[av.Packet]:
        for packet in self._container.demux(self._stream):
            if self._checksums and packet.size:
                what = "a frame" if packet.pts is None else f"frame {self.index_of(packet)}"
                self._checksums.check(packet.pos or 0, what)
            yield packet

    def index_of(self, item: av.Packet | av.VideoFrame) -> int:
        """Frame index of a packet or a decoded frame."""
        seconds = seconds_of(item)
        assert seconds is not None
        return round(seconds * self.frame_rate)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Yield frames start ≤ index < stop in order, on all cores.

        `[index]` may be used meanwhile.
        """
        stop = self._num_frames if stop is None else min(stop, self._num_frames)
        if start >= stop:
            return
        with FrameStore(self.path) as reader:
            reader._stream.thread_type = "AUTO"
            reader._num_frames = self._num_frames
            yield from map(to_srgb, islice(reader._decode_from(start), stop - start))

    def __enter__(self) -> "FrameStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFrames:
    """FFV1 packets of a video's frames, to send to a worker without the file."""

    video: Path
    """The file; for messages."""
    indices: range
    """Frame index of each packet, ascending."""
    size: tuple[int, int]
    """(height, width), pixels."""
    decoder_settings: bytes
    """Codec extradata."""
    packets: tuple[bytes, ...]
    """One packet per frame."""

    def decoded(self) -> Iterator[Frame]:
        """Yield the frames in order; a damaged one raises VideoError."""
        context = _ffv1_context("r", self.size)
        context.extradata = self.decoder_settings
        for index, packet in zip(self.indices, self.packets, strict=True):
            try:
                decoded = context.decode(av.Packet(packet))
            except av.FFmpegError:
                decoded = []
            if len(decoded) != 1 or decoded[0].is_corrupt:
                raise VideoError(
                    f"{self.video}: frame {index}: it is damaged; make this file again"
                )
            yield to_srgb(decoded[0])


def encode_frames(store: FrameStore, indices: range) -> EncodedFrames:
    """Copy the packets of a frame store; frames of other videos are encoded losslessly.

    Args:
        indices: ascending; at least one.
    """
    settings = store.decoder_settings
    packets = None if settings is None else _copied(store, indices)
    if settings is None or packets is None:
        encoder = _ffv1_context("w", store.size)
        encoder.time_base, encoder.options = 1 / store.frame_rate, _ENCODER_OPTIONS
        encoder.gop_size = 1
        frames = islice(store.frames(indices.start, indices[-1] + 1), 0, None, indices.step)
        packets = [bytes(encoder.encode(_to_bgr0(frame))[0]) for frame in frames]
        settings = encoder.extradata or b""
    return EncodedFrames(
        video=store.path,
        indices=indices,
        size=store.size,
        decoder_settings=settings,
        packets=tuple(packets),
    )


def _ffv1_context(mode: Literal["r", "w"], size: tuple[int, int]) -> av.VideoCodecContext:
    context = av.CodecContext.create(CODEC, mode)
    assert isinstance(context, av.VideoCodecContext)
    context.height, context.width = size
    context.pix_fmt = PIXEL_FORMAT
    context.thread_count = 1
    return context


def _copied(store: FrameStore, indices: range) -> list[bytes] | None:
    """Packets of a frame store; None where some are not key frames."""
    packets: dict[int, bytes] = {}
    for packet in store.packets(indices.start):
        index = store.index_of(packet) if packet.size else None
        if index is None or index > indices[-1]:
            break
        if not packet.is_keyframe:
            return None
        if index in indices:
            packets[index] = bytes(packet)
    if len(packets) < len(indices):
        index = min(set(indices) - set(packets))
        raise VideoError(f"{store.path}: frame {index}: it is missing; make this file again")
    return [packets[index] for index in indices]
