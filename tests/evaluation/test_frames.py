from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError, MissingFileError, TrainingError, VideoError
from motiontransfer.evaluation.frames import (
    all_regions,
    concatenated,
    face_regions,
    hand_regions,
    person_regions,
    read_frames,
    selected,
    training_footage,
)
from motiontransfer.keypoints import Keypoints
from motiontransfer.skeleton import HOLISTIC, Skeleton
from motiontransfer.training.clips import HeldOut, read_target_clips


@pytest.fixture
def read(tmp_path):
    def read(*, gap_frames=1):
        return read_target_clips(
            tmp_path / "frames",
            tmp_path / "keypoints",
            HeldOut(held_out_fraction=0.25, gap_frames=gap_frames),
        )

    return read


def test_each_clip_has_its_own_tail_in_the_order_of_names(subject, poses, read, tmp_path):
    subject("walk", poses([(30, 30)] * 8))
    subject("dance", poses([(20, 30)] * 4))
    dance, walk = read()
    assert (dance.name, walk.name) == ("dance", "walk")
    assert dance.frames == tmp_path / "frames" / "dance" / "frames.mkv"
    assert (dance.training, dance.held_out) == (range(2), range(3, 4))
    assert (walk.training, walk.held_out) == (range(5), range(6, 8))


def test_training_footage_leaves_out_tail_and_gap(subject, poses, draw, read):
    walk, dance = (
        poses([(20 + 2 * i, 30) for i in range(8)]),
        poses([(44, 30 + i) for i in range(4)]),
    )
    subject("walk", walk)
    subject("dance", dance)
    clips = read()
    footage = training_footage(clips)
    assert footage.frames == [
        *((clips[0].frames, index) for index in range(2)),
        *((clips[1].frames, index) for index in range(5)),
    ]
    hip = HOLISTIC.index("left_hip")
    assert footage.keypoints.points[:, hip].tolist() == [
        *dance.points[:2, hip].tolist(),
        *walk.points[:5, hip].tolist(),
    ]
    frames = list(read_frames(footage.frames[::-1], (64, 64)))
    np.testing.assert_array_equal(frames[-1], draw(dance, 0))
    np.testing.assert_array_equal(frames[0], draw(walk, 4))


def test_an_edge_that_was_added_for_players_is_cut_off(poses, film, draw, tmp_path):
    padded = poses([(30, 30)], size=(64, 64))
    path = film(tmp_path / "padded.mkv", padded)
    (frame,) = read_frames([(path, 0)], (63, 63))
    np.testing.assert_array_equal(frame, draw(padded, 0)[:63, :63])


@pytest.mark.parametrize("size", [(62, 64), (64, 66), (128, 128), (32, 32)])
def test_another_size_is_refused(poses, film, tmp_path, size):
    path = film(tmp_path / "clip.mkv", poses([(30, 30)]))
    expected = rf"clip\.mkv: expected the working size {size[0]} x {size[1]} .*, got 64 x 64"
    with pytest.raises(VideoError, match=expected):
        list(read_frames([(path, 0)], size))


def test_what_is_missing_or_unfit_is_named(subject, poses, read):
    with pytest.raises(
        MissingFileError, match="keypoints: expected keypoints of at least one clip, got none"
    ):
        read()
    subject("a", poses([(30, 30)] * 4))
    with pytest.raises(TrainingError, match=r"train_gan\.gap_frames"):
        read(gap_frames=9)
    subject("b", poses([(30, 30)] * 4, size=(64, 80)))
    with pytest.raises(KeypointsError, match=r"a \(64, 64\), b \(64, 80\)"):
        read()


def test_what_a_killed_writer_left_is_no_clip(subject, poses, read, tmp_path):
    subject("walk", poses([(30, 30)] * 8))
    (tmp_path / "keypoints" / ".dance.123.tmp.parquet").write_bytes(b"half")
    assert [clip.name for clip in read()] == ["walk"]


def test_clips_follow_each_other_and_frames_are_chosen(poses):
    first, second = poses([(1, 1), (2, 2)]), poses([(3, 3)])
    hip = HOLISTIC.index("left_hip")
    filled = np.zeros(second.score.shape, bool)
    filled[0, hip] = True
    both = concatenated([first, replace(second, filled=filled)])
    assert both.points[:, hip, 0].tolist() == [5, 6, 7]
    assert np.argwhere(both.filled).tolist() == [[2, hip]]
    chosen = selected(both, np.array([2, 0]))
    assert chosen.points[:, hip, 0].tolist() == [7, 5]
    assert np.argwhere(chosen.filled).tolist() == [[0, hip]]
    assert selected(first, np.array([1])).filled is None


def test_clips_that_differ_do_not_follow_each_other(poses):
    with pytest.raises(KeypointsError, match="share skeleton and size"):
        concatenated([poses([(1, 1)]), poses([(1, 1)], size=(32, 64))])
    with pytest.raises(KeypointsError, match="at least one clip"):
        concatenated([])


def test_a_part_of_the_footage_has_its_own_poses(footage):
    whole = footage("whole", [(30, 30), (32, 32), (34, 30)])
    part = whole.part(range(1, 3))
    assert part.frames == whole.frames[1:]
    assert (part.keypoints.points == whole.keypoints.points[1:]).all()


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
