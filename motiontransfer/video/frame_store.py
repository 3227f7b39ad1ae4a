"""Lossless frame storage: FFV1 in Matroska, every frame a key frame, random access."""

import os
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags

from motiontransfer.core.arrays import Frame, MaskedFrame
from motiontransfer.core.errors import VideoError
from motiontransfer.core.storage import replacing
from motiontransfer.video.color import OnePass, to_srgb
from motiontransfer.video.container import (
    BITEXACT,
    cause_of,
    open_input,
    open_output,
    seconds_of,
    video_stream,
)
from motiontransfer.video.geometry import resize
from motiontransfer.video.isolation import restart_time_limit, run_isolated
from motiontransfer.video.packets import recognize_rate

CODEC, PIXEL_FORMAT, _MASKED_FORMAT = "ffv1", "bgr0", "bgra"
_ENCODER_OPTIONS = {"level": "3", "slices": "4", "slicecrc": "1", "context": "0"}
# Short clusters: random access reads one whole cluster.
_CONTAINER_OPTIONS = {**BITEXACT, "cluster_time_limit": "200"}
_NEARBY = 16  # frames ahead that are decoded on the way, rather than from a key frame


def write_frames(
    path: Path, frames: Iterable[Frame | MaskedFrame], *, frame_rate: Fraction
) -> None:
    with frame_writer(path, frame_rate=frame_rate) as write:
        for frame in frames:
            write(frame)


@contextmanager
def frame_writer(
    path: Path, *, frame_rate: Fraction
) -> Generator[Callable[[Frame | MaskedFrame], None]]:
    """Yield the function that writes a frame; the file appears at the end of the block.

    All frames of a file have a mask, or none.

    Raises:
        VideoError: there is no frame, or frames differ in size.
    """
    with (
        replacing(path) as temporary,
        open_output(temporary, container_format="matroska", options=_CONTAINER_OPTIONS) as output,
    ):
        stream: av.VideoStream | None = None
        shape: tuple[str, int, int] = ("", 0, 0)
        num_frames = 0

        def write(frame: Frame | MaskedFrame) -> None:
            nonlocal stream, shape, num_frames
            stored = _stored(frame)
            got = (stored.format.name, stored.height, stored.width)
            if stream is None:
                shape = got
                stream = output.add_stream(CODEC, rate=frame_rate)
                stream.pix_fmt, stream.height, stream.width = shape
                stream.codec_context.gop_size = 1
                stream.codec_context.thread_count = 4
                stream.codec_context.options = _ENCODER_OPTIONS.copy()
                stream.codec_context.flags |= Flags.bitexact
            if got != shape:
                raise VideoError(f"{path}: frame {num_frames}: expected {shape}, got {got}")
            stored.pts, stored.time_base = num_frames, 1 / frame_rate
            output.mux(stream.encode(stored))
            num_frames += 1

        yield write
        if stream is None:
            raise VideoError(f"{path}: no frames to write; expected at least one")
        output.mux(stream.encode(None))


def _stored(frame: Frame | MaskedFrame) -> av.VideoFrame:
    has_mask = frame.shape[2] == 4
    shown = np.ascontiguousarray(frame)
    rgb = av.VideoFrame.from_ndarray(shown, format="rgba" if has_mask else "rgb24")
    return rgb.reformat(format=_MASKED_FORMAT if has_mask else PIXEL_FORMAT)


