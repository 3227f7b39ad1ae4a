"""A view is drawn for a second and its twin together, where something moves."""

import numpy as np

from motiontransfer.forensics.corruptions import draw_view
from tests.forensics.planted import rendered, walk

REAL = walk(6, seed=4)
FAKE = rendered(REAL)


def views(real=REAL, fake=FAKE, *, count=60, crop_size=24):
    return [
        draw_view(real, fake, crop_size=crop_size, draws=np.random.default_rng(seed))
        for seed in range(count)
    ]


def test_both_kinds_go_through_the_same():
    for view in views(count=10):
        np.testing.assert_array_equal(view.of(REAL), view.of(REAL.copy()))
        assert view.of(FAKE).shape == view.of(REAL).shape == (6, 24, 24, 3)


def test_every_kind_of_wear_is_drawn():
    crfs = {view.encoding.crf for view in views(count=200)}
    assert None in crfs
    assert {14, 36} <= crfs - {None} == {*range(14, 37)}
    sides = {view.box[2] - view.box[0] for view in views()}
    assert min(sides) == 24
    assert 40 < max(sides) <= 48
    assert {view.mirrored for view in views()} == {True, False}


def test_a_view_is_a_square_inside_the_frame():
    for crop_size in (24, 40, 64):  # the last is more than the frame is wide
        for view in views(crop_size=crop_size):
            x0, y0, x1, y1 = view.box
            assert 0 <= x0 < x1 <= 48
            assert 0 <= y0 < y1 <= 64
            assert x1 - x0 == y1 - y0
            assert view.of(REAL).shape == (6, crop_size, crop_size, 3)


def test_it_looks_where_something_moves_in_either():
    still = np.full((6, 64, 48, 3), 90, np.uint8)
    moving = still.copy()
    moving[-1, 50:60, 2:10] = 200
    for real, fake in ((moving, still), (still, moving)):
        for view in views(real, fake, crop_size=12):
            x0, y0, x1, y1 = view.box
            assert x0 < 10
            assert x1 > 2
            assert y0 < 60
            assert y1 > 50


def test_where_nothing_moves_it_looks_anywhere():
    still = np.full((6, 64, 48, 3), 90, np.uint8)
    places = {view.box[:2] for view in views(still, still, crop_size=12)}
    assert len(places) > 30


def test_mirrored_views_exchange_left_and_right():
    plain, mirrored = (
        next(
            view
            for view in views(count=300)
            if view.mirrored is wanted
            and view.encoding.crf is None
            and view.box[2] - view.box[0] == 24
        )
        for wanted in (False, True)
    )
    x0, y0, x1, y1 = mirrored.box
    np.testing.assert_array_equal(mirrored.of(REAL), REAL[:, y0:y1, x0:x1][:, :, ::-1])
    x0, y0, x1, y1 = plain.box
    np.testing.assert_array_equal(plain.of(REAL), REAL[:, y0:y1, x0:x1])
