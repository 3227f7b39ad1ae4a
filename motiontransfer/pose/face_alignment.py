"""Aligned faces: in each frame the map that brings the face upright to one place and size.

Hides which joints of the head decide. The place is between eyes and mouth; upright is the way from
eyes to mouth and the line through the eyes together, as the first is short in a bowed head and the
second in a turned one; the size is that of the way from eyes to mouth over a second. Place and
direction are not smoothed: the map that lays a face onto a pose made from the same joints then
loses their noise.
"""

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.face_box import face_boxes
from motiontransfer.pose.smoothing import fill_gaps, running_median, window_frames

_SIDE_PER_EYES_TO_MOUTH = 3.4
"""1.4 faces: a face is 2.4 times as high as the way from eyes to mouth (`face_box`)."""
_CENTRE_FROM_EYES = 0.3
"""Where the middle of the face is on the way from eyes to mouth."""
_SIZE_SECONDS = 1.0


def face_alignments(
    keypoints: Keypoints, *, crop_size: int
) -> tuple[Float64[np.ndarray, "frames 2 3"], Bool[np.ndarray, " frames"]]:
    """Maps from points of each frame to points of its aligned face, and whether a face is seen.

    A face is seen where `face_boxes` says so; elsewhere the map is the identity.

    Args:
        crop_size: height and width of the aligned face, pixels.
    """
    _, valid = face_boxes(keypoints)
    maps = np.tile(np.eye(2, 3), (keypoints.num_frames, 1, 1))
    if not valid.any():
        return maps, valid
    left_eye, right_eye, left_mouth, right_mouth = (
        keypoints.joint(name)[0].astype(np.float64)
        for name in ("left_eye", "right_eye", "left_mouth", "right_mouth")
    )
    eyes, mouth = (left_eye + right_eye) / 2, (left_mouth + right_mouth) / 2
    down, across = mouth - eyes, left_eye - right_eye
    centre = eyes + _CENTRE_FROM_EYES * down
    length = fill_gaps(np.linalg.norm(down, axis=1), valid)
    length = running_median(length, window=window_frames(_SIZE_SECONDS, keypoints.frame_rate))
    # Of a face that is seen the two are less than a right angle apart: they never cancel out.
    upright = down + np.stack([-across[:, 1], across[:, 0]], axis=1)
    for index in np.flatnonzero(valid):
        x, y = upright[index] / np.linalg.norm(upright[index])
        scale = crop_size / (_SIDE_PER_EYES_TO_MOUTH * length[index])
        maps[index, :, :2] = scale * np.array([[y, -x], [x, y]])
        maps[index, :, 2] = (crop_size - 1) / 2 - maps[index, :, :2] @ centre[index]
    return maps, valid


def inverse(maps: Float64[np.ndarray, "*batch 2 3"]) -> Float64[np.ndarray, "*batch 2 3"]:
    """The maps that lead back."""
    back = np.linalg.inv(maps[..., :2])
    return np.concatenate([back, -back @ maps[..., 2:]], axis=-1)
