"""Limb retargeting: the source's joint angles on the target's proportions."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.time_series import fill_gaps

_SMALLEST_RATIO, _LARGEST_RATIO = 0.5, 2.0
_ROUNDING_PX = 1e-3  # float32 pixels are not exact
_SUPPORT_SHARE = 0.02  # of the body's height; feet that differ by more do not share the weight


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the kinematic tree."""

    name: str
    joints: tuple[str, ...]
    """The joints whose midpoint it is."""
    parent: str
    part: str
    """The proportion that scales its offset from the parent."""


def _sided(name: str, parent: str, part: str) -> tuple[Node, ...]:
    return tuple(
        Node(f"{side}_{name}", (f"{side}_{name}",), parent.format(side=side), part)
        for side in ("left", "right")
    )


# Parents before their children; the hips are the root.
_TREE = (
    Node("shoulders", ("left_shoulder", "right_shoulder"), "hips", "trunk"),
    Node("head", ("left_ear", "right_ear"), "shoulders", "neck"),
    *_sided("shoulder", "shoulders", "shoulders"),
    *_sided("elbow", "{side}_shoulder", "upper_arm"),
    *_sided("wrist", "{side}_elbow", "forearm"),
    *_sided("hip", "hips", "hips"),
    *_sided("knee", "{side}_hip", "thigh"),
    *_sided("ankle", "{side}_knee", "shin"),
)
_ROOT = ("left_hip", "right_hip")

# Joints that follow a node, by their name without the side; all others follow the head.
_CARRIER_OF = {
    **dict.fromkeys(("pinky", "index", "thumb"), ("wrist", "forearm")),
    "heel": ("ankle", "shin"),
    "foot_index": ("ankle", "foot"),
}


def proportion_ratios(source: Mapping[str, float], target: Mapping[str, float]) -> dict[str, float]:
    """Ratio of the target's to the source's length of each part; 1 where either is unknown.

    A face of unknown height is scaled like the rest of the head, a foot of unknown length like the
    shin.
    """
    known = {
        part: float(np.clip(target[part] / source[part], _SMALLEST_RATIO, _LARGEST_RATIO))
        for part in source.keys() & target.keys()
    }
    unknown = dict.fromkeys(sorted({node.part for node in _TREE}), 1.0)
    unknown["face_height"] = known.get("head", 1.0)
    unknown["foot"] = known.get("shin", 1.0)
    return {part: known.get(part, otherwise) for part, otherwise in unknown.items()}


def retarget(
    keypoints: Keypoints, ratios: Mapping[str, float], *, center_x_px: float, min_score: float
) -> Keypoints:
    """Scale the limbs of a normalized pose about their parents.

    Args:
        ratios: of every part, see `proportion_ratios`.
        center_x_px: origin of positions to the left and right, which are scaled with the legs, so
            that a standing foot does not slide.
        min_score: joints with a lower score move with their parents.
    """
    shifts, anchors = _shifts_along_tree(keypoints, ratios, min_score)
    shift = np.zeros_like(keypoints.points, dtype=np.float64)
    joints = [(name, group) for group, names in keypoints.skeleton.groups for name in names]
    carried = defaultdict(list)
    for index, (joint, group) in enumerate(joints):
        if joint in shifts:
            shift[:, index] = shifts[joint]
        else:
            carried[_carrier_of(joint, group)].append(index)
    for (node, part), indices in carried.items():
        anchor, has_anchor = anchors[node]
        offset = keypoints.points[:, indices] - anchor[:, None]
        offset = np.where(has_anchor[:, None, None], offset, 0)
        shift[:, indices] = shifts[node][:, None] + (ratios[part] - 1) * offset
    shift += _ground_correction(keypoints, shifts, min_score)[:, None]
    hips, found = anchors["hips"]
    if found.any():
        legs = (ratios["thigh"] + ratios["shin"]) / 2
        sideways = (legs - 1) * (fill_gaps(hips[:, 0], found) - center_x_px)
        shift[..., 0] += sideways[:, None]
    found = keypoints.score[..., None] > 0
    points = np.where(found, keypoints.points + shift, 0).astype(np.float32)
    return replace(keypoints, points=points)


_Anchor = tuple[Float64[np.ndarray, "frames 2"], Bool[np.ndarray, " frames"]]


def _shifts_along_tree(
    keypoints: Keypoints, ratios: Mapping[str, float], min_score: float
) -> tuple[dict[str, Float64[np.ndarray, "frames 2"]], dict[str, _Anchor]]:
    """Shift of each node, and its position before."""
    anchors: dict[str, _Anchor] = {"hips": keypoints.midpoint(*_ROOT, min_score=min_score)}
    shifts = {"hips": np.zeros((keypoints.num_frames, 2))}
    for node in _TREE:
        anchors[node.name] = keypoints.midpoint(*node.joints, min_score=min_score)
        (start, has_start), (end, has_end) = anchors[node.parent], anchors[node.name]
        offset = np.where((has_start & has_end)[:, None], end - start, 0)
        shifts[node.name] = shifts[node.parent] + (ratios[node.part] - 1) * offset
    return shifts, anchors


def _carrier_of(joint: str, group: str) -> tuple[str, str]:
    """The node that a joint follows, and the proportion that scales its offset from there."""
    side, _, name = joint.partition("_")
    if group in ("left_hand", "right_hand"):
        return f"{group.removesuffix('_hand')}_wrist", "forearm"
    if name in _CARRIER_OF:
        node, part = _CARRIER_OF[name]
        return f"{side}_{node}", part
    return "head", "face_height"


def _ground_correction(
    keypoints: Keypoints, shifts: Mapping[str, Float64[np.ndarray, "frames 2"]], min_score: float
) -> Float64[np.ndarray, "frames 2"]:
    """Vertical shift that keeps the lower foot at its height; blended where both are low."""
    sides = ("left_ankle", "right_ankle")
    ankles, found = zip(*(keypoints.midpoint(it, min_score=min_score) for it in sides), strict=True)
    line, found = np.stack(ankles, axis=1)[..., 1], np.stack(found, axis=1)
    shift = np.zeros((keypoints.num_frames, 2))
    if not found.any():
        return shift
    y = np.where(keypoints.score > 0, keypoints.points[..., 1], np.nan)
    y = y[(keypoints.score > 0).any(axis=1)]
    height_px = float(np.median(np.nanmax(y, axis=1) - np.nanmin(y, axis=1)))
    softness_px = max(_SUPPORT_SHARE * height_px, _ROUNDING_PX)
    below = np.where(found, line, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    weight = np.exp(np.where(found, line - below, -np.inf) / softness_px)
    total = weight.sum(axis=1)
    lifted = np.stack([shifts[joint][:, 1] for joint in sides], axis=1)
    mean = (weight * lifted).sum(axis=1) / np.where(total > 0, total, 1)
    shift[:, 1] = -fill_gaps(mean, total > 0)
    return shift
