"""A camera that moves is told from one that stands still, whatever the person does."""

import math

import numpy as np
import pytest

from motiontransfer.workspace.background_motion import (
    STILL_SPEED,
    background_shift,
    background_speed,
    farthest_move,
)
from motiontransfer.workspace.glances import Glance
from tests.workspace.filmed import dressed, plain_wall, room, views

PERSON = (80, 40, 176, 216)


def glances(offsets, *, background=None, step=(0, 0), seconds_apart=1.0):
    """One glance at each place of the camera, 0.2 s later moved by a step."""
    background = room() if background is None else background
    later = [(x + step[0], y + step[1]) for x, y in offsets]
    pairs = zip(views(background, offsets), views(background, later), strict=True)
    return [
        Glance(
            seconds=index * seconds_apart,
            picture=dressed(first),
            shortly_after=dressed(second, centre=(135.0, 126.0)),
            seconds_between=0.2,
        )
        for index, (first, second) in enumerate(pairs)
    ]


@pytest.mark.parametrize(("x", "y"), [(0, 0), (3, 0), (0, 8), (-20, 12), (40, -30)])
def test_a_shift_is_measured_in_widths_of_the_picture(x, y):
    first, second = views(room(), [(50, 40), (50 + x, 40 + y)])
    shift = background_shift(dressed(first), dressed(second), [PERSON])
    assert shift == pytest.approx(math.hypot(x, y) / 256, abs=0.002)


def test_the_person_does_not_count():
    still = dressed(views(room(), [(50, 40)])[0], centre=(100.0, 128.0))
    walked = dressed(views(room(), [(50, 40)])[0], centre=(156.0, 128.0))
    assert background_shift(still, walked, [(60, 40, 200, 216)]) == pytest.approx(0, abs=0.002)


def test_a_still_camera_is_still_and_a_shaken_one_is_not():
    places = [(50, 40)] * 4
    people = [[PERSON]] * 4
    assert background_speed(glances(places), people) < STILL_SPEED / 3
    shaken = background_speed(glances(places, step=(2, 1)), people)
    assert shaken == pytest.approx(math.hypot(2, 1) / 256 / 0.2, rel=0.1)
    assert shaken > STILL_SPEED


def test_a_camera_that_was_put_elsewhere_is_noticed_and_when():
    moved = glances([(50, 40)] * 3 + [(90, 40)] * 3)
    share, before, after = farthest_move(moved, [[PERSON]] * 6)
    assert share == pytest.approx(40 / 256, abs=0.005)
    assert (before, after) == (2.0, 3.0)
    assert background_speed(moved, [[PERSON]] * 6) < STILL_SPEED


def test_a_cut_is_no_motion():
    cut = [*glances([(50, 40)] * 2), *glances([(50, 40)] * 2, background=room(seed=1))]
    share, *_ = farthest_move(cut, [[PERSON]] * 4)
    assert math.isinf(share)


def test_a_plain_wall_tells_nothing():
    plain = glances([(50, 40)] * 3, background=plain_wall())
    assert background_speed(plain, [[(0, 0, 256, 256)]] * 3) is None
    assert farthest_move(plain, [[(0, 0, 256, 256)]] * 3) is None


def test_pictures_are_not_changed():
    first, second = views(room(), [(50, 40), (52, 40)])
    kept = first.copy(), second.copy()
    background_shift(first, second, [PERSON])
    np.testing.assert_array_equal(first, kept[0])
    np.testing.assert_array_equal(second, kept[1])
