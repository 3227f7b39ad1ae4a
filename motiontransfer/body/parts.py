"""Body parts: segments of the body that move rigidly in the image, and poses of their joints."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Bool, Complex128, Float, Float64, Int64

from motiontransfer.core.arrays import JointMask, Points, Scores, Series, Vectors
from motiontransfer.pose.facing import TRUNK_AND_FEET, head_directions, width_from_front
from motiontransfer.pose.skeleton import BODY_TREE, LIMBS_OF_GROUP, Limb, Skeleton

Motion = Literal["limb", "affine", "rigid"]
Lengths = Float64[np.ndarray, " lines"]
"""Length of each of `SCALE_LINES`, pixels."""

# Joints.
_SIDES = ("left", "right")
_MIDPOINTS = ("shoulder", "hip", "ear", "eye", "mouth")
_HEAD = ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_mouth", "right_mouth")
_CORNERS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")

# Size of the body.
_LENGTH_QUANTILE = 0.9  # over time: a limb is as long as it is seen when parallel to the image
_SCALE_QUANTILE = 0.7  # over limbs: most are foreshortened, some are badly detected
_ALTERNATIONS = 5  # between lengths and scales, each estimated from the other
SIDES = -0.8, -0.4, 0.4, 0.8
"""Cosines of a body's turn, between back, profile, front and halfway."""
_FRONTAL = 0.37  # width of shoulders and hips together from the front, share of the body's height

