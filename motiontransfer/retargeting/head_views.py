"""Views of a head by its yaw: where a person's own frames have its joints, as far as it was filmed.

Yaw is measured by nose and ears alone, so that every detector has it, also from behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Complex128, Float64

from motiontransfer.core.arrays import FrameMask, Numbers, Series, Vectors
from motiontransfer.pose.facing import head_directions
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.retargeting.shapes import Shape, head_joints

_VIEW_DEGREES = 15.0  # of yaw, over which a view is a median: detectors err by a third of it
_MIN_FRAMES = 3  # of a view: what a film shows for a moment was filmed
_CLOSED_QUANTILE = 0.25  # of how open mouths are in a view: up to it they are at rest
_PROFILE_DEGREES = 80.0  # of yaw: farther away no more of a face is seen
# Past the outermost view: up to which a filmed head is bent without harm, and from which it is the
# target's. Over a narrower range heads would move faster than they do in the dance.
_OWN_DEGREES, _FILMED_DEGREES = 10.0, 50.0

_EARS = ("left_ear", "right_ear")
_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_LIPS = ("face_upper_lip_bottom", "face_lower_lip_top")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadView:
    """A head at rest, as it is seen at one yaw."""

    yaw_degrees: float
    """0 from the front, positive to the right of the image, ±90 in profile, ±180 from behind."""
    places: Shape
    """(x, y) of each joint from the middle of the ears, in heights of the body; y downwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _MeasuredHeads:
    """Place and direction of a head in each frame; NaN where it was not found."""

    ears: Vectors
    """Middle of the ears, x + iy, pixels."""
    before: Vectors
    """Offset of the ears from the trunk's axis to where the face looks; 0 to the other side."""
    yaw_degrees: Series
    across: Vectors
    """Unit vector across the face, to the right of an image that it is upright in."""
    found: FrameMask


def fit_head_views(
    clips: Sequence[Keypoints], heights_px: Sequence[Numbers]
) -> tuple[HeadView, ...]:
    """Medians over the frames of each yaw whose mouth is closed most, from left to right.

    Views that few frames show are left out, and so are those from behind.
    """
    joints = head_joints(clips[0])
    yaws, places, openings = [], [], []
    for clip, size in zip(clips, heights_px, strict=True):
        heads = _measure_heads(clip)
        offset = clip.places(joints) - heads.ears[:, None]
        of_clip = offset * (heads.across.conj() * (1 / size))[:, None]
        lips = [joints.index(lip) for lip in _LIPS if lip in joints]
        yaws.append(heads.yaw_degrees)
        places.append(of_clip)
        opening = np.abs(np.diff(of_clip[:, lips], axis=1)).sum(axis=1)
        openings.append(np.where(np.isfinite(opening), opening, np.inf))
    yaw, place, opening = map(np.concatenate, (yaws, places, openings))
    views = []
    for middle in np.arange(-90, 91, _VIEW_DEGREES):
        of_view = np.flatnonzero(np.abs(yaw - middle) <= _VIEW_DEGREES / 2)
        if len(of_view) < _MIN_FRAMES:
            continue
        closed = np.quantile(opening[of_view], _CLOSED_QUANTILE, method="lower")
        rest = of_view[opening[of_view] <= closed]
        shape = {}
        for joint, of_joint in zip(joints, place[rest].T, strict=True):
            seen = of_joint[np.isfinite(of_joint)]
            if 2 * len(seen) > len(rest):
                shape[joint] = (float(np.median(seen.real)), float(np.median(seen.imag)))
        views.append(HeadView(yaw_degrees=float(np.median(yaw[rest])), places=shape))
    return tuple(views)


