"""Forward kinematics and linear blend skinning of a body from joint angles.

Angles are measured from a neutral stance in which arms and legs hang straight down. So the same
angles mean the same pose on every body. A bend is shared by the bones that share it in a person.
They are five of the spine, two of the neck, clavicle and upper arm, the limbs' twist bones.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.spatial.transform import Rotation

from demo.actors.body import Body, load_body

_SIDES = {"left": ("L", 1.0), "right": ("R", -1.0)}
_SIDE_ANGLES = (
    *("shoulder_raise", "shoulder_spread", "shoulder_twist", "elbow", "forearm_twist"),
    *("wrist_bend", "wrist_side", "curl", "thumb_curl", "finger_spread"),
    *("hip_raise", "hip_spread", "hip_twist", "knee", "ankle_pitch", "ankle_yaw", "ankle_roll"),
)
ANGLES = (
    *(f"{part}_{axis}" for part in ("root", "spine", "neck") for axis in ("pitch", "yaw", "roll")),
    *("gaze_pitch", "gaze_yaw"),
    *(f"{side}_{name}" for side in _SIDES for name in _SIDE_ANGLES),
)
"""Names of the joint angles, radians.

Raise is forward, spread is away from the midline, pitch is a nod, yaw turns to the left.
"""

_SPINE = ("spine05", "spine04", "spine03", "spine02", "spine01")
_NECK = ("neck01", "neck02", "head")
_FINGER_SHARE = {"1": 0.75, "2": 1.0, "3": 0.65}
_ALIGNED = {
    "upperarm01": "lowerarm01",
    "lowerarm01": "wrist",
    "wrist": "finger3-1",
    "upperleg01": "lowerleg01",
    "lowerleg01": "foot",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A body's bones in the neutral stance."""

    body: Body
    """The body that is posed."""
    turned: Float[np.ndarray, "bones 3 3"]
    """Rotation of each bone from the rest pose to the neutral stance."""
    joints: Float[np.ndarray, "bones 3"]
    """Where each bone begins in the neutral stance, meters."""
    leg_length: float
    """Hip to ankle along the bones, meters: the unit of paths on the floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BonePose:
    """Where the bones are: a rest point r of bone b is at rotation[b] @ r + offset[b]."""

    rotation: Float[np.ndarray, "bones 3 3"]
    """From the rest pose to the pose."""
    offset: Float[np.ndarray, "bones 3"]
    """Metres."""


def rig_body(body: Body) -> Rig:
    """Find the neutral stance of a body."""
    index = {name: i for i, name in enumerate(body.bones)}
    turned = np.tile(np.eye(3), (len(body.bones), 1, 1))
    joints = body.heads.copy()
    for bone, parent in enumerate(body.parents):
        if parent < 0:
            continue
        turned[bone] = turned[parent]
        joints[bone] = joints[parent] + turned[parent] @ (body.heads[bone] - body.heads[parent])
        stem, _, side = body.bones[bone].partition(".")
        if stem in _ALIGNED:
            along = body.heads[index[f"{_ALIGNED[stem]}.{side}"]] - body.heads[bone]
            turned[bone] = _shortest_rotation(turned[parent] @ along) @ turned[parent]
        elif stem == "foot":
            turned[bone] = np.eye(3)  # soles lie flat in the rest pose
    hip, knee, ankle = (index[f"{name}.L"] for name in ("upperleg01", "lowerleg01", "foot"))
    leg_length = float(
        np.linalg.norm(joints[hip] - joints[knee]) + np.linalg.norm(joints[knee] - joints[ankle])
    )
    return Rig(body=body, turned=turned, joints=joints, leg_length=leg_length)


def load_rig(phenotype: Mapping[str, float], actions: tuple[str, ...]) -> Rig:
    """Build the body of a phenotype and find its neutral stance."""
    return rig_body(load_body(phenotype, actions=actions))


def pose_bones(rig: Rig, angles: Mapping[str, float]) -> BonePose:
    """Forward kinematics; the root stays where it is in the neutral stance.

    Args:
        angles: by the names in `ANGLES`; those not named are 0.
    """
    local = _local_rotations(rig, angles)
    rotation = np.empty_like(rig.turned)
    position = np.empty_like(rig.joints)
    for bone, parent in enumerate(rig.body.parents):
        turn = local.get(rig.body.bones[bone])
        if parent < 0:
            rotation[bone] = np.eye(3) if turn is None else turn
            position[bone] = rig.joints[bone]
        else:
            rotation[bone] = rotation[parent] if turn is None else rotation[parent] @ turn
            position[bone] = position[parent] + rotation[parent] @ (
                rig.joints[bone] - rig.joints[parent]
            )
    rotation = rotation @ rig.turned
    offset = position - np.einsum("bij,bj->bi", rotation, rig.body.heads)
    return BonePose(rotation=rotation, offset=offset)


def skin(
    points: Float[np.ndarray, "points 3"], weights: sparse.csr_array, pose: BonePose
) -> Float[np.ndarray, "points 3"]:
    """Linear blend skinning; sparse, so that its sums do not depend on the number of threads."""
    transforms = np.concatenate([pose.rotation, pose.offset[:, :, None]], axis=2)
    blended = (weights @ transforms.reshape(len(transforms), 12)).reshape(-1, 3, 4)
    return np.einsum("pij,pj->pi", blended[:, :, :3], points) + blended[:, :, 3]


def _shortest_rotation(direction: np.ndarray) -> Float[np.ndarray, "3 3"]:
    """Rotation of least angle that makes a direction point straight down."""
    unit = direction / np.linalg.norm(direction)
    down = np.array([0.0, -1.0, 0.0])
    axis = np.cross(unit, down)
    sine, cosine = np.linalg.norm(axis), unit @ down
    return Rotation.from_rotvec(axis / max(sine, 1e-9) * np.arctan2(sine, cosine)).as_matrix()


def _turn(x: float, y: float, z: float) -> Float[np.ndarray, "3 3"]:
    return Rotation.from_rotvec([x, y, z]).as_matrix()


def _euler(pitch: float, yaw: float, roll: float) -> Float[np.ndarray, "3 3"]:
    return Rotation.from_euler("YXZ", [yaw, pitch, roll]).as_matrix()


def _local_rotations(rig: Rig, angles: Mapping[str, float]) -> dict[str, np.ndarray]:
    def axes(part: str, share: float) -> np.ndarray:
        return _euler(
            *(share * angles.get(f"{part}_{axis}", 0.0) for axis in ("pitch", "yaw", "roll"))
        )

    local = {"root": axes("root", 1.0)}
    local |= dict.fromkeys(_SPINE, axes("spine", 1 / len(_SPINE)))
    local |= dict.fromkeys(_NECK, axes("neck", 1 / len(_NECK)))
    gaze = _euler(angles.get("gaze_pitch", 0.0), angles.get("gaze_yaw", 0.0), 0.0)
    local |= {"eye.L": gaze, "eye.R": gaze}
    for side, (suffix, sign) in _SIDES.items():
        own = {name: angles.get(f"{side}_{name}", 0.0) for name in _SIDE_ANGLES}
        turns = {**_arm(own, sign), **_leg(own, sign), **_fingers(rig, suffix, own, sign)}
        local |= {f"{name}.{suffix}": turn for name, turn in turns.items()}
    return local


def _arm(own: Mapping[str, float], sign: float) -> dict[str, np.ndarray]:
    raise_, spread, twist = own["shoulder_raise"], own["shoulder_spread"], own["shoulder_twist"]
    # The shoulder blade takes part of every lift of the arm, more of it the higher the arm.
    lift = max(0.0, float(np.hypot(raise_, spread)) - 0.5)
    clavicle = _turn(0.0, -0.10 * sign * raise_, 0.16 * sign * lift)
    return {
        "clavicle": clavicle,
        "upperarm01": clavicle.T
        @ _turn(-raise_, 0.0, sign * spread)
        @ _turn(0.0, 0.6 * sign * twist, 0.0),
        "upperarm02": _turn(0.0, 0.4 * sign * twist, 0.0),
        "lowerarm01": _turn(-own["elbow"], 0.0, 0.0),
        "lowerarm02": _turn(0.0, 0.6 * sign * own["forearm_twist"], 0.0),
        "wrist": _turn(0.0, 0.4 * sign * own["forearm_twist"], 0.0)
        @ _turn(-own["wrist_side"], 0.0, -sign * own["wrist_bend"]),
    }


def _leg(own: Mapping[str, float], sign: float) -> dict[str, np.ndarray]:
    return {
        "upperleg01": _turn(-own["hip_raise"], 0.0, sign * own["hip_spread"])
        @ _turn(0.0, 0.5 * sign * own["hip_twist"], 0.0),
        "upperleg02": _turn(0.0, 0.5 * sign * own["hip_twist"], 0.0),
        "lowerleg01": _turn(own["knee"], 0.0, 0.0),
        "foot": _euler(own["ankle_pitch"], sign * own["ankle_yaw"], sign * own["ankle_roll"]),
    }


def _fingers(rig: Rig, suffix: str, own: Mapping[str, float], sign: float) -> dict[str, np.ndarray]:
    def joint(name: str) -> np.ndarray:
        return rig.joints[rig.body.bones.index(f"{name}.{suffix}")]

    across = joint("finger5-1") - joint("finger2-1")
    across /= np.linalg.norm(across)
    palm = sign * np.cross(across, joint("finger3-1") - joint("wrist"))
    thumb = joint("finger1-3") - joint("finger1-1")
    thumb_axis = np.cross(thumb, palm) / np.linalg.norm(np.cross(thumb, palm))
    bends = {
        knuckle: Rotation.from_rotvec(sign * share * own["curl"] * across).as_matrix()
        for knuckle, share in _FINGER_SHARE.items()
    }
    bend = Rotation.from_rotvec(0.8 * own["thumb_curl"] * thumb_axis).as_matrix()
    turns = {"finger1-2": bend, "finger1-3": bend}
    for finger in "2345":
        spread = own["finger_spread"] * (3.5 - int(finger)) * sign
        fan = Rotation.from_rotvec(-spread * palm / np.linalg.norm(palm)).as_matrix()
        turns |= {f"finger{finger}-{knuckle}": bend for knuckle, bend in bends.items()}
        turns[f"finger{finger}-1"] = fan @ bends["1"]
    return turns
