"""Lengths are read off whole videos: foreshortening, single errors and rare sights do not count."""

from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.pose.statistics import SPANS_OF_PART, fit_proportions
from motiontransfer.skeleton import HOLISTIC
from tests.pose.test_retargeting import PLACES, person


def proportions(*clips, height=100.0):
    heights = [np.full(clip.num_frames, float(height)) for clip in clips]
    return fit_proportions(clips, heights, min_score=0.5)


def with_joint(clip, joint, points):
    changed = clip.points.copy()
    changed[:, HOLISTIC.index(joint)] = points
    return replace(clip, points=changed)


def test_lengths_are_shares_of_the_height():
    found = proportions(person(frames=20))
    expected = {"hips": 0.2, "trunk": 0.4, "shoulders": 0.3, "neck": 0.16, "upper_arm": 0.2}
    expected |= {"forearm": 0.2, "thigh": 0.3, "shin": 0.3}
    assert found == pytest.approx(expected)
    assert not {"head", "face_height", "face_width"} & found.keys()  # no eyes, mouth, forehead
    assert proportions(person(frames=20), height=50)["thigh"] == pytest.approx(0.6)


def test_a_face_has_a_height_and_a_width():
    face = {"face_chin": (100, 52), "face_forehead": (100, 36)}
    face |= {"left_face_temple": (106, 41), "right_face_temple": (94, 41)}
    found = proportions(person({**PLACES, **face}, 20))
    assert found["face_height"] == pytest.approx(0.16)
    assert found["face_width"] == pytest.approx(0.12)


def test_what_points_at_the_camera_most_of_the_time_keeps_its_length():
    clip = person(frames=100)
    elbow = np.tile(PLACES["left_elbow"], (100, 1)).astype(float)
    elbow[:70, 0] = 118  # 3 px instead of 20
    clip = with_joint(clip, "left_elbow", elbow)
    assert proportions(clip)["upper_arm"] == pytest.approx(0.2)


def test_a_few_wild_frames_do_not_lengthen_a_limb():
    clip = person(frames=100)
    knee = np.tile(PLACES["left_knee"], (100, 1)).astype(float)
    knee[:10, 1] = 190
    assert proportions(with_joint(clip, "left_knee", knee))["thigh"] == pytest.approx(0.3)


def test_both_sides_make_one_length():
    clip = with_joint(person(frames=20), "right_knee", (90, 140))
    assert proportions(clip)["thigh"] == pytest.approx(0.35)


def test_clips_are_pooled_each_at_its_own_scale():
    near = person({joint: (2 * x - 100, 2 * y - 100) for joint, (x, y) in PLACES.items()}, 20)
    heights = [np.full(20, 100.0), np.full(20, 200.0)]
    found = fit_proportions([person(frames=20), near], heights, min_score=0.5)
    assert found == pytest.approx(proportions(person(frames=20)))


def test_a_part_hardly_seen_is_unknown():
    clip = person(frames=20)
    score = clip.score.copy()
    score[9:, [HOLISTIC.index("left_wrist"), HOLISTIC.index("right_wrist")]] = 0.4
    found = proportions(replace(clip, score=score))
    assert "forearm" not in found
    assert "upper_arm" in found


def test_every_part_names_joints_of_the_skeleton():
    for spans in SPANS_OF_PART.values():
        for span in spans:
            assert set(span.start + span.end) <= set(HOLISTIC.joints)
