"""Boxes around a person and the face, face alignment, the body's height and axis, the viewport.

The viewport is the part of each frame that the networks generate. It is as small as the person
allows: the networks' time is that of its pixels. It stays until the person would leave it or has
become much smaller, so that it does not jitter. Outside it, a frame is the background image with
the person's shadows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int

from motiontransfer.core.arrays import Boxes, FrameMask, Places, Points, Scores, Vectors
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import fill_gaps, running_mean, running_median, window_frames

_SIDES = ("left", "right")

# The body's height, from the lengths of its parts.
_HEIGHTS_PER_TRUNK = 3.0
_HEIGHTS_PER_SHOULDERS = 4.0
UPRIGHT_SHARE = 0.3  # of the height, from the feet up to the head; less is lying, or a handstand
_UPRIGHT_QUANTILE = 0.9  # of lengths over a clip: bent and turned, a person is shorter

# Faces. Ratios are those of MediaPipe's joints.
_MIN_SCORE = 0.3  # of a joint of the head; less is missing
_SIDE_IN_FACES = 1.8  # of the box, relative to the face's height from forehead to chin
_CENTER_SECONDS = 0.1  # window of the mean over the box's center: it follows the head
_SIZE_SECONDS = 1.0  # window of the median over its size, which changes slowly
_FACE_PER_EYES_TO_MOUTH = 2.4  # forehead to chin over eyes to mouth
_EARS_PER_EYES = 2.1  # distance of the ears over that of the eyes
# Place of the mouth in shares of the ways from the eyes to the nose and to the middle of the ears.
# All four lie in one plane, so it holds in any view.
_MOUTH_FROM_EYES = (1.76, 0.68)

# Aligned faces.
_SIDE_PER_EYES_TO_MOUTH = 3.4  # side of the crop: 1.4 faces
_CENTER_FROM_EYES = 0.3  # middle of the face, as a share of the way from eyes to mouth

# Viewports.
_MARGIN = 0.06  # share of the body's height: hair, shoes, folds and the shadow at the feet
_GRID_PX = 2  # corners lie on it: half the resolution has the same viewports


def joint_boxes(
    points: Float32[np.ndarray, "rows joints 2"], score: Float32[np.ndarray, "rows joints"]
) -> Float64[np.ndarray, "rows 4"]:
    """Bounding box of each row's joints, x0, y0, x1, y1 in pixels; zeros where it has none."""
    found = score[..., None] > 0
    low = np.where(found, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(found, points, -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate([low, high], axis=1).astype(np.float64)
    return np.where(np.any(found, axis=1), boxes, 0.0)


def body_height_px(keypoints: Keypoints) -> float:
    """Apparent height of the upright body, one number a clip; 0 where nothing is seen.

    Estimated from the trunk, else from the shoulders, else from the extent of all joints.
    """
    (shoulders, has_shoulders), (hips, has_hips) = (
        keypoints.midpoint(f"left_{joint}", f"right_{joint}") for joint in ("shoulder", "hip")
    )
    if (has_shoulders & has_hips).any():
        trunk = np.linalg.norm(shoulders - hips, axis=1)[has_shoulders & has_hips]
        return _HEIGHTS_PER_TRUNK * float(np.quantile(trunk, _UPRIGHT_QUANTILE))
    if has_shoulders.any():
        left, right = (keypoints.joint(f"{side}_shoulder")[0].astype(np.float64) for side in _SIDES)
        width = np.linalg.norm(left - right, axis=1)[has_shoulders]
        return _HEIGHTS_PER_SHOULDERS * float(np.quantile(width, _UPRIGHT_QUANTILE))
    seen = keypoints.points[keypoints.score > 0].astype(np.float64)
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def across_body(up: Vectors) -> Vectors:
    """Unit vectors to the right of bodies as they are seen upright.

    Those of who stands, sits or bows are the image's, and those of who lies or is upside down go
    across the body.

    Args:
        up: from the ankles to the shoulders, x + iy with y downwards; NaN where not found.
    """
    length = np.abs(up)
    lies = -up.imag < UPRIGHT_SHARE * length
    return np.where(lies, 1j * up / np.where(lies, length, 1), 1)


def face_boxes(keypoints: Keypoints) -> tuple[Int[np.ndarray, "frames 4"], FrameMask]:
    """Square boxes around the face (x0, y0, x1, y1, inside the image), and where a face is visible.

    Not visible: nose, an eye or an ear is missing, the person faces away, or the head's center is
    outside the image. The box is then interpolated, or a square in the middle if none is visible.
    A mouth, or one of the ears, that the detector leaves out is placed from the rest of the head.
    """
    height, width = keypoints.image_size
    heads = _heads(keypoints)
    center = heads.center
    face_height = _FACE_PER_EYES_TO_MOUTH * np.linalg.norm(heads.down, axis=1)
    inside = (center >= 0).all(axis=1) & (center[:, 0] < width) & (center[:, 1] < height)
    valid = heads.valid & inside
    if not valid.any():
        center = np.tile([width / 2, height / 2], (keypoints.num_frames, 1))
        side = np.full(keypoints.num_frames, min(height, width) / 4)
    else:
        short = window_frames(_CENTER_SECONDS, keypoints.frame_rate)
        long = window_frames(_SIZE_SECONDS, keypoints.frame_rate)
        center = np.stack(
            [running_mean(fill_gaps(axis, valid), window=short) for axis in center.T], axis=1
        )
        side = _SIDE_IN_FACES * running_median(fill_gaps(face_height, valid), window=long)
    side = np.clip(np.round(side), 1, min(height, width))
    corner = np.clip(
        np.round(center - side[:, None] / 2), 0, np.array([width, height]) - side[:, None]
    )
    return np.concatenate([corner, corner + side[:, None]], axis=1).astype(np.int64), valid


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heads:
    center: Places
    eyes: Places
    across: Places
    """From the right eye to the left one."""
    down: Places
    """From the eyes to the mouth."""
    valid: FrameMask
    """The face is found and turned towards the camera."""


def _heads(keypoints: Keypoints) -> _Heads:
    sure = keypoints.sure(_MIN_SCORE)
    nose, has_nose = sure.midpoint("nose")
    (ears, has_ears), (eyes, has_eyes), (mouth, has_mouth) = (
        sure.midpoint(f"left_{joint}", f"right_{joint}") for joint in ("ear", "eye", "mouth")
    )
    left, right = (keypoints.joint(f"{side}_eye")[0].astype(np.float64) for side in _SIDES)
    across = left - right
    # MediaPipe, which alone knows the corners of the eyes, places hidden joints too.
    if not keypoints.joint("left_eye_inner")[1].any():
        for side, sign in zip(_SIDES, (-1, 1), strict=True):
            ear, has_ear = sure.midpoint(f"{side}_ear")
            is_alone = has_ear & ~has_ears
            middle = ear + sign * _EARS_PER_EYES / 2 * across
            ears, has_ears = np.where(is_alone[:, None], middle, ears), has_ears | has_ear
        by_nose, by_ears = _MOUTH_FROM_EYES
        placed = eyes + by_nose * (nose - eyes) + by_ears * (ears - eyes)
        mouth = np.where(has_mouth[:, None], mouth, placed)
        has_mouth = np.ones_like(has_mouth)
    down = mouth - eyes
    # Seen from the front, the person's left eye is to the right of the line from eyes to mouth,
    # however the head is tilted.
    facing = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0] > 0
    valid = has_nose & has_ears & has_eyes & has_mouth & facing
    return _Heads(center=(nose + ears) / 2, eyes=eyes, across=across, down=down, valid=valid)


def face_alignments(
    keypoints: Keypoints, *, crop_size: int
) -> tuple[Float64[np.ndarray, "frames 2 3"], FrameMask]:
    """Similarity transform from each frame to its aligned face, and where a face is visible.

    Where no face is visible (`face_boxes`), the map is the identity.
    """
    _, valid = face_boxes(keypoints)
    maps = np.tile(np.eye(2, 3), (keypoints.num_frames, 1, 1))
    if not valid.any():
        return maps, valid
    heads = _heads(keypoints)
    down, across = heads.down, heads.across
    center = heads.eyes + _CENTER_FROM_EYES * down
    length = fill_gaps(np.linalg.norm(down, axis=1), valid)
    length = running_median(length, window=window_frames(_SIZE_SECONDS, keypoints.frame_rate))
    # In a visible face the two are less than a right angle apart: they never cancel out.
    upright = down + np.stack([-across[:, 1], across[:, 0]], axis=1)
    for index in np.flatnonzero(valid):
        x, y = upright[index] / np.linalg.norm(upright[index])
        scale = crop_size / (_SIDE_PER_EYES_TO_MOUTH * length[index])
        maps[index, :, :2] = scale * np.array([[y, -x], [x, y]])
        maps[index, :, 2] = (crop_size - 1) / 2 - maps[index, :, :2] @ center[index]
    return maps, valid


def inverse(maps: Float64[np.ndarray, "*batch 2 3"]) -> Float64[np.ndarray, "*batch 2 3"]:
    back = np.linalg.inv(maps[..., :2])
    return np.concatenate([back, -back @ maps[..., 2:]], axis=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewport:
    margin_px: float
    """Least distance of a joint from an edge that is not the image's."""
    multiple_of: int
    """Side lengths are multiples of this, at least twice it, or the image's. Pixels."""


def fit_viewport(clips: Sequence[Keypoints], *, multiple_of: int) -> Viewport:
    """The viewport of a person; `multiple_of` is the networks' stride, pixels."""
    height_px = max(body_height_px(keypoints) for keypoints in clips)
    return Viewport(margin_px=_MARGIN * height_px, multiple_of=multiple_of)


class ViewportFollower:
    """Places the viewport in a clip's frames as they arrive, in batches of any size. Causal."""

    def __init__(self, viewport: Viewport, *, image_size: tuple[int, int]) -> None:
        self._viewport, self._image_size = viewport, image_size
        self._sides = [(0, length) for length in reversed(image_size)]  # start and stop along x, y

    def place(self, points: Points, score: Scores) -> Boxes:
        """Boxes in the next frames; where no person is detected, the viewport stays."""
        boxes = np.zeros((len(points), 4), np.int64)
        people = person_boxes(self._viewport, points, score, image_size=self._image_size)
        for box, person in zip(boxes, people.tolist(), strict=True):
            for axis, image_length in enumerate(reversed(self._image_size)):
                span = (person[axis], person[axis + 2])
                side = _next_span(self._sides[axis], span, self._viewport, image_length)
                self._sides[axis] = box[axis], box[axis + 2] = side
        return boxes


def person_boxes(
    viewport: Viewport, points: Points, score: Scores, *, image_size: tuple[int, int]
) -> Float64[np.ndarray, "frames 4"]:
    """Box around each frame's joints with the margin, inside the image; NaN where it has none."""
    boxes = joint_boxes(points, score) + viewport.margin_px * np.array([-1, -1, 1, 1])
    boxes = np.clip(boxes, 0, [*image_size[::-1]] * 2)
    return np.where((score > 0).any(axis=1, keepdims=True), boxes, np.nan)


def equal_viewports(
    viewport: Viewport, people: Float64[np.ndarray, "boxes 4"], *, image_size: tuple[int, int]
) -> Boxes:
    """Viewports of one size, the smallest that hold a person's box each."""
    sides = []
    for axis in range(2):
        spans, image_length = people[:, [axis, axis + 2]], image_size[1 - axis]
        length = max(_length(high - low, viewport, image_length) for low, high in spans.tolist())
        starts = np.array([_start(*span, length, image_length) for span in spans.tolist()])
        sides.append(np.stack([starts, starts + length], axis=1))
    return np.stack(sides, axis=2).reshape(-1, 4)


def _next_span(
    side: tuple[int, int], span: tuple[float, float], viewport: Viewport, image_length: int
) -> tuple[int, int]:
    """(start, stop) of the viewport along one axis; kept unless the person leaves it.

    Args:
        side: of the frame before.
        span: of the person; NaN where nobody is detected.
    """
    (start, stop), (low, high) = side, span
    if math.isnan(low):
        return side
    length = _length(high - low, viewport, image_length)
    holds = start <= low and high <= stop
    if holds and stop - start <= length + viewport.multiple_of:
        return side
    start = _start(low, high, length, image_length)
    return start, start + length


def _length(extent: float, viewport: Viewport, image_length: int) -> int:
    """Smallest side that holds an extent wherever its start is rounded to."""
    multiple = viewport.multiple_of
    num_multiples = max(math.ceil((extent + _GRID_PX) / multiple), 2)
    return min(num_multiples * multiple, image_length)


def _start(low: float, high: float, length: int, image_length: int) -> int:
    """Start of the side that has the span in its middle, as far as the image allows."""
    start = min(max((low + high - length) / 2, 0.0), image_length - length)
    return _GRID_PX * math.floor(start / _GRID_PX)
