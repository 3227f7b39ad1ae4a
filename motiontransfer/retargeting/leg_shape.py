"""Leg shape: knee and toe offsets of a person standing straight, facing the camera.

Legs differ, and so do detected knees and toes in other clothes and shoes. On the target's legs the
source's joints are moved by the difference between the two shapes; how the legs bend and the feet
turn stays the source's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from motiontransfer.keypoints import Keypoints

LegShape = Mapping[str, tuple[float, float]]
"""(outwards, down) of a knee from the line between hip and ankle, in lengths of the leg, and of
toes from the ankle, in lengths of the foot. Outwards is away from the other hip."""

_JOINTS = {"knee": ("thigh", "shin"), "foot_index": ("foot",)}
"""Joint -> the parts whose lengths together are its unit."""

_OTHER_SIDE = {"left": "right", "right": "left"}

LEG_JOINTS = tuple(sorted(f"{side}_{joint}" for side in _OTHER_SIDE for joint in _JOINTS))
"""Joints of a shape."""

_STRAIGHT = 0.93  # distance of the hip from the ankle, relative to a straight leg's ...
_STRAIGHT_QUANTILE = 0.8  # ... which is this quantile over all frames
_FACING = 0.5  # width of the hips, relative to hips parallel to the image
_LARGEST_SHIFT = 0.015  # of the body's height; more is how a person stands
_SMALLEST = 1e-6  # of the body's height; keeps quotients finite in frames that do not count


def fit_leg_shape(
    clips: Sequence[Keypoints],
    heights_px: Sequence[Float64[np.ndarray, " _"]],
    *,
    proportions: Mapping[str, float],
    min_score: float,
    min_frames: int,
) -> dict[str, tuple[float, float]]:
    """Median over the frames with straight legs that face the camera.

    Args:
        clips: of one skeleton.
        heights_px: for each clip, the apparent height standing upright in each frame.
        proportions: lengths of the parts of the body, shares of its height.
        min_score: joints with a lower score count as missing.
        min_frames: a joint seen in fewer such frames has no known place.
    """
    shape = {}
    for joint, unit in _units(proportions).items():
        for side in _OTHER_SIDE:
            legs = [
                _standing(clip, side, joint, height_px, min_score)
                for clip, height_px in zip(clips, heights_px, strict=True)
            ]
            places, lengths, widths = (np.concatenate(it) for it in zip(*legs, strict=True))
            if not len(lengths):
                continue
            stands = lengths >= _STRAIGHT * np.quantile(lengths, _STRAIGHT_QUANTILE)
            stands &= widths >= _FACING * proportions["hips"]
            if stands.sum() >= min_frames:
                outwards, down = np.median(places[stands] / unit, axis=0).tolist()
                shape[f"{side}_{joint}"] = (outwards, down)
    return dict(sorted(shape.items()))


def change_leg_shape(
    keypoints: Keypoints,
    *,
    source: LegShape,
    target: LegShape,
    proportions: Mapping[str, float],
    min_score: float,
) -> Keypoints:
    """Move knees and toes by the difference between two shapes, less where the hips are turned.

    Joints that are not in both shapes, or whose unit is not known, stay.

    Args:
        proportions: of the target, which the pose has.
        min_score: hips with a lower score do not tell where outwards is.
    """
    points = keypoints.points.copy()
    for joint, unit in _units(proportions).items():
        for side, other in _OTHER_SIDE.items():
            name = f"{side}_{joint}"
            if name not in source.keys() & target.keys():
                continue
            shift = unit * (np.array(target[name]) - source[name])
            shift *= _LARGEST_SHIFT / max(float(np.linalg.norm(shift)), _LARGEST_SHIFT)
            (hip, has_hip), (other_hip, has_other) = (
                keypoints.midpoint(f"{it}_hip", min_score=min_score) for it in (side, other)
            )
            across = (hip - other_hip) / proportions["hips"]
            moved = shift[0] * across
            moved[:, 1] += shift[1] * np.linalg.norm(across, axis=1)
            index = keypoints.skeleton.index(name)
            seen = has_hip & has_other & (keypoints.score[:, index] > 0)
            points[:, index] += np.where(seen[:, None], moved, 0)
    return replace(keypoints, points=points)


def _units(proportions: Mapping[str, float]) -> dict[str, float]:
    """Unit of each joint, in heights, where it and the width of the hips are known."""
    return {
        joint: sum(proportions[part] for part in parts)
        for joint, parts in _JOINTS.items()
        if {*parts, "hips"} <= proportions.keys()
    }


def _standing(
    clip: Keypoints,
    side: str,
    joint: str,
    height_px: Float64[np.ndarray, " frames"],
    min_score: float,
) -> tuple[
    Float64[np.ndarray, "seen 2"], Float64[np.ndarray, " seen"], Float64[np.ndarray, " seen"]
]:
    """Place of a joint, distance of the hip from the ankle and width of the hips, in heights."""
    names = (f"{side}_hip", f"{side}_ankle", f"{side}_{joint}", f"{_OTHER_SIDE[side]}_hip")
    places, found = zip(*(clip.midpoint(it, min_score=min_score) for it in names), strict=True)
    seen = np.all(found, axis=0)
    hip, ankle, there, other_hip = (place[seen] / height_px[seen, None] for place in places)
    leg, across = ankle - hip, hip - other_hip
    length, width = (np.linalg.norm(it, axis=1) for it in (leg, across))
    offset = there - ankle
    if joint == "knee":
        along = leg / np.maximum(length, _SMALLEST)[:, None]
        offset -= (offset * along).sum(axis=1, keepdims=True) * along
    outwards = (offset * across).sum(axis=1) / np.maximum(width, _SMALLEST)
    return np.stack([outwards, offset[:, 1]], axis=1), length, width
