"""How whole a person is in generated frames, told by masks of the film's person."""

from collections.abc import Sequence
from statistics import mean

import cv2
import numpy as np
from jaxtyping import Bool, Float

from motiontransfer.body.parts import BodyPoses
from motiontransfer.core.arrays import Frame
from motiontransfer.evaluation.image_metrics import gradients
from motiontransfer.plate.background import is_shadow
from motiontransfer.plate.segmentation import segment_person
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints

# Lengths are shares of the body's height, differences levels of 255.
_INSIDE, _OUTSIDE, _FAR = 0.01, 0.03, 0.1
_PIECE = 0.03  # side of the smallest piece that counts
_JOINT_RADIUS = 0.05
_BAND = 0.02  # width, on each side of a border
_ALIKE, _UNLIKE = 15, 30
_STEADY_SHARE = 0.9  # of the frames in which a pixel is as in the one before: no caption
_JOINTS = (
    "mid_shoulder",
    *(
        f"{side}_{joint}"
        for side in ("left", "right")
        for joint in ("shoulder", "elbow", "hip", "knee")
    ),
)

_Pixels = Bool[np.ndarray, "height width"]


def wholeness(
    poses: Keypoints, film: Sequence[Frame], made: Sequence[Frame], background: Frame
) -> dict[str, float]:
    """Means over the frames in which the person was found.

    - holes: share of the person, where they differ from the background, that shows the background;
    - stray: pixels beside the person that are neither the film's nor the background's, relative to
      the person's area;
    - left over: share of frames in which the background image shows a piece far from the person
      that the film mostly has not;
    - seams: mean gradient around the joints of the trunk and limbs, relative to the film's;
    - shadow: how much darker than the background the film's shadows are, relative to the film; none
      where it has no shadow.

    Args:
        poses: detected in the film, in its size.
        background: of the same size, without the person.
    """
    height_px = body_height_px(poses)
    joints, found_joints = BodyPoses(poses.skeleton, poses.points, poses.score).joints(_JOINTS)
    masks = segment_person(poses, enumerate(film))
    persons = [mask >= 128 for mask in masks.masks]
    indices = masks.frame_index.tolist()
    outside = [~_grown(person, _OUTSIDE * height_px) for person in persons]
    is_left = _left_over([film[index] for index in indices], outside, background)
    holes, stray, left_over, seams, darkness = [], [], [], [], np.zeros(2)
    for index, person, beside in zip(indices, persons, outside, strict=True):
        real, fake = film[index], made[index]
        shown = ~_grown(~person, _INSIDE * height_px) & _differs(real, background)
        if not shown.any():
            continue
        holes.append((shown & ~_differs(fake, background, _ALIKE)).sum() / shown.sum())
        astray = _differs(fake, real) & _differs(fake, background) & beside
        stray.append(astray.sum() / person.sum())
        far = is_left & ~_grown(person, _FAR * height_px)
        _, _, boxes, _ = cv2.connectedComponentsWithStats(far.astype(np.uint8))
        areas = boxes[1:, cv2.CC_STAT_AREA]
        left_over.append(bool((areas >= (_PIECE * height_px) ** 2).any()))
        points = joints[index][found_joints[index]]
        around = _near(points, poses.image_size, radius_px=_JOINT_RADIUS * height_px)
        seams.append(gradients(fake)[around].mean() / gradients(real)[around].mean())
        shadow = is_shadow(real, background) & _differs(real, background, _ALIKE) & beside
        darkness += [
            (background[shadow] - each[shadow].astype(float)).sum() for each in (fake, real)
        ]
    found = {"holes": holes, "stray": stray, "left over": left_over, "seams": seams}
    means = {name: mean(map(float, values)) for name, values in found.items()}
    return means | ({"shadow": float(darkness[0] / darkness[1])} if darkness[1] else {})


def _left_over(film: Sequence[Frame], free: Sequence[_Pixels], background: Frame) -> _Pixels:
    """Where a background image differs from a film that is steady there, but for shadows.

    Args:
        free: pixels of each frame that are not near the person.
    """
    wrong, steady, before = 0, 0, film[0]
    for frame, is_free in zip(film, free, strict=True):
        wrong += _differs(frame, background) & ~is_shadow(frame, background) & is_free
        steady += ~_differs(frame, before, _ALIKE) & is_free
        before = frame
    times = np.sum(free, axis=0)
    return (wrong > times / 2) & (steady > _STEADY_SHARE * times)


def _differs(first: Frame, second: Frame, levels: int = _UNLIKE) -> _Pixels:
    return cv2.absdiff(first, second).max(axis=2) > levels


def _grown(pixels: _Pixels, radius_px: float) -> _Pixels:
    away = cv2.distanceTransform((~pixels).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return away <= radius_px


def _near(
    points: Float[np.ndarray, "points 2"], size: tuple[int, int], *, radius_px: float
) -> _Pixels:
    near = np.zeros(size, np.uint8)
    for point in points.round().astype(int).tolist():
        cv2.circle(near, point, round(radius_px), 1, -1)
    return near > 0


def border_step(room: Frame, unseen: _Pixels, *, height_px: float) -> float | None:
    """Levels by which a room steps at the border of what was never seen, more than beside it.

    Means of a band on each side of the border, near each of its pixels; None without a border.

    Args:
        unseen: pixels of the room that the person always hid.
    """
    width = max(_BAND * height_px, 2)
    away = np.where(unseen, -_distance(unseen), _distance(~unseen))
    bands = [(-width <= away) & (away < 0)]
    bands += [(start < away) & (away <= start + width) for start in (0, width)]
    side = 2 * round(2 * width) + 1
    shares = [np.maximum(cv2.blur(band.astype(np.float32), (side, side)), 1e-3) for band in bands]
    within, beside, beyond = (
        cv2.blur(room * band[..., None].astype(np.float32), (side, side)) / share[..., None]
        for band, share in zip(bands, shares, strict=True)
    )
    border = (away > 0) & (away < 2)
    if not border.any():
        return None
    at_border, farther = (np.abs(a - beside).max(axis=2)[border] for a in (within, beyond))
    return float((at_border - farther).mean())


def _distance(pixels: _Pixels) -> Float[np.ndarray, "height width"]:
    return cv2.distanceTransform(pixels.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
