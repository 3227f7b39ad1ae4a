"""A kinematic skeleton: joints as sums of bones, each a unit direction times a constant length.

Axes are those of a camera: x right, y down, z away from it; the unit is the body's height. Joints
are those that the detector names, so its bias is part of the lengths.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

from motiontransfer.core.arrays import Places, Scores, Series, Vector
from motiontransfer.pose.skeleton import BODY_JOINTS, mirrored

Directions = Float64[np.ndarray, "frames bones 3"]
"""Unit vectors from the start of each bone to its end."""
Lengths = Float64[np.ndarray, " lengths"]
"""Of LENGTHS; left and right are equal."""
Joints3d = Float64[np.ndarray, "frames joints 3"]


class Bone(NamedTuple):
    start: str
    """A joint, or the middle of two: `mid_hip`."""
    end: str
    length: str
    """Name of its length; bones of both sides share one."""
    usual: float
    """Body heights."""
    sureness: float
    """Weight of its direction in a detector's world landmarks."""


def _both(side: str) -> dict[str, Bone]:
    def bone(start: str, end: str, usual: float, sureness: float, length: str = "") -> Bone:
        start = start if start.startswith("mid") else f"{side}_{start}"
        return Bone(start, f"{side}_{end}", length or end, usual, sureness)

    return {
        f"{side}_clavicle": bone("mid_shoulder", "shoulder", 0.095, 0.8),
        f"{side}_upper_arm": bone("shoulder", "elbow", 0.155, 1.0, "upper_arm"),
        f"{side}_forearm": bone("elbow", "wrist", 0.14, 1.0, "forearm"),
        f"{side}_index": bone("wrist", "index", 0.055, 0.2),
        f"{side}_pinky": bone("wrist", "pinky", 0.05, 0.2),
        f"{side}_thumb": bone("wrist", "thumb", 0.03, 0.2),
        f"{side}_thigh": bone("hip", "knee", 0.235, 1.0, "thigh"),
        f"{side}_shin": bone("knee", "ankle", 0.235, 1.0, "shin"),
        f"{side}_heel": bone("ankle", "heel", 0.03, 0.3),
        f"{side}_toe": bone("ankle", "foot_index", 0.08, 0.7, "toe"),
    }


BONES: dict[str, Bone] = {
    "hips": Bone("mid_hip", "left_hip", "hip", 0.055, 1.5),
    "spine": Bone("mid_hip", "mid_shoulder", "spine", 0.28, 1.4),
    "neck": Bone("mid_shoulder", "mid_ear", "neck", 0.13, 0.5),
    "ears": Bone("mid_ear", "left_ear", "ear", 0.045, 1.0),
    "nose": Bone("mid_ear", "nose", "nose", 0.065, 1.0),
    "mouth": Bone("mid_ear", "mid_mouth", "mouth", 0.065, 0.5),
    **_both("left"),
    **_both("right"),
}
"""Bones by name, each after the one at whose end it starts; the right hip is opposite the left."""

BONE_NAMES: tuple[str, ...] = tuple(BONES)
LENGTHS: tuple[str, ...] = tuple(dict.fromkeys(bone.length for bone in BONES.values()))
LENGTH_OF_BONE: Int64[np.ndarray, " bones"] = np.array(
    [LENGTHS.index(bone.length) for bone in BONES.values()]
)
USUAL_LENGTHS: Lengths = np.array(
    [next(b.usual for b in BONES.values() if b.length == name) for name in LENGTHS]
)
OTHER_SIDES: Int64[np.ndarray, " joints"] = np.array(
    [BODY_JOINTS.index(mirrored(name)) for name in BODY_JOINTS]
)
"""Position of each joint's mirror."""


def bone_index(name: str) -> int:
    return BONE_NAMES.index(name)


def stature(lengths: Lengths) -> float:
    """Length from the ankles to the ears of who stands upright."""
    return float(sum(lengths[LENGTHS.index(n)] for n in ("shin", "thigh", "spine", "neck")))


def _tree() -> Float64[np.ndarray, "joints bones"]:
    rows = {"mid_hip": np.zeros(len(BONES))}
    one = dict(zip(BONES, np.eye(len(BONES)), strict=True))
    for name, bone in BONES.items():
        rows[bone.end] = rows[bone.start] + one[name]
        if name == "hips":
            rows["right_hip"] = -rows["left_hip"]
    rows["right_ear"] = rows["mid_ear"] - one["ears"]
    for side, across in (("left", one["ears"]), ("right", -one["ears"])):  # in the head's plane
        rows[f"{side}_mouth"] = rows["mid_mouth"] + 0.35 * across
        for part, share in (("eye_inner", 0.25), ("eye", 0.45), ("eye_outer", 0.6)):
            eyes = rows["mid_ear"] + 1.2 * one["nose"] - 0.5 * one["mouth"]
            rows[f"{side}_{part}"] = eyes + share * across
    return np.stack([rows[name] for name in BODY_JOINTS])


TREE = _tree()
"""How much of each bone leads from the middle of the hips to each joint of the body."""


def joints_of(lengths: Lengths, directions: Directions) -> Joints3d:
    """The 33 joints of the body from the middle of its hips, body heights."""
    return TREE @ (lengths[LENGTH_OF_BONE][:, None] * directions)


def joint(values: Float[np.ndarray, "frames joints *any"], name: str) -> np.ndarray:
    """Values of one joint of the body, or of the middle of two, by its name."""
    if name.startswith("mid_"):
        left, right = (joint(values, f"{s}_{name[4:]}") for s in ("left", "right"))
        return (left + right) / 2
    return values[:, BODY_JOINTS.index(name)]


def bone_vectors(joints: Float[np.ndarray, "frames joints *any"]) -> np.ndarray:
    """From the start to the end of each bone."""
    ends = [joint(joints, bone.end) - joint(joints, bone.start) for bone in BONES.values()]
    return np.stack(ends, axis=1)


def unit(vectors: Float[np.ndarray, "*some 3"]) -> np.ndarray:
    """Vectors of length 1; zeros stay."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)


def bones_seen(score: Scores) -> Float[np.ndarray, "frames bones"]:
    """The lower score of both ends of each bone; 0 with a missing joint."""

    def least(name: str) -> np.ndarray:
        if name.startswith("mid_"):
            return np.minimum(*(joint(score, f"{s}_{name[4:]}") for s in ("left", "right")))
        return joint(score, name)

    return np.stack([np.minimum(least(b.start), least(b.end)) for b in BONES.values()], axis=1)


NEAREST = 0.3
"""Least distance from the camera, as a share of the hips': nearer joints would be huge."""


def project(
    joints: Joints3d, *, scale: Series, place: Places, distance: Series, center: Vector
) -> Float64[np.ndarray, "frames joints 2"]:
    """Joints in the picture of a pinhole camera, pixels.

    Args:
        scale: pixels a body height at the hips' distance.
        place: the middle of the hips, pixels.
        distance: of the hips from the camera, body heights.
        center: where the camera's axis meets the picture, pixels.
    """
    away = np.maximum(1 + joints[..., 2:] / distance[:, None, None], NEAREST)
    flat = joints[..., :2] * scale[:, None, None] + (place - center)[:, None]
    return center + flat / away
