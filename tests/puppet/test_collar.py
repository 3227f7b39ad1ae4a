"""A collar told by color: carried by a neck or a head, it would stand beside another trunk."""

import cv2
import numpy as np
import pytest

from motiontransfer.puppet.fit.collar import collar_of
from motiontransfer.puppet.fit.part_masks import part_masks
from motiontransfer.puppet.fit.silhouette import part_distances
from tests.people import NUMBER_OF, PARTS, PERSON_SIZE, lost, posed, silhouette_of

SKIN, HAIR, SHIRT = (200, 150, 120), (40, 20, 10), (30, 90, 200)
COLLAR = np.s_[75:77, 123:134]
"""Below the mouth at (128, 60), and above the shoulders at 78."""


def standing_in(shirt, *, from_row):
    frame = np.full((*PERSON_SIZE, 3), SKIN, np.uint8)
    frame[:60], frame[78:] = HAIR, shirt
    cv2.circle(frame, (128, 56), 9, SKIN, -1)
    frame[from_row:78, 108:149] = shirt
    return frame


def cut(frame, keypoints=None):
    """The collar, and what is shown of head and neck, of 255."""
    person = silhouette_of(keypoints or posed(), np.full(PERSON_SIZE, 255, np.uint8))
    distances, place = part_distances(PARTS, person), person.place()
    whole = np.zeros((3, *PERSON_SIZE), np.float32)
    no_hair, room = np.zeros_like(person.coverage), np.ones_like(person.coverage)
    whole[0][place], _ = collar_of(PARTS, distances, person, frame[place], no_hair)
    masks = [*part_masks(PARTS, distances, person, frame[place], room)]
    for image, name in zip(whole[1:], ("head", "neck"), strict=True):
        mask = masks[NUMBER_OF[name]]
        image[mask.place] = mask.shown
    return whole


def test_a_collar_is_neither_the_necks_nor_the_heads():
    frame = standing_in(SHIRT, from_row=74)
    frame[30:40] = SHIRT  # a hat
    collar, head, neck = cut(frame)
    assert (collar[COLLAR] == 1).all()
    assert max(head[COLLAR].max(), neck[COLLAR].max()) < 1
    assert (head[62:66, 125:132] == 255).all()
    assert not collar[:68].any()


def test_a_neck_that_is_dressed_up_to_the_chin_stays_dressed():
    _, head, neck = cut(standing_in(SHIRT, from_row=68))
    assert neck[COLLAR].max() > 200
    assert head[69:72, 125:132].max() < 1


def test_hair_is_no_collar():
    person = silhouette_of(posed(), np.full(PERSON_SIZE, 255, np.uint8))
    frame, distances = standing_in(SHIRT, from_row=74), part_distances(PARTS, person)
    everywhere = np.ones_like(person.coverage)
    assert not collar_of(PARTS, distances, person, frame[person.place()], everywhere)[0].any()


@pytest.mark.parametrize(
    ("shirt", "keypoints"),
    [(SKIN, posed()), (SHIRT, lost(lost(posed(), "left_mouth", [0]), "right_mouth", [0]))],
    ids=["bare shoulders", "no face"],
)
def test_nothing_tells_a_collar(shirt, keypoints):
    assert not cut(standing_in(shirt, from_row=74), keypoints)[0].any()
