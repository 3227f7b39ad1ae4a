"""Short clips that two videos are compared by: the same moments of both, treated alike.

Hides what could give a video away besides its pictures: sound, manifest, length, name and codec
settings are gone, because both are decoded, and encoded again in the same way.
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from motiontransfer.errors import StudyError
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.media.tensors import Frame
from motiontransfer.media.writing import write_video

_CRF = 16
_SAME_LENGTH_SECONDS = 0.1
_BLOCKS_ACROSS = 12


def duration_seconds(a: Path, b: Path) -> float:
    """How long two videos of the same motion are: the shorter one's length.

    Raises:
        MissingFileError: a video is not there.
        VideoError: a video cannot be read.
        StudyError: their lengths differ, so that the same moment would not show the same motion.
    """
    seconds = []
    for path in (a, b):
        with FrameStore(path) as video:
            seconds.append(float(len(video) / video.frame_rate))
    if abs(seconds[0] - seconds[1]) > _SAME_LENGTH_SECONDS:
        raise StudyError(
            f"{b}: expected {seconds[0]:.2f} s as {a} has, got {seconds[1]:.2f} s; compare two"
            " videos of the same motion from its beginning to its end"
        )
    return min(seconds)


def clip_starts(duration: float, *, seconds: float, num_clips: int) -> list[float]:
    """Where clips begin, evenly spread from the first to the last that fits, in seconds.

    A single one is in the middle.

    Args:
        duration: of the video, seconds.
        seconds: length of a clip.

    Raises:
        StudyError: the video is shorter than a clip.
    """
    room = duration - seconds
    if room < 0:
        raise StudyError(
            f"expected clips no longer than the {duration:.2f} s of the video, got {seconds:g} s;"
            " ask for shorter ones (--seconds)"
        )
    if num_clips == 1:
        return [room / 2]
    return [room * index / (num_clips - 1) for index in range(num_clips)]


def cut(path: Path, *, start: float, seconds: float) -> bytes:
    """Return a part of a video as an MP4 file of its own, without sound."""
    with FrameStore(path) as video:
        return _encoded(video, _part(video, start, seconds))


def cut_spoilt(path: Path, *, start: float, seconds: float) -> bytes:
    """Return the same part in coarse blocks: nobody who looks takes it for the better one."""
    with FrameStore(path) as video:
        return _encoded(video, map(in_blocks, _part(video, start, seconds)))


def in_blocks(frame: Frame) -> Frame:
    """Return the frame in squares, each in the colour of its middle."""
    height, width, _ = frame.shape
    block = max(2, width // _BLOCKS_ACROSS)
    rows, columns = (
        np.minimum(np.arange(size) // block * block + block // 2, size - 1)
        for size in (height, width)
    )
    return frame[np.ix_(rows, columns)]


def _part(video: FrameStore, start: float, seconds: float) -> Iterator[Frame]:
    rate = float(video.frame_rate)
    num_frames = max(1, min(round(seconds * rate), len(video)))
    first = min(round(start * rate), len(video) - num_frames)
    return video.frames(first, first + num_frames)


def _encoded(video: FrameStore, frames: Iterable[Frame]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        path = Path(scratch) / "clip.mp4"
        write_video(path, frames, frame_rate=video.frame_rate, crf=_CRF)
        return path.read_bytes()
