"""Which frames of a dance cover it, beside what was filmed."""

from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.puppet.key_poses import find_key_poses
from tests.people import joined, lost, moved, standing

FAR = (40, -60)  # px; the body is 150 px high


def arm_up(num_frames, side="left"):
    """An arm raised to the side, from the shoulder on."""
    pose = standing(num_frames)
    for joint, shift in (("elbow", (20, -35)), ("wrist", FAR), ("hand", FAR)):
        pose = moved(pose, f"{side}_{joint}", dict.fromkeys(range(num_frames), shift))
    return pose


def larger(keypoints, factor):
    return replace(keypoints, points=(keypoints.points * factor).astype(np.float32))


def test_the_pose_of_most_frames_comes_first_and_no_more_than_there_are():
    dance = joined(arm_up(10), standing(30))
    poses = find_key_poses(dance)
    assert [frame >= 10 for frame in poses.frames] == [True, False]
    assert poses.coverage[0] == pytest.approx(0)
    assert poses.coverage[2] == pytest.approx(1, abs=1e-3)
    assert poses.coverage[0] < poses.coverage[1] < poses.coverage[2]


@pytest.mark.parametrize("size", [1.0, 0.6])
def test_what_a_film_shows_is_left_out_at_any_size(size):
    dance = joined(arm_up(10), standing(30))
    poses = find_key_poses(dance, [larger(standing(5), size)])
    assert len(poses.frames) == 1
    assert poses.frames[0] < 10
    assert poses.coverage[0] > 0.8
    assert not find_key_poses(dance, [standing(5), larger(arm_up(5), size)]).frames


def test_the_other_arm_is_another_pose():
    dance = joined(arm_up(10), standing(10))
    with_other_arm = find_key_poses(dance, [standing(1), arm_up(1, side="right")])
    assert [frame < 10 for frame in with_other_arm.frames] == [True]


def test_no_frame_is_asked_for_in_which_joints_are_missing_or_filled_in():
    unsure = range(15)
    dance = joined(arm_up(20), standing(20))
    is_filled = np.zeros(dance.score.shape, bool)
    is_filled[unsure] = True
    for each in (replace(dance, filled=is_filled), lost(dance, "body", unsure)):
        poses = find_key_poses(each)
        assert {*poses.frames}.isdisjoint(unsure)
        assert len(poses.frames) == 2


def test_of_a_dance_that_never_repeats_the_best_covered_share_grows_by_less_and_less():
    angles = np.linspace(0, np.pi, 60)
    arms = {n: (60 * np.sin(a), 40 * np.cos(a) - 40) for n, a in enumerate(angles.tolist())}
    dance = standing(60)
    for joint in ("elbow", "wrist", "hand"):
        dance = moved(dance, f"left_{joint}", arms)
    poses = find_key_poses(dance, num_poses=4)
    gains = np.diff(poses.coverage)
    assert len(poses.frames) == 4 == len(gains)
    assert (np.diff(gains) <= 1e-9).all()


def test_where_nobody_is_seen_nothing_is_asked_for():
    nobody = standing(5)
    for group in ("body", "left_hand", "right_hand", "face"):
        nobody = lost(nobody, group, range(5))
    assert not find_key_poses(nobody).frames
