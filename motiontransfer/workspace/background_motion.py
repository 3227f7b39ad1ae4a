"""Whether the camera stands still, told from a few glances at a video that is not decoded yet.

Hides how the background is followed: corners outside the people are matched between two pictures
(ORB), and the similarity that most of them agree on says how far the background moved. `decode`'s
clips are measured more closely by `motiontransfer.pose.camera_motion`, which needs all frames.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from motiontransfer.workspace.glances import Glance

Boxes = Sequence[tuple[int, int, int, int]]
"""Around the people of a picture: x0, y0, x1, y1, half-open."""

STILL_SPEED = 0.015
"""Widths of the picture a second up to which a camera counts as still, as in `clean_keypoints`."""

_WIDTH = 480  # pixels to which pictures are scaled
_CORNERS = 600
_LOOK_PX = 24  # around a corner: what ORB compares, where the people must not be either
_MIN_AGREEING = 12  # corners; fewer may agree by chance
_AGREE_WITHIN_PX = 2.0
_MIN_SHARE_AGREEING = 0.2
_OTHER_PICTURE = 15  # mean difference of the background's grey levels: no longer the same place


def background_speed(glances: Sequence[Glance], people: Sequence[Boxes]) -> float | None:
    """How fast the background moves, in widths of the picture a second; None if it is too plain.

    The upper quartile over the glances, so that a camera that moves for a quarter of the time
    tells.

    Args:
        people: where they are in each glance.
    """
    speeds = []
    for glance, boxes in zip(glances, people, strict=True):
        if glance.shortly_after is None or glance.seconds_between <= 0:
            continue
        moved = background_shift(glance.picture, glance.shortly_after, boxes)
        if moved is not None:
            speeds.append(moved / glance.seconds_between)
    return float(np.quantile(speeds, 0.75)) if speeds else None


def farthest_move(
    glances: Sequence[Glance], people: Sequence[Boxes]
) -> tuple[float, float, float] | None:
    """The farthest that the background moves from one glance to the next.

    As a share of the picture's width, and the seconds between which it does; infinity where the
    picture becomes another altogether. None where the background is too plain.
    """
    moves = []
    for index in range(1, len(glances)):
        before, after = glances[index - 1], glances[index]
        boxes = [*people[index - 1], *people[index]]
        moved = background_shift(before.picture, after.picture, boxes)
        if moved is None and _is_another(before.picture, after.picture, boxes):
            moved = math.inf
        if moved is not None:
            moves.append((moved, before.seconds, after.seconds))
    return max(moves, default=None)


def background_shift(
    before: UInt8[np.ndarray, "height width 3"],
    after: UInt8[np.ndarray, "height width 3"],
    people: Boxes,
) -> float | None:
    """How far the background moved, as a share of the width; None if too little of it is found."""
    background = _background(before.shape[:2], people)
    orb = cv2.ORB.create(nfeatures=_CORNERS)
    found = [
        orb.detectAndCompute(_small_grey(it), background.astype(np.uint8)) for it in (before, after)
    ]
    (corners, looks), (later_corners, later_looks) = found
    if looks is None or later_looks is None:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(looks, later_looks)
    if len(matches) < _MIN_AGREEING:
        return None
    start = np.array([corners[match.queryIdx].pt for match in matches])
    end = np.array([later_corners[match.trainIdx].pt for match in matches])
    _, agree = cv2.estimateAffinePartial2D(start, end, ransacReprojThreshold=_AGREE_WITHIN_PX)
    agree = np.zeros(len(matches), np.bool_) if agree is None else agree[:, 0].astype(np.bool_)
    if agree.sum() < max(_MIN_AGREEING, _MIN_SHARE_AGREEING * len(matches)):
        return None
    distances = np.linalg.norm(end[agree] - start[agree], axis=1)
    return float(np.median(distances)) / background.shape[1]


def _is_another(
    before: UInt8[np.ndarray, "height width 3"],
    after: UInt8[np.ndarray, "height width 3"],
    people: Boxes,
) -> bool:
    background = _background(before.shape[:2], people)
    if background.mean() < 0.1:
        return False
    change = np.abs(_small_grey(before).astype(np.int16) - _small_grey(after))
    return bool(change[background].mean() > _OTHER_PICTURE)


def _background(size: tuple[int, ...], people: Boxes) -> Bool[np.ndarray, "height width"]:
    """Of the small picture: what no box covers."""
    scale = _WIDTH / size[1]
    background = np.ones((max(1, round(size[0] * scale)), _WIDTH), np.bool_)
    for box in people:
        x0, y0, x1, y1 = (round(edge * scale) for edge in box)
        top, left = max(y0 - _LOOK_PX, 0), max(x0 - _LOOK_PX, 0)
        background[top : y1 + _LOOK_PX, left : x1 + _LOOK_PX] = False
    return background


def _small_grey(
    picture: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "small_height small_width"]:
    height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
    small = cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY))
