"""What a film shows of a body, and completion of what is beyond the picture's edge, or hidden.

A film from the knees, the waist or the chest up shows no feet. They stand below the picture's edge:
the feet are planted under the slow motion of the body, hips and knees lie between them and the
shoulders. Where a joint is seen now and then, its completed place passes into the seen one. Ankles
in grass, in water or behind something, which no frame shows both of, are completed alike.
"""

from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from motiontransfer.pose.boxes import Places
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import (
    Mask,
    Series,
    fill_gaps,
    running_mean,
    running_median,
    window_frames,
)

WHOLE, NOBODY = "whole", "nobody"
_LOWEST_OF = {
    WHOLE: ("left_ankle", "right_ankle"),
    "knees": ("left_knee", "right_knee"),
    "waist": ("left_hip", "right_hip"),
    "chest": ("left_shoulder", "right_shoulder"),
    "face": ("nose",),
    NOBODY: (),
}
"""What is shown, from most to least, and the joints of which one is seen then."""
SHOWN = tuple(_LOWEST_OF)
HALF = ("knees", "waist", "chest")
"""What is completed."""
TOO_LITTLE = ("face", NOBODY)

_SIDES = ("left", "right")
_LEAST_SEEN = 0.3  # share of the frames; a joint seen in fewer is noise, or what is held
_AT_EDGE = 0.03  # of the film's height: so near to its bottom, detectors place what is below it
_SLOW_SECONDS = 2.0  # over which a body's place and size are a median: a squat, a bow are shorter
_NEARER = 1.15  # longest to shortest trunk over these; less is turning and bending
_TRUNK_QUANTILE = 0.9  # of lengths over a clip, which bending and turning make shorter

# Medians of six people who stand, in lengths of the trunk: from the middle of the shoulders to that
# of the hips.
_SHOULDERS = 0.64
_HIPS = 0.38
_THIGH, _LEG = 0.78, 1.5  # hip to knee, hip to ankle
_BELOW_NOSE = (2.4, 2.9)  # a shoulder, outwards and down, in lengths from the eyes to the mouth
_HEEL, _TOES = (-0.02, 0.14), (0.08, 0.29)  # from the ankle, outwards and down
_LONGEST_LEG = 1.03  # of a standing one; beyond, the foot leaves the ground

# Arms that hang beyond the edge: joint, the one that it hangs from, lengths outwards and down.
_HANGING = (
    ("elbow", "shoulder", (0.08, 0.5)),
    ("wrist", "elbow", (0.04, 0.46)),
    ("pinky", "wrist", (0.04, 0.15)),
    ("index", "wrist", (0.0, 0.15)),
    ("thumb", "wrist", (-0.04, 0.1)),
)

Box = tuple[int, int, int, int]
"""The film in the working image: x0, y0, x1, y1."""

_IN_WORDS = {WHOLE: "from head to feet", "face": "of a face alone", NOBODY: "of nobody"}


def in_words(shows: str) -> str:
    return _IN_WORDS.get(shows, f"from the {shows} up")


def compared_films(dance: str, target: str) -> list[str]:
    """What becomes of the legs where either film does not show them; see `SHOWN`."""
    films = dance, target
    if films == (WHOLE, WHOLE) or not set(films) <= {WHOLE, *HALF}:
        return []
    if dance == target:
        return [f"both films are {in_words(dance)}: fine"]
    if SHOWN.index(dance) < SHOWN.index(target):
        return [f"the dance's legs will not be seen: the target's film is {in_words(target)}"]
    below = "will stand" if dance in ("knees", "waist") else "and hips will stand"
    return [f"the target's legs {below}: the dance's film is {in_words(dance)}"]


class _Joint(NamedTuple):
    """A joint over time, completed where it was not seen."""

    places: Places
    is_seen: Mask


class _Trunk(NamedTuple):
    """Shoulders and hips on the left and on the right, and the body's size over time."""

    shoulders: tuple[Places, Places]
    hips: tuple[_Joint, _Joint]
    length: Series
    """Of the upright trunk, pixels."""
    feet: Places
    """Between them, on the floor."""
    outwards: Series
    """1 where the left side is to the right in the image, as from the front; else -1."""


def frames_showing(keypoints: Keypoints, content: Box) -> Int64[np.ndarray, " frames"]:
    """What each frame shows, as an index of `SHOWN`, by seen joints inside the film alone."""
    inside = _inside(keypoints.measured(), content)
    levels = np.full(keypoints.num_frames, len(SHOWN) - 1)
    for level, joints in reversed([*enumerate(_LOWEST_OF.values())]):
        levels[inside[:, [*map(keypoints.skeleton.index, joints)]].any(axis=1)] = level
    return levels


def what_is_shown(keypoints: Keypoints, content: Box | None = None) -> str:
    """What half of the frames with a person, or more, show; see `SHOWN`.

    A body is whole only where some frame shows both ankles: by these its height is measured.

    Args:
        content: the film in the working image; None: all of it.
    """
    content = content or _whole_image(keypoints)
    levels = frames_showing(keypoints, content)
    known = levels[levels < SHOWN.index(NOBODY)]
    shown = SHOWN[int(np.median(known))] if len(known) else NOBODY
    ankles = [*map(keypoints.skeleton.index, _LOWEST_OF[WHOLE])]
    has_both = _inside(keypoints.measured(), content)[:, ankles].all(axis=1)
    return "knees" if shown == WHOLE and not has_both.any() else shown


