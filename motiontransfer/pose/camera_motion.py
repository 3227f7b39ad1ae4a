"""Camera motion from phase correlation of background tiles.

Tiles that the person does not touch are compared with themselves a fraction of a second later; the
median over tiles is the camera's motion, whatever else moves in view.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.boxes import enclosing_box
from motiontransfer.video.frame_store import FrameStore

PAIR_SECONDS = 0.2
"""Time between the frames of a pair."""

_TILES_A_SIDE = 4  # at least, of the shorter side; shifts below half a tile are measurable
_MIN_TEXTURE = 3.0  # standard deviation of grey levels: less is noise on a plain wall
_MIN_RESPONSE = 0.2  # of the correlation's peak, 1 being a perfect match


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePair:
    """Two frames a moment apart."""

    before: UInt8[np.ndarray, "height width 3"]
    """The earlier frame."""

    after: UInt8[np.ndarray, "height width 3"]
    """The later frame."""

    background: Bool[np.ndarray, "height width"]
    """Pixels that the person covers in neither."""

    seconds: float
    """Time between them."""


def camera_speed(pairs: Iterable[FramePair]) -> float | None:
    """Background motion in widths of the image per second; None without texture.

    The upper quartile over pairs: a camera that moves a quarter of the time counts as moving.
    """
    speeds = []
    for pair in pairs:
        shift = _background_shift(pair.before, pair.after, pair.background)
        if shift is not None:
            speeds.append(shift / pair.background.shape[1] / pair.seconds)
    return float(np.quantile(speeds, 0.75)) if speeds else None


def pairs_of_clip(
    store: FrameStore, keypoints: Keypoints, *, num_pairs: int = 24
) -> Iterator[FramePair]:
    """Frame pairs evenly spread over a clip; none if it is shorter than one pair."""
    step = max(1, round(PAIR_SECONDS * keypoints.frame_rate))
    if keypoints.num_frames <= step:
        return
    last = keypoints.num_frames - step - 1
    for start in np.unique(np.linspace(0, last, num_pairs).round().astype(int)).tolist():
        yield FramePair(
            before=store[start],
            after=store[start + step],
            background=without_person(keypoints, (start, start + step)),
            seconds=step / float(keypoints.frame_rate),
        )


def without_person(
    keypoints: Keypoints, frame_indices: tuple[int, ...]
) -> Bool[np.ndarray, "height width"]:
    """Mask of the pixels outside the person's box in all of some frames."""
    background = np.ones(keypoints.image_size, np.bool_)
    for index in frame_indices:
        seen = keypoints.points[index][keypoints.score[index] > 0]
        box = enclosing_box(seen, margin=0.15, image_size=keypoints.image_size)
        if box is not None:
            x0, y0, x1, y1 = box
            background[y0:y1, x0:x1] = False
    return background


def _background_shift(
    before: UInt8[np.ndarray, "height width 3"],
    after: UInt8[np.ndarray, "height width 3"],
    background: Bool[np.ndarray, "height width"],
) -> float | None:
    """Median shift of the background's tiles, pixels; None if none has texture."""
    greys = [
        cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in (before, after)
    ]
    height, width = background.shape
    side = 2 ** int(np.log2(min(height, width) / _TILES_A_SIDE))  # others OpenCV pads, lopsidedly
    window = cv2.createHanningWindow((side, side), cv2.CV_32F)
    distances = []
    for top in range(0, height - side + 1, side):
        for left in range(0, width - side + 1, side):
            tile = (slice(top, top + side), slice(left, left + side))
            first, second = (grey[tile] for grey in greys)
            if not background[tile].all() or first.std() < _MIN_TEXTURE:
                continue
            shift, response = cv2.phaseCorrelate(first, second, window)
            if response > _MIN_RESPONSE:
                distances.append(math.hypot(*shift))
    return float(np.median(distances)) if distances else None
