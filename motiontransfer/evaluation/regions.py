"""Where to measure: the boxes around the person, the face and each hand, in each frame.

Hides which joints make a region: all of the person's, the face's or one hand's, as detected on the
real frames. The face region is not the face generator's crop: what is measured must not move when a
setting of the method does.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.boxes import enclosing_box

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half-open."""

_SMALLEST_HAND_PX = 16
"""In a picture of 256 pixels most hands are smaller than SSIM's window and a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """One box a frame, where there is one."""

    boxes: Int64[np.ndarray, "frames 4"]
    """x0, y0, x1, y1 in pixels, half-open, inside the image; zeros where nothing was found."""

    found: Bool[np.ndarray, " frames"]
    """Whether the frame has a box."""

    def at(self, frame_index: int) -> Box | None:
        """The frame's box, or None where nothing was found."""
        if not self.found[frame_index]:
            return None
        x0, y0, x1, y1 = (int(edge) for edge in self.boxes[frame_index])
        return x0, y0, x1, y1


def all_regions(keypoints: Keypoints, *, margin: float) -> dict[str, Regions]:
    """The boxes of `person`, `face`, `left_hand` and `right_hand`.

    Args:
        margin: share of a box's longer side by which it grows on every side.
    """
    return {
        "person": person_regions(keypoints, margin=margin),
        "face": face_regions(keypoints, margin=margin),
        "left_hand": hand_regions(keypoints, "left_hand", margin=margin),
        "right_hand": hand_regions(keypoints, "right_hand", margin=margin),
    }


def person_regions(keypoints: Keypoints, *, margin: float) -> Regions:
    """Boxes around every joint of the person, in the frames where the body was found.

    Args:
        margin: share of the box's longer side by which it grows on every side.
    """
    present = np.greater(keypoints.score, 0)
    with_body = np.any(present[:, keypoints.skeleton.slice("body")], axis=1)
    return _regions(keypoints, present, with_body, margin)


def face_regions(keypoints: Keypoints, *, margin: float) -> Regions:
    """Boxes around the joints of the face, in the frames where it was found.

    Args:
        margin: share of the box's longer side by which it grows on every side.
    """
    return _group_regions(keypoints, "face", margin)


def hand_regions(
    keypoints: Keypoints, hand: Literal["left_hand", "right_hand"], *, margin: float
) -> Regions:
    """Boxes around the joints of a hand, in the frames where it was found.

    Boxes smaller than 16 pixels grow to that, so that there is something to measure.

    Args:
        margin: share of the box's longer side by which it grows on every side.
    """
    found = _group_regions(keypoints, hand, margin)
    height, width = keypoints.image_size
    low, high = found.boxes[:, :2], found.boxes[:, 2:]
    limit = np.array([width, height])
    side = np.minimum(np.maximum(high - low, _SMALLEST_HAND_PX), limit)
    corner = np.clip((low + high - side + 1) // 2, 0, limit - side)
    boxes = np.concatenate([corner, corner + side], axis=1)
    return Regions(boxes=np.where(found.found[:, None], boxes, 0), found=found.found)


def _group_regions(keypoints: Keypoints, group: str, margin: float) -> Regions:
    present = np.zeros(keypoints.score.shape, bool)
    if group in dict(keypoints.skeleton.groups):
        part = keypoints.skeleton.slice(group)
        present[:, part] = keypoints.score[:, part] > 0
    return _regions(keypoints, present, np.any(present, axis=1), margin)


def _regions(
    keypoints: Keypoints,
    present: Bool[np.ndarray, "frames joints"],
    wanted: Bool[np.ndarray, " frames"],
    margin: float,
) -> Regions:
    boxes = np.zeros((keypoints.num_frames, 4), np.int64)
    found = np.zeros(keypoints.num_frames, bool)
    for index in np.flatnonzero(wanted):
        points = keypoints.points[index][present[index]]
        box = enclosing_box(points, margin=margin, image_size=keypoints.image_size)
        if box is not None:
            boxes[index], found[index] = box, True
    return Regions(boxes=boxes, found=found)
