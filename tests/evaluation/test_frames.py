from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.core.errors import VideoError
from motiontransfer.evaluation.frames import (
    PosedFrames,
    all_regions,
    check_frames,
    moved,
    read_frames,
    training_frames,
)
from motiontransfer.pose.skeleton import HOLISTIC
from tests.evaluation.conftest import clips_of, poses_of_clips, textured
from tests.films import film
from tests.people import blocks, figure, keypoints_of


def test_training_frames_leave_out_tail_and_gap(tmp_path):
    walk = figure([(20 + 2 * i, 30) for i in range(8)])
    dance = figure([(44, 30 + i) for i in range(4)])
    clips = clips_of(tmp_path, walk=walk, dance=dance)
    posed = training_frames(clips)
    counts = zip(clips, (2, 5), strict=True)
    expected = [(clip.frames, index) for clip, count in counts for index in range(count)]
    assert posed.frames == expected
    frames = list(read_frames(posed.frames[::-1], (64, 64)))
    np.testing.assert_array_equal(frames[-1], blocks(dance, 0))
    np.testing.assert_array_equal(frames[0], blocks(walk, 4))


def test_an_edge_that_was_added_for_players_is_cut_off(tmp_path):
    padded = figure([(30, 30)], size=(64, 64))
    path = film(tmp_path / "padded.mkv", padded, draw=blocks)
    (frame,) = read_frames([(path, 0)], (63, 63))
    np.testing.assert_array_equal(frame, blocks(padded, 0)[:63, :63])


def test_a_larger_video_of_the_same_shape_is_reduced(tmp_path):
    large = figure([(30, 30)], size=(130, 100))
    path = film(tmp_path / "large.mkv", large, draw=blocks)
    (frame,) = read_frames([(path, 0)], (65, 50))
    expected = blocks(large, 0).reshape(65, 2, 50, 2, 3).mean(axis=(1, 3))
    assert np.abs(frame - expected).max() < 1
    for size in ((65, 60), (260, 200)):  # another shape; smaller
        with pytest.raises(VideoError, match=r"large\.mkv"):
            next(read_frames([(path, 0)], size))


def test_frames_are_moved_with_their_keypoints(tmp_path):
    """A whole pixel keeps every level, half a one what is smooth; what is beside is repeated."""
    keypoints = figure([(30, 30)] * 2)
    path = film(tmp_path / "film.mkv", keypoints, draw=blocks)
    shifts = np.array([[3.0, -2.0], [0.5, 0.5]])
    posed = PosedFrames(frames=[(path, 0), (path, 1)], keypoints=keypoints).moved(shifts)
    whole, _ = posed.read()
    real = blocks(keypoints, 0).astype(float)
    np.testing.assert_array_equal(whole[:-2, 3:], real[2:, :-3])
    np.testing.assert_array_equal(whole[:-2, :3], np.repeat(real[2:, :1], 3, axis=1))
    smooth = textured(0, (40, 40), contrast=2)
    again = moved(moved(smooth, np.array([0.5, 0.5])), np.array([-0.5, -0.5]))
    assert np.abs(again[4:-4, 4:-4].astype(float) - smooth[4:-4, 4:-4]).max() <= 1
    hip = HOLISTIC.index("left_hip")
    by = posed.keypoints.points[:, hip] - keypoints.points[:, hip]
    np.testing.assert_array_equal(by, shifts)
    missing = keypoints.score == 0
    assert not posed.keypoints.points[missing].any()
    assert posed.part([1]).shifts.tolist() == [[0.5, 0.5]]


def test_frames_are_moved_in_the_size_in_which_they_were_and_then_reduced(tmp_path):
    keypoints, hip = figure([(30, 30)], size=(128, 96)), HOLISTIC.index("left_hip")
    path = film(tmp_path / "film.mkv", keypoints, draw=blocks)
    posed = PosedFrames(frames=[(path, 0)], keypoints=keypoints)
    (large,) = posed.moved(np.array([[1.0, 0.0]])).read()
    aside = posed.moved(np.array([[1.0, 0.0]])).at((64, 48))
    (small,) = aside.read()
    expected = large.reshape(64, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - expected).max() < 1
    half = (aside.keypoints.points - posed.at((64, 48)).keypoints.points)[0, hip]
    assert half.tolist() == [0.5, 0.0]
    with pytest.raises(VideoError, match=r"film\.mkv"):
        next(posed.at((256, 192)).read())


def test_clips_follow_each_other_and_frames_are_chosen():
    first, second = figure([(1, 1), (2, 2)]), figure([(3, 3)])
    hip = HOLISTIC.index("left_hip")
    filled = np.zeros(second.score.shape, bool)
    filled[0, hip] = True
    depth = np.full(second.score.shape, 0.5, np.float32)
    both = poses_of_clips(first, replace(second, filled=filled, depth=depth))
    assert both.depth[:, hip].tolist() == [0, 0, 0.5]
    assert both.points[:, hip, 0].tolist() == [5, 6, 7]
    assert np.argwhere(both.filled).tolist() == [[2, hip]]
    chosen = both.part([2, 0])
    assert chosen.points[:, hip, 0].tolist() == [7, 5]
    assert np.argwhere(chosen.filled).tolist() == [[0, hip]]
    assert first.part([1]).filled is None


_WITH_HEAD = {"nose": (20, 10), "left_hand_wrist": (50, 30), "face_chin": (22, 14)}
_WITH_HEAD["face_forehead"] = (20, 4)
_HAND = {"left_hand_wrist": (10, 20), "left_hand_index_tip": (40, 50), "nose": (60, 5)}


@pytest.mark.parametrize(
    ("joints", "margin", "region", "box"),
    [
        # the pixels of all joints, half-open
        ({"nose": (20.5, 10.2), "left_ankle": (29.9, 49.0)}, 0.0, "person", (20, 10, 30, 50)),
        # hands belong to the person, and the body not to the face
        (_WITH_HEAD, 0.0, "person", (20, 4, 51, 31)),
        (_WITH_HEAD, 0.0, "face", (20, 4, 23, 15)),
        ({"nose": (-50, -50)}, 0.0, "person", None),
        ({"left_hand_wrist": (10, 20)}, 0.0, "person", None),  # no body
        # the margin is a share of the longer side, inside the image
        ({"nose": (40, 20), "left_ankle": (44, 40)}, 0.1, "person", (38, 18, 47, 43)),
        (_HAND, 0.0, "left_hand", (10, 20, 41, 51)),
        (_HAND, 0.0, "right_hand", None),
        # small hands get 16 pixels inside the image
        ({"left_hand_wrist": (40, 30)}, 0.1, "left_hand", (33, 23, 49, 39)),
        ({"left_hand_wrist": (1, 2)}, 0.1, "left_hand", (0, 0, 16, 16)),
        ({"left_hand_wrist": (79, 59)}, 0.1, "left_hand", (64, 44, 80, 60)),
    ],
)
def test_a_region_is_the_box_around_its_joints(joints, margin, region, box):
    found = all_regions(keypoints_of([joints, {}]), margin=margin)[region]
    assert found == [box, None]  # no joint, no box


def test_a_films_shape_may_be_a_pixel_off_in_the_working_image_and_two_in_twice_that(tmp_path):
    """Of 1280 x 720 the working image is 456 x 256, and films are looked at in 912 x 512."""
    video = tmp_path / "result.mkv"
    film(video, [np.zeros((720, 1280, 3), np.uint8)])
    for size in ((256, 456), (512, 912)):
        check_frames(video, 1, size, "")
    with pytest.raises(VideoError, match="in that shape"):
        check_frames(video, 1, (512, 916), "")
