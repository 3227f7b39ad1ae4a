"""Skeleton definitions: joint names and limbs, and the joint sets of COCO, OpenPose and 300-W.

The holistic skeleton has MediaPipe's 33 body joints, its 21 joints of each hand, and the subset of
its face mesh that is drawn. Left and right are the person's own, and begin the name.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

_HAND_PARTS = (
    "wrist",
    *(f"thumb_{part}" for part in ("cmc", "mcp", "ip", "tip")),
    *(
        f"{finger}_{part}"
        for finger in ("index", "middle", "ring", "pinky")
        for part in ("mcp", "pip", "dip", "tip")
    ),
)

BODY_JOINTS = (
    "nose",
    *("left_eye_inner", "left_eye", "left_eye_outer"),
    *("right_eye_inner", "right_eye", "right_eye_outer"),
    *("left_ear", "right_ear", "left_mouth", "right_mouth"),
    *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
    *("left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb"),
    *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    *("left_heel", "right_heel", "left_foot_index", "right_foot_index"),
)
LEFT_HAND_JOINTS = tuple(f"left_hand_{part}" for part in _HAND_PARTS)
RIGHT_HAND_JOINTS = tuple(f"right_hand_{part}" for part in _HAND_PARTS)
FacePoint = tuple[int, int | None]
"""Index of a joint of the face in MediaPipe's mesh, and of the nearest landmark of 300-W.

Landmarks by PeizhiYan/Mediapipe_2_Dlib_Landmarks; forehead and temples have none.
"""

_FACE_MIDLINE: dict[str, FacePoint] = {
    "face_chin": (152, 8),
    "face_forehead": (10, None),
    "face_nose_bridge": (168, 27),
    "face_nose_tip": (4, 30),
    "face_upper_lip_top": (0, 51),
    "face_upper_lip_bottom": (13, 62),
    "face_lower_lip_top": (14, 66),
    "face_lower_lip_bottom": (17, 57),
}

# part of the name after `right_face_` and `left_face_`: the person's right, the person's left
_FACE_SIDES: dict[str, tuple[FacePoint, FacePoint]] = {
    "temple": ((21, None), (251, None)),
    "cheek": ((234, 1), (454, 15)),
    "jaw_upper": ((58, 4), (288, 12)),
    "jaw_middle": ((136, 5), (365, 11)),
    "jaw_lower": ((149, 6), (378, 10)),
    "brow_outer": ((70, 17), (300, 26)),
    "brow_middle": ((105, 19), (334, 24)),
    "brow_inner": ((107, 21), (336, 22)),
    "eye_outer": ((33, 36), (263, 45)),
    "eye_top": ((159, 38), (386, 43)),
    "eye_inner": ((133, 39), (362, 42)),
    "eye_bottom": ((145, 40), (374, 47)),
    "nostril": ((98, 31), (327, 35)),
    "mouth_corner": ((61, 48), (291, 54)),
    "upper_lip": ((39, 49), (269, 53)),
    "lower_lip": ((181, 59), (405, 55)),
}
_FACE_POINTS = {
    **_FACE_MIDLINE,
    **{f"left_face_{part}": left for part, (_, left) in _FACE_SIDES.items()},
    **{f"right_face_{part}": right for part, (right, _) in _FACE_SIDES.items()},
}
FACE_JOINTS = tuple(_FACE_POINTS)
VERTEX_OF_JOINT = {joint: vertex for joint, (vertex, _) in _FACE_POINTS.items()}
"""Joint of the face -> its vertex of MediaPipe's mesh."""

Limb = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """Joint groups in storage order; every joint belongs to exactly one group."""

    groups: tuple[tuple[str, tuple[str, ...]], ...]
    joints: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """All joint names along the joint axis."""

    def __post_init__(self) -> None:
        joints = tuple(name for _, names in self.groups for name in names)
        object.__setattr__(self, "joints", joints)
        if len(set(self.joints)) != len(self.joints):
            repeated = sorted({name for name in self.joints if self.joints.count(name) > 1})
            raise ValueError(
                f"a skeleton names each joint once; named more than once: {', '.join(repeated)}"
            )

    def index(self, joint: str) -> int:
        return self.joints.index(joint)

    def other_sides(self) -> list[int]:
        """Position of each joint's mirror."""
        return [self.index(mirrored(joint)) for joint in self.joints]

    def slice(self, group: str) -> slice:
        """Slice of a group's joints along the joint axis."""
        start = 0
        for name, joints in self.groups:
            if name == group:
                return slice(start, start + len(joints))
            start += len(joints)
        raise ValueError(
            f"the skeleton has no joint group {group!r}; it has {[name for name, _ in self.groups]}"
        )


