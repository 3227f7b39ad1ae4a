"""Frames of a clip at the input's own size, read when they are asked for."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float64

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import VideoError
from motiontransfer.core.parallel import map_ahead
from motiontransfer.video.clip import FILM_FILE, FULL_SIZE_FILE, read_clip, read_source_starts
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.reader import (
    Timed,
    VideoMetadata,
    decode_at,
    open_input,
    read_frames,
    read_metadata,
    upright,
)

_WITH_TIMES = {"mov", "matroska"}  # formats in which a frame's own time is stored
_SAME_SECONDS = 1e-3  # rounding of a container's times


class Film:
    """A clip's frames with the input's pixels.

    They are those of its copy, of a photo's frame store, or where it has no more of the working
    image's.
    """

    def __init__(self, folder: Path) -> None:
        """Look what the folder of a clip has; no frame is read."""
        self._folder = folder
        self._is_copy = (folder / FILM_FILE).exists()
        if self._is_copy:
            clip = read_clip(folder)
            framing, self._rotate = clip.full_framing, clip.rotate
            assert framing is not None
            self._framing = framing
            self.size: tuple[int, int] = framing.size
            return
        path = folder / FULL_SIZE_FILE
        self.store = path if path.exists() else folder / layout.FRAMES_FILE
        """Of a photo, with its mask if it has one."""
        with FrameStore(self.store) as store:
            self.size = store.size

    def read(self, indices: Sequence[int]) -> Iterator[Frame]:
        """Yield frames by ascending frame_index.

        Raises:
            VideoError: a frame cannot be decoded again.
        """
        if not self._is_copy:
            with FrameStore(self.store) as store:
                yield from (store[index] for index in indices)
            return
        video = read_metadata(self._folder / FILM_FILE, rotate=self._rotate)
        starts = read_source_starts(self._folder)[list(indices)]
        shown = zip(indices, _shown_at(video, starts), strict=True)

        def framed(of: tuple[int, Timed[av.VideoFrame] | None]) -> Frame:
            index, timed = of
            if timed is None:
                raise VideoError(f"{video.path}: frame {index} cannot be decoded; run decode again")
            return self._framing.apply(upright(timed.item, video))

        yield from map_ahead(framed, shown, num_threads=1)  # beside decoding


def _shown_at(
    video: VideoMetadata, starts: Float64[np.ndarray, " times"]
) -> Iterator[Timed[av.VideoFrame] | None]:
    """The frames that begin at ascending times; None where one cannot be decoded."""
    with open_input(video.path) as container:
        has_times = bool(_WITH_TIMES & {*container.format.name.split(",")})
    if has_times and video.scan == "progressive" and not video.is_transparent:
        done = 0
        for timed in decode_at(video, starts):
            if timed is None or abs(timed.start_seconds - starts[done]) > _SAME_SECONDS:
                break  # the file's times were mended as it was read in turn
            yield timed
            done += 1
        starts = starts[done:]
    frames, shown = read_frames(video), None  # all in turn, as `decode` read them
    for seconds in starts.tolist():
        while shown is None or shown.start_seconds < seconds:
            shown = next(frames, None)
            if shown is None:
                break
        yield shown
