"""How each limb looks on a pose map: in which channels, how strong there, and how thick.

Hides the colours of the encoding `sticks` and the channels of the encoding `limbs`. A limb keeps
its look whatever else the skeleton has; where the skeleton lacks one of its joints, it is left out.
"""

import colorsys
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from motiontransfer.errors import KeypointsError
from motiontransfer.skeleton import LIMBS_OF_GROUP, Limb, Skeleton

LimbEncoding = Literal["sticks", "limbs"]

# A hand or a face has many short limbs; it is drawn thinner than the body by this factor.
_THINNING_OF_GROUP = {"body": 1.0, "left_hand": 0.6, "right_hand": 0.6, "face": 0.5}

# Body limbs that share a channel in the `limbs` encoding; left and right never do.
CHANNELS = (
    "trunk",
    *("left_upper_arm", "left_forearm", "left_thigh", "left_shin", "left_foot", "left_palm"),
    *("right_upper_arm", "right_forearm", "right_thigh", "right_shin", "right_foot", "right_palm"),
    *("head", "left_hand", "right_hand", "face_outline", "face_eyes", "face_mouth"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The limbs that a skeleton lets draw, one entry a limb in each field."""

    start: tuple[int, ...]
    """Index of the joint at one end."""

    end: tuple[int, ...]
    """Index of the joint at the other end."""

    thinning: tuple[float, ...]
    """Width as a share of the body sticks' width."""

    channels: tuple[tuple[int, ...], ...]
    """Channels in which the limb shows; as many for every limb."""

    shades: tuple[tuple[float, ...], ...]
    """How strong it is in each of them, in [0, 1]."""


@lru_cache(maxsize=16)
def limb_palette(skeleton: Skeleton, encoding: LimbEncoding) -> Palette:
    """The looks of all limbs whose two joints the skeleton has.

    Raises:
        KeypointsError: there is no such limb.
    """
    joints = skeleton.joints
    looks = [
        (
            joints.index(limb[0]),
            joints.index(limb[1]),
            _THINNING_OF_GROUP[group],
            *_channels_and_shades(group, index, encoding),
        )
        for group, limbs in LIMBS_OF_GROUP.items()
        for index, limb in enumerate(limbs)
        if set(limb) <= set(joints)
    ]
    if not looks:
        raise KeypointsError(
            f"expected a skeleton with one of {list(LIMBS_OF_GROUP)}, and in it both joints of a "
            f"limb that is drawn, got none: its joints are {', '.join(joints)}"
        )
    start, end, thinning, channels, shades = zip(*looks, strict=True)
    return Palette(start=start, end=end, thinning=thinning, channels=channels, shades=shades)


def _channels_and_shades(
    group: str, index: int, encoding: LimbEncoding
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    limbs = LIMBS_OF_GROUP[group]
    if encoding == "sticks":
        return (0, 1, 2), _colour_of_limb(group, index, len(limbs))
    return (CHANNELS.index(_channel_of_limb(group, limbs[index])),), (1.0,)


def _colour_of_limb(group: str, index: int, num_limbs: int) -> tuple[float, float, float]:
    """A hue of its own for each limb; faces and hands paler, so that they read on top of arms."""
    saturation = {"body": 1.0, "face": 0.15}.get(group, 0.6)
    return colorsys.hsv_to_rgb(index / num_limbs, saturation, 1.0)


def _channel_of_limb(group: str, limb: Limb) -> str:
    if group == "face":
        parts = " ".join(limb)
        if "lip" in parts or "mouth" in parts:
            return "face_mouth"
        return (
            "face_eyes"
            if any(name in parts for name in ("eye", "brow", "nose"))
            else "face_outline"
        )
    if group != "body":
        return group
    side = limb[1].split("_")[0]
    if {limb[0], limb[1]} in ({"left_shoulder", "right_shoulder"}, {"left_hip", "right_hip"}):
        return "trunk"
    if limb[0].endswith("shoulder") and limb[1].endswith("hip"):
        return "trunk"
    for end, part in (
        *(("elbow", "upper_arm"), ("wrist", "forearm"), ("knee", "thigh")),
        *(("_ankle", "shin"), ("heel", "foot"), ("foot_index", "foot"), ("pinky", "palm")),
    ):
        if limb[1].endswith(end):
            return f"{side}_{part}"
    return f"{side}_palm" if limb[0].endswith("wrist") else "head"
