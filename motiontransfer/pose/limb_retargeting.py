"""Limb retargeting: the source's joint angles on the target's proportions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.statistics import middle_of
from motiontransfer.pose.time_series import fill_gaps

_SMALLEST_RATIO, _LARGEST_RATIO = 0.5, 2.0
_ROUNDING_PX = 1e-3  # float32 pixels are not exact
_SUPPORT_SHARE = 0.02
"""Of the body's height: feet whose heights differ by more than this do not share the weight."""


@dataclass(frozen=True, slots=True)
class Node:
    """A place on the body that follows another."""

    name: str
    joints: tuple[str, ...]
    """The joints whose middle it is."""
    parent: str
    part: str
    """Which proportion scales the way from the parent."""


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

_HEAD = "head"
_FACE_AXIS = ("face_chin", "face_forehead")
_FACE_PARTS = ("face_height", "face_width")

# What hangs on a node without being one, by its name after the side; all else is on the head.
_CARRIER_OF = {
    **dict.fromkeys(("pinky", "index", "thumb"), ("wrist", "forearm")),
    **dict.fromkeys(("heel", "foot_index"), ("ankle", "shin")),
}


def proportion_ratios(source: Mapping[str, float], target: Mapping[str, float]) -> dict[str, float]:
    """How much longer each part is on the target than on the source; 1 where either is unknown.

    A face that is not known as such is scaled like the rest of the head.
    """
    known = {
        part: float(np.clip(target[part] / source[part], _SMALLEST_RATIO, _LARGEST_RATIO))
        for part in source.keys() & target.keys()
    }
    unknown = dict.fromkeys(sorted({node.part for node in _TREE}), 1.0)
    unknown |= dict.fromkeys(_FACE_PARTS, known.get(_HEAD, 1.0))
    return {part: known.get(part, otherwise) for part, otherwise in unknown.items()}


def retarget(
    keypoints: Keypoints, ratios: Mapping[str, float], *, centre_x_px: float, min_score: float
) -> Keypoints:
    """Give a normalised pose other proportions.

    Args:
        ratios: of every part, as `proportion_ratios` gives them.
        centre_x_px: the place from which ways to the left and right are measured; they are
            scaled with the legs, so that a foot that stands does not slide.
        min_score: joints with a lower score do not move what hangs on them; they move with it.
    """
    moves, anchors = _moves_along_tree(keypoints, ratios, min_score)
    growth = _growth_of_head(keypoints, ratios, min_score)
    shift = np.zeros_like(keypoints.points, dtype=np.float64)
    joints = [(name, group) for group, names in keypoints.skeleton.groups for name in names]
    for index, (joint, group) in enumerate(joints):
        if joint in moves:
            shift[:, index] = moves[joint]
            continue
        node, part = _carrier_of(joint, group)
        anchor, has_anchor = anchors[node]
        way = np.where(has_anchor[:, None], keypoints.points[:, index] - anchor, 0)
        shift[:, index] = moves[node]
        if part == _HEAD:
            shift[:, index] += np.einsum("fij,fj->fi", growth, way)
        else:
            shift[:, index] += (ratios[part] - 1) * way
    shift += _on_the_floor(keypoints, moves, min_score)[:, None]
    shift[..., 0] += _sideways(keypoints, ratios, centre_x_px, min_score)[:, None]
    found = keypoints.score[..., None] > 0
    points = np.where(found, keypoints.points + shift, 0).astype(np.float32)
    return replace(keypoints, points=points)


_Anchor = tuple[Float64[np.ndarray, "frames 2"], Bool[np.ndarray, " frames"]]


