from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.pose.tracking import (
    UNASSIGNED,
    Tracklet,
    coincident_share,
    displacement,
    find_tracklets,
    link_tracklets,
    measure_bodies,
    pose_distance,
    track_people,
)
from tests.people import frame_of, walker

IMAGE_SIZE = (256, 256)
SIZE = 111.8  # px, of a walker of height 100: the diagonal of 36 by 106


def bodies_of(*walkers, image_size=IMAGE_SIZE):
    return measure_bodies(frame_of(*walkers), image_size=image_size)


def body_of(*args, **kwargs):
    (body,) = bodies_of(walker(*args, **kwargs))
    return body


def test_bodies_are_measured_from_left_to_right_and_hands_alone_are_none():
    hand = np.zeros_like(walker(50))
    hand[HOLISTIC.slice("left_hand")] = 1
    bodies = bodies_of(walker(150), hand, walker(50, height=80))
    assert [body.row for body in bodies] == [2, 0]
    body = bodies[1]
    assert body.center == pytest.approx([150, 131], abs=0.01)  # between shoulders and hips
    assert body.box == pytest.approx(np.array([[132, 97], [168, 203]]), abs=0.01)
    assert body.size == pytest.approx(np.hypot(36, 106), abs=0.01)
    assert body.mean_score == pytest.approx(0.9)


@given(st.floats(-40, 40), st.floats(-40, 40), st.floats(0.3, 3))
def test_pose_distance_is_the_displacement_in_sizes(dx, dy, scale):
    here, there = body_of(100, height=100 * scale), body_of(100 + dx, 200 + dy, 100 * scale)
    assert pose_distance(here, there) == pytest.approx(np.hypot(dx, dy) / here.size, abs=1e-4)
    assert displacement(here, there) == pytest.approx([dx, dy], abs=1e-3)
    assert pose_distance(here.shifted(np.array([dx, dy])), there) == pytest.approx(0, abs=1e-4)


@given(st.floats(-20, 20), st.floats(0, 3), st.integers(0, 99))
def test_comparisons_ignore_swapped_sides(dx, jitter, seed):
    first = body_of(100)
    found = walker(100 + dx, jitter=jitter, seed=seed)
    (second,), (swapped,) = bodies_of(found), bodies_of(found[HOLISTIC.other_sides()])
    assert pose_distance(first, swapped) == pytest.approx(pose_distance(first, second))
    assert displacement(first, swapped) == pytest.approx(displacement(first, second))
    assert coincident_share(first, swapped) == coincident_share(first, second)
    assert swapped.center == pytest.approx(second.center)


def test_with_too_few_joints_in_common_boxes_are_compared():
    legs = ("left_ankle", "right_ankle", "left_knee", "right_knee")
    upper = body_of(100, without=[n for n in HOLISTIC.joints if n in legs or "heel" in n])
    lower = body_of(100, without=[n for n in HOLISTIC.joints if n not in legs])
    corners = np.linalg.norm(upper.box - lower.box, axis=1).mean()
    assert pose_distance(upper, lower) == pytest.approx(corners / upper.size)


def test_joints_coincide_within_a_twentieth_of_the_size():
    body = body_of(100)
    assert coincident_share(body, body) == 1
    assert coincident_share(body, body_of(100 + 0.049 * body.size)) == 1
    assert coincident_share(body, body_of(100, 200 + 0.06 * body.size)) < 0.5
    half = body.points.copy()
    half[:, ::2] += 50
    assert coincident_share(body, replace(body, points=half)) == pytest.approx(16 / 33)


def tracklets_of(frames, rate=25):
    return find_tracklets([bodies_of(*people) for people in frames], frame_rate=Fraction(rate))


def test_a_walk_is_one_tracklet_with_its_velocity():
    (walk,) = tracklets_of([[walker(50 + 2 * i, 200 - i)] for i in range(12)])
    assert (walk.start, walk.end, len(walk.bodies)) == (0, 11, 12)
    assert walk.velocity == pytest.approx([2, -1], abs=0.01)
    predicted = walk.predicted(14)
    assert predicted.center == pytest.approx(walk.bodies[-1].center + 3 * walk.velocity)


