from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.evaluation.regions import (
    all_regions,
    face_regions,
    hand_regions,
    person_regions,
)
from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import HOLISTIC, Skeleton


def _keypoints(joints_of_frame, size=(60, 80)):
    points = np.zeros((len(joints_of_frame), len(HOLISTIC.joints), 2), np.float32)
    score = np.zeros(points.shape[:2], np.float32)
    for frame, joints in enumerate(joints_of_frame):
        for name, point in joints.items():
            points[frame, HOLISTIC.index(name)] = point
            score[frame, HOLISTIC.index(name)] = 0.7
    return Keypoints(
        points=points,
        score=score,
        skeleton=HOLISTIC,
        image_size=size,
        frame_rate=Fraction(25),
        detector="drawn",
    )


def test_a_box_holds_the_pixels_of_all_joints_and_is_half_open():
    poses = _keypoints([{"nose": (20.5, 10.2), "left_ankle": (29.9, 49.0)}])
    assert person_regions(poses, margin=0.0).at(0) == (20, 10, 30, 50)


def test_hands_belong_to_the_person_and_the_body_not_to_the_face():
    poses = _keypoints(
        [
            {
                "nose": (20, 10),
                "left_hand_wrist": (50, 30),
                "face_chin": (22, 14),
                "face_forehead": (20, 4),
            }
        ]
    )
    assert person_regions(poses, margin=0.0).at(0) == (20, 4, 51, 31)
    assert face_regions(poses, margin=0.0).at(0) == (20, 4, 23, 15)


def test_the_margin_is_a_share_of_the_longer_side():
    poses = _keypoints([{"nose": (40, 20), "left_ankle": (44, 40)}])
    assert person_regions(poses, margin=0.1).at(0) == (38, 18, 47, 43)


def test_boxes_stay_inside_the_image():
    poses = _keypoints([{"nose": (-5, 1), "left_ankle": (85, 70)}])
    assert person_regions(poses, margin=0.5).at(0) == (0, 0, 80, 60)


def test_frames_without_body_or_face_have_no_box():
    poses = _keypoints([{}, {"nose": (20, 10), "left_ankle": (20, 30)}, {"nose": (-50, -50)}])
    persons = person_regions(poses, margin=0.0)
    assert persons.found.tolist() == [False, True, False]
    assert persons.at(0) is None
    assert face_regions(poses, margin=0.0).found.tolist() == [False] * 3


@pytest.mark.parametrize("find", [person_regions, face_regions])
def test_moving_the_joints_moves_the_box(find):
    joints = {"nose": (20, 10), "face_chin": (22, 14), "face_forehead": (20, 4)}
    moved = {name: (x + 7, y + 5) for name, (x, y) in joints.items()}
    first = find(_keypoints([joints]), margin=0.2).boxes[0]
    np.testing.assert_array_equal(
        find(_keypoints([moved]), margin=0.2).boxes[0], first + np.array([7, 5, 7, 5])
    )


def test_each_hand_has_a_box_of_its_own():
    poses = _keypoints(
        [{"left_hand_wrist": (10, 20), "left_hand_index_tip": (40, 50), "nose": (60, 5)}]
    )
    assert hand_regions(poses, "left_hand", margin=0.0).at(0) == (10, 20, 41, 51)
    assert hand_regions(poses, "right_hand", margin=0.0).at(0) is None


@pytest.mark.parametrize(
    ("wrist", "expected"),
    [((40, 30), (33, 23, 49, 39)), ((1, 2), (0, 0, 16, 16)), ((79, 59), (64, 44, 80, 60))],
)
def test_small_hands_get_16_pixels_inside_the_image(wrist, expected):
    poses = _keypoints([{"left_hand_wrist": wrist}, {}])
    hands = hand_regions(poses, "left_hand", margin=0.1)
    assert hands.at(0) == expected
    assert hands.at(1) is None
    assert not hands.boxes[1].any()


def test_in_a_tiny_image_a_hand_is_all_of_it():
    poses = _keypoints([{"left_hand_wrist": (4, 4)}], size=(12, 40))
    assert hand_regions(poses, "left_hand", margin=0.0).at(0) == (0, 0, 16, 12)


def test_people_without_hands_and_faces_have_no_such_regions():
    skeleton = Skeleton(groups=(("body", HOLISTIC.joints[HOLISTIC.slice("body")]),))
    poses = _keypoints([{"nose": (20, 10), "left_ankle": (29, 49)}])
    body = replace(poses, skeleton=skeleton, points=poses.points[:, :33], score=poses.score[:, :33])
    regions = all_regions(body, margin=0.0)
    found = {name: one.found.tolist() for name, one in regions.items()}
    assert found == {
        "person": [True],
        "face": [False],
        "left_hand": [False],
        "right_hand": [False],
    }
