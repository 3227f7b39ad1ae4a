"""The person over another background: compositing with an alpha mask (Porter and Duff 1984).

A frame is the person times the mask and the room, with its shadows, times the rest. What the room
adds to a half covered pixel, as between hairs, is taken off before another background is added.
Shadows and reflections are the room's, so that they are left out.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32

from motiontransfer.core import layout
from motiontransfer.core.arrays import AnyFrame, Frame, MaskedFrame
from motiontransfer.core.names import valid_name
from motiontransfer.core.parallel import in_thread
from motiontransfer.rendering.compositing import VisibleLabel, with_label, without_mask
from motiontransfer.rendering.videos import result_writer
from motiontransfer.video.clip import Clip, at_rate
from motiontransfer.video.geometry import resize
from motiontransfer.video.isolation import iterate_isolated, run_isolated
from motiontransfer.video.reader import read_frames, read_metadata, upright

NO_MASK = (
    "{} needs the person's mask, which train_gan.background gives with an image of the room alone; "
    "set it to film"
)
_NEARBY = 0.01  # distance within which the room has the same shadow, of a frame's height
_LEAST_WHOLE, _WHOLE = 0.7, 0.85
"""Shares between which a pixel becomes the person alone: networks leave a little room in all."""
_LEAST_SHARE = 1e-3


class CutOut(NamedTuple):
    """A person without the room."""

    box: tuple[slice, slice]
    """Where in the frame; all else is the room's."""
    color: Float32[np.ndarray, "rows columns 3"]
    """Levels, times the person's share."""
    share: Float32[np.ndarray, "rows columns 1"]


def cut_out(frame: MaskedFrame, room: Frame) -> CutOut:
    """Take the room off a frame, with the shadows that are seen nearby."""
    near = max(round(_NEARBY * len(frame)), 1)
    left, top, width, height = cv2.boundingRect(frame[..., 3])
    box = np.s_[max(top - near, 0) : top + height + near, max(left - near, 0) : left + width + near]
    levels, share = np.split(frame[box].astype(np.float32), [3], axis=2)
    share /= 255
    share += (1 - share) * ((share - _LEAST_WHOLE) / (_WHOLE - _LEAST_WHOLE)).clip(0, 1)
    is_room = (share == 0).astype(np.float32)
    shadow = _mean_nearby(is_room * (levels - room[box]), near)
    shadow /= np.maximum(_mean_nearby(is_room, near), _LEAST_SHARE)[..., None]
    color = levels - (1 - share) * (room[box] + shadow)
    return CutOut(box, color.clip(0, 255 * share), share)


def over(person: CutOut, background: Frame) -> Frame:
    frame = background.copy()
    frame[person.box] = (person.color + (1 - person.share) * background[person.box]).round()
    return frame


def with_alpha(person: CutOut, size: tuple[int, int]) -> MaskedFrame:
    """Straight colors, not times the mask, which go on a little beside it: coding blurs both."""
    frame = np.zeros((*size, 4), np.uint8)
    color, share = (
        plane + _LEAST_SHARE * _mean_nearby(plane, 2).reshape(plane.shape)
        for plane in (person.color, person.share)
    )
    frame[person.box][..., :3] = (color / np.maximum(share, 1e-9)).clip(0, 255).round()
    frame[person.box][..., 3:] = (255 * person.share).round()
    return frame


def _mean_nearby(
    plane: Float32[np.ndarray, "rows columns channels"], distance_px: int
) -> Float32[np.ndarray, "rows columns *channels"]:
    """Without the last axis where it has one channel."""
    side = 2 * distance_px + 1
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE)


def files_over(background: str) -> list[str]:
    """Names of the videos over a background."""
    if background == layout.ALPHA:
        return ["alpha.mov", "alpha.webm"]
    return [] if background == layout.FILM else [f"{valid_name(Path(background).stem)}.mp4"]


def check_background(background: str) -> None:
    """Check that a background can be read.

    Raises:
        MissingFileError: there is no such file.
        VideoError: it is neither a picture nor a video.
    """
    if background not in layout.PLAIN_BACKGROUNDS:
        run_isolated(read_metadata, layout.BACKGROUNDS_FOLDER / background)


def background_frames(
    background: str, *, size: tuple[int, int], frame_rate: Fraction
) -> Iterator[Frame]:
    """Frames of a background without end: a color, or a still or video, which begins again.

    They are cut to the size's aspect, around the middle.
    """
    if color := layout.PLAIN_BACKGROUNDS.get(background):
        yield from repeat(np.full((*size, 3), color, np.uint8))
    path = layout.BACKGROUNDS_FOLDER / background
    is_still = run_isolated(read_metadata, path).packet_times.starts_seconds.size <= 1
    while True:
        for frame in iterate_isolated(_fitted, path, size=size, frame_rate=frame_rate):
            yield frame
            if is_still:
                yield from repeat(frame)


def _fitted(path: Path, *, size: tuple[int, int], frame_rate: Fraction) -> Iterator[Frame]:
    video = read_metadata(path)
    for timed in at_rate(read_frames(video), video, frame_rate):
        yield _covering(upright(timed.item, video), size)


def _covering(image: AnyFrame, size: tuple[int, int]) -> Frame:
    """The middle of an image, as much as the aspect of a size leaves, in that size."""
    height, width, _ = image.shape
    scale = max(size[0] / height, size[1] / width)
    rows, columns = (max(round(side / scale), 1) for side in size)
    top, left = (height - rows) // 2, (width - columns) // 2
    return resize(image[top : top + rows, left : left + columns], size)


def written_over(
    frames: Iterable[tuple[MaskedFrame, Frame]],
    folder: Path,
    background: str,
    source: Clip,
    *,
    crf: int,
    visible_label: VisibleLabel = "none",
) -> Iterator[Frame]:
    """Yield the frames in their room; write them over another background meanwhile, in threads.

    Args:
        frames: each with what is behind the person in it.
        folder: gets the videos that `files_over` names, with the source's sound.
    """
    behind = None
    with ExitStack() as stack:
        enter = stack.enter_context
        writers = [
            enter(in_thread(enter(result_writer(folder / name, source, crf=crf))))
            for name in files_over(background)
        ]

        def show(frame: MaskedFrame, room: Frame) -> None:
            nonlocal behind
            size, person = frame.shape[:2], cut_out(frame, room)
            if background != layout.ALPHA and behind is None:
                behind = background_frames(background, size=size, frame_rate=source.frame_rate)
            made = with_alpha(person, size) if behind is None else over(person, next(behind))
            for write in writers:
                write(with_label(made) if visible_label == "corner" else made)

        show_later = enter(in_thread(show))
        for frame, room in frames:
            show_later(frame, room)
            yield without_mask(frame)
