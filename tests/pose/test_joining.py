"""Pieces are joined where one person can have gone, and no other way is nearly as likely."""

from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.pose.tracking import Tracklet, join_tracklets, measure_bodies
from motiontransfer.skeleton import HOLISTIC
from tests.pose.walkers import frame_of, walker

RATE = 25
SIZE = 111.8  # px, of a walker of height 100


def piece(start, stop, x, velocity=0.0, *, height=100.0, in_crowd=False):
    """Someone who is at x in frame `start` and walks."""
    tracklet = Tracklet()
    for index in range(start, stop):
        people = frame_of(walker(x + velocity * (index - start), height=height))
        (body,) = measure_bodies(people, skeleton=HOLISTIC, image_size=(1000, 1000))
        tracklet.add(index, body, in_crowd=in_crowd)
    return tracklet


def joined(*pieces):
    """Indices of the pieces of each track."""
    tracks = join_tracklets(pieces, frame_rate=Fraction(RATE))
    return [[pieces.index(part) for part in track] for track in tracks]


def test_who_goes_on_as_they_went_is_the_same():
    assert joined(piece(0, 20, 100, 2.0), piece(30, 50, 160, 2.0)) == [[0, 1]]


@pytest.mark.parametrize(("off", "tracks"), [(0.31, 1), (0.37, 2)])
def test_the_longer_a_gap_the_farther_from_there_they_may_be(off, tracks):
    """11 frames are 0.44 s: 0.1 + 0.6 * 0.44 sizes."""
    where = 100 + 2 * 30 + off * SIZE
    assert len(joined(piece(0, 20, 100, 2.0), piece(30, 50, where, 2.0))) == tracks


def test_both_sides_of_the_gap_count():
    """Who slows down behind someone gets half as far as who goes on."""
    gone = piece(0, 20, 100, 8.0)
    assert joined(gone, piece(30, 50, 252 + 11 * 4, 0.0)) == [[0, 1]]
    assert joined(gone, piece(30, 50, 252 + 11 * 8, 0.0)) == [[0], [1]]


def test_who_has_grown_too_much_is_someone_else():
    assert len(joined(piece(0, 20, 100), piece(40, 60, 100, height=158))) == 1
    assert len(joined(piece(0, 20, 100), piece(40, 60, 100, height=162))) == 2


@pytest.mark.parametrize(("length", "in_crowd"), [(5, False), (13, True)])
def test_a_piece_that_lasts_a_moment_is_joined_to_nothing(length, in_crowd):
    """A fifth of a second, or half a second where others are."""

    def with_piece_of(length):
        piece_in_between = piece(22, 22 + length, 100, in_crowd=in_crowd)
        return joined(piece(0, 20, 100), piece_in_between, piece(40, 60, 100))

    assert with_piece_of(length) == [[0, 1, 2]]
    assert with_piece_of(length - 1) == [[0, 2], [1]]


def test_no_piece_is_left_out_in_between():
    """The third would go on the first a little better than on the second."""
    first, second = piece(0, 20, 100), piece(25, 31, 103)
    assert joined(first, second, piece(36, 60, 100)) == [[0, 1, 2]]
    assert joined(first, second, piece(33, 60, 100)) == [[0, 1, 2]]


def test_between_two_equally_likely_ways_nothing_is_joined():
    left, right = piece(0, 20, 100), piece(0, 20, 130)
    assert joined(left, right, piece(25, 40, 115)) == [[0], [1], [2]]
    assert joined(left, right, piece(25, 40, 102)) == [[0, 2], [1]]
    back = piece(25, 40, 100), piece(25, 40, 130)
    assert joined(piece(0, 20, 115), *back) == [[0], [1], [2]]


@pytest.mark.parametrize(("off", "tracks"), [(0.045, 1), (0.06, 2)])
def test_any_other_way_must_be_twice_as_far(off, tracks):
    left, right = piece(0, 20, 100), piece(0, 20, 100 + 0.15 * SIZE)
    assert len(joined(left, right, piece(22, 40, 100 + off * SIZE))) == 1 + tracks


def test_who_went_on_elsewhere_is_no_rival():
    left, right = piece(0, 20, 100), piece(0, 20, 100 + 0.15 * SIZE)
    back, nearer = piece(22, 40, 100), piece(22, 40, 100 + 0.09 * SIZE)
    assert joined(left, right, nearer) == [[0], [1], [2]]
    assert joined(left, right, back, nearer) == [[0, 2], [1, 3]]


def test_who_came_after_one_was_lost_and_cannot_be_them_is_a_rival():
    lost, came = piece(0, 20, 100), piece(22, 30, 122)
    assert joined(lost, came, piece(50, 70, 111)) == [[0], [1], [2]]
    assert joined(lost, piece(22, 30, 102), piece(50, 70, 111)) == [[0, 1, 2]]


def test_a_longer_gap_needs_a_clearer_difference():
    left, right = piece(0, 20, 100), piece(0, 20, 110)
    assert joined(left, right, piece(25, 40, 100), piece(25, 40, 110)) == [[0, 2], [1, 3]]
    late = piece(50, 70, 100), piece(50, 70, 110)
    assert joined(left, right, *late) == [[0], [1], [2], [3]]


def test_who_is_still_seen_is_no_rival():
    lost, seen = piece(0, 20, 100), piece(0, 60, 104)
    assert joined(lost, seen, piece(30, 60, 100)) == [[0, 2], [1]]


def test_two_who_pass_keep_their_ways_and_do_not_turn_back():
    right, left = piece(0, 20, 100, 3.0), piece(0, 20, 214, -3.0)
    on_the_right = piece(30, 50, 100 + 3 * 30, 3.0)
    on_the_left = piece(30, 50, 214 - 3 * 30, -3.0)
    assert joined(right, left, on_the_left, on_the_right) == [[0, 3], [1, 2]]


def test_who_turned_back_alone_is_the_same():
    assert joined(piece(0, 20, 100, 2.0), piece(30, 50, 138, -2.0)) == [[0, 1]]


def test_tracks_are_in_the_order_of_their_first_pieces():
    pieces = (piece(0, 10, 100), piece(0, 30, 400), piece(15, 30, 100))
    assert joined(*pieces) == [[0, 2], [1]]
    assert np.diff([track[0] for track in joined(*pieces)]).min() > 0