def complete(keypoints: Keypoints, content: Box | None = None) -> Keypoints:
    """Place hips, legs and arms that are beyond the edge, and mark them as completed.

    What shows whole bodies, or too little to place them by, stays as it is.
    """
    content = content or _whole_image(keypoints)
    seen = [_seen(keypoints, f"{side}_shoulder", keypoints.score > 0) for side in _SIDES]
    if what_is_shown(keypoints, content) not in HALF or not all(j.is_seen.any() for j in seen):
        return keypoints
    shoulders = _below_head(keypoints, seen)
    x0, y0, x1, y1 = content
    sure = x0, y0, x1, y1 - round(_AT_EDGE * (y1 - y0))
    inside = _inside(keypoints, sure)
    points, score = keypoints.points.copy(), keypoints.score.copy()
    keypoints = replace(keypoints, points=points, score=score)
    for side in _SIDES:  # a hand that is found is at a wrist
        wrist, hand = (keypoints.skeleton.index(f"{side}_{at}wrist") for at in ("", "hand_"))
        shown = (score[:, hand] > 0) & ~inside[:, wrist]
        points[shown, wrist], score[shown, wrist] = points[shown, hand], score[shown, hand]
        inside[shown, wrist] = True
    trunk = _trunk(keypoints, inside, *(joint.places for joint in shoulders.values()))
    legs, arms = _legs(keypoints, inside, trunk), _arms(keypoints, inside, trunk)
    completed = np.zeros(score.shape, bool)
    known = (keypoints.score > 0).any(axis=1)
    for name, joint in {**shoulders, **legs, **arms}.items():
        index = keypoints.skeleton.index(name)
        placed = known & ~joint.is_seen
        if name in arms:  # within the film it is hidden, by the body mostly
            placed &= ~_within(joint.places, content)
        points[placed, index], score[placed, index] = joint.places[placed], 1
        completed[placed, index] = True
    return replace(keypoints, points=points, score=score, completed=completed)


def _whole_image(keypoints: Keypoints) -> Box:
    height, width = keypoints.image_size
    return 0, 0, width, height


def _within(places: Float64[np.ndarray, "*rows 2"], content: Box) -> Bool[np.ndarray, "*rows"]:
    x0, y0, x1, y1 = content
    return np.all((places >= (x0, y0)) & (places < (x1, y1)), axis=-1)


def _inside(keypoints: Keypoints, content: Box) -> Bool[np.ndarray, "frames joints"]:
    return (keypoints.score > 0) & _within(keypoints.points.astype(np.float64), content)


def _seen(keypoints: Keypoints, name: str, seen: Bool[np.ndarray, "frames joints"]) -> _Joint:
    index = keypoints.skeleton.index(name)
    return _Joint(keypoints.points[:, index].astype(np.float64), seen[:, index])


def _filled(joint: _Joint) -> Places:
    return np.stack([fill_gaps(axis, joint.is_seen) for axis in joint.places.T], axis=1)


def _continued(model: Places, joint: _Joint) -> _Joint:
    """The joint where it is seen, elsewhere the model, which passes into it."""
    if joint.is_seen.mean() < _LEAST_SEEN:
        return _Joint(model, np.zeros_like(joint.is_seen))
    offset = _filled(_Joint(joint.places - model, joint.is_seen))
    return _Joint(np.where(joint.is_seen[:, None], joint.places, model + offset), joint.is_seen)


def _below_head(keypoints: Keypoints, shoulders: list[_Joint]) -> dict[str, _Joint]:
    """Shoulders, which follow the head where a near one leaves no room for them."""
    nose, has_nose = keypoints.midpoint("nose", min_score=0.0)
    face, has_face = _face_lengths(keypoints)
    if not (known := has_nose & has_face).any():
        models = [_filled(joint) for joint in shoulders]
    else:
        head = _Joint(nose, known), _Joint(np.stack([face, face], axis=1), known)
        nose, face = (_filled(joint) for joint in head)
        models = [nose + face * (sign * _BELOW_NOSE[0], _BELOW_NOSE[1]) for sign in (1, -1)]
    return {
        f"{side}_shoulder": _Joint(_continued(model, joint).places, joint.is_seen)
        for side, model, joint in zip(_SIDES, models, shoulders, strict=True)
    }


