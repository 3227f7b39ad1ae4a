from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.core.errors import KeypointsError
from motiontransfer.evaluation import pose_metrics
from motiontransfer.evaluation.pose_metrics import nearest_neighbors
from motiontransfer.pose.skeleton import HOLISTIC
from tests.evaluation import conftest
from tests.people import figure


@pytest.fixture
def candidates():
    """Frames of one figure in many places, its arms and head a little different in each."""
    rng = np.random.default_rng(0)
    keypoints = figure([tuple(center) for center in rng.uniform(20, 44, (40, 2))])
    wobble = rng.normal(0, 2, keypoints.points.shape).astype(np.float32)
    points = np.where(keypoints.score[..., None] > 0, keypoints.points + wobble, 0)
    return replace(keypoints, points=points.astype(np.float32))


def test_the_exact_pose_is_found_whatever_the_order_of_joints_and_chunks(candidates, monkeypatch):
    wanted = [7, 0, 39, 7, 21]
    query = candidates.part(wanted)
    incomplete = conftest.without(query, [*conftest.HAND, "nose", "left_hip"])
    for of in (query, incomplete, conftest.reordered(query)):
        assert nearest_neighbors(of, candidates).tolist() == wanted
    assert nearest_neighbors(query, conftest.reordered(candidates)).tolist() == wanted
    monkeypatch.setattr(pose_metrics, "_VALUES_AT_ONCE", 3 * candidates.num_frames)
    assert nearest_neighbors(query, candidates).tolist() == wanted


def test_a_candidate_that_lacks_some_joints_is_still_found_but_does_not_win_by_lacking_them():
    query, far_off = figure([(30, 30)]), figure([(50, 45)])
    only_nose = conftest.without(query, conftest.BODY[1:])  # exactly there
    for pool in (
        (only_nose, figure([(32, 30)]), far_off),
        (far_off, conftest.without(query, conftest.HAND)),
    ):
        assert nearest_neighbors(query, conftest.poses_of_clips(*pool)).tolist() == [1]


def test_frames_without_a_body_are_never_chosen():
    empty = conftest.without(figure([(30, 30)]), conftest.BODY)
    pool = conftest.poses_of_clips(empty, figure([(20, 20)]), empty)
    assert nearest_neighbors(figure([(30, 30), (50, 50)]), pool).tolist() == [1, 1]
    equal = figure([(31, 30)] * 3)
    assert nearest_neighbors(figure([(30, 30)]), equal).tolist() == [0]  # the earliest
    with pytest.raises(KeypointsError):
        nearest_neighbors(figure([(30, 30)]), empty)
    assert pose_metrics.body_size_px(conftest.poses_of_clips(figure([(30, 30)]), empty)) == 42
    assert pose_metrics.body_size_px(empty) == 1


def test_frames_without_a_pose_repeat_the_candidate_before(candidates):
    empty = conftest.without(candidates.part([0]), HOLISTIC.joints)
    queries = conftest.poses_of_clips(empty, candidates.part([9]), empty, empty)
    assert nearest_neighbors(queries, candidates).tolist() == [0, 9, 9, 9]


def test_of_many_candidates_some_are_compared_evenly_spread(candidates, monkeypatch):
    monkeypatch.setattr(pose_metrics, "_MAX_CANDIDATES", 14)
    found = nearest_neighbors(candidates.part(range(0, 40, 3)), candidates)
    assert found.tolist() == list(range(0, 40, 3))
    assert set(nearest_neighbors(candidates, candidates)) == set(range(0, 40, 3))


@pytest.fixture
def clips(tmp_path):
    return conftest.clips_of(tmp_path, walk=figure([(20 + 3 * i, 30) for i in range(8)]))


def test_the_baseline_shows_training_frames_with_the_nearest_pose(clips):
    wanted = figure([(26.4, 30), (20, 31), (41, 30)])  # the last is nearest to held-out frame 7
    nearest = pose_metrics.nearest_frames(wanted, clips)
    assert nearest.frames == [(clips[0].frames, index) for index in (2, 0, 4)]
    assert (nearest.keypoints.points == clips[0].keypoints.points[[2, 0, 4]]).all()
