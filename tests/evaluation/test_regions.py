from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.evaluation.regions import face_regions, person_regions
from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import HOLISTIC


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
