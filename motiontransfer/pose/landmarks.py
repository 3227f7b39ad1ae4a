"""Detectors' limits and output, and the landmarks of MediaPipe's models as joints."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from motiontransfer.core.arrays import AnyFrame, Box
from motiontransfer.pose.keypoints import People, people_inside
from motiontransfer.pose.skeleton import HOLISTIC, VERTEX_OF_JOINT
from motiontransfer.video.geometry import enclosing_box

Detector = Callable[[Sequence[AnyFrame]], list[People]]
"""Gives the people in each of the next frames; it may remember the frames before."""

MIN_VISIBILITY = 0.3


class Limits(NamedTuple):
    """What a detector counts as a person, and as a joint; defaults are those without params."""

    max_people: int = 1
    min_detection_confidence: float = 0.5
    """From which a box counts as a person, in [0, 1]."""
    min_tracking_confidence: float = 0.5
    """Below which the person is looked for anew, or a box is empty."""
    min_visibility: float = MIN_VISIBILITY
    """Below which a joint of the body is missing."""


_BOX_MARGIN = 0.15  # of the larger extent of the joints: hair, hands and clothes

Landmarks = dict[str, Float32[np.ndarray, "landmarks 3"]]
"""One person's landmarks by MediaPipe's name (`pose`, `left_hand`, `right_hand`, `face`) and in its
order: x, y as fractions of the image, visibility; `world`: x, y, z of the pose, meters from the
hips."""


def detector_of(
    find: Callable[[AnyFrame], list[Landmarks]], *, min_visibility: float = MIN_VISIBILITY
) -> Detector:
    return lambda frames: [
        people_in_pixels(find(frame), min_visibility=min_visibility, image_size=frame.shape[:2])
        for frame in map(np.ascontiguousarray, frames)
    ]


def people_in_pixels(
    people: Sequence[Landmarks], *, min_visibility: float, image_size: tuple[int, int]
) -> People:
    """Landmarks as joints of `HOLISTIC`; someone without any joint is left out.

    Body joints below the minimum visibility, and joints outside the image, are missing: MediaPipe
    extrapolates them. Hands and face come without a score per joint: it is 1. World landmarks are
    those of all joints.
    """
    joints = np.zeros((len(people), len(HOLISTIC.joints), 6), np.float32)
    body = joints[:, HOLISTIC.slice("body")]
    for row, landmarks in zip(joints, people, strict=True):
        for group, names in HOLISTIC.groups:
            source = "pose" if group == "body" else group
            if source in landmarks:
                vertices = [VERTEX_OF_JOINT[name] for name in names] if source == "face" else ...
                row[HOLISTIC.slice(group), :3] = landmarks[source][vertices]
                if source != "pose":
                    row[HOLISTIC.slice(group), 2] = 1
        row[HOLISTIC.slice("body"), 3:] = landmarks.get("world", np.float32(0))
    body[..., :3][body[..., 2] < min_visibility] = 0
    height, width = image_size
    joints[..., :2] *= np.array([width, height], np.float32)
    joints[..., 2] = np.clip(joints[..., 2], 0, 1)
    has_world = any("world" in landmarks for landmarks in people)
    return people_inside(joints[..., : 6 if has_world else 3], (0, 0, width, height))


def person_box(
    joints: Float32[np.ndarray, "*people joints values"], *, image_size: tuple[int, int]
) -> Box | None:
    """Box around all joints found, with a margin; None if there are none."""
    found = joints[joints[..., 2] > 0, :2]
    return enclosing_box(found, margin=_BOX_MARGIN, image_size=image_size)


def boxes_of_people(people: People, *, image_size: tuple[int, int]) -> list[Box]:
    """The box of each of whom a joint is found."""
    boxes = (person_box(joints, image_size=image_size) for joints in people)
    return [box for box in boxes if box]