def show_filmed_heads(
    poses: Keypoints, views: Sequence[HeadView], sizes_px: Series, *, min_score: float
) -> tuple[Keypoints, FrameMask]:
    """Turn heads no farther from the camera than a target's was filmed.

    Tilt and place are the dancer's. Only how far the head is before the shoulders is seen less in
    a head that is turned less. A head that looks away from the camera is shown as if it looked as
    far towards it, which has the same silhouette.

    Args:
        sizes_px: height of the upright body in each frame.

    Returns:
        The poses, and in which frames a head is another one.
    """
    heads = _measure_heads(poses.sure(min_score))
    if not views:
        return poses, np.zeros(poses.num_frames, np.bool_)
    yaws, yaw = np.array([view.yaw_degrees for view in views]), heads.yaw_degrees
    low, high = np.clip(yaws[[0, -1]], -_PROFILE_DEGREES, _PROFILE_DEGREES)
    away = np.maximum(yaw - high, low - yaw) - _OWN_DEGREES
    share = np.clip(away / (_FILMED_DEGREES - _OWN_DEGREES), 0, 1)
    share = share**2 * (3 - 2 * share)
    weight = np.where(heads.found, share, 0)
    if not weight.any():
        return poses, weight > 0
    towards = np.where(np.abs(yaw) > 90, np.sign(yaw) * 180 - yaw, yaw)
    seen = np.clip(towards, yaws[0], yaws[-1])
    depth, own = np.sin(np.radians(seen)), np.sin(np.radians(towards))
    ears = heads.ears - np.clip(1 - depth / np.where(own == 0, 1, own), 0, 1) * heads.before
    shared = set.intersection(*(set(view.places) for view in views))
    joints = [joint for joint in head_joints(poses) if joint in shared]
    places = np.array([[view.places[joint] for joint in joints] for view in views])
    at = np.nan_to_num(np.interp(towards, yaws, np.arange(len(yaws))))
    low = at.astype(int)
    part, high = (at - low)[:, None, None], np.minimum(low + 1, len(yaws) - 1)
    place = ((1 - part) * places[low] + part * places[high]) @ (1, 1j)
    shown = ears[:, None] + (sizes_px * heads.across)[:, None] * place
    return _with_heads(poses, joints, shown, weight[:, None]), weight > 0


def _with_heads(
    poses: Keypoints,
    joints: Sequence[str],
    places: Complex128[np.ndarray, "frames joints"],
    weight: Float64[np.ndarray, "frames 1"],
) -> Keypoints:
    """Poses with a share of other heads, whole where the own one lacks a joint."""
    points, score = poses.points.copy(), poses.score.copy()
    index = poses.skeleton.index
    lacking = [index(joint) for joint in head_joints(poses) if joint not in joints]
    score[:, lacking] = np.where(weight == 1, 0, score[:, lacking])
    at = [*map(index, joints)]
    share = np.where(score[:, at] > 0, weight, weight > 0)
    own, other = points[:, at], np.stack([places.real, places.imag], axis=2)
    is_mixed = share[..., None] > 0
    points[:, at] = np.where(is_mixed, own + share[..., None] * (other - own), own)
    score[:, at] = np.maximum(score[:, at], share)
    points[score == 0] = 0
    filled = None if poses.filled is None else poses.filled & (score > 0)
    return replace(poses, points=points, score=score, filled=filled)


def _measure_heads(keypoints: Keypoints) -> _MeasuredHeads:
    """Yaw by nose and ears, across the line from the hips to the head; tilt by the ears.

    The ears of a profile lie behind each other: there a head is as tilted as the body.
    """
    names = (*_EARS, "nose", *_TRUNK)
    left, right, nose, *trunk = keypoints.places(names).T
    ears, shoulders, hips = (left + right) / 2, sum(trunk[:2]) / 2, sum(trunk[2:]) / 2
    body = _unit_vectors(1j * (ears - hips), otherwise=1 + 0j)
    looks = head_directions(left, right, nose, across=body)
    yaw = np.degrees(np.angle(looks))
    found = np.isfinite(yaw)
    frontal = np.where(found, np.abs(np.cos(np.radians(yaw))), 0)
    tilted = _unit_vectors((left - right) * np.sign(looks.real), otherwise=body)
    across = _unit_vectors(frontal * tilted + (1 - frontal) * body, otherwise=body)
    side = _unit_vectors(1j * (shoulders - hips), otherwise=body)
    offset = ((ears - shoulders) * side.conj()).real
    before = np.nan_to_num(np.where(offset * looks.imag > 0, offset * side, 0))
    return _MeasuredHeads(ears=ears, before=before, yaw_degrees=yaw, across=across, found=found)


def _unit_vectors(vectors: Vectors, *, otherwise: Vectors | complex) -> Vectors:
    """Unit vectors; another where one is not known, or has no length."""
    length = np.abs(vectors)
    return np.where(length > 0, vectors / np.where(length > 0, length, 1), otherwise)