HOLISTIC = Skeleton(
    groups=(
        ("body", BODY_JOINTS),
        ("left_hand", LEFT_HAND_JOINTS),
        ("right_hand", RIGHT_HAND_JOINTS),
        ("face", FACE_JOINTS),
    )
)


def mirrored(joint: str) -> str:
    """Name of the joint on the other side; a joint on the midline is its own mirror."""
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint


def _both_sides(*limbs: Limb) -> tuple[Limb, ...]:
    return tuple(
        (mirrored(a), mirrored(b)) if side else (a, b) for side in (0, 1) for a, b in limbs
    )


def _chain(*joints: str) -> tuple[Limb, ...]:
    return tuple(itertools.pairwise(joints))


BODY_LIMBS: tuple[Limb, ...] = (
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    *_both_sides(
        ("left_shoulder", "left_elbow"),
        ("left_elbow", "left_wrist"),
        ("left_shoulder", "left_hip"),
        ("left_hip", "left_knee"),
        ("left_knee", "left_ankle"),
        ("left_ankle", "left_heel"),
        ("left_heel", "left_foot_index"),
        ("left_ankle", "left_foot_index"),
        ("nose", "left_eye"),
        ("left_eye", "left_ear"),
        ("left_wrist", "left_index"),
        ("left_wrist", "left_pinky"),
    ),
)

Span = tuple[tuple[str, ...], tuple[str, ...]]
"""Joints at whose midpoint a line starts, and those at whose midpoint it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A rigid part of the body: a line between midpoints of joints, or one on each side."""

    parent: str | None
    """The segment nearer to the hips that it is joined to."""
    spans: tuple[Span, ...]
    """From the parent's end, but for the widths of hips and shoulders and the face."""


_HIPS, _SHOULDERS, _EARS = (
    (f"left_{joint}", f"right_{joint}") for joint in ("hip", "shoulder", "ear")
)


def _both_limbs(parent: str, start: str, end: str) -> Segment:
    spans = tuple(((f"{side}_{start}",), (f"{side}_{end}",)) for side in ("left", "right"))
    return Segment(parent=parent, spans=spans)


BODY_TREE: dict[str, Segment] = {
    "hips": Segment(parent=None, spans=((("right_hip",), ("left_hip",)),)),
    "trunk": Segment(parent="hips", spans=((_HIPS, _SHOULDERS),)),
    "shoulders": Segment(parent="trunk", spans=((("right_shoulder",), ("left_shoulder",)),)),
    "neck": Segment(parent="trunk", spans=((_SHOULDERS, _EARS),)),
    "head": Segment(
        parent="neck", spans=((("left_eye", "right_eye"), ("left_mouth", "right_mouth")),)
    ),
    "face_height": Segment(parent="neck", spans=((("face_chin",), ("face_forehead",)),)),
    "upper_arm": _both_limbs("shoulders", "shoulder", "elbow"),
    "forearm": _both_limbs("upper_arm", "elbow", "wrist"),
    "thigh": _both_limbs("hips", "hip", "knee"),
    "shin": _both_limbs("thigh", "knee", "ankle"),
    "foot": _both_limbs("shin", "ankle", "foot_index"),
}
"""Segments of the body by name, each after its parent."""

LEFT_HAND_LIMBS: tuple[Limb, ...] = tuple(
    limb
    for finger in ("thumb", "index", "middle", "ring", "pinky")
    for limb in _chain(
        "left_hand_wrist", *(name for name in LEFT_HAND_JOINTS if f"_{finger}_" in name)
    )
)
RIGHT_HAND_LIMBS: tuple[Limb, ...] = tuple((mirrored(a), mirrored(b)) for a, b in LEFT_HAND_LIMBS)