_ALL_FRAMES = slice(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPart:
    """A part of the body that is carried from one pose to another."""

    name: str
    motion: Motion
    bones: tuple[Limb, ...]
    """Lines along its middle."""
    joints: tuple[str, ...]
    """Joints to which its map is fitted."""
    radius: float
    """Radius of its cross-section, as a share of the body's height."""
    reach: float
    """Distance from its bones up to which hair and clothes belong to it, in radii."""
    fitted_share: float = 0.0
    """Weight, 0 to 1, of the joint distance after a similarity fit; the rest is measured without.

    A part is turned when it is drawn, which makes up for another direction.
    """
    neighbors: tuple[Limb, ...] = ()
    """Neighboring bones, whose directions change how it looks: its axial rotation, its sleeves."""
    neighbor_weight: float = 1.0
    """Weight of a neighboring bone's squared distance."""
    parent: str | None = None
    """Part that it meets nearer to the torso, and whose reference it prefers; None: free."""
    is_solid: bool = False
    """The hull of its joints belongs to it."""
    changes_fast: bool = False
    """True of head and hands: a better reference is taken at once."""
    is_cloth: bool = False
    """Loose cloth, which passes into no other part."""

    @property
    def min_joints(self) -> int:
        """Fewer determine no map."""
        return 2 if self.motion == "limb" else 3

    @property
    def is_limb(self) -> bool:
        return self.name.startswith(_SIDES)

    @property
    def face(self) -> tuple[str, ...]:
        """Its joints that lie on the face."""
        return tuple(joint for joint in self.joints if "face_" in joint)

    @property
    def is_neck(self) -> bool:
        return self.bones == (NECK,)

    @property
    def is_trunk(self) -> bool:
        return self.name == "torso"

    @property
    def is_head(self) -> bool:
        return self.name == "head"

    @property
    def is_hand(self) -> bool:
        return self.name.endswith("_hand")

    @property
    def is_foot(self) -> bool:
        return self.name.endswith("_foot")

    @property
    def is_arm(self) -> bool:
        """Whether it is half of an arm, of which the other meets it at the elbow."""
        return self.name.endswith("arm")

    @property
    def is_forearm(self) -> bool:
        return self.name.endswith("forearm")

    @property
    def kind(self) -> Literal["head", "hand", "other"]:
        """What it costs to choose a reference depends on this."""
        return "head" if self.is_head else "hand" if self.is_hand else "other"

    @property
    def ends(self) -> set[str]:
        return {joint for bone in self.bones for joint in bone}

    def meets(self, other: "BodyPart") -> set[str]:
        """Joints at which the two parts meet."""
        return self.ends & other.ends


NECK: Limb = ("mid_shoulder", "mid_ear")

SKIRT = BodyPart(
    name="skirt",
    motion="affine",
    bones=(("left_hip", "right_hip"),),
    joints=("left_hip", "right_hip", "left_knee", "right_knee"),
    fitted_share=0.5,
    radius=0.045,
    reach=0.4,
    is_solid=True,
    is_cloth=True,
)
"""Skirt of a person who wears one: between the thighs, behind them."""


def body_parts(skeleton: Skeleton, *, has_skirt: bool = False) -> tuple[BodyPart, ...]:
    """The parts of a skeleton that has MediaPipe's body joints, from the farthest to the nearest.

    The order is that of a person who faces the camera with the arms before the body.
    """
    groups = dict(skeleton.groups)
    return (
        *([SKIRT] if has_skirt else []),
        *_limbs("thigh", radius=0.055, reach=1.6),
        *_limbs("shin", radius=0.04, reach=1.5, neighbor="foot"),
        *(_foot(side) for side in _SIDES),
        _NECK,
        _TORSO,
        _head(groups),
        *_limbs("upper_arm", radius=0.04, reach=1.4, neighbor="forearm"),
        *_limbs("forearm", radius=0.03, reach=1.4),
        *(_hand(side, groups) for side in _SIDES),
    )


def joined_parts(parts: Sequence[BodyPart]) -> list[tuple[int, int]]:
    """(part, parent) by number, from the ends of the limbs to the torso."""
    number_of = {part.name: number for number, part in enumerate(parts)}
    parent_of = {n: number_of[part.parent] for n, part in enumerate(parts) if part.parent}

    def depth(part: int) -> int:
        return 1 + depth(parent_of[part]) if part in parent_of else 0

    return sorted(parent_of.items(), key=lambda joined: -depth(joined[0]))


def meeting_joints(parts: Sequence[BodyPart]) -> list[list[tuple[int, str]]]:
    """(other part, joint at which they meet) of each part that bends; a rigid one does not.

    Nor does a trunk at a shoulder: where an arm is raised, its flank would go along.
    """
    return [
        [
            (number, joint)
            for number, other in enumerate(parts)
            if other != part and not other.is_cloth and not (part.is_trunk and other.is_arm)
            for joint in part.meets(other)
        ]
        if part.motion != "rigid" and not part.is_cloth
        else []
        for part in parts
    ]


def _bone(segment: str, side: int) -> Limb:
    """Bone of a limb's segment on the left, 0, or on the right, 1."""
    (start,), (end,) = BODY_TREE[segment].spans[side]
    return start, end


def _limbs(
    segment: str, *, radius: float, reach: float, neighbor: str | None = None
) -> Iterator[BodyPart]:
    """A segment of a limb on each side.

    Args:
        neighbor: neighboring segment.
    """
    parent = BODY_TREE[segment].parent
    for number, side in enumerate(_SIDES):
        bone = _bone(segment, number)
        yield BodyPart(
            name=f"{side}_{segment}",
            motion="limb",
            bones=(bone,),
            joints=bone,
            radius=radius,
            reach=reach,
            neighbors=() if neighbor is None else (_bone(neighbor, number),),
            parent="torso" if parent in ("hips", "shoulders") else f"{side}_{parent}",
        )


_NECK = BodyPart(
    name="neck", motion="limb", bones=(NECK,), joints=NECK, radius=0.04, reach=1.8, parent="torso"
)


def _foot(side: str) -> BodyPart:
    joints = tuple(f"{side}_{joint}" for joint in ("ankle", "heel", "foot_index"))
    return BodyPart(
        name=f"{side}_foot",
        motion="rigid",
        bones=tuple(itertools.combinations(joints, 2)),
        joints=joints,
        fitted_share=0.5,
        neighbors=((f"{side}_ankle", f"{side}_knee"),),
        parent=f"{side}_{BODY_TREE['foot'].parent}",
        radius=0.025,
        reach=1.5,
    )


_TORSO = BodyPart(
    name="torso",
    motion="affine",
    bones=(*itertools.combinations(_CORNERS, 2), ("mid_shoulder", "mid_hip")),
    joints=_CORNERS,
    neighbors=(_bone("upper_arm", 0), _bone("upper_arm", 1)),
    neighbor_weight=0.1,
    radius=0.045,
    reach=3.0,  # in profile its hull is a line, from which back and belly are far
    is_solid=True,
)


def _head(groups: Mapping[str, tuple[str, ...]]) -> BodyPart:
    bones: tuple[Limb, ...] = (
        ("left_ear", "right_ear"),
        ("mid_eye", "mid_mouth"),
        ("mid_ear", "mid_mouth"),
        ("left_eye", "right_eye"),
    )
    if "face" in groups:
        bones += (("face_forehead", "face_chin"),)
    joints = (*_HEAD, *groups.get("face", ()))
    return BodyPart(
        name="head",
        motion="rigid",
        bones=bones,
        joints=joints,
        fitted_share=0.8,  # a head looks the same nearer to the camera, and leaning
        radius=0.06,
        reach=2.0,
        is_solid=True,
        changes_fast=True,
    )


def _hand(side: str, groups: Mapping[str, tuple[str, ...]]) -> BodyPart:
    name, wrist = f"{side}_hand", f"{side}_wrist"
    tips = tuple(f"{side}_{joint}" for joint in ("index", "pinky", "thumb"))
    fingers = LIMBS_OF_GROUP[name] if name in groups else ()
    return BodyPart(
        name=name,
        motion="rigid",
        bones=(*((wrist, tip) for tip in tips), *fingers),
        joints=(wrist, *tips, *groups.get(name, ())),
        fitted_share=0.5,
        radius=0.016,
        reach=1.5,
        changes_fast=True,
    )


class BodyPoses:
    """Poses of a body with the midpoints between left and right joints."""

    def __init__(self, skeleton: Skeleton, points: Points, score: Scores) -> None:
        pairs = [[skeleton.index(f"{side}_{joint}") for side in _SIDES] for joint in _MIDPOINTS]
        midpoints = points[:, pairs].mean(axis=2)
        self.points = np.concatenate([points, midpoints], axis=1).astype(np.float32)
        self.found = np.concatenate([score > 0, (score[:, pairs] > 0).all(axis=2)], axis=1)
        self.skeleton, self._indices = skeleton, _indices_of(skeleton)

    def __getstate__(self) -> dict[str, object]:
        """All but the function, which another process makes anew."""
        return {name: value for name, value in vars(self).items() if name != "_indices"}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        self._indices = _indices_of(self.skeleton)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, frames: slice) -> "BodyPoses":
        part = copy(self)
        part.points, part.found = self.points[frames], self.found[frames]
        return part

    def joints(
        self, names: tuple[str, ...], frame: int | slice = _ALL_FRAMES
    ) -> tuple[Float[np.ndarray, "*frames names 2"], Bool[np.ndarray, "*frames names"]]:
        """Points of these joints, and where they were found, in all frames or in one."""
        indices = self._indices(names)
        return self.points[frame, indices], self.found[frame, indices]

    def places(self, names: tuple[str, ...]) -> Complex128[np.ndarray, "frames names"]:
        """Joints as x + iy; NaN where one was not found."""
        points, found = self.joints(names)
        return np.where(found, points.astype(np.float64) @ (1, 1j), complex(np.nan, np.nan))