def _trunk(
    keypoints: Keypoints, inside: Bool[np.ndarray, "frames joints"], left: Places, right: Places
) -> _Trunk:
    rate, middle, across = keypoints.frame_rate, (left + right) / 2, left - right
    seen = [_seen(keypoints, f"{side}_hip", inside) for side in _SIDES]
    found = seen[0].is_seen & seen[1].is_seen
    shows_hips = found.mean() >= _LEAST_SEEN
    if shows_hips:
        hips = _filled(_Joint((seen[0].places + seen[1].places) / 2, found))
        lengths = fill_gaps(np.linalg.norm(hips - middle, axis=1), found)
    else:
        lengths = _by_shoulders_and_head(keypoints, across)
    slow = _slow(lengths, rate)
    low, high = np.quantile(slow, (0.05, 0.95))
    comes_nearer = high > _NEARER * low
    size = slow / np.median(slow) if comes_nearer else np.ones_like(slow)
    length = size * np.quantile(lengths / size, _TRUNK_QUANTILE)
    if not shows_hips:
        hips = middle + np.stack([0 * length, length], axis=1)
    level = np.full_like(length, np.median(hips[:, 1]))
    if comes_nearer:  # by how it changes with the size, the camera is above or below it
        level = np.polyval(np.polyfit(size, _slow(hips[:, 1], rate), 1), size)
    feet = np.stack([_slow(hips[:, 0], rate), level + _LEG * length], axis=1)
    below = middle + (feet - middle) / (1 + _LEG)
    of_sides = (below + sign * _HIPS / _SHOULDERS / 2 * across for sign in (1, -1))
    hips_of_sides = [_continued(*both) for both in zip(of_sides, seen, strict=True)]
    return _Trunk(
        shoulders=(left, right),
        hips=(hips_of_sides[0], hips_of_sides[1]),
        length=length,
        feet=feet,
        outwards=np.where(_slow(across[:, 0], rate) < 0, -1.0, 1.0),
    )


def _by_shoulders_and_head(keypoints: Keypoints, across: Places) -> Series:
    """Length of a trunk that is not seen: turning makes shoulders narrower, but no face shorter."""
    width = np.linalg.norm(across, axis=1)
    full = np.quantile(width, _TRUNK_QUANTILE)
    face, _ = _face_lengths(keypoints)
    share = face / max(np.quantile(face, _TRUNK_QUANTILE), 1e-6)
    return full / _SHOULDERS * np.maximum(width / full, share)


def _face_lengths(keypoints: Keypoints) -> tuple[Series, Mask]:
    """From the eyes to the mouth; 0 where they were not found."""
    (eyes, has_eyes), (mouth, has_mouth) = (
        keypoints.midpoint(f"left_{part}", f"right_{part}", min_score=0.0)
        for part in ("eye", "mouth")
    )
    found = has_eyes & has_mouth
    return np.where(found, np.linalg.norm(mouth - eyes, axis=1), 0), found


def _slow(values: Series, rate: Fraction) -> Series:
    values = running_median(values, window=window_frames(_SLOW_SECONDS, rate))
    return running_mean(values, window=window_frames(_SLOW_SECONDS / 2, rate))


def _offset(
    trunk: _Trunk, sign: int, place: tuple[float, float]
) -> Float64[np.ndarray, "frames 2"]:
    """A place in lengths of the trunk, outwards and down, as pixels to the right and down."""
    return trunk.length[:, None] * np.stack(
        [sign * trunk.outwards * place[0], np.full_like(trunk.outwards, place[1])], axis=1
    )


def _legs(
    keypoints: Keypoints, inside: Bool[np.ndarray, "frames joints"], trunk: _Trunk
) -> dict[str, _Joint]:
    joints = {}
    for number, side in enumerate(_SIDES):
        sign, hip = (1, -1)[number], trunk.hips[number]

        def below(name: str, model: Places, side: str = side) -> _Joint:
            joints[f"{side}_{name}"] = _continued(model, _seen(keypoints, f"{side}_{name}", inside))
            return joints[f"{side}_{name}"]

        joints[f"{side}_hip"] = hip
        ankle = trunk.feet + _offset(trunk, sign, (_HIPS / 2, 0.0))
        leg = ankle - hip.places
        longest = _LONGEST_LEG * _LEG * trunk.length / np.maximum(np.linalg.norm(leg, axis=1), 1e-6)
        ankle = below("ankle", hip.places + np.minimum(longest, 1)[:, None] * leg).places
        below("knee", hip.places + _THIGH / _LEG * (ankle - hip.places))
        below("heel", ankle + _offset(trunk, sign, _HEEL))
        below("foot_index", ankle + _offset(trunk, sign, _TOES))
    return joints


def _arms(
    keypoints: Keypoints, inside: Bool[np.ndarray, "frames joints"], trunk: _Trunk
) -> dict[str, _Joint]:
    """Arms that hang down from where they leave the film."""
    joints = {}
    for number, side in enumerate(_SIDES):
        places = {"shoulder": trunk.shoulders[number]}
        for name, start, place in _HANGING:
            model = places[start] + _offset(trunk, (1, -1)[number], place)
            joint = _continued(model, _seen(keypoints, f"{side}_{name}", inside))
            if name == "wrist":  # a hand is one, however rarely it is seen
                hand = _seen(keypoints, f"{side}_hand_wrist", keypoints.score > 0)
                here = hand.is_seen[:, None]
                joint = _Joint(
                    np.where(here, hand.places, joint.places), joint.is_seen | hand.is_seen
                )
            places[name], joints[f"{side}_{name}"] = joint.places, joint
    return joints
