from dataclasses import replace

import pytest

from motiontransfer.core.errors import KeypointsError
from motiontransfer.evaluation.pose_metrics import offsets, pose_scores
from motiontransfer.pose.skeleton import HOLISTIC
from tests.evaluation.conftest import BODY, HAND, body_of, reordered, without
from tests.people import figure, moved

FACE = ("face_chin", "face_forehead", "left_face_temple", "right_face_temple")
ALL_ZERO = {"body": 0, "hands": 0, "face": 0, "all": 0}
NONE_MISSED = {"body": 0, "hands": 0, "face": 0}


def with_joint(keypoints, joint):
    score = keypoints.score.copy()
    score[:, HOLISTIC.index(joint)] = 1
    return replace(keypoints, score=score)


def shifted(keypoints, joints, right):
    for joint in joints:
        keypoints = moved(keypoints, joint, dict.fromkeys(range(keypoints.num_frames), (right, 0)))
    return keypoints


STANDING = figure([(32, 36)] * 4)
FACELESS = without(STANDING, FACE)
BOTH_HANDS = with_joint(STANDING, "right_hand_wrist")
ASIDE = figure([(32 + 1.8, 36 + 2.4)] * 4)
FARTHEST = 4.2  # a tenth of the body, which is 42 pixels high


def scores(result, reference, metric):
    found = pose_scores(result, reference, system="ours")
    assert {key.system for key in found} == {"ours"}
    return {key.region: score for key, score in found.items() if key.metric == metric}


def means(result, reference, metric):
    return {region: score.mean() for region, score in scores(result, reference, metric).items()}


def test_the_offset_is_the_bodys_median_in_whole_pixels():
    """However the hands are held; 0 where nobody is seen."""
    result = shifted(figure([(35.4, 40)] * 4), HAND, 13)
    result = without(shifted(result, ["nose"], 30), result.skeleton.joints, [2])
    found = offsets(reordered(result), STANDING)
    assert found.tolist() == [[-3, -4], [-3, -4], [0, 0], [-3, -4]]
    assert (offsets(without(STANDING, BODY), STANDING) == 0).all()


@pytest.mark.parametrize(
    ("result", "reference", "expected"),
    [
        (STANDING, STANDING, ALL_ZERO),
        (ASIDE, STANDING, dict.fromkeys(ALL_ZERO, 3)),
        # `all` is the mean over the 13 joints of all groups
        (shifted(STANDING, HAND, 4), STANDING, {**ALL_ZERO, "hands": 4, "all": 2 * 4 / 13}),
        (STANDING, FACELESS, {**ALL_ZERO, "face": None}),
    ],
)
def test_distance_is_a_mean_over_joints_that_the_reference_has(result, reference, expected):
    assert means(result, reference, "pose_distance_px") == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "result", [without(STANDING, HAND), shifted(STANDING, HAND, 5), shifted(STANDING, HAND, 50)]
)
def test_a_joint_that_is_missing_counts_as_one_that_is_elsewhere(result):
    expected = {**ALL_ZERO, "hands": FARTHEST, "all": 2 * FARTHEST / 13}
    assert means(result, STANDING, "pose_distance_px") == pytest.approx(expected)


FEW = without(without(STANDING, FACE, [0, 1, 3]), HAND, [2])


@pytest.mark.parametrize(
    ("result", "reference", "expected"),
    [
        (FEW, without(STANDING, FACE, [3]), {"body": 0, "hands": 1 / 4, "face": 2 / 3}),
        (without(STANDING, HAND[:1]), STANDING, NONE_MISSED),  # one joint is left
        (STANDING, FACELESS, {**NONE_MISSED, "face": None}),
        # each hand counts by itself
        (STANDING, BOTH_HANDS, {**NONE_MISSED, "hands": 1 / 2}),
        (BOTH_HANDS, STANDING, NONE_MISSED),
    ],
)
def test_missed_detections_are_shares_of_those_of_the_reference(result, reference, expected):
    assert means(result, reference, "missed_detections") == pytest.approx(expected)


def test_missed_joints_are_counted_by_frame_as_in_the_paper():
    reference = without(STANDING, ["nose"], [0])
    result = without(without(STANDING, HAND, [0, 1]), ["nose"])
    missed = scores(result, reference, "missed_joints_per_frame")
    assert missed["hands"].per_frame().tolist() == [2, 2, 0, 0]
    assert missed["body"].per_frame().tolist() == [0, 1, 1, 1]  # the first frame expects no nose
    assert [missed[group].mean() for group in ALL_ZERO] == [0.75, 1, 0, 1.75]


def test_joints_are_matched_by_name_and_unknown_ones_are_not_missed():
    result = without(figure([(33, 36)] * 4), HAND)
    for metric in ("pose_distance_px", "missed_joints_per_frame"):
        expected = means(result, STANDING, metric)
        assert means(reordered(result), STANDING, metric) == expected
        assert means(result, reordered(STANDING), metric) == expected
    body = body_of(STANDING)
    for result, reference in ((body, STANDING), (STANDING, body)):
        assert means(result, reference, "missed_joints_per_frame") == ALL_ZERO


@pytest.mark.parametrize("changes", [{"centres": [(32, 36)] * 3}, {"size": (32, 64)}])
def test_poses_of_other_length_or_size_are_refused(changes):
    with pytest.raises(KeypointsError):
        pose_scores(figure(**{"centres": [(32, 36)] * 4, **changes}), STANDING, system="ours")