@lru_cache(8)
def _indices_of(skeleton: Skeleton) -> Callable[[tuple[str, ...]], Int64[np.ndarray, " names"]]:
    names = (*skeleton.joints, *(f"mid_{joint}" for joint in _MIDPOINTS))
    index = {name: number for number, name in enumerate(names)}
    return lru_cache(None)(lambda names: np.array([index[name] for name in names]))


SCALE_LINES: tuple[Limb, ...] = (
    ("mid_shoulder", "mid_hip"),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    *(
        _bone(segment, side)
        for side in (0, 1)
        for segment in ("thigh", "shin", "upper_arm", "forearm")
    ),
)
"""Lines from whose lengths the size of the body is measured."""


def _lengths(poses: BodyPoses) -> Float64[np.ndarray, "frames lines"]:
    """Length of each line of the body in each frame; NaN where a joint is missing."""
    (a, has_a), (b, has_b) = (poses.joints(ends) for ends in zip(*SCALE_LINES, strict=True))
    lengths = np.linalg.norm(a.astype(np.float64) - b, axis=2)
    return np.where(has_a & has_b & (lengths > 0), lengths, np.nan)


def full_lengths(poses: BodyPoses) -> Lengths:
    """Length of each line of the body parallel to the image, at the clip's median scale.

    NaN where it is never seen.
    """
    lengths = _lengths(poses)
    scale = _quantile(lengths / _quantile(lengths, 0.5, axis=0), 0.5, axis=1)
    for _ in range(_ALTERNATIONS):
        full = _quantile(lengths / scale[:, None], _LENGTH_QUANTILE, axis=0)
        scale = _quantile(lengths / full, _SCALE_QUANTILE, axis=1)
    return _quantile(lengths / scale[:, None], _LENGTH_QUANTILE, axis=0)


