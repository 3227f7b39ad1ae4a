"""Square face boxes and face alignment, smoothed over time."""

import numpy as np
from jaxtyping import Bool, Float64, Int

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.time_series import fill_gaps, running_mean, running_median, window_frames

_HEAD_JOINTS = (
    "nose",
    "left_eye",
    "right_eye",
    "left_ear",
    "right_ear",
    "left_mouth",
    "right_mouth",
)
_FACE_PER_EYES_TO_MOUTH = 2.4
"""Forehead to chin over eyes to mouth: 2.40, 2.45 on two real people, single frames 2.1 to 2.7."""


def face_boxes(
    keypoints: Keypoints,
    *,
    side_in_faces: float = 1.8,
    min_score: float = 0.3,
    centre_seconds: float = 0.1,
    size_seconds: float = 1.0,
) -> tuple[Int[np.ndarray, "frames 4"], Bool[np.ndarray, " frames"]]:
    """Square boxes around the face (x0, y0, x1, y1, inside the image), and where a face is visible.

    Not visible: a joint of the head is missing, the person faces away, or the head's centre is
    outside the image. The box is then interpolated, or a square in the middle if none is visible.

    Args:
        side_in_faces: side of the box relative to the face's height, forehead to chin.
        min_score: joints with a lower score count as missing.
        centre_seconds: window over which the centre is averaged.
        size_seconds: window of the median over the size.
    """
    height, width = keypoints.image_size
    centre, face_height, valid = _heads(keypoints, min_score)
    inside = (centre >= 0).all(axis=1) & (centre[:, 0] < width) & (centre[:, 1] < height)
    valid = valid & inside
    if not valid.any():
        centre = np.tile([width / 2, height / 2], (keypoints.num_frames, 1))
        side = np.full(keypoints.num_frames, min(height, width) / 4)
    else:
        short = window_frames(centre_seconds, keypoints.frame_rate)
        long = window_frames(size_seconds, keypoints.frame_rate)
        centre = np.stack(
            [running_mean(fill_gaps(axis, valid), window=short) for axis in centre.T], axis=1
        )
        side = side_in_faces * running_median(fill_gaps(face_height, valid), window=long)
    side = np.clip(np.round(side), 1, min(height, width))
    corner = np.clip(
        np.round(centre - side[:, None] / 2), 0, np.array([width, height]) - side[:, None]
    )
    return np.concatenate([corner, corner + side[:, None]], axis=1).astype(np.int64), valid


def _heads(
    keypoints: Keypoints, min_score: float
) -> tuple[
    Float64[np.ndarray, "frames 2"], Float64[np.ndarray, " frames"], Bool[np.ndarray, " frames"]
]:
    """Centre of the head, height of the face, and where it is visible."""
    found = {name: keypoints.joint(name) for name in _HEAD_JOINTS}
    points = {name: point.astype(np.float64) for name, (point, _) in found.items()}
    weakest = np.stack([score for _, score in found.values()]).min(axis=0)
    complete = (weakest > 0) & (weakest >= min_score)
    ears = (points["left_ear"] + points["right_ear"]) / 2
    eyes = (points["left_eye"] + points["right_eye"]) / 2
    mouth = (points["left_mouth"] + points["right_mouth"]) / 2
    down = mouth - eyes
    across = points["left_eye"] - points["right_eye"]
    # Seen from the front, the person's left eye is to the right of the line from eyes to mouth,
    # however the head is tilted.
    facing = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] > 0
    face_height = _FACE_PER_EYES_TO_MOUTH * np.linalg.norm(down, axis=1)
    return (points["nose"] + ears) / 2, face_height, complete & facing


_SIDE_PER_EYES_TO_MOUTH = 3.4
"""1.4 faces: a face is 2.4 times as high as the way from eyes to mouth (`face_box`)."""
_CENTRE_FROM_EYES = 0.3
"""Middle of the face, as a fraction of the way from eyes to mouth."""
_SIZE_SECONDS = 1.0


def face_alignments(
    keypoints: Keypoints, *, crop_size: int
) -> tuple[Float64[np.ndarray, "frames 2 3"], Bool[np.ndarray, " frames"]]:
    """Similarity transform from each frame to its aligned face, and where a face is visible.

    Where no face is visible (`face_boxes`), the map is the identity.

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
    """Invert affine maps."""
    back = np.linalg.inv(maps[..., :2])
    return np.concatenate([back, -back @ maps[..., 2:]], axis=-1)
