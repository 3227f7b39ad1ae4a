"""Normalized poses placed in the dancer's film: feet on the dancer's feet, the head as high.

Each frame has its similarity, so that the target's proportions stay. The scale undoes that of the
ankle lines, and the lower foot is where the dancer's is.
"""

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int64

from motiontransfer.core.arrays import FrameMask, Places, Series
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.shown import WHOLE
from motiontransfer.pose.time_series import fill_gaps
from motiontransfer.retargeting.normalization import floor_scale
from motiontransfer.retargeting.statistics import PoseStatistics
from motiontransfer.video.geometry import Framing

Stature = Literal["dancer", "target"]
"""dancer: as tall as the dancer; target: with a head as high, so that the taller one is taller."""

_SUPPORT = 0.02  # of the body's height; ends that differ by more in height do not share the weight
_HEADS = (0.7, 1.4)  # ratio of two people's heights; beyond, a head was measured wrongly
_FEET, _SHOULDERS = (("left_ankle", "right_ankle"), ("left_shoulder", "right_shoulder"))


class FilmPlace(NamedTuple):
    """A similarity of each frame, from poses to pixels of the upright film."""

    scale: Series
    shift: Places
    image_size: Int64[np.ndarray, "2"]
    """(height, width) of the film."""

    def placed(self, poses: Keypoints) -> Keypoints:
        points = self.scale[:, None, None] * poses.points + self.shift[:, None]
        points = np.where(poses.score[..., None] > 0, points, 0).astype(np.float32)
        height, width = self.image_size.tolist()
        return replace(poses, points=points, image_size=(height, width))


def find_place(
    poses: Keypoints,
    dance: Keypoints,
    framing: Framing,
    *,
    source: PoseStatistics,
    target: PoseStatistics,
    stature: Stature = "dancer",
) -> FilmPlace:
    """Where poses are in the dancer's film.

    Args:
        poses: normalized, in the target's image.
        dance: the same frames as the dancer was seen, in the working image.
        framing: of that image in the film.
    """
    scale = 1 / (floor_scale(dance, source, target) * np.mean(framing.scale))
    if stature == "target" and "head" in source.proportions.keys() & target.proportions.keys():
        ratio = source.proportions["head"] / target.proportions["head"]
        scale = scale * np.clip(ratio, *_HEADS)
    joints = _FEET if source.shows == target.shows == WHOLE else _SHOULDERS
    height_px = source.height_at_closest_px
    at, known = _lower_end(dance, joints, height_px=height_px)
    own, found = _lower_end(poses, joints, height_px=height_px / float(np.median(scale)))
    film = (at - np.array(framing.offset)) / np.array(framing.scale)
    shift = film - scale[:, None] * own
    if (known & found).any():
        shift = np.stack([fill_gaps(one, known & found) for one in shift.T], axis=1)
    return FilmPlace(scale, shift, np.array(framing.source_size, np.int64))


def _lower_end(
    keypoints: Keypoints, joints: tuple[str, str], *, height_px: float
) -> tuple[Places, FrameMask]:
    """The lower one of two joints, passing over where both are low; and where one is known."""
    at, known = zip(*(keypoints.midpoint(one) for one in joints), strict=True)
    at, known = np.stack(at, axis=1).astype(np.float64), np.stack(known, axis=1)
    line = np.where(known, at[..., 1], -np.inf)
    below = line.max(axis=1, keepdims=True)
    below = np.where(np.isfinite(below), below, 0.0)
    weight = np.exp(np.maximum((line - below) / (_SUPPORT * height_px), -50)) * known
    total = weight.sum(axis=1, keepdims=True)
    return (weight[..., None] * at).sum(axis=1) / np.maximum(total, 1e-9), total[:, 0] > 0
