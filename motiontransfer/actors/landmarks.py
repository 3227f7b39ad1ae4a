"""Where the joints of `skeleton.HOLISTIC` are on the base mesh.

Hides vertex numbers. They were found once on the average body (nearest visible vertex to a
place on the face) and hold for every body, as all share the mesh. Right-hand numbers are the
left's mirror images.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from motiontransfer.actors.body_data import Body
from motiontransfer.skeleton import HOLISTIC, mirrored

_MIDLINE = {
    "nose": 294,
    "face_chin": 5211,
    "face_forehead": 244,
    "face_nose_bridge": 133,
    "face_nose_tip": 294,
    "face_upper_lip_top": 466,
    "face_upper_lip_bottom": 474,
    "face_lower_lip_top": 523,
    "face_lower_lip_bottom": 492,
}
_LEFT_AND_RIGHT = {
    "left_eye_inner": (13365, 6769),
    "left_eye_outer": (6809, 25),
    "left_ear": (7698, 1004),
    "left_mouth": (10405, 3737),
    "left_heel": (12453, 5856),
    "left_foot_index": (11551, 4933),
    "left_face_temple": (10410, 3742),
    "left_face_cheek": (11791, 5179),
    "left_face_jaw_upper": (11819, 5208),
    "left_face_jaw_middle": (11836, 5227),
    "left_face_jaw_lower": (11778, 5165),
    "left_face_brow_outer": (6982, 207),
    "left_face_brow_middle": (6979, 204),
    "left_face_brow_inner": (6984, 209),
    "left_face_eye_outer": (6809, 25),
    "left_face_eye_top": (11465, 4847),
    "left_face_eye_inner": (13365, 6769),
    "left_face_eye_bottom": (6828, 44),
    "left_face_nostril": (7098, 336),
    "left_face_mouth_corner": (10405, 3737),
    "left_face_upper_lip": (7216, 457),
    "left_face_lower_lip": (7235, 480),
}
_BONE_HEADS = {
    "left_eye": "eye.L",
    "left_shoulder": "upperarm01.L",
    "left_elbow": "lowerarm01.L",
    "left_wrist": "wrist.L",
    "left_hip": "upperleg01.L",
    "left_knee": "lowerleg01.L",
    "left_ankle": "foot.L",
    "left_pinky": "finger5-1.L",
    "left_index": "finger2-1.L",
    "left_thumb": "finger1-2.L",
    "left_hand_wrist": "wrist.L",
}
_FINGERS = {"thumb": "1", "index": "2", "middle": "3", "ring": "4", "pinky": "5"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """A joint as a point of the rest pose that moves with a bone, or with the skin."""

    rest: Float[np.ndarray, " 3"]
    """Rest position, metres."""

    weights: Float[np.ndarray, " bones"]
    """Skinning weights."""

    vertex: int | None
    """Vertex of the base mesh that facial actions move with it; None for one inside the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceFrame:
    """Coordinates in which every face has its parts in the same places.

    Millimetres on the average face, from between the eyes; x to the person's left, y up, z forward.
    """

    origin: Float[np.ndarray, " 3"]
    """Height of the eyes on the midline; depth of the eyes' centres, metres."""

    scale: Float[np.ndarray, " 3"]
    """Millimetres of the average face for a metre of this one."""

    def to_millimetres(
        self, points: Float[np.ndarray, "points 3"]
    ) -> Float[np.ndarray, "points 3"]:
        """Rest positions into the frame."""
        return (points - self.origin) * self.scale

    def to_metres(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """The way back."""
        return points / self.scale + self.origin


def face_frame(body: Body) -> FaceFrame:
    """Fit the frame to eyes, chin and nose."""
    eye = body.heads[body.bones.index("eye.L")]
    chin, tip = body.vertices[_MIDLINE["face_chin"]], body.vertices[_MIDLINE["nose"]]
    return FaceFrame(
        origin=np.array([0.0, eye[1], eye[2]]),
        scale=np.array([31.3 / eye[0], 108.9 / (eye[1] - chin[1]), 44.8 / (tip[2] - eye[2])]),
    )


def landmarks(body: Body) -> dict[str, Landmark]:
    """Every joint of the holistic skeleton, in its order."""
    vertices = dict(_MIDLINE)
    for name, (left, right) in _LEFT_AND_RIGHT.items():
        vertices |= {name: left, mirrored(name): right}
    heads, tails = dict(_BONE_HEADS), {}
    for finger, number in _FINGERS.items():
        names = ("cmc", "mcp", "ip") if finger == "thumb" else ("mcp", "pip", "dip")
        for knuckle, name in enumerate(names, start=1):
            heads[f"left_hand_{finger}_{name}"] = f"finger{number}-{knuckle}.L"
        tails[f"left_hand_{finger}_tip"] = f"finger{number}-3.L"
    for table in (heads, tails):
        table |= {mirrored(name): bone.replace(".L", ".R") for name, bone in table.items()}

    def landmark(name: str) -> Landmark:
        if name in vertices:
            vertex = vertices[name]
            return Landmark(rest=body.vertices[vertex], weights=body.weights[vertex], vertex=vertex)
        bone = body.bones.index(heads.get(name) or tails[name])
        rest = body.heads[bone] if name in heads else body.tails[bone]
        return Landmark(rest=rest, weights=np.eye(len(body.bones))[bone], vertex=None)

    return {name: landmark(name) for name in HOLISTIC.joints}
