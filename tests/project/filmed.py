"""Videos drawn in code: a room with corners to see, someone in it, a camera that may move."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.video.frame_store import FrameWriter
from tests.pose.whole_person import SIZE, person

RATE = Fraction(25)


def room(*, seed=0, size=(512, 512)):
    """A picture with many corners: boxes of random greys, larger than what the camera sees."""
    random = np.random.default_rng(seed)
    picture = np.full((*size, 3), 120, np.uint8)
    for _ in range(250):
        x, y = random.integers(0, size[1]), random.integers(0, size[0])
        width, height = random.integers(8, 40, 2)
        colour = tuple(int(level) for level in random.integers(30, 220, 3))
        cv2.rectangle(picture, (int(x), int(y)), (int(x + width), int(y + height)), colour, -1)
    return picture


def plain_wall(*, size=(512, 512)):
    """A picture without a corner."""
    return np.full((*size, 3), 120, np.uint8)


def views(background, offsets, *, size=SIZE):
    """What a camera sees of a background at each of some offsets (x, y), pixels."""
    return [
        np.ascontiguousarray(background[100 + y : 100 + y + size[0], 100 + x : 100 + x + size[1]])
        for x, y in offsets
    ]


def film(path: Path, frames, *, rate=RATE):
    """Write frames as a lossless video."""
    with FrameWriter(path, size=frames[0].shape[:2], frame_rate=rate) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def dressed(frame, *, centre=(128.0, 128.0), grey=120):
    """The frame with someone in it: a checked box from head to feet."""
    x, y = (round(it) for it in centre)
    filled = frame.copy()
    rows, columns = np.mgrid[y - 80 : y + 78, x - 30 : x + 30]
    inside = (rows >= 0) & (rows < frame.shape[0]) & (columns >= 0) & (columns < frame.shape[1])
    rows, columns = rows[inside], columns[inside]
    filled[rows, columns] = (grey + 20 * ((rows // 2 + columns // 2) % 2))[:, None]
    return filled


def eyes(*centres):
    """Finds someone at each of these places (x, y) in every picture; what is outside is missing."""

    def find(pictures):
        return [_people(centres, picture.shape[:2]) for picture in pictures]

    return find


def _people(centres, size):
    found = [person([centre]) for centre in centres]
    joints = len(person().skeleton.joints)
    people = np.array([np.dstack([it.points, it.score])[0] for it in found], np.float32)
    people = people.reshape(-1, joints, 3)
    inside = ((people[..., :2] >= 0) & (people[..., :2] < np.array(size[::-1]))).all(axis=2)
    return np.where(inside[..., None], people, np.float32(0))
