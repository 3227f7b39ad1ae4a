import numpy as np
import pytest

from motiontransfer.filming.photo_advice import photo_advice
from motiontransfer.filming.quality import NOTHING_TO_FIX
from tests.people import both_sides, keypoints_of

SIZE = (300, 300)
# Pixels from the middle of the hips, of someone 150 px tall, arms off the body, hands open.
OPEN = both_sides(
    {
        **{"eye": (4, -76), "ear": (9, -74), "shoulder": (20, -50), "elbow": (40, -30)},
        **{"wrist": (55, -5), "hand_wrist": (56, -5), "hip": (12, 0), "knee": (14, 35)},
        "ankle": (15, 70),
    },
    {"nose": (0, -72), "face_chin": (0, -60)},
)

LEGS = [joint for joint in OPEN if joint.endswith(("hip", "knee", "ankle"))]


def advice(changes=(), *, without=(), num_people=1, turned=1):
    joints = {name: at for name, at in {**OPEN, **dict(changes)}.items() if name not in without}
    places = {name: np.array([turned * x, y]) + 150 for name, (x, y) in joints.items()}
    return photo_advice(keypoints_of([places], SIZE), num_people=num_people)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"left_elbow": (30, -25), "left_wrist": (5, -20)}, "the left arm hides a part of the tr"),
        ({"right_elbow": (-26, -25), "right_wrist": (-14, -2)}, "the right arm hides a part of"),
        ({"left_elbow": (40, -20), "left_wrist": (20, 12)}, "the left hand hides a part of the th"),
        ({"right_wrist": (-8, -70)}, "the right hand is before the face"),
        ({"left_ankle": (-12, 70)}, "one leg hides the other"),
        ({"left_knee": (50, 10), "left_ankle": (30, 20)}, "a leg is folded"),
    ],
)
def test_what_is_hidden_is_named(changes, said):
    (sentence,) = advice(changes)
    assert sentence.startswith(said)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"without": ["left_hand_wrist"]}, "no fingers are seen of the left hand"),
        ({"without": ["face_chin"]}, "the face is not found"),
        ({"num_people": 2}, "2 people are in view: one performs"),
        ({"turned": 0.2}, "the body is turned aside"),
        ({"turned": -1}, "the photo is taken from behind"),
        ({"without": LEGS}, "the photo is from the chest up: what is below will not be seen"),
        ({"without": OPEN, "num_people": 0}, "nobody is found in the photo"),
        ({"without": OPEN.keys() - {"nose"}, "num_people": 0}, "nobody is found in the photo"),
    ],
)
def test_what_a_photo_lacks_is_named(how, said):
    assert advice(**how)[0].startswith(said)


def test_of_a_good_photo_nothing_is_said():
    assert advice() == [NOTHING_TO_FIX]
