"""Which frames of a dance cover it, beside what was filmed."""

from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.filming.key_poses import NEAR, find_key_poses
from tests.filming.flawless import arm_up
from tests.people import joined, lost, moved, standing


def test_the_pose_of_most_frames_comes_first_and_no_more_than_there_are():
    dance = joined(arm_up(10), standing(30))
    poses = find_key_poses(dance)
    assert [frame >= 10 for frame in poses.frames] == [True, False]
    assert poses.coverage[0] == pytest.approx(0)
    assert poses.coverage[2] == pytest.approx(1, abs=1e-3)
    assert poses.coverage[0] < poses.coverage[1] < poses.coverage[2]


def test_no_frame_is_asked_for_in_which_joints_are_missing_or_filled_in():
    unsure = range(15)
    dance = joined(arm_up(20), standing(20))
    is_filled = np.zeros(dance.score.shape, bool)
    is_filled[unsure] = True
    dark = replace(dance, unusual=((0, 15),))
    for each in (replace(dance, filled=is_filled), lost(dance, "body", unsure), dark):
        poses = find_key_poses(each)
        assert {*poses.frames}.isdisjoint(unsure)
        assert len(poses.frames) == 2


def test_where_nobody_is_seen_nothing_is_asked_for():
    seen = standing(5)
    assert not find_key_poses(seen.without(seen.score > 0)).frames


def test_each_region_is_covered_by_its_own_share_of_frames():
    dance = joined(arm_up(10), standing(30))
    covered = find_key_poses(dance, [standing(5)], num_poses=0)
    assert covered.of_regions["head"] == covered.of_regions["legs"] == pytest.approx(1)
    assert covered.of_regions["arms"] == pytest.approx(1 - 10 / 40 / 2)  # one of both
    # Of 15 parts, of which the head counts 2 and a hand 1.5: the arm's two, the hand, the trunk.
    assert covered.coverage == pytest.approx([1 - 10 / 40 * (2 + 1.5 + 1) / (12 + 2 + 2 * 1.5)])
    assert covered.in_words().startswith("93 % of the dance (")


@pytest.mark.parametrize(("factor", "is_near"), [(0.95, True), (1.05, False)])
def test_a_part_is_covered_up_to_a_limit(factor, is_near):
    """Of two joints, one moved by d, each is off by d / 2 of their middle."""
    shift = factor * 2 * NEAR / 100 * 150
    moved_arm = moved(standing(4), "left_wrist", dict.fromkeys(range(4), (shift, 0)))
    covered = find_key_poses(standing(4), [moved_arm], num_poses=0)
    assert (covered.of_regions["arms"] == pytest.approx(1)) == is_near


def test_who_comes_near_and_goes_back_covers_what_who_stands_covers():
    """A film has one height: it is not that of those frames that are near."""
    walk, middle = standing(60), np.float32((128, 128))
    sizes = np.linspace(0.5, 1.5, 60, dtype=np.float32)[:, None, None]
    walk = replace(walk, points=middle + (walk.points - middle) * sizes)
    for dance, film in ((walk, standing(5)), (standing(5), walk)):
        assert find_key_poses(dance, [film], num_poses=0).coverage == pytest.approx([1])


def test_the_nearest_frame_is_of_any_film():
    dance = joined(arm_up(10), standing(30))
    half_up = moved(standing(1), "left_wrist", {0: (20, -30)})
    poses = find_key_poses(dance, [standing(3), joined(standing(4), half_up)])
    assert poses.frames[0] < 10
    assert poses.nearest == [(1, 4)]
    filmed = joined(standing(4), lost(arm_up(2), "left_ankle", [0]))
    assert find_key_poses(dance, [filmed], num_poses=1).nearest == []
    assert find_key_poses(dance).nearest == []
