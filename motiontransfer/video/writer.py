"""H.264 encoding with audio, in the profile that browsers play."""

from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from motiontransfer.errors import VideoError
from motiontransfer.storage import replacing
from motiontransfer.video.audio import SoundMuxer
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import CHECKED
from motiontransfer.video.reader import BITEXACT, open_input, open_output

_THREADS = 4  # x264's output depends on the number of threads, so it is fixed
_CONTAINER_OPTIONS = {**BITEXACT, "movflags": "+faststart"}
_SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@contextmanager
def video_writer(
    path: Path,
    *,
    frame_rate: Fraction,
    sound: Path | None = None,
    sound_offset_seconds: float = 0.0,
    crf: int = 18,
    preset: str = "medium",
) -> Generator[Callable[[Frame], None]]:
    """Yield the function that encodes a frame; the file appears at the end of the block.

    It is an MP4, or where the name ends so a Matroska file, which has checksums. Odd sizes are
    padded by a copy of the edge. Sound is copied, and ends with the video.

    Args:
        sound: a file with AAC or MP3; `store_sound` makes one of any.
        sound_offset_seconds: added to the sound's own timestamps; see `Clip`.
        crf: x264's quality, 0 (lossless) to 51; 18 looks like the input.
        preset: x264's, from `ultrafast` to `veryslow`: time against size.

    Raises:
        VideoError: there is no frame, frames differ in size, or the sound cannot be read.
    """
    with ExitStack() as stack:
        temporary = stack.enter_context(replacing(path))
        sound_file = stack.enter_context(open_input(sound)) if sound else None
        container_format, options, metadata = "mp4", _CONTAINER_OPTIONS, {}
        if path.suffix == ".mkv":
            container_format, options, metadata = "matroska", BITEXACT, {"comment": CHECKED}
        output = stack.enter_context(
            open_output(temporary, container_format=container_format, options=options)
        )
        output.metadata.update(metadata)
        video: av.VideoStream | None = None
        muxer: SoundMuxer | None = None
        shape: tuple[int, ...] = ()
        num_frames = 0

        def write(frame: Frame) -> None:
            nonlocal video, muxer, shape, num_frames
            if video is None:
                shape = frame.shape
                video = _add_video(output, shape, frame_rate=frame_rate, crf=crf, preset=preset)
                if sound_file:
                    muxer = SoundMuxer(output, sound_file, offset_seconds=sound_offset_seconds)
            if frame.shape != shape:
                raise VideoError(
                    f"{path}: frame {num_frames}: expected {shape} as in frame 0, got {frame.shape}"
                )
            output.mux(video.encode(to_yuv(frame, num_frames, frame_rate)))
            num_frames += 1
            if muxer:  # sound goes in between, or players would have to seek for it
                muxer.write_until(num_frames / frame_rate)

        yield write
        if video is None:
            raise VideoError(f"{path}: no frames to write; expected at least one")
        output.mux(video.encode(None))


def write_video(
    path: Path,
    frames: Iterable[Frame],
    *,
    frame_rate: Fraction,
    sound: Path | None = None,
    sound_offset_seconds: float = 0.0,
    crf: int = 18,
) -> None:
    with video_writer(
        path, frame_rate=frame_rate, sound=sound, sound_offset_seconds=sound_offset_seconds, crf=crf
    ) as write:
        for frame in frames:
            write(frame)


def _add_video(
    output: av.container.OutputContainer,
    shape: tuple[int, ...],
    *,
    frame_rate: Fraction,
    crf: int,
    preset: str,
) -> av.VideoStream:
    stream = output.add_stream("libx264", rate=frame_rate)
    context = stream.codec_context
    set_up_x264(context, shape, crf=crf, preset=preset)
    context.gop_size = max(1, round(2 * frame_rate))  # players seek to within two seconds
    context.thread_count = _THREADS
    return stream


def set_up_x264(
    context: av.VideoCodecContext, shape: tuple[int, ...], *, crf: int, preset: str = "medium"
) -> None:
    """Configure an encoder for frames of a shape: 4:2:0 and BT.709, the same bytes each time."""
    height, width, _ = shape
    context.width, context.height = width + width % 2, height + height % 2
    context.pix_fmt = "yuv420p"
    # mbtree reads uninitialised memory: with it, one run in twenty gives other bytes.
    context.options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
    context.flags |= Flags.bitexact
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG


def to_yuv(
    frame: Frame, index: int, frame_rate: Fraction, *, threads: int | None = None
) -> av.VideoFrame:
    """Convert a frame for that encoder; odd sides grow by a copy of the edge."""
    height, width, _ = frame.shape
    even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    yuv = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24").reformat(
        format="yuv420p",
        interpolation=_SCALING,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        threads=threads,
    )
    yuv.pts, yuv.time_base = index, 1 / frame_rate
    return yuv
