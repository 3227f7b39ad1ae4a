"""Where people are in single frames, for those who ask for no more: a detector's default settings.

Kept apart from `motiontransfer.pose.detection`, so that what only asks for boxes does not depend on
how clips are worked through.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from motiontransfer.pose.detectors.mediapipe_holistic import HolisticConfig
from motiontransfer.pose.person_box import enclosing_box


def default_detector() -> HolisticConfig:
    """The detector for those who ask only where the person is, e.g. to measure a result."""
    return HolisticConfig(
        min_detection_confidence=0.5,
        min_tracking_confidence=0.5,
        min_visibility=0.3,
        smoothing="none",
        face_mesh="subset",
    )


def person_boxes(
    frames: Sequence[UInt8[np.ndarray, "_ _ 3"]], *, margin: float = 0.15
) -> list[tuple[int, int, int, int] | None]:
    """Where the person is in each of some unrelated frames; None where nobody is found.

    Boxes are x0, y0, x1, y1, half-open and inside the frame.

    Args:
        margin: added on each side, as a share of the larger extent of the joints found.
    """
    config = default_detector()
    boxes: list[tuple[int, int, int, int] | None] = []
    for frame in frames:
        with config.open() as detector:  # a new one each time: the frames do not follow each other
            (people,) = detector.detect([frame])
        size = (frame.shape[0], frame.shape[1])
        found = people.points[people.score > 0]
        boxes.append(enclosing_box(found, margin=margin, image_size=size))
    return boxes