def body_scales(poses: BodyPoses, full: Lengths) -> Series:
    """Size of the body in each frame, 1 where its lines have their full length; NaN without body.

    Foreshortening makes lines shorter only, so an upper quantile of them tells the scale.
    """
    return _quantile(_lengths(poses) / full, _SCALE_QUANTILE, axis=1)


def _quantile(
    values: Float64[np.ndarray, "rows columns"], quantile: float, *, axis: int
) -> Float64[np.ndarray, " _"]:
    empty = np.all(np.isnan(values), axis=axis)
    found = np.nanquantile(np.where(np.expand_dims(empty, axis), 0, values), quantile, axis=axis)
    return np.where(empty, np.nan, found)


def part_shapes(
    part: BodyPart, poses: BodyPoses, scales: Series
) -> tuple[Complex128[np.ndarray, "frames joints"], JointMask]:
    """Joints x + iy of a part around their middle, at scale 1, and where they were found."""
    points, found = poses.joints(part.joints)
    weight = found[..., None]
    middle = (points * weight).sum(1, keepdims=True) / np.maximum(weight.sum(1, keepdims=True), 1)
    shape = (points - middle).astype(np.float64) / scales[:, None, None]
    shape = np.where(weight & np.isfinite(shape), shape, 0)
    return shape[..., 0] + 1j * shape[..., 1], found


def bone_vectors(bone: Limb, poses: BodyPoses, scales: Series) -> Vectors:
    """A bone as a vector x + iy at body scale 1; NaN where it was not found."""
    ends, found = poses.joints(bone)
    vector = (ends[:, 1] - ends[:, 0]).astype(np.float64) / scales[:, None]
    vector[~found.all(axis=1)] = np.nan
    return vector[:, 0] + 1j * vector[:, 1]


def distance_to_bone(
    places: Complex128[np.ndarray, "*#shape"],
    start: Complex128[np.ndarray, "*#shape"],
    end: Complex128[np.ndarray, "*#shape"],
) -> Float64[np.ndarray, "*_"]:
    """Pixels from places x + iy to the nearest point of a bone; NaN where one is not known."""
    along, away = end - start, places - start
    share = np.clip((away * along.conj()).real / np.maximum(np.abs(along) ** 2, 1), 0, 1)
    return np.abs(away - share * along)


def cosine_from_front(poses: BodyPoses, heights_px: Series) -> Series:
    """About 1 from the front, 0 in profile, -1 from behind; NaN where a joint was not found.

    The width of shoulders and hips needs no depth, so that every detector has it.

    Args:
        heights_px: of the upright body in each frame.
    """
    names = tuple(f"{side}_{joint}" for joint in TRUNK_AND_FEET for side in _SIDES)
    shoulders, hips, ankles = np.split(poses.places(names), 3, axis=1)
    return width_from_front(shoulders, hips, ankles) / (_FRONTAL * heights_px)


def head_yaws(poses: BodyPoses) -> Series:
    """Degrees by which heads are turned, positive to the right of the image; NaN where not known.

    0 from the front, ±90 in profile, ±180 from behind.
    """
    names = ("left_ear", "right_ear", "nose", "mid_ear", "mid_hip")
    *head, ears, hips = poses.places(names).T
    return np.degrees(np.angle(head_directions(*head, across=1j * (ears - hips))))