class FrameStore:
    """Reads the frames of a constant-rate file: by index in any order, or a range in order."""

    def __init__(self, path: Path) -> None:
        """Open the file and count its frames.

        Reading a damaged frame raises DamagedFileError, or VideoError in a file that another
        program wrote.

        Raises:
            MissingFileError: no such file.
            VideoError: the file holds no frames.
            DamagedFileError: it was cut, or its header or index is damaged.
        """
        self.path = path
        self._stack = ExitStack()
        weakref.finalize(self, self._stack.close)  # of stores that a frame cache keeps
        self._open()
        context = self._stream.codec_context
        self.size: tuple[int, int] = (context.height, context.width)
        rate = self._stream.average_rate
        if not rate:
            raise VideoError(f"{path}: names no frame rate; expected a video of constant rate")
        if rate * (self._stream.time_base or 0) == 1:  # AVI's, of whose ticks not all have a frame
            rate = self._stream.guessed_rate or rate
        self.frame_rate: Fraction = recognize_rate(rate)
        self._num_frames = self._count_frames()
        self._shrink: dict[tuple[int, int], OnePass] = {}

    def _open(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_input(self.path))
        self._stream = video_stream(self._container, self.path)
        # One packet in, one frame out: frame threads would need several packets after each seek.
        self._stream.thread_type = "NONE"
        has_key_frames_alone = self._stream.codec_context.name == CODEC
        self._nearby = 0 if has_key_frames_alone else _NEARBY
        self._process = os.getpid()
        self._following: Iterator[av.VideoFrame] = iter(())
        self._next_index = -1

    def _count_frames(self) -> int:
        last = -1
        try:
            self._container.seek(self._container.duration or 0, backward=True)
            for packet in self._container.demux(self._stream):
                if packet.size:
                    last = max(last, self._index_of(packet))
        except av.FFmpegError as error:
            told = f"{self.path}: cannot be read: {cause_of(error)}; make this file again"
            raise VideoError(told) from error
        if last < 0:
            raise VideoError(f"{self.path}: holds no frames")
        return last + 1

    def __len__(self) -> int:
        return self._num_frames

    def __getitem__(self, index: int) -> Frame:
        return to_srgb(self._frame(index))

    def reduced(self, index: int, size: tuple[int, int]) -> Frame:
        """A frame in a smaller (height, width), of means of areas."""
        return self._reduced(self._frame(index), size)

    def _reduced(self, frame: av.VideoFrame, size: tuple[int, int]) -> Frame:
        height, width = self.size
        if size not in self._shrink and not (height % 2 or width % 2):
            self._shrink[size] = OnePass(self.size, (0, 0, width, height), (), size)
        shrunk = self._shrink[size](frame) if size in self._shrink else None
        return resize(to_srgb(frame), size) if shrunk is None else shrunk.to_ndarray()

    def _frame(self, index: int) -> av.VideoFrame:
        wanted = index + self._num_frames if index < 0 else index
        if not 0 <= wanted < self._num_frames:
            raise IndexError(f"{self.path}: frame {index} of {self._num_frames}")
        if os.getpid() != self._process:  # a forked worker must not share the file position
            self._open()
        first = self._next_index
        if not 0 <= first <= wanted <= first + self._nearby:
            first, self._following = wanted, self._decode(range(wanted, self._num_frames))
        for _ in range(first, wanted):
            next(self._following)
        decoded = next(self._following)
        self._next_index = wanted + 1
        return decoded

    def _decode(self, indices: range) -> Iterator[av.VideoFrame]:
        packets = self._packets_from(indices[0])
        frames = (frame for packet in packets for frame in packet.decode())
        return _wanted(((self._index_of(frame), frame) for frame in frames), indices, self.path)

    def _packets_from(self, wanted: int) -> Iterator[av.Packet]:
        """Seek to a key frame at or before `wanted`; yield its packet and all that follow."""
        self._next_index = -1
        for earlier in (0, 16, wanted):  # a key frame may be shown later than it is stored
            start = max(wanted - earlier, 0) / self.frame_rate
            pts = int(start / (self._stream.time_base or 1))
            self._container.seek(pts, backward=True, stream=self._stream)
            packets = self._container.demux(self._stream)
            first = next((packet for packet in packets if packet.is_keyframe), None)
            if first is not None and self._index_of(first) <= wanted:
                yield first
                yield from packets
                return

    def _index_of(self, item: av.Packet | av.VideoFrame) -> int:
        seconds = seconds_of(item)
        assert seconds is not None
        return round(seconds * self.frame_rate)

    def frames(
        self, start: int = 0, stop: int | None = None, *, size: tuple[int, int] | None = None
    ) -> Iterator[Frame]:
        """Yield frames start ≤ index < stop in order, on all cores.

        `[index]` may be used meanwhile.

        Args:
            size: (height, width); smaller ones are as `reduced` makes them.
        """
        stop = self._num_frames if stop is None else min(stop, self._num_frames)
        if start >= stop:
            return
        with FrameStore(self.path) as reader:
            reader._stream.thread_type = "AUTO"
            yield from reader.chosen(range(start, stop), None if size == self.size else size)

    @property
    def has_masks(self) -> bool:
        return self._stream.pix_fmt == _MASKED_FORMAT

    def masked_frames(self) -> Iterator[MaskedFrame]:
        """Yield all frames in order, with the masks that they must have."""
        assert self.has_masks
        for frame in self._decode(range(len(self))):
            yield frame.to_ndarray(format="rgba")

    def chosen(self, indices: range, size: tuple[int, int] | None = None) -> Iterator[Frame]:
        """Yield ascending frames, at least one, decoded in one go; on one core.

        Args:
            size: smaller (height, width), as of `reduced`.
        """
        for frame in self._decode(indices):
            yield to_srgb(frame) if size is None else self._reduced(frame, size)

    def check_length(self, num_frames: int, advice: str) -> None:
        """Check that there are as many frames; `advice` ends the message.

        Raises:
            VideoError: there is another number.
        """
        if len(self) != num_frames:
            raise VideoError(
                f"{self.path}: expected {num_frames} frames, got {len(self)}; {advice}"
            )

    def __enter__(self) -> "FrameStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def check_decodable(video: Path) -> None:
    """Decode a stranger's video in a child process with limits, before it is read without.

    Raises:
        VideoError: a frame cannot be decoded, or not within the limits.
    """
    run_isolated(_decode_all, video)


def _decode_all(video: Path) -> None:
    with FrameStore(video) as store:
        for _ in store.frames():
            pass


def _wanted(
    decoded: Iterator[tuple[int, av.VideoFrame]], indices: range, video: Path
) -> Iterator[av.VideoFrame]:
    """The frames of these indices, none of them missing, or raise."""
    remaining = iter(indices)
    wanted, cause = next(remaining), "the file ends before it"
    try:
        for index, frame in decoded:
            if index > wanted or frame.is_corrupt:
                cause = "it is missing or damaged"
                break
            if index == wanted:
                restart_time_limit()
                yield frame
                if (wanted := next(remaining, None)) is None:
                    return
    except av.FFmpegError as error:
        cause = cause_of(error)
    raise VideoError(f"{video}: frame {wanted}: {cause}; make this file again")
