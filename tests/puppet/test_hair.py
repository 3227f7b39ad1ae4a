"""Hair and collars told by color.

Long hair belongs to the head where it is connected to it, and nothing else has its color. Carried
by a neck or a head, a collar would stand beside another trunk.
"""

import cv2
import numpy as np
import pytest

from motiontransfer.puppet.fit.hair import collar_of, hair_and_collar
from motiontransfer.puppet.fit.part_masks import part_masks
from motiontransfer.puppet.fit.silhouette import around_part, part_distances
from tests.people import NUMBER_OF, PARTS, PERSON_SIZE, lost, posed, silhouette_of

SKIN, HAIR, SHIRT = (200, 150, 120), (40, 20, 10), (30, 90, 200)
EVERYWHERE = np.full(PERSON_SIZE, 255, np.uint8)
ON_SHOULDER = np.s_[50:96, 147:156]
"""From beside the face, of 8 px around (128, 56), over the shoulder at (148, 78), onto the arm."""
LOCK = np.s_[80:93, 149:154]
COLLAR = np.s_[75:77, 123:134]
"""Below the mouth at (128, 60), and above the shoulders at 78."""


def standing_in(shirt, *locks):
    frame = np.full((*PERSON_SIZE, 3), SKIN, np.uint8)
    frame[76:] = shirt
    frame[:60] = HAIR
    cv2.circle(frame, (128, 56), 9, SKIN, -1)
    for lock in locks:
        frame[lock] = HAIR
    return frame


def cut(frame, *, is_photo=False):
    """Hair, and what is shown of the head, the left upper arm and the trunk, of 255."""
    person = silhouette_of(posed(), EVERYWHERE)
    distances, place = part_distances(PARTS, person), person.place()
    whole = np.zeros((4, *PERSON_SIZE), np.float32)
    hair, _, _ = hair_and_collar(PARTS, distances, person, frame[place])
    whole[0][place] = 255 * hair
    not_room = None if is_photo else np.ones_like(person.coverage)
    masks = [*part_masks(PARTS, distances, person, frame[place], not_room)]
    for image, name in zip(whole[1:], ("head", "left_upper_arm", "torso"), strict=True):
        mask = masks[NUMBER_OF[name]]
        image[mask.place] = mask.shown
    return whole


def test_hair_on_a_shoulder_is_the_heads_and_not_the_arms():
    hair, head, arm, _ = cut(standing_in(SHIRT, ON_SHOULDER))
    assert (hair[LOCK] == 255).all()
    assert arm[LOCK].max() < 1
    assert (head[62:72, 149:154] > 200).all()
    assert (head[85:93, 154] == 255).all()
    assert not hair[97:].any()
    assert (arm[100:104, 152:156] == 255).all()


def test_a_trunk_has_no_hair_above_its_shoulder():
    """Where another head is drawn, it would stand off."""
    with_hair, without = (cut(standing_in(SHIRT, *locks))[3] for locks in ([ON_SHOULDER], []))
    above, below = np.s_[69:72, 148:150], np.s_[82:90, 144:147]
    assert with_hair[above].max() < 1 < without[above].min()
    assert np.array_equal(with_hair[below], without[below])


@pytest.mark.parametrize(
    "frame",
    [standing_in(SHIRT, np.s_[80:93, 147:156]), standing_in(HAIR, ON_SHOULDER)],
    ids=["apart from the head", "on a shirt of its color"],
)
def test_what_has_its_color_elsewhere_stays_the_arms(frame):
    hair, _, arm, _ = cut(frame)
    assert not hair[LOCK].any()
    assert (arm[LOCK] == 255).all()


def test_in_a_photo_no_other_frame_shows_the_arm_below_hair():
    _, head, arm, trunk = cut(standing_in(SHIRT, ON_SHOULDER), is_photo=True)
    assert trunk[69:72, 148:150].min() > 1
    assert (head[85:93, 154] == 255).all()
    assert (arm[LOCK] > 200).all()


def test_a_hand_hides_the_hair_that_goes_on_behind_it():
    """It points upward, beside the hair on the shoulder."""
    keypoints = posed(left_elbow=(45, -30), left_wrist=(32, -45))
    person = silhouette_of(keypoints, EVERYWHERE)
    distances, place = part_distances(PARTS, person), person.place()
    room, at_wrist = np.ones_like(person.coverage), np.s_[82:85, 158:161]
    for locks, levels in (([ON_SHOULDER], 255), ([], 0)):
        frame, hidden = standing_in(SHIRT, *locks)[place], np.zeros(PERSON_SIZE, np.uint8)
        head = [*part_masks(PARTS, distances, person, frame, room)][NUMBER_OF["head"]]
        hidden[head.place] = head.hidden
        assert (hidden[at_wrist] == levels).all()


def test_nothing_is_told_without_a_face():
    keypoints = lost(lost(posed(), "left_mouth", [0]), "right_mouth", [0])
    person = silhouette_of(keypoints, EVERYWHERE)
    frame = standing_in(SHIRT, ON_SHOULDER)[person.place()]
    hair, collar, _ = hair_and_collar(PARTS, part_distances(PARTS, person), person, frame)
    assert not hair.any()
    assert not collar.any()


def dressed_in(shirt, *, from_row):
    frame = np.full((*PERSON_SIZE, 3), SKIN, np.uint8)
    frame[:60], frame[78:] = HAIR, shirt
    cv2.circle(frame, (128, 56), 9, SKIN, -1)
    frame[from_row:78, 108:149] = shirt
    return frame


def cut_collar(frame, keypoints=None):
    """The collar, and what is shown of head and neck, of 255."""
    person = silhouette_of(keypoints or posed(), EVERYWHERE)
    distances, place = part_distances(PARTS, person), person.place()
    whole = np.zeros((3, *PERSON_SIZE), np.float32)
    _, whole[0][place], _ = hair_and_collar(PARTS, distances, person, frame[place])
    room = np.ones_like(person.coverage)
    masks = [*part_masks(PARTS, distances, person, frame[place], room)]
    for image, name in zip(whole[1:], ("head", "neck"), strict=True):
        mask = masks[NUMBER_OF[name]]
        image[mask.place] = mask.shown
    return whole


def test_a_collar_is_neither_the_necks_nor_the_heads():
    frame = dressed_in(SHIRT, from_row=74)
    frame[30:40] = SHIRT  # a hat
    collar, head, neck = cut_collar(frame)
    assert (collar[COLLAR] == 1).all()
    assert max(head[COLLAR].max(), neck[COLLAR].max()) < 1
    assert (head[62:66, 125:132] == 255).all()
    assert not collar[:68].any()


def test_a_neck_that_is_dressed_up_to_the_chin_stays_dressed():
    _, head, neck = cut_collar(dressed_in(SHIRT, from_row=68))
    assert neck[COLLAR].max() > 200
    assert head[69:72, 125:132].max() < 1


def test_hair_is_no_collar():
    person = silhouette_of(posed(), EVERYWHERE)
    frame, distances = dressed_in(SHIRT, from_row=74), part_distances(PARTS, person)
    head = around_part(PARTS, NUMBER_OF["head"], distances, person, frame[person.place()])
    below, lab = head.below_mouth(), cv2.cvtColor(head.frame, cv2.COLOR_RGB2LAB)
    assert collar_of(head, below, lab, np.zeros_like(head.own))[0].any()
    assert not collar_of(head, below, lab, np.ones_like(head.own))[0].any()


def test_bare_shoulders_are_no_collar():
    assert not cut_collar(dressed_in(SKIN, from_row=74))[0].any()
