"""Tracks follow people: through gaps and crossings, never two in one, in no order but their own."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.keypoints import People
from motiontransfer.pose.tracking import NOBODY, track_people
from motiontransfer.skeleton import HOLISTIC
from tests.pose.walkers import frame_of, walker

SIZE = (256, 256)


def track(frames, rate=25):
    people = [frame_of(*walkers) for walkers in frames]
    return [
        numbers.tolist()
        for numbers in track_people(people, frame_rate=Fraction(rate), image_size=SIZE)
    ]


def crossing(num_frames, *, speed, hidden=(), lost=(), jitter=1.0, heights=(100, 90)):
    """Two who walk past each other, in the middle of the clip exactly in front of each other.

    Args:
        speed: px a frame, of each.
        hidden: frames in which only the first is found.
        lost: frames in which neither is.
    """
    frames = []
    for index in range(num_frames):
        way = speed * (index - (num_frames - 1) / 2)
        pair = [
            walker(
                128 + sign * way, 200 - 5 * who, heights[who], jitter=jitter, seed=2 * index + who
            )
            for who, sign in enumerate((1, -1))
        ]
        frames.append([] if index in lost else pair[:1] if index in hidden else pair)
    return frames


def test_two_who_stand_apart_are_two_people_numbered_from_the_left():
    assert track([[walker(150), walker(50)]] * 3) == [[1, 0]] * 3


def test_numbers_count_in_order_of_appearance():
    assert track([[walker(150)], *[[walker(50), walker(150)]] * 8])[-1] == [1, 0]


def test_clips_without_people_have_no_tracks():
    assert track([]) == []
    assert track([[], [], []]) == [[], [], []]
    assert track([[], [walker(50)], []]) == [[], [0], []]


@pytest.mark.parametrize("speed", [1.0, 2.0, 4.0])
def test_two_who_pass_are_followed_while_both_are_found(speed):
    for index, numbers in enumerate(track(crossing(60, speed=speed))):
        assert numbers in ([0, 1], [0, NOBODY], [NOBODY, 1]), index


@pytest.mark.parametrize("hidden", [10, 25, 35])
@pytest.mark.parametrize("speed", [1.5, 3.0])
def test_who_passes_behind_the_other_keeps_their_number(hidden, speed):
    num_frames = 80
    middle = range((num_frames - hidden) // 2, (num_frames + hidden) // 2)
    numbers = track(crossing(num_frames, speed=speed, hidden=middle))
    assert [n[0] for n in numbers] == [0] * num_frames
    assert [n[1] for n in numbers if len(n) == 2] == [1] * (num_frames - hidden)


@pytest.mark.parametrize("lost", [2, 5, 10])
def test_two_who_pass_while_nobody_is_found_go_on_as_they_went(lost):
    middle = range(30 - lost // 2, 30 + (lost + 1) // 2)
    numbers = track(crossing(60, speed=3.0, lost=middle, heights=(100, 100)))
    assert [n for n in numbers if n] == [[0, 1]] * (60 - lost)


def test_two_of_one_size_who_are_lost_too_long_at_one_place_are_not_told_apart():
    """Standing still they may have changed places: four tracks, rather than two that are wrong."""
    still = [[walker(122), walker(134)]]
    numbers = track([*still * 20, *[[]] * 30, *still * 20])
    assert numbers[-1] == [2, 3]


def test_a_gap_is_bridged_up_to_a_second_and_a_half():
    def gap(num_frames):
        return track([*[[walker(100)]] * 20, *[[]] * num_frames, *[[walker(104)]] * 20])[-1]

    assert gap(3) == gap(36) == [0]
    assert gap(38) == [1]


@pytest.mark.parametrize("rate", [10, 25, 60])
def test_who_jumps_farther_than_a_person_can_is_someone_else(rate):
    there = [[walker(60)]] * rate
    assert track([*there, *[[walker(64)]] * rate], rate)[-1] == [0]
    assert track([*there, *[[walker(180)]] * rate], rate)[-1] == [1]


def test_who_comes_back_much_taller_is_someone_else():
    short, tall = walker(128, height=60), walker(128, height=110)
    assert track([*[[short]] * 20, *[[tall]] * 20])[-1] == [1]


def test_of_two_detections_of_one_person_one_is_nobody():
    first = [[walker(100), walker(180)]] * 10
    doubled = [[walker(103, jitter=1), walker(100), walker(180)]] * 10
    assert track([*first, *doubled])[10:] == [[NOBODY, 0, 1]] * 10


def test_a_mixture_of_two_people_for_a_moment_is_nobody():
    one, other, mixture = walker(100), walker(125), walker(112)
    numbers = track([*[[one, other]] * 10, *[[one, mixture]] * 3, *[[one, other]] * 10])
    assert numbers[10:13] == [[0, NOBODY]] * 3
    assert numbers[13:] == [[0, 1]] * 10


def test_a_moment_is_a_track_while_nobody_else_is_followed():
    assert track([[walker(50)], [], [], [], [], *[[walker(200)]] * 9]) == [
        [0],
        *[[]] * 4,
        *[[1]] * 9,
    ]


def test_swapped_sides_do_not_break_a_track():
    frames = []
    for index in range(20):
        points, score = walker(60 + 2 * index)
        left, right = (
            [HOLISTIC.index(n) for n in HOLISTIC.joints[:33] if n.startswith(side)]
            for side in ("left", "right")
        )
        if index in (5, 6, 11):
            points = points.copy()
            points[left + right] = points[right + left]
        frames.append([(points, score)])
    assert track(frames) == [[0]] * 20


def test_hands_and_face_do_not_matter():
    points, score = walker(50)
    waving, shown = points.copy(), score.copy()
    waving[33:], shown[33:] = (200, 20), 1
    assert track([[(points, score)], [(waving, shown)]] * 5) == [[0]] * 10


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_the_order_of_detections_changes_nothing(data):
    frames = crossing(24, speed=4.0, hidden=range(11, 14), jitter=3.0)
    frames = [[*pair, walker(30 + index)] for index, pair in enumerate(frames)]
    orders = [data.draw(st.permutations(range(len(people)))) for people in frames]
    shuffled = track(
        [[people[i] for i in order] for people, order in zip(frames, orders, strict=True)]
    )
    expected = [
        [numbers[i] for i in order] for numbers, order in zip(track(frames), orders, strict=True)
    ]
    assert shuffled == expected


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.floats(0, 255), st.floats(0, 255), st.floats(5, 250)), max_size=4),
        max_size=15,
    ),
    st.sampled_from([5, 25, 60]),
)
def test_whatever_is_found_no_two_in_a_frame_are_one_person(frames, rate):
    numbers = track([[walker(*place) for place in people] for people in frames], rate)
    assert [len(n) for n in numbers] == [len(people) for people in frames]
    for of_frame in numbers:
        people = [number for number in of_frame if number != NOBODY]
        assert len(set(people)) == len(people)
    every = sorted({number for of_frame in numbers for number in of_frame} - {NOBODY})
    assert every == list(range(len(every)))
    firsts = [next(i for i, n in enumerate(numbers) if track in n) for track in every]
    assert firsts == sorted(firsts)


def test_points_are_not_modified():
    people = [frame_of(walker(50), walker(51)) for _ in range(6)]
    before = [People(points=p.points.copy(), score=p.score.copy()) for p in people]
    track_people(people, frame_rate=Fraction(25), image_size=SIZE)
    for p, b in zip(people, before, strict=True):
        np.testing.assert_array_equal(p.points, b.points)
