"""Opening media files: one place that knows FFmpeg's ways to fail and which stream is the video.

Files only: a playlist may not make FFmpeg fetch anything from a network, or read other files.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import av
from av.stream import Disposition

from motiontransfer.errors import MissingFileError, VideoError

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
        # "file:" because FFmpeg takes "12:30.mp4" for the protocol 12
        container = av.open(f"file:{path}", options=_input_options())
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