JUMP, ALONE, BESIDE = 0.1 * SIZE, [walker(50)], [walker(50), walker(80)]


@pytest.mark.parametrize(
    ("frames", "num_tracklets"),
    [
        # a fifth of a second may be missed
        *(([*[ALONE] * 5, *[[]] * 0, *[ALONE] * 5], 1), ([*[ALONE] * 5, *[[]] * 5, ALONE], 1)),
        ([*[ALONE] * 5, *[[]] * 6, ALONE], 2),
        # 3 sizes a second, a frame is 0.04 s, and detectors are exact to 0.03 sizes
        ([*[ALONE] * 5, [walker(50 + 0.14 * SIZE)]], 1),
        ([*[ALONE] * 5, [walker(50 + 0.16 * SIZE)]], 2),
        # a quarter of that where people overlap
        ([*[BESIDE] * 5, [walker(50 - 0.05 * SIZE), walker(80)]], 2),
        ([*[BESIDE] * 5, [walker(50 - 0.07 * SIZE), walker(80)]], 3),
        # one who was lost next to another may still be there
        ([*[BESIDE] * 5, *[[walker(80)]] * 20, [walker(80 - JUMP)]], 3),
        ([*[[walker(80)]] * 20, [walker(80 - JUMP)]], 1),
        # a new one is a crowd too
        ([*[ALONE] * 5, [walker(50 - JUMP)]], 1),
        ([*[ALONE] * 5, [walker(50 - JUMP), walker(80)]], 3),
    ],
)
def test_a_tracklet_ends_where_association_is_in_doubt(frames, num_tracklets):
    assert len(tracklets_of(frames)) == num_tracklets


def test_assignment_is_of_least_total_distance():
    """The one on the right is as near to the other's place; both are followed all the same."""
    frames = [[walker(100), walker(106, 150)], [walker(103), walker(109, 150)]]
    first, second = tracklets_of(frames)
    assert [body.row for body in first.bodies] == [0, 0]
    assert [body.row for body in second.bodies] == [1, 1]


@pytest.mark.parametrize(
    ("frames", "last_row"),
    [
        *(([*[ALONE] * 5, [walker(other), walker(50)]], 1) for other in (47, 53)),
        ([[walker(50) * [1, 1, 0.5], walker(51)]], 1),
    ],
    ids=["left of the prediction", "right of it", "new, of lower score"],
)
def test_of_duplicates_the_better_one_is_kept(frames, last_row):
    (one,) = tracklets_of(frames)
    assert one.bodies[-1].row == last_row


def piece(start, stop, x, velocity=0.0, *, height=100.0, in_crowd=False):
    """A tracklet of someone who is at x in frame `start` and walks."""
    tracklet = Tracklet()
    for index in range(start, stop):
        people = walker(x + velocity * (index - start), height=height)
        (body,) = bodies_of(people, image_size=(1000, 1000))
        tracklet.add(index, body, in_crowd=in_crowd)
    return tracklet


