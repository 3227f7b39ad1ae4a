from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.pose.skeleton import HOLISTIC, mirrored
from motiontransfer.retargeting.normalization import normalize_poses
from tests.live.parts import joints_of, motion, statistics_of
from tests.live.parts import still as standing
from tests.people import SIZE, dance, lost, scaled

RATE = 20
WRIST = HOLISTIC.index("left_wrist")


def follow(followed, keypoints, *, start=0.0):
    return [
        followed.follow(joints if joints[:, 2].any() else None, start + index / RATE)
        for index, joints in enumerate(joints_of(keypoints))
    ]


def test_someone_is_shown_from_the_first_frame_on_and_it_is_the_target():
    """Someone of the target's size, but elsewhere, comes to the target's place."""
    target, source = standing(40, start_x=8), standing(40, start_x=20)
    followed = motion(target=target)
    answers = follow(followed, source)
    np.testing.assert_allclose(answers[0].points[-1], target.points[0], atol=1e-3)
    np.testing.assert_allclose(answers[-1].points[-1], target.points[-1], atol=1e-3)
    np.testing.assert_array_equal(answers[-1].score[-1], target.score[-1])


def test_at_rest_the_pose_is_that_of_the_clip_normalized_offline_in_the_targets_image():
    target, source = standing(40, start_x=8), standing(40, start_x=20)
    source = scaled(source, 1.8, (4, 4), size=(2 * SIZE[0], 2 * SIZE[1]))
    of = {"source": statistics_of(source), "target": statistics_of(target)}
    offline = normalize_poses(source, mode="body", centering="median", **of)
    live = follow(motion(target=target, size=source.image_size), source)[-1]
    assert live.image_size == SIZE
    np.testing.assert_allclose(live.points[-1], offline.points[-1], atol=0.05)


def test_a_step_of_the_source_is_one_of_the_target_of_the_same_place():
    followed = motion(target=standing(40, start_x=8))
    before = follow(followed, standing(40, start_x=20))[-1].points[-1]
    after = follow(followed, standing(40, start_x=23), start=2.0)[15].points[-1]
    shift = (after - before)[dance(1).score[0] > 0]
    np.testing.assert_allclose(shift, np.tile([3, 0], (len(shift), 1)), atol=0.2)


def test_a_missing_joint_stays_for_a_quarter_of_a_second():
    keypoints = standing(30)
    without = lost(keypoints, "left_wrist", range(5, 30))
    answers = follow(motion(mode="none", centering=None), without)
    seen = [poses.score[-1, WRIST] > 0 for poses in answers]
    assert seen == [True] * 10 + [False] * 20  # found until 0.2 s, held until 0.45 s
    np.testing.assert_allclose(answers[9].points[-1, WRIST], keypoints.points[0, WRIST], atol=1e-4)
    assert (answers[-1].points[-1, WRIST] == 0).all()


def test_a_joint_that_stays_hidden_is_where_the_world_landmarks_have_it():
    """They are true here, 30 px a meter, and the target is the source."""
    followed, keypoints = motion(target=standing(40)), standing(40)
    joints = joints_of(keypoints)
    world = np.dstack([keypoints.points / 30, np.zeros((*keypoints.score.shape, 1), np.float32)])
    joints[20:, WRIST] = 0  # for a second
    for index, of_frame in enumerate(np.concatenate([joints, world], axis=2)):
        poses = followed.follow(of_frame, index / RATE)
    np.testing.assert_allclose(poses.points[-1, WRIST], keypoints.points[0, WRIST], atol=0.1)
    assert poses.score[-1, WRIST] == pytest.approx(0.3)


def test_world_landmarks_give_the_depth_of_poses_at_half_the_pace():
    followed = motion(mode="none", centering=None)
    (joints,) = joints_of(standing(1))
    for seconds, meters, heights in ((0.0, 0.17, 0.1), (0.05, 0.51, 0.2), (0.1, 0.34, 0.2)):
        world = np.zeros_like(joints)
        world[WRIST, 2] = meters
        poses = followed.follow(np.concatenate([joints, world], axis=1), seconds)
        np.testing.assert_allclose(poses.depth[:, WRIST], heights, rtol=1e-5)
        assert not poses.depth[:, WRIST + 1].any()
    assert follow(motion(mode="none", centering=None), standing(1))[-1].depth is None


