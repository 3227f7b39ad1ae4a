"""Shapes of head and legs: where facial joints, knees and toes lie, facing the camera.

People differ, and so do detected knees and toes in other clothes and shoes. The source's joints are
moved by the difference between the two subjects' shapes. How the head turns, what the face does,
how the legs bend and the feet turn stays the source's.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Complex128, Float64

from motiontransfer.core.arrays import FrameMask, Numbers, Series, Vectors
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import mirrored
from motiontransfer.pose.time_series import fill_gaps

Shape = Mapping[str, tuple[float, float]]
"""Place of each joint.

Head: (x, y) from the middle of the ears, in heights of the face; y towards the chin. Legs, standing
straight: (outwards, down). A knee is measured from the line between hip and ankle, in lengths of
the leg, toes from the ankle, in lengths of the foot. Outwards is away from the other hip.
"""
Values = Float64[np.ndarray, " seen"]
Standing = tuple[Float64[np.ndarray, "seen 2"], Values, Values]

_FEATURES = ("nose", "eye", "ear", "mouth")  # of the joints of the group "body"
_EARS = ("left_ear", "right_ear")
_CHIN, _FOREHEAD, _NOSE = "face_chin", "face_forehead", "face_nose_tip"
_BRIDGE = "face_nose_bridge"
_SIDES = tuple((f"left_face_{part}", f"right_face_{part}") for part in ("temple", "cheek"))
_FOREHEAD_PER_BRIDGE = 1.41  # chin to forehead over chin to bridge, as MediaPipe has them
_NOSE_RANGE = 0.1  # of the face's width: largest distance from its middle
_LARGEST_HEAD_SHIFT = 0.1  # heights of the face; more is a wrong detection, or no person

MIN_FRAMES = 10  # a part seen in fewer frames has no known length, a joint no known place
_UNITS = {"knee": ("thigh", "shin"), "foot_index": ("foot",)}
"""Joint of the legs -> the parts whose lengths together are its unit."""
_OTHER_SIDE = {"left": "right", "right": "left"}
_STRAIGHT = 0.93  # distance of the hip from the ankle, relative to a straight leg's ...
_STRAIGHT_QUANTILE = 0.8  # ... which is this quantile over all frames
_HIPS_WIDTH = 0.5  # least width of the hips, relative to hips parallel to the image
_LARGEST_LEG_SHIFT = 0.015  # of the body's height; more is how a person stands
_SMALLEST = 1e-6  # of the body's height; keeps quotients finite in frames that do not count


def with_forehead(keypoints: Keypoints) -> Keypoints:
    """With a forehead above chin and bridge of the nose, where the detector knows none."""
    if not {_CHIN, _BRIDGE, _FOREHEAD} <= set(keypoints.skeleton.joints):
        return keypoints
    (chin, chin_score), (bridge, bridge_score) = map(keypoints.joint, (_CHIN, _BRIDGE))
    index, score = keypoints.skeleton.index(_FOREHEAD), keypoints.score.copy()
    if score[:, index].any():
        return keypoints
    points = keypoints.points.copy()
    score[:, index] = np.minimum(chin_score, bridge_score)
    points[:, index] = chin + np.float32(_FOREHEAD_PER_BRIDGE) * (bridge - chin)
    points[score == 0] = 0
    return replace(keypoints, points=points, score=score)


def fit_head_shape(clips: Sequence[Keypoints]) -> dict[str, tuple[float, float]]:
    """Median over the frames that face the camera, made symmetric; empty where few do."""
    joints = head_joints(clips[0])
    if not {*_EARS, _CHIN, _FOREHEAD, _NOSE, *itertools.chain(*_SIDES)} <= set(joints):
        return {}
    places = np.concatenate([_places_on_head(clip, joints) for clip in clips])
    across = [places[:, list(map(joints.index, sides))].real for sides in _SIDES]
    (left, right), nose = across[not np.isfinite(across[0]).any()].T, places[:, joints.index(_NOSE)]
    facing = np.abs(nose.real - (left + right) / 2) < _NOSE_RANGE * np.abs(left - right)
    median = {}
    for joint, of_joint in zip(joints, places[facing].T, strict=True):
        seen = of_joint[np.isfinite(of_joint)]
        if len(seen) >= MIN_FRAMES:
            median[joint] = complex(np.median(seen.real), np.median(seen.imag))
    shape = {}
    for joint in median.keys() & {mirrored(joint) for joint in median}:
        place = (median[joint] - median[mirrored(joint)].conjugate()) / 2
        shape[joint] = (place.real, place.imag)
    return dict(sorted(shape.items()))


def change_head_shape(
    keypoints: Keypoints, *, source: Shape, target: Shape, min_score: float
) -> Keypoints:
    """Move the joints of the head by the difference between two shapes.

    Joints that are not in both shapes stay, and all of them in a clip without a face.
    """
    joints = sorted(source.keys() & target.keys() & set(head_joints(keypoints)))
    if not joints:
        return keypoints
    _, face, found = _heads(with_forehead(keypoints).sure(min_score))
    if not found.any():
        return keypoints
    face = fill_gaps(face.real, found) + 1j * fill_gaps(face.imag, found)
    difference = np.array([complex(*target[joint]) - complex(*source[joint]) for joint in joints])
    difference *= _LARGEST_HEAD_SHIFT / np.maximum(np.abs(difference), _LARGEST_HEAD_SHIFT)
    shift = face[:, None] * difference
    indices = [keypoints.skeleton.index(joint) for joint in joints]
    points = keypoints.points.copy()
    moved = points[:, indices] + np.stack([shift.real, shift.imag], axis=2)
    points[:, indices] = np.where(keypoints.score[:, indices, None] > 0, moved, 0)
    return replace(keypoints, points=points)


def head_joints(keypoints: Keypoints) -> list[str]:
    groups = dict(keypoints.skeleton.groups)
    body = [j for j in groups.get("body", ()) if any(feature in j for feature in _FEATURES)]
    return [*body, *groups.get("face", ())]


def _heads(keypoints: Keypoints) -> tuple[Vectors, Vectors, FrameMask]:
    """Middle of the ears, the face's height as a vector across the face, where both were found.

    With x + iy for a point, such a vector times a place on the head is an offset in the image.
    """
    (ears, has_ears), (chin, has_chin), (forehead, has_forehead) = (
        keypoints.midpoint(*joints) for joints in (_EARS, (_CHIN,), (_FOREHEAD,))
    )
    down = chin - forehead
    found = has_ears & has_chin & has_forehead & down.any(axis=1)
    return ears[:, 0] + 1j * ears[:, 1], down[:, 1] - 1j * down[:, 0], found


def _places_on_head(
    keypoints: Keypoints, joints: Sequence[str]
) -> Complex128[np.ndarray, "frames joints"]:
    """Joints in the head's own coordinates; NaN where one was not found."""
    ears, face, found = _heads(keypoints)
    offset = keypoints.places(joints) - ears[:, None]
    places = offset / np.where(found, face, 1)[:, None]
    return np.where(found[:, None], places, complex(np.nan, np.nan))


