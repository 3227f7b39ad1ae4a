"""Videos drawn in code: a background with corners, a person, a camera that may move."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.video.frame_store import FrameWriter
from tests.pose.whole_person import SIZE, person

RATE = Fraction(25)


def background_image():
    """An image with many corners: boxes of random colours, larger than a frame."""
    random = np.random.default_rng(0)
    image = np.full((512, 512, 3), 120, np.uint8)
    for _ in range(250):
        x, y = random.integers(0, 512, 2).tolist()
        width, height = random.integers(8, 40, 2).tolist()
        colour = random.integers(30, 220, 3).tolist()
        cv2.rectangle(image, (x, y), (x + width, y + height), colour, -1)
    return image


def views(background, offsets, *, size=SIZE):
    """Crops of a background at offsets (x, y), pixels."""
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


def with_person(frame, *, centre=(128.0, 128.0), grey=120):
    """The frame with a checked box from head to feet."""
    x, y = (round(it) for it in centre)
    filled = frame.copy()
    rows, columns = np.mgrid[y - 80 : y + 78, x - 30 : x + 30]
    inside = (rows >= 0) & (rows < frame.shape[0]) & (columns >= 0) & (columns < frame.shape[1])
    rows, columns = rows[inside], columns[inside]
    filled[rows, columns] = (grey + 20 * ((rows // 2 + columns // 2) % 2))[:, None]
    return filled


def detects(*centres):
    """A detector that finds a person at each (x, y) in every frame; joints outside are missing."""

    def find(frames):
        return [_people(centres, frame.shape[:2]) for frame in frames]

    return find


def _people(centres, size):
    found = [person([centre]) for centre in centres]
    joints = len(person().skeleton.joints)
    people = np.array([np.dstack([it.points, it.score])[0] for it in found], np.float32)
    people = people.reshape(-1, joints, 3)
    inside = ((people[..., :2] >= 0) & (people[..., :2] < np.array(size[::-1]))).all(axis=2)
    return np.where(inside[..., None], people, np.float32(0))