# Pieces as arguments of `piece`, and which of them are linked.
LINKS = {
    "constant velocity": ([(0, 20, 100, 2.0), (30, 50, 160, 2.0)], [[0, 1]]),
    # 11 frames are 0.44 s: 0.1 + 0.6 * 0.44 sizes
    "within reach": ([(0, 20, 100, 2.0), (30, 50, 160 + 0.31 * SIZE, 2.0)], [[0, 1]]),
    "out of reach": ([(0, 20, 100, 2.0), (30, 50, 160 + 0.37 * SIZE, 2.0)], [[0], [1]]),
    # slowing down behind someone gets half as far as going on
    "slowed down": ([(0, 20, 100, 8.0), (30, 50, 252 + 11 * 4, 0.0)], [[0, 1]]),
    "too far for that": ([(0, 20, 100, 8.0), (30, 50, 252 + 11 * 8, 0.0)], [[0], [1]]),
    "turned back alone": ([(0, 20, 100, 2.0), (30, 50, 138, -2.0)], [[0, 1]]),
    # the third would go on the first a little better than on the second
    "no piece is skipped": ([(0, 20, 100), (25, 31, 103), (36, 60, 100)], [[0, 1, 2]]),
    "nor in a shorter gap": ([(0, 20, 100), (25, 31, 103), (33, 60, 100)], [[0, 1, 2]]),
    "two ends, one start": ([(0, 20, 100), (0, 20, 130), (25, 40, 115)], [[0], [1], [2]]),
    "one end is clearer": ([(0, 20, 100), (0, 20, 130), (25, 40, 102)], [[0, 2], [1]]),
    "one end, two starts": ([(0, 20, 115), (25, 40, 100), (25, 40, 130)], [[0], [1], [2]]),
    "twice as near": (
        [(0, 20, 100), (0, 20, 100 + 0.15 * SIZE), (22, 40, 100 + 0.045 * SIZE)],
        [[0, 2], [1]],
    ),
    "not twice as near": (
        [(0, 20, 100), (0, 20, 100 + 0.15 * SIZE), (22, 40, 100 + 0.06 * SIZE)],
        [[0], [1], [2]],
    ),
    "an alternative that": (
        [(0, 20, 100), (0, 20, 100 + 0.15 * SIZE), (22, 40, 100 + 0.09 * SIZE)],
        [[0], [1], [2]],
    ),
    "is linked elsewhere": (
        [(0, 20, 100), (0, 20, 100 + 0.15 * SIZE), (22, 40, 100), (22, 40, 100 + 0.09 * SIZE)],
        [[0, 2], [1, 3]],
    ),
    "a later alternative": ([(0, 20, 100), (22, 30, 122), (50, 70, 111)], [[0], [1], [2]]),
    "that can be the same": ([(0, 20, 100), (22, 30, 102), (50, 70, 111)], [[0, 1, 2]]),
    "a short gap": ([(0, 20, 100), (0, 20, 110), (25, 40, 100), (25, 40, 110)], [[0, 2], [1, 3]]),
    "a long gap": (
        [(0, 20, 100), (0, 20, 110), (50, 70, 100), (50, 70, 110)],
        [[0], [1], [2], [3]],
    ),
    "still seen, no alternative": ([(0, 20, 100), (0, 60, 104), (30, 60, 100)], [[0, 2], [1]]),
    "two who pass": (
        [(0, 20, 100, 3.0), (0, 20, 214, -3.0), (30, 50, 124, -3.0), (30, 50, 190, 3.0)],
        [[0, 3], [1, 2]],
    ),
    "order of tracks": ([(0, 10, 100), (0, 30, 400), (15, 30, 100)], [[0, 2], [1]]),
}


def linked(*pieces):
    tracks = link_tracklets(pieces, frame_rate=Fraction(25))
    return [[pieces.index(part) for part in track] for track in tracks]


@pytest.mark.parametrize(("pieces", "tracks"), LINKS.values(), ids=LINKS)
def test_tracklets_are_linked_where_it_is_clear(pieces, tracks):
    assert linked(*(piece(*arguments) for arguments in pieces)) == tracks


@pytest.mark.parametrize(("height", "tracks"), [(158, 1), (162, 2)])
def test_a_person_of_another_size_is_not_linked(height, tracks):
    assert len(linked(piece(0, 20, 100), piece(40, 60, 100, height=height))) == tracks


@pytest.mark.parametrize(("length", "in_crowd"), [(5, False), (13, True)])
def test_a_short_tracklet_is_not_linked(length, in_crowd):
    """A fifth of a second, or half a second in a crowd."""

    def with_piece_of(length):
        between = piece(22, 22 + length, 100, in_crowd=in_crowd)
        return linked(piece(0, 20, 100), between, piece(40, 60, 100))

    assert with_piece_of(length) == [[0, 1, 2]]
    assert with_piece_of(length - 1) == [[0, 2], [1]]


def track(frames, rate=25):
    people = [frame_of(*walkers) for walkers in frames]
    numbers = track_people(people, frame_rate=Fraction(rate), image_size=IMAGE_SIZE)
    return [of_frame.tolist() for of_frame in numbers]


def test_a_short_mixture_of_two_people_is_unassigned():
    one, other, mixture = walker(100), walker(125), walker(112)
    numbers = track([*[[one, other]] * 10, *[[one, mixture]] * 3, *[[one, other]] * 10])
    assert numbers[10:13] == [[0, UNASSIGNED]] * 3
    assert numbers[13:] == [[0, 1]] * 10