FACE_LIMBS: tuple[Limb, ...] = (
    ("face_nose_bridge", "face_nose_tip"),
    *_both_sides(
        *_chain(
            *("face_forehead", "left_face_temple", "left_face_cheek", "left_face_jaw_upper"),
            *("left_face_jaw_middle", "left_face_jaw_lower", "face_chin"),
        ),
        *_chain("left_face_brow_outer", "left_face_brow_middle", "left_face_brow_inner"),
        *_chain("left_face_eye_outer", "left_face_eye_top", "left_face_eye_inner"),
        *_chain("left_face_eye_outer", "left_face_eye_bottom", "left_face_eye_inner"),
        ("face_nose_tip", "left_face_nostril"),
        *_chain("left_face_mouth_corner", "left_face_upper_lip", "face_upper_lip_top"),
        *_chain("left_face_mouth_corner", "left_face_lower_lip", "face_lower_lip_bottom"),
        *_chain("left_face_mouth_corner", "face_upper_lip_bottom"),
        *_chain("left_face_mouth_corner", "face_lower_lip_top"),
    ),
)

LIMBS_OF_GROUP = {
    "body": BODY_LIMBS,
    "left_hand": LEFT_HAND_LIMBS,
    "right_hand": RIGHT_HAND_LIMBS,
    "face": FACE_LIMBS,
}


JointSet = tuple[str, ...]
"""Joint names in storage order. The tip of the foot, `foot_index`, is others' big toe."""


def _side(side: str, *parts: str) -> JointSet:
    return tuple(f"{side}_{part}" for part in parts)


COCO_17: JointSet = (
    "nose",
    *(
        f"{side}_{part}"
        for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
)

COCO_18: JointSet = (
    *("nose", "neck"),
    *_side("right", "shoulder", "elbow", "wrist"),
    *_side("left", "shoulder", "elbow", "wrist"),
    *_side("right", "hip", "knee", "ankle"),
    *_side("left", "hip", "knee", "ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)

BODY_25: JointSet = (
    *COCO_18[:8],
    "mid_hip",
    *COCO_18[8:],
    *_side("left", "foot_index", "small_toe", "heel"),
    *_side("right", "foot_index", "small_toe", "heel"),
)

BODY_23: JointSet = (
    *BODY_25[1:12],
    *_side("right", "foot_index", "small_toe"),
    *_side("left", "hip", "knee", "ankle", "foot_index", "small_toe"),
    *("nose", "right_eye", "right_ear", "left_eye", "left_ear"),
)

_JOINT_OF_LANDMARK = {landmark: joint for joint, (_, landmark) in _FACE_POINTS.items()}
IBUG_68: JointSet = tuple(_JOINT_OF_LANDMARK.get(n, f"ibug_{n}") for n in range(68))
"""The face landmarks of 300-W, which OpenPose and COCO-WholeBody share."""

OPENPOSE_FACE_70: JointSet = (*IBUG_68, "right_pupil", "left_pupil")

COCO_WHOLEBODY: JointSet = (
    *COCO_17,
    *_side("left", "foot_index", "small_toe", "heel"),
    *_side("right", "foot_index", "small_toe", "heel"),
    *IBUG_68,
    *LEFT_HAND_JOINTS,
    *RIGHT_HAND_JOINTS,
)
"""133 joints. The hands have the order of OpenPose's and MediaPipe's: wrist, then thumb to pinky,
each from the palm to the tip.
"""


def remap_joints(
    joints: Float32[np.ndarray, "*people source 3"], *, source: Sequence[str], target: Sequence[str]
) -> Float32[np.ndarray, "*people target 3"]:
    """Reorder joints from one set to another by name; those that the source lacks are zero."""
    index_of = {name: index for index, name in enumerate(source)}
    shared = [(index_of[name], index) for index, name in enumerate(target) if name in index_of]
    from_indices, to_indices = [pair[0] for pair in shared], [pair[1] for pair in shared]
    remapped = np.zeros((*joints.shape[:-2], len(target), 3), np.float32)
    remapped[..., to_indices, :] = joints[..., from_indices, :]
    return remapped
