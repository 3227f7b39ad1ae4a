"""Looking at one person among several: a part of each frame that follows them.

A detector of a single person that is given only this part has nobody else to jump to, except where
people are in front of each other; what it finds is then believed only if it is the person in
question. Hides how the part is chosen, how what is found in it gets its place in the frame, and
when it is believed.
"""

from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.ndimage import maximum_filter1d

from motiontransfer.pose.bodies import difference, measure_bodies
from motiontransfer.pose.people import People
from motiontransfer.pose.smoothing import fill_gaps, running_mean, window_frames
from motiontransfer.skeleton import Skeleton

_MARGIN = 0.25  # of the person's larger extent: hair, hands and feet reach beyond the joints
_WINDOW_SECONDS = 1.0  # over which place and size are evened out, so that the part moves calmly
_MAX_DIFFERENCE = 0.1  # sizes of the person: two detectors differ by less on the same person


def follow(
    boxes: Float64[np.ndarray, "frames 4"],
    seen: Bool[np.ndarray, " frames"],
    *,
    frame_rate: Fraction,
    image_size: tuple[int, int],
) -> Int64[np.ndarray, "frames 4"]:
    """The part of each frame to look at: a box x0, y0, x1, y1, half-open and inside the frame.

    Where the person is seen it holds their box and, as far as there is picture, a margin.

    Args:
        boxes: around the joints of one person, pixels; what stands where they are not seen is of no
            importance.
        seen: at least once.
    """
    window = window_frames(_WINDOW_SECONDS, frame_rate)
    edges = np.stack([fill_gaps(boxes[:, side], seen) for side in range(4)], axis=1)
    low, high = edges[:, :2], edges[:, 2:]
    middle = (low + high) / 2
    calm = np.stack([running_mean(middle[:, axis], window=window) for axis in range(2)], axis=1)
    margin = _MARGIN * (high - low).max(axis=1, keepdims=True)
    reach = np.maximum(high - calm, calm - low) + margin
    # The mean of maxima over a window is nowhere less than the value in its middle.
    widest = maximum_filter1d(reach, window, axis=0, mode="nearest")
    reach = np.stack([running_mean(widest[:, axis], window=window) for axis in range(2)], axis=1)
    height, width = image_size
    parts = np.concatenate([np.floor(calm - reach), np.ceil(calm + reach) + 1], axis=1)
    return np.clip(parts, 0, [width, height, width, height]).astype(np.int64)


def placed(people: People, *, offset: tuple[int, int]) -> People:
    """What was found in a part of a frame, in the frame.

    Args:
        offset: (x, y) of the part's upper left corner.
    """
    found = people.score[..., None] > 0
    moved = people.points + np.array(offset, np.float32)
    return People(points=np.where(found, moved, np.float32(0)), score=people.score)


def believed(
    in_part: People, known: People, index: int, *, skeleton: Skeleton, image_size: tuple[int, int]
) -> People:
    """What was found in the part of a frame around a person, if it is them; else what is known.

    Args:
        in_part: one person or nobody, in the frame's pixels.
        known: everyone in the frame, each with a body, as known from elsewhere.
        index: which of them was looked at.
    """
    person = People(points=known.points[[index]], score=known.score[[index]])
    found = measure_bodies(in_part, skeleton=skeleton, image_size=image_size)
    if not found:
        return person
    bodies = measure_bodies(known, skeleton=skeleton, image_size=image_size)
    distance = {body.row: difference(body, found[0]) for body in bodies}
    is_theirs = distance[index] <= min(_MAX_DIFFERENCE, *distance.values())
    return in_part if is_theirs else person
