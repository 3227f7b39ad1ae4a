"""What a film shows: a whole body, or one from the knees, the waist or the chest up."""

import numpy as np
from jaxtyping import Bool, Float64, Int64

from motiontransfer.core.arrays import Box, JointMask
from motiontransfer.pose.keypoints import Keypoints

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
    if lacks_legs(dance, target):
        return [f"the dance's legs will not be seen: the target's film is {in_words(target)}"]
    below = "will stand" if dance in ("knees", "waist") else "and hips will stand"
    return [f"the target's legs {below}: the dance's film is {in_words(dance)}"]


def lacks_legs(dance: str, target: str) -> bool:
    """Whether a dance shows legs that a film of another person does not; see `SHOWN`."""
    return target in HALF and SHOWN.index(dance) < SHOWN.index(target)


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
    content = content or whole_image(keypoints)
    levels = frames_showing(keypoints, content)
    known = levels[levels < SHOWN.index(NOBODY)]
    shown = SHOWN[int(np.median(known))] if len(known) else NOBODY
    ankles = [*map(keypoints.skeleton.index, _LOWEST_OF[WHOLE])]
    has_both = _inside(keypoints.measured(), content)[:, ankles].all(axis=1)
    return "knees" if shown == WHOLE and not has_both.any() else shown


def whole_image(keypoints: Keypoints) -> Box:
    height, width = keypoints.image_size
    return 0, 0, width, height


def inside_film(places: Float64[np.ndarray, "*rows 2"], content: Box) -> Bool[np.ndarray, "*rows"]:
    x0, y0, x1, y1 = content
    return np.all((places >= (x0, y0)) & (places < (x1, y1)), axis=-1)


def _inside(keypoints: Keypoints, content: Box) -> JointMask:
    return (keypoints.score > 0) & inside_film(keypoints.points.astype(np.float64), content)
