"""Where to measure: the box around the person and the box around the face, in each frame.

Hides which joints make a region: all of the person's, or the face's, as detected on the real
frames. The face region is not the face generator's crop: what is measured must not move when a
setting of the method does.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.person_box import enclosing_box

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half-open."""


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
    present = np.zeros(keypoints.score.shape, bool)
    face = keypoints.skeleton.slice("face")
    present[:, face] = keypoints.score[:, face] > 0
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