def test_who_leaves_is_gone_and_is_back_at_once():
    followed = motion(target=standing(40))
    assert follow(followed, standing(40))[-1] is not None
    gone = follow(followed, dance(30, missing=range(30)), start=2.0)
    assert [poses is None for poses in gone[:3]] == [False] * 3
    assert all(poses is None for poses in gone[6:])
    back = follow(followed, standing(2, start_x=25), start=4.0)
    assert all(poses is not None for poses in back)
    assert back[0].num_frames == 1  # nothing of where they were before


def test_frozen_statistics_stay_and_others_follow_the_person():
    followed = motion(target=standing(40))
    followed.is_frozen = True  # before there are any: the first ones stay
    follow(followed, standing(40, start_x=10))
    first = followed.statistics
    follow(followed, standing(60, start_x=25), start=2.0)
    assert followed.statistics is first
    followed.is_frozen = False
    follow(followed, standing(60, start_x=25), start=5.0)
    assert followed.statistics.median_ankle_x_px > first.median_ankle_x_px + 1


def test_statistics_wait_a_tenth_of_what_is_known_but_a_second_at_least_once_ten_poses_are():
    followed, fitted = motion(target=standing(40)), []
    fit = followed._fit
    followed._fit = lambda samples: fitted.append(samples[0].num_frames) or fit(samples)
    (joints,) = joints_of(standing(1))
    for index in range(200):  # a sample each
        followed.follow(joints, index / 8)
    assert fitted[:10] == [10, 10, 12, 12, 10, 12, 14, 16, 18, 17]  # so often that ten are there
    waits = np.diff(fitted[9:])
    assert waits[0] == 8  # a second
    assert waits[-1] / 8 == pytest.approx(fitted[-2] / 100, abs=0.3)  # seconds


def test_restarted_it_forgets_the_person():
    followed = motion(target=standing(40))
    follow(followed, standing(40, start_x=10))
    followed.is_frozen = True
    followed.restart()
    assert followed.statistics is None
    answers = follow(followed, standing(40, start_x=25), start=2.0)
    assert answers[0].num_frames == 1
    expected, found = statistics_of(standing(40, start_x=25)), followed.statistics
    assert found == replace(expected, frames_used=found.frames_used, detector=found.detector)


def test_a_person_without_feet_is_shown_within_the_first_seconds_and_stands():
    keypoints = standing(40)
    without = lost(lost(keypoints, "left_ankle", range(40)), "right_ankle", range(40))
    followed = motion(target=keypoints)
    answers = follow(followed, without)
    assert followed.statistics.shows == "knees"
    assert all(answers[-10:])
    assert (answers[-1].joint("left_ankle")[1] > 0).all()
    assert answers[-1].completed.any()


def test_jitter_is_smoothed():
    still = standing(60)
    noise = np.random.default_rng(0).normal(0, 0.05, still.points.shape)
    noisy = replace(still, points=np.where(still.points, still.points + noise, 0).astype("f4"))
    answers = follow(motion(mode="none", centering=None), noisy)
    wrist = np.array([poses.points[-1, WRIST] for poses in answers[20:]])
    assert wrist.std(axis=0).max() < 0.6 * noisy.points[20:, WRIST].std(axis=0).min()


def test_a_source_seen_from_behind_faces_the_camera_unless_it_is_shown_as_danced():
    exchanged = [HOLISTIC.index(mirrored(joint)) for joint in HOLISTIC.joints]
    behind = replace(standing(40), points=standing(40).points[:, exchanged])
    for sides, width in (("face_camera", 1), ("as_danced", -1)):
        shown = follow(motion(sides=sides), behind)[-1]
        left, right = (shown.joint(f"{side}_shoulder")[0][-1, 0] for side in ("left", "right"))
        assert np.sign(left - right) == width