def _moves_along_tree(
    keypoints: Keypoints, ratios: Mapping[str, float], min_score: float
) -> tuple[dict[str, Float64[np.ndarray, "frames 2"]], dict[str, _Anchor]]:
    """How far each node moves, and where it was."""
    anchors: dict[str, _Anchor] = {"hips": middle_of(keypoints, _ROOT, min_score=min_score)}
    moves = {"hips": np.zeros((keypoints.num_frames, 2))}
    for node in _TREE:
        anchors[node.name] = middle_of(keypoints, node.joints, min_score=min_score)
        (start, has_start), (end, has_end) = anchors[node.parent], anchors[node.name]
        way = np.where((has_start & has_end)[:, None], end - start, 0)
        moves[node.name] = moves[node.parent] + (ratios[node.part] - 1) * way
    return moves, anchors


def _carrier_of(joint: str, group: str) -> tuple[str, str]:
    """The node that carries a joint, and the proportion that scales the way from there."""
    side, _, name = joint.partition("_")
    if group in ("left_hand", "right_hand"):
        return f"{group.removesuffix('_hand')}_wrist", "forearm"
    if name in _CARRIER_OF:
        node, part = _CARRIER_OF[name]
        return f"{side}_{node}", part
    return _HEAD, _HEAD


def _growth_of_head(
    keypoints: Keypoints, ratios: Mapping[str, float], min_score: float
) -> Float64[np.ndarray, "frames 2 2"]:
    """What a way on the head gains: so much along the face, so much across; upright if not seen."""
    (chin, has_chin), (forehead, has_forehead) = (
        middle_of(keypoints, (joint,), min_score=min_score) for joint in _FACE_AXIS
    )
    axis = forehead - chin
    length = np.linalg.norm(axis, axis=1)
    seen = has_chin & has_forehead & (length > 0)
    axis = np.where(seen[:, None], axis / np.where(seen, length, 1)[:, None], (0.0, 1.0))
    along = axis[:, :, None] * axis[:, None, :]
    height, width = (ratios[part] - 1 for part in _FACE_PARTS)
    return height * along + width * (np.eye(2) - along)


def _on_the_floor(
    keypoints: Keypoints, moves: Mapping[str, Float64[np.ndarray, "frames 2"]], min_score: float
) -> Float64[np.ndarray, "frames 2"]:
    """What puts the carrying foot back where it stood: nothing to the side, something up or down.

    Between two feet at nearly one height the weight passes smoothly.
    """
    sides = ("left_ankle", "right_ankle")
    ankles = [middle_of(keypoints, (joint,), min_score=min_score) for joint in sides]
    line = np.stack([point[:, 1] for point, _ in ankles], axis=1)
    found = np.stack([found for _, found in ankles], axis=1)
    shift = np.zeros((keypoints.num_frames, 2))
    if not found.any():
        return shift
    softness_px = max(_SUPPORT_SHARE * _typical_height(keypoints), _ROUNDING_PX)
    below = np.where(found, line, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    weight = np.where(
        found, np.exp((line - np.where(np.isfinite(below), below, 0)) / softness_px), 0
    )
    total = weight.sum(axis=1)
    lifted = np.stack([moves[joint][:, 1] for joint in sides], axis=1)
    mean = (weight * lifted).sum(axis=1) / np.where(total > 0, total, 1)
    shift[:, 1] = -fill_gaps(mean, total > 0)
    return shift


def _typical_height(keypoints: Keypoints) -> float:
    found = keypoints.score > 0
    y = np.where(found, keypoints.points[..., 1], np.nan)[found.any(axis=1)]
    return float(np.median(np.nanmax(y, axis=1) - np.nanmin(y, axis=1)))


def _sideways(
    keypoints: Keypoints, ratios: Mapping[str, float], centre_x_px: float, min_score: float
) -> Float64[np.ndarray, " frames"]:
    hips, found = middle_of(keypoints, _ROOT, min_score=min_score)
    if not found.any():
        return np.zeros(keypoints.num_frames)
    legs = (ratios["thigh"] + ratios["shin"]) / 2
    return (legs - 1) * (fill_gaps(hips[:, 0], found) - centre_x_px)
