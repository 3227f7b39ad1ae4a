"""Videos drawn in code: a background with corners, a person, a camera that may move."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.video.frame_store import write_frames
from tests.pose.whole_person import SIZE, person

MIDDLE = (128.0, 128.0)
STILL = [(50, 40)] * 25


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


def film(path: Path, frames, *, rate=25):
    """Write frames as a lossless video."""
    write_frames(path, frames, frame_rate=Fraction(rate))
    return path


def film_person(path: Path, offsets=STILL, *, background=None, centre=MIDDLE, rate=25):
    """Write a video of a checked box from head to feet; the camera is at the offsets (x, y)."""
    background = background_image() if background is None else background
    (height, width), (left, top) = SIZE, (round(at) for at in centre)
    frames = []
    for x, y in offsets:
        frame = background[100 + y : 100 + y + height, 100 + x : 100 + x + width].copy()
        box = frame[top - 80 : top + 78, left - 30 : left + 30]
        rows, columns = np.indices(box.shape[:2]) // 2
        box[:] = (120 + 20 * ((rows + columns) % 2))[..., None]
        frames.append(frame)
    return film(path, frames, rate=rate)


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
