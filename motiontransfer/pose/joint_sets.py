"""Joint sets of other programs by the names of `skeleton.HOLISTIC`, and moving joints between sets.

Hides in which order others store joints. A set is a sequence of joint names; `HOLISTIC.joints` is
one, too. Joints that HOLISTIC does not have (a neck, a small toe) have names of their own.

Sources: OpenPose doc/02_output.md (COCO-18, BODY_25, hands, face); carolineec/EverybodyDanceNow
data_prep/renderopenpose.py (BODY_23, given there as indices into BODY_25); MMPose
configs/_base_/datasets/coco_wholebody.py (COCO-17, COCO-WholeBody).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from motiontransfer.skeleton import LEFT_HAND_JOINTS, RIGHT_HAND_JOINTS, mirrored

JointSet = tuple[str, ...]
"""Joint names in storage order. The tip of the foot, `foot_index`, is others' big toe."""


def _left_first(*parts: str) -> JointSet:
    return tuple(f"{side}_{part}" for part in parts for side in ("left", "right"))


def _side(side: str, *parts: str) -> JointSet:
    return tuple(f"{side}_{part}" for part in parts)


COCO_17: JointSet = (
    "nose",
    *_left_first("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
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

_FACE_MIDLINE = {
    8: "face_chin",
    27: "face_nose_bridge",
    30: "face_nose_tip",
    51: "face_upper_lip_top",
    57: "face_lower_lip_bottom",
    62: "face_upper_lip_bottom",
    66: "face_lower_lip_top",
}

# The person's right; its mirror is the person's left.
_FACE_RIGHT = {
    1: ("cheek", 15),
    4: ("jaw_upper", 12),
    5: ("jaw_middle", 11),
    6: ("jaw_lower", 10),
    17: ("brow_outer", 26),
    19: ("brow_middle", 24),
    21: ("brow_inner", 22),
    31: ("nostril", 35),
    36: ("eye_outer", 45),
    38: ("eye_top", 43),
    39: ("eye_inner", 42),
    40: ("eye_bottom", 47),
    48: ("mouth_corner", 54),
    49: ("upper_lip", 53),
    59: ("lower_lip", 55),
}


def _ibug_68() -> JointSet:
    names = {index: f"ibug_{index}" for index in range(68)} | _FACE_MIDLINE
    for right, (part, left) in _FACE_RIGHT.items():
        names[right] = f"right_face_{part}"
        names[left] = mirrored(names[right])
    return tuple(names[index] for index in range(68))


IBUG_68: JointSet = _ibug_68()
"""The face landmarks of 300-W, which OpenPose and COCO-WholeBody share.

Our face joints are vertices of MediaPipe's mesh; each is given the nearest landmark. On the mesh of
a portrait, with the landmarks placed on it by PeizhiYan/Mediapipe_2_Dlib_Landmarks, 26 of the 37
coincide and the others are at most 0.08 of the face's height away. Forehead and temples have none.
"""

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


def moved(
    points: Float32[np.ndarray, "*people source 2"],
    score: Float32[np.ndarray, "*people source"],
    *,
    source: Sequence[str],
    target: Sequence[str],
) -> tuple[Float32[np.ndarray, "*people target 2"], Float32[np.ndarray, "*people target"]]:
    """Move joints from one set to another by name; those that the source lacks are missing."""
    index_of = {name: index for index, name in enumerate(source)}
    shared = [(index_of[name], index) for index, name in enumerate(target) if name in index_of]
    taken, placed = [pair[0] for pair in shared], [pair[1] for pair in shared]
    moved_points = np.zeros((*score.shape[:-1], len(target), 2), np.float32)
    moved_score = np.zeros((*score.shape[:-1], len(target)), np.float32)
    moved_points[..., placed, :] = points[..., taken, :]
    moved_score[..., placed] = score[..., taken]
    return moved_points, moved_score
