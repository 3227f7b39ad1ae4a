"""What a photo hides of a body, by 2-D joints, and what a better photo shows."""

from collections.abc import Iterator, Mapping

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from motiontransfer.core.arrays import Vector
from motiontransfer.filming.quality import NOTHING_TO_FIX, TURN
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.shown import WHOLE, in_words, what_is_shown

# Distances in heights of the upright body.
_BESIDE_TRUNK = 0.035  # of an arm's bones from the line through shoulder and hip: half an arm
_BESIDE_THIGH = 0.07  # of a hand's middle from the thigh's bone: half a thigh and half a hand
_BEFORE_FACE = 0.1  # of a wrist from the nose
_LEGS_APART = 0.05  # of knees and ankles: the width of a shin
_FOLDED = 0.25  # of an ankle from the hip; half of a leg
_FRONT_WIDTH = 0.1  # of the shoulders; narrower ones are turned
_NUM_ON_BONE = 5

_SIDES = ("left", "right")
_Places = Mapping[str, Vector]
"""(x, y) of each joint, pixels; NaN, which is less than nothing, where it is not seen."""


def photo_advice(photo: Keypoints, *, num_people: int, turn: int = 0) -> list[str]:
    """Sentences on a clip of one frame; `NOTHING_TO_FIX` alone where nothing is hidden."""
    seen = photo.measured()
    points = np.where(seen.score[0, :, None] > 0, seen.points[0].astype(np.float64), np.nan)
    places, height = dict(zip(seen.skeleton.joints, points, strict=True)), body_height_px(photo)
    if not seen.score.any() or height <= 0:
        return ["nobody is found in the photo: show one person, from head to feet"]
    if turn:
        return [TURN.format(turn)]
    sentences = []
    if num_people > 1:
        sentences.append(
            f"{num_people} people are in view: one performs, the others stay as they stand; better "
            "crop the photo to one"
        )
    if (shows := what_is_shown(photo)) != WHOLE:
        sentences.append(
            f"the photo is {in_words(shows)}: what is below will not be seen; show the whole body"
        )
    sentences += [*_turned(places, height), *_hidden_by_arms(places, height)]
    legs = [(f"left_{joint}", f"right_{joint}") for joint in ("knee", "ankle")]
    if any(_distance(places, *pair) < _LEGS_APART * height for pair in legs):
        sentences.append("one leg hides the other: stand with the feet as wide apart as the hips")
    if any(_distance(places, f"{it}_hip", f"{it}_ankle") < _FOLDED * height for it in _SIDES):
        sentences.append("a leg is folded, and stays so wherever the dancer stands: stand")
    found = {
        group: seen.score[0, seen.skeleton.slice(group)].any() for group, _ in seen.skeleton.groups
    }
    if closed := [side for side in _SIDES if not found.get(f"{side}_hand")]:
        sentences.append(f"no fingers are seen of the {' and '.join(closed)} hand: open the hands")
    if not found.get("face"):
        sentences.append("the face is not found: look into the camera, in light from the front")
    return sentences or [NOTHING_TO_FIX]


def _turned(places: _Places, height: float) -> Iterator[str]:
    width = places["left_shoulder"][0] - places["right_shoulder"][0]
    if width < -_FRONT_WIDTH * height:
        yield "the photo is taken from behind: the front will be made of the back"
    elif width < _FRONT_WIDTH * height:
        yield "the body is turned aside and hides its far half: face the camera"


def _hidden_by_arms(places: _Places, height: float) -> Iterator[str]:
    trunk = np.array(
        [places[f"{side}_{joint}"] for side in _SIDES for joint in ("shoulder", "hip")]
    )
    hull = cv2.convexHull(trunk.astype(np.float32)) if np.isfinite(trunk).all() else None
    for side in _SIDES:
        wrist, elbow, hip, knee = (
            places[f"{side}_{joint}"] for joint in ("wrist", "elbow", "hip", "knee")
        )
        forearm = np.linspace(elbow, wrist, _NUM_ON_BONE)
        thigh = np.linspace(hip, knee, _NUM_ON_BONE)
        if _distance(places, f"{side}_wrist", "nose") < _BEFORE_FACE * height:
            yield f"the {side} hand is before the face: hold it off the body"
        elif hull is not None and _deepest(forearm, hull) > -_BESIDE_TRUNK * height:
            yield f"the {side} arm hides a part of the trunk: hold it off the body"
        elif np.linalg.norm(thigh - wrist, axis=1).min() < _BESIDE_THIGH * height:
            yield f"the {side} hand hides a part of the thigh: hold it off the body"


def _deepest(places: Float64[np.ndarray, "_ 2"], hull: Float32[np.ndarray, "_ 1 2"]) -> float:
    """Largest distance of places inside a hull from its outline; NaN where one is not known."""
    if not np.isfinite(places).all():
        return np.nan
    return max(cv2.pointPolygonTest(hull, place, measureDist=True) for place in places.tolist())


def _distance(places: _Places, first: str, second: str) -> float:
    return float(np.linalg.norm(places[first] - places[second]))
