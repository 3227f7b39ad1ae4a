"""Whether the camera stood still, by what the background does around the person.

Hides how that is seen cheaply: at moments spread over the clip, tiles of the picture that the
person does not touch are compared with themselves a fraction of a second later (phase correlation);
the median tile tells the camera's motion, whatever else moves there.
"""

import math

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from motiontransfer.keypoints import Keypoints
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.pose.person_box import enclosing_box

_STEP_SECONDS = 0.2
_TILES_A_SIDE = 4  # at least, of the shorter side; shifts below half a tile can be told
_MIN_TEXTURE = 3.0  # standard deviation of grey levels: less is noise on a plain wall
_MIN_RESPONSE = 0.2  # of the correlation's peak, 1 being a perfect match


def camera_speed(store: FrameStore, keypoints: Keypoints, *, num_moments: int = 24) -> float | None:
    """How fast the background moves, in widths of the image a second; None if it is too plain.

    The upper quartile over moments, so that a camera that moves for a quarter of the clip tells.

    Args:
        num_moments: how many times two frames are compared.
    """
    step = max(1, round(_STEP_SECONDS * keypoints.frame_rate))
    if keypoints.num_frames <= step:
        return None
    last = keypoints.num_frames - step - 1
    starts = np.unique(np.linspace(0, last, num_moments).round().astype(int)).tolist()
    shifts = []
    for start in starts:
        background = _background(keypoints, (start, start + step))
        shift = _background_shift(store[start], store[start + step], background)
        if shift is not None:
            shifts.append(shift)
    if not shifts:
        return None
    seconds = step / float(keypoints.frame_rate)
    return float(np.quantile(shifts, 0.75)) / keypoints.image_size[1] / seconds


def _background(
    keypoints: Keypoints, frame_indices: tuple[int, ...]
) -> Bool[np.ndarray, "height width"]:
    """Where the person is at none of some moments."""
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
    """Median distance in pixels that tiles of the background move; None if all are too plain."""
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
