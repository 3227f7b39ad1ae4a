"""Tracklets go on while there is no doubt, and end where there is."""

from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.pose.tracking import find_tracklets, measure_bodies
from motiontransfer.skeleton import HOLISTIC
from tests.pose.walkers import frame_of, walker

SIZE = 111.8  # px, of a walker: the diagonal of 36 by 106


def tracklets_of(frames, rate=25):
    bodies = [
        measure_bodies(frame_of(*walkers), skeleton=HOLISTIC, image_size=(256, 256))
        for walkers in frames
    ]
    return find_tracklets(bodies, frame_rate=Fraction(rate))


def spans(tracklets):
    return [(t.start, t.end, len(t.bodies)) for t in tracklets]


def test_a_walk_is_one_tracklet_with_its_velocity():
    (walk,) = tracklets_of([[walker(50 + 2 * i, 200 - i)] for i in range(12)])
    assert spans([walk]) == [(0, 11, 12)]
    assert walk.velocity == pytest.approx([2, -1], abs=0.01)
    expected = walk.expected(14)
    assert expected.centre == pytest.approx(walk.bodies[-1].centre + 3 * walk.velocity)


@pytest.mark.parametrize(("missed", "pieces"), [(0, 1), (5, 1), (6, 2)])
def test_a_fifth_of_a_second_may_be_missed(missed, pieces):
    frames = [*[[walker(50)]] * 5, *[[]] * missed, *[[walker(50)]] * 5]
    assert len(tracklets_of(frames)) == pieces


@pytest.mark.parametrize(("share", "pieces"), [(0.14, 1), (0.16, 2)])
def test_alone_a_person_may_change_by_three_sizes_a_second(share, pieces):
    jump = share * SIZE  # a frame is 0.04 s, and detectors are exact to 0.03 sizes
    assert len(tracklets_of([*[[walker(50)]] * 5, [walker(50 + jump)]])) == pieces


@pytest.mark.parametrize(("share", "pieces"), [(0.05, 2), (0.07, 3)])
def test_where_people_overlap_only_by_a_quarter_of_that(share, pieces):
    jump = share * SIZE
    frames = [*[[walker(50), walker(80)]] * 5, [walker(50 - jump), walker(80)]]
    assert len(tracklets_of(frames)) == pieces


def test_who_was_lost_next_to_someone_may_still_be_there():
    """One of two goes missing; what then slides from one place to the other is not followed."""
    jump = 0.1 * SIZE
    together, alone = [[walker(50), walker(80)]] * 5, [[walker(80)]] * 20
    assert len(tracklets_of([*together, *alone, [walker(80 - jump)]])) == 3
    assert len(tracklets_of([*alone, [walker(80 - jump)]])) == 1


def test_who_is_found_for_the_first_time_is_company_too():
    jump = 0.1 * SIZE
    alone = [[walker(50)]] * 5
    assert len(tracklets_of([*alone, [walker(50 - jump)]])) == 1
    assert len(tracklets_of([*alone, [walker(50 - jump), walker(80)]])) == 3


def test_a_piece_of_ones_own_is_no_company():
    """Too fast once, and at the same place, the person is still alone."""
    away = 50 + 0.2 * SIZE
    fast = [[walker(50)], *[[walker(away + 0.1 * SIZE * (i % 2))] for i in range(8)]]
    first, second = tracklets_of(fast)
    assert first.frames_in_crowd == second.frames_in_crowd == 0


def test_everyone_is_matched_so_that_all_differences_are_smallest():
    """The one on the right is as near to the other's place; both are followed all the same."""
    frames = [[walker(100), walker(106, 150)], [walker(103), walker(109, 150)]]
    first, second = tracklets_of(frames)
    assert [body.row for body in first.bodies] == [0, 0]
    assert [body.row for body in second.bodies] == [1, 1]


def test_of_two_that_share_joints_the_expected_one_is_believed():
    for other in (97, 103):
        (one,) = tracklets_of([*[[walker(100)]] * 5, [walker(other), walker(100)]])
        assert [body.row for body in one.bodies] == [0, 0, 0, 0, 0, 1]


def test_of_two_new_ones_that_share_joints_the_one_with_the_higher_score_is():
    faint = walker(100)
    faint[1][:] *= 0.5
    (one,) = tracklets_of([[faint, walker(101)]])
    assert one.bodies[0].row == 1


def test_tracklets_meet_where_they_have_a_time_in_common():
    first, second, third = tracklets_of(
        [[walker(50)], [walker(50), walker(150)], [walker(150)], *[[]] * 9, [walker(150)]]
    )
    assert first.meets(second)
    assert second.meets(first)
    assert not first.meets(third)
    assert np.isfinite(third.velocity).all()


@pytest.mark.parametrize(("rate", "frames"), [(10, 2), (25, 5), (60, 12)])
def test_a_moment_is_a_fifth_of_a_second_or_half_of_one_in_a_crowd(rate, frames):
    def is_moment(num_frames, *others):
        person, *_ = tracklets_of([[walker(50), *others]] * num_frames, rate)
        return person.is_moment(Fraction(rate))

    assert is_moment(frames - 1)
    assert not is_moment(frames)
    assert not is_moment(frames, walker(150))
    assert is_moment(-(-rate // 2) - 1, walker(80))
    assert not is_moment(-(-rate // 2), walker(80))


def test_frames_with_others_in_the_same_place_are_counted():
    frames = [*[[walker(50), walker(150)]] * 3, *[[walker(50), walker(80)]] * 2]
    assert tracklets_of(frames)[0].frames_in_crowd == 2