def fit_leg_shape(
    clips: Sequence[Keypoints], heights_px: Sequence[Numbers], proportions: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Median over the frames with straight legs that face the camera."""
    shape = {}
    for joint, unit in _units(proportions).items():
        for side in _OTHER_SIDE:
            legs = [
                _standing(clip, side, joint, height_px)
                for clip, height_px in zip(clips, heights_px, strict=True)
            ]
            places, lengths, widths = map(np.concatenate, zip(*legs, strict=True))
            if not len(lengths):
                continue
            stands = lengths >= _STRAIGHT * np.quantile(lengths, _STRAIGHT_QUANTILE)
            stands &= widths >= _HIPS_WIDTH * proportions["hips"]
            if stands.sum() >= MIN_FRAMES:
                outwards, down = np.median(places[stands] / unit, axis=0).tolist()
                shape[f"{side}_{joint}"] = (outwards, down)
    return dict(sorted(shape.items()))


def change_leg_shape(
    keypoints: Keypoints,
    *,
    source: Shape,
    target: Shape,
    proportions: Mapping[str, float],
    min_score: float,
) -> Keypoints:
    """Move knees and toes by the difference between two shapes, less where the hips are turned.

    Joints that are not in both shapes, or whose unit is not known, stay.
    """
    points, sure = keypoints.points.copy(), keypoints.sure(min_score)
    for joint, unit in _units(proportions).items():
        for side, other in _OTHER_SIDE.items():
            name = f"{side}_{joint}"
            if name not in source.keys() & target.keys():
                continue
            shift = unit * (np.array(target[name]) - source[name])
            shift *= _LARGEST_LEG_SHIFT / max(float(np.linalg.norm(shift)), _LARGEST_LEG_SHIFT)
            (hip, has_hip), (other_hip, has_other) = (
                sure.midpoint(f"{a_side}_hip") for a_side in (side, other)
            )
            across = (hip - other_hip) / proportions["hips"]
            moved = shift[0] * across
            moved[:, 1] += shift[1] * np.linalg.norm(across, axis=1)
            index = keypoints.skeleton.index(name)
            seen = has_hip & has_other & (keypoints.score[:, index] > 0)
            points[:, index] += np.where(seen[:, None], moved, 0)
    return replace(keypoints, points=points)


def _units(proportions: Mapping[str, float]) -> dict[str, float]:
    """Unit of each joint, in heights, where it and the width of the hips are known."""
    return {
        joint: sum(proportions[part] for part in parts)
        for joint, parts in _UNITS.items()
        if {*parts, "hips"} <= proportions.keys()
    }


def _standing(clip: Keypoints, side: str, joint: str, height_px: Series) -> Standing:
    """Place of a joint, distance of the hip from the ankle and width of the hips, in heights."""
    names = (f"{side}_hip", f"{side}_ankle", f"{side}_{joint}", f"{_OTHER_SIDE[side]}_hip")
    places, found = zip(*(clip.midpoint(name) for name in names), strict=True)
    seen = np.all(found, axis=0)
    hip, ankle, there, other_hip = (place[seen] / height_px[seen, None] for place in places)
    leg, across = ankle - hip, hip - other_hip
    length, width = (np.linalg.norm(vectors, axis=1) for vectors in (leg, across))
    offset = there - ankle
    if joint == "knee":
        along = leg / np.maximum(length, _SMALLEST)[:, None]
        offset -= (offset * along).sum(axis=1, keepdims=True) * along
    outwards = (offset * across).sum(axis=1) / np.maximum(width, _SMALLEST)
    return np.stack([outwards, offset[:, 1]], axis=1), length, width
