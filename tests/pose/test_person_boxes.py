"""Boxes around people in pictures that do not belong together."""

import numpy as np
import skimage.data

from motiontransfer.pose.detectors.registry import person_boxes


def test_people_are_boxed_in_frames_that_do_not_belong_together():
    astronaut = skimage.data.astronaut()
    empty = np.full((64, 48, 3), 200, np.uint8)
    boxes = person_boxes([astronaut, empty, astronaut])
    assert boxes[1] is None
    assert boxes[0] == boxes[2]
    x0, y0, x1, y1 = boxes[0]
    assert 0 <= x0 < 150
    assert 310 < x1 <= 512
    assert y0 < 100
    assert y1 == 512
