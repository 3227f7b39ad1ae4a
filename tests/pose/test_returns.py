"""Who went and came back is one person only if nobody else can be meant."""

import pytest

from motiontransfer.pose.subject import with_returns
from tests.pose.people_in_view import detections_of

PLACE = (128, 200, 100)


def returns(tracks, track=0, *, num_frames=200):
    return with_returns(detections_of(tracks, num_frames=num_frames), track)


def test_who_was_alone_and_comes_back_alone_is_the_same():
    stays = {
        0: (range(50), PLACE),
        1: (range(100, 150), (40, 200, 90)),
        2: (range(170, 200), PLACE),
    }
    for track in stays:
        assert returns(stays, track) == (0, 1, 2)


def test_with_company_at_either_side_or_in_between_nobody_knows():
    gone, back = (range(50), PLACE), (range(100, 150), PLACE)
    assert returns({0: gone, 1: back, 2: (range(40, 60), (40, 200, 100))}) == (0,)
    assert returns({0: gone, 1: back, 2: (range(70, 80), (40, 200, 20))}) == (0,)
    assert returns({0: gone, 1: back, 2: (range(120, 130), (40, 200, 100))}) == (0,)
    assert returns({0: gone, 1: back, 2: (range(160, 170), (40, 200, 20))}) == (0, 1)
    assert returns({0: gone, 1: back, 2: (range(30), (40, 200, 100))}) == (0, 1)


@pytest.mark.parametrize(("height", "same"), [(159, (0, 1)), (161, (0,)), (63, (0, 1)), (62, (0,))])
def test_who_comes_back_much_larger_or_smaller_is_someone_else(height, same):
    assert returns({0: (range(50), PLACE), 1: (range(100, 150), (128, 200, height))}) == same


def test_nobody_is_farther_away_than_they_can_get():
    """3 frames of 0.04 s: 0.3 + 2.5 * 0.12 sizes of 112 px."""
    assert returns({0: (range(50), PLACE), 1: (range(52, 90), (128 + 64, 200, 100))}) == (0, 1)
    assert returns({0: (range(50), PLACE), 1: (range(52, 90), (128 + 70, 200, 100))}) == (0,)


def test_a_moment_in_between_is_nobody():
    stays = {0: (range(50), PLACE), 1: (range(60, 64), (40, 60, 20)), 2: (range(100, 150), PLACE)}
    assert returns(stays) == returns(stays, 2) == (0, 2)
    longer = {**stays, 1: (range(60, 65), (40, 60, 20))}
    assert returns(longer) == (0,)
