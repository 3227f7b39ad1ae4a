"""Elbows and knees: where the middle of a limb lies beside the joint that a detector finds.

A detector places a bent elbow at its outer edge, and a straight one anywhere between the edges. Two
limbs from different references would end beside each other: at the joint both are moved to where
their middles lie on the mean.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from jaxtyping import Float64, Int64

from motiontransfer.puppet.parts import BodyPart, BodyPoses

HINGES: tuple[tuple[str, str, str], ...] = tuple(
    (f"{side}_{start}", f"{side}_{joint}", f"{side}_{end}")
    for (start, joint, end), side in product(
        (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")), ("left", "right")
    )
)
"""Joints at which two limbs meet, each between the limbs' other ends."""

_OTHER_SIDE = [1, 0, 3, 2]  # of each hinge
_SMALLEST_SUM = 0.5  # of the unit vectors along both limbs; shorter: they lie on each other

Middles = Float64[np.ndarray, "references hinges"]
"""How far a limb's middle lies beside each hinge, in body heights; NaN where it is not known."""


def across(poses: BodyPoses, index: int, hinge: int) -> Float64[np.ndarray, "2"] | None:
    """Unit vector to the left of a limb that goes down; None of one that is folded or not seen."""
    points, found = poses.joints(HINGES[hinge], index)
    along = np.diff(points.astype(np.float64), axis=0)
    lengths = np.linalg.norm(along, axis=1, keepdims=True)
    if not found.all() or not lengths.all():
        return None
    x, y = (along / lengths).sum(axis=0)
    length = float(np.hypot(x, y))
    return None if length < _SMALLEST_SUM else np.array((-y, x)) / length


def hinge_limbs(parts: Sequence[BodyPart]) -> list[list[int]]:
    """The two limbs of each hinge, by number."""
    return [
        [n for n, part in enumerate(parts) if part.motion == "limb" and joint in part.ends]
        for _, joint, _ in HINGES
    ]


def with_stand_ins(middles: Middles) -> Float64[np.ndarray, "views hinges"]:
    """Middles of references as filmed, then with sides exchanged by name, then mirrored."""
    other = middles[:, _OTHER_SIDE]
    return np.concatenate([middles, other, -other])


def hinge_shifts(
    middles: Float64[np.ndarray, "views hinges"],
    limbs: Sequence[Sequence[int]],
    chosen: Int64[np.ndarray, " parts"],
    pose: BodyPoses,
) -> dict[tuple[str, int], Float64[np.ndarray, "2"]]:
    """By joint and reference, how far limbs of that are moved there; in body heights.

    Args:
        limbs: of each hinge, see `hinge_limbs`.
        chosen: reference of each part.
        pose: that of the frame alone.
    """
    shifts = {}
    for hinge, (_, joint, _) in enumerate(HINGES):
        references = chosen[limbs[hinge]]
        own = middles[references, hinge]
        if references.min() < 0 or references[0] == references[1] or np.isnan(own).any():
            continue
        side = across(pose, 0, hinge)
        if side is not None:
            for reference, middle in zip(references.tolist(), own, strict=True):
                shifts[joint, reference] = (own.mean() - middle) * side
    return shifts
