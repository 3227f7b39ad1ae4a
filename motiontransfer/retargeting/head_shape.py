"""Head shape: places of a person's facial joints on a head that faces the camera.

Faces differ. On the target's head the source's joints are moved by the difference between the two
shapes; how the head turns and what the face does stays the source's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Complex128

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.time_series import fill_gaps
from motiontransfer.skeleton import mirrored

HeadShape = Mapping[str, tuple[float, float]]
"""(x, y) of joints from the middle of the ears, in heights of the face; y towards the chin."""

_FEATURES = ("nose", "eye", "ear", "mouth")  # of the joints of the group "body"
_EARS = ("left_ear", "right_ear")
_CHIN, _FOREHEAD, _NOSE = "face_chin", "face_forehead", "face_nose_tip"
_TEMPLES = ("left_face_temple", "right_face_temple")
_FACING = 0.1  # of the width between the temples: the nose's largest distance from its middle
_LARGEST_SHIFT = 0.1  # heights of the face; more is a wrong detection, or no person


def fit_head_shape(
    clips: Sequence[Keypoints], *, min_score: float, min_frames: int
) -> dict[str, tuple[float, float]]:
    """Median over the frames that face the camera, made symmetric; empty where few do.

    Args:
        clips: of one skeleton.
        min_score: joints with a lower score count as missing.
        min_frames: a joint seen from the front in fewer has no known place.
    """
    joints = _head_joints(clips[0])
    if not {*_EARS, _CHIN, _FOREHEAD, _NOSE, *_TEMPLES} <= set(joints):
        return {}
    places = np.concatenate([_places_on_head(clip, joints, min_score) for clip in clips])
    left, right, nose = (places[:, joints.index(it)].real for it in (*_TEMPLES, _NOSE))
    facing = np.abs(nose - (left + right) / 2) < _FACING * np.abs(left - right)
    median = {}
    for joint, of_joint in zip(joints, places[facing].T, strict=True):
        seen = of_joint[np.isfinite(of_joint)]
        if len(seen) >= min_frames:
            median[joint] = complex(np.median(seen.real), np.median(seen.imag))
    shape = {}
    for joint in median.keys() & {mirrored(joint) for joint in median}:
        place = (median[joint] - median[mirrored(joint)].conjugate()) / 2
        shape[joint] = (place.real, place.imag)
    return dict(sorted(shape.items()))


def change_head_shape(
    keypoints: Keypoints, *, source: HeadShape, target: HeadShape, min_score: float
) -> Keypoints:
    """Move the joints of the head by the difference between two shapes.

    Joints that are not in both shapes stay, and all of them in a clip without a face.

    Args:
        min_score: joints with a lower score do not tell where the head is.
    """
    joints = sorted(source.keys() & target.keys() & set(_head_joints(keypoints)))
    if not joints:
        return keypoints
    _, face, found = _heads(keypoints, min_score)
    if not found.any():
        return keypoints
    face = fill_gaps(face.real, found) + 1j * fill_gaps(face.imag, found)
    difference = np.array([complex(*target[it]) - complex(*source[it]) for it in joints])
    difference *= _LARGEST_SHIFT / np.maximum(np.abs(difference), _LARGEST_SHIFT)
    shift = face[:, None] * difference
    indices = [keypoints.skeleton.index(joint) for joint in joints]
    points = keypoints.points.copy()
    moved = points[:, indices] + np.stack([shift.real, shift.imag], axis=2)
    points[:, indices] = np.where(keypoints.score[:, indices, None] > 0, moved, 0)
    return replace(keypoints, points=points)


def _head_joints(keypoints: Keypoints) -> list[str]:
    groups = dict(keypoints.skeleton.groups)
    body = [it for it in groups.get("body", ()) if any(part in it for part in _FEATURES)]
    return [*body, *groups.get("face", ())]


def _heads(
    keypoints: Keypoints, min_score: float
) -> tuple[
    Complex128[np.ndarray, " frames"],
    Complex128[np.ndarray, " frames"],
    Bool[np.ndarray, " frames"],
]:
    """Middle of the ears, the face's height as a vector across the face, where both were found.

    With x + iy for a point, such a vector times a place on the head is an offset in the image.
    """
    (ears, has_ears), (chin, has_chin), (forehead, has_forehead) = (
        keypoints.midpoint(*joints, min_score=min_score)
        for joints in (_EARS, (_CHIN,), (_FOREHEAD,))
    )
    down = chin - forehead
    found = has_ears & has_chin & has_forehead & down.any(axis=1)
    return ears[:, 0] + 1j * ears[:, 1], down[:, 1] - 1j * down[:, 0], found


def _places_on_head(
    keypoints: Keypoints, joints: Sequence[str], min_score: float
) -> Complex128[np.ndarray, "frames joints"]:
    """Joints in the head's own coordinates; NaN where one was not found."""
    ears, face, found = _heads(keypoints, min_score)
    indices = [keypoints.skeleton.index(joint) for joint in joints]
    points, score = keypoints.points[:, indices].astype(np.float64), keypoints.score[:, indices]
    seen = (score > 0) & (score >= min_score) & found[:, None]
    offset = points[..., 0] + 1j * points[..., 1] - ears[:, None]
    return np.where(seen, offset / np.where(found, face, 1)[:, None], complex(np.nan, np.nan))
