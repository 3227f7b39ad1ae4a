import sys

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.core.errors import VideoError
from motiontransfer.video.crop import auto_crop, boxes_of_one, film_box
from motiontransfer.video.geometry import (
    Framing,
    Orientation,
    fit_framing,
    orientation_of,
    parse_display_matrix,
    resize,
)

sides = st.integers(1, 400)


@st.composite
def framings(draw):
    height, width = draw(sides), draw(sides)
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    crop = (x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height)))
    return fit_framing((height, width), crop, size=(draw(sides), draw(sides)))


@given(framing=framings())
def test_the_crop_fills_the_content_and_touches_two_opposite_sides(framing):
    corners = np.array([framing.crop[:2], framing.crop[2:]], dtype=float)
    mapped = framing.to_working(corners).ravel()
    np.testing.assert_allclose(mapped, framing.content, atol=1e-9)
    x0, y0, x1, y1 = framing.content
    height, width = framing.size
    assert (x0 == 0 and x1 == width) or (y0 == 0 and y1 == height)
    assert abs(x0 - (width - x1)) <= 1
    assert abs(y0 - (height - y1)) <= 1


@pytest.mark.parametrize("crop", [(0, 0, 31, 20), (-1, 0, 5, 5), (5, 5, 5, 9), (4, 9, 9, 4)])
def test_a_crop_outside_the_image_is_refused(crop):
    with pytest.raises(VideoError, match=r"crop: expected .* inside an image of 30x20 pixels, got"):
        fit_framing((20, 30), crop, size=(8, 8))
    with pytest.raises(VideoError, match="content: expected"):
        Framing(source_size=(20, 30), crop=(0, 0, 30, 20), size=(8, 8), content=(0, 0, 9, 8))


@pytest.mark.parametrize(
    ("crop", "size", "expected"),
    [
        ((0, 0, 1080, 1920), 256, (256, 144)),
        ((0, 0, 1920, 1080), 256, (256, 456)),  # 455.1, to the nearest even width
        ((10, 10, 11, 1010), 64, (64, 2)),
    ],
)
def test_a_height_alone_keeps_the_shape_without_bars(crop, size, expected):
    framing = fit_framing((1920, 1920), crop, size=size)
    assert framing.size == expected
    assert framing.content == (0, 0, *expected[::-1])


def test_the_full_framing_shows_the_same_with_the_inputs_own_pixels():
    image = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    framing = fit_framing((40, 60), (10, 4, 50, 36), size=16)
    np.testing.assert_array_equal(framing.enlarged().apply(image), image[4:36, 10:50])
    barred = fit_framing((40, 60), (10, 4, 50, 36), size=(16, 32))
    full = barred.enlarged().apply(image)
    assert (barred.content, full.shape) == ((6, 0, 26, 16), (32, 64, 3))
    np.testing.assert_array_equal(full[:, 12:52], image[4:36, 10:50])
    assert not full[:, :12].any()
    assert not full[:, 52:].any()


def test_no_more_pixels_are_taken_than_asked_for():
    for height in (40, 41):
        assert fit_framing((40, 60), (0, 0, 60, 40), size=height).enlarged() is None
    framing = fit_framing((1280, 720), (0, 0, 720, 1280), size=256)
    assert framing.enlarged(2.0).size == (512, 288)
    assert framing.enlarged(8.0) == framing.enlarged()
    assert framing.enlarged(1.0) is None
    barred = fit_framing((100, 50), (0, 0, 50, 100), size=(16, 16)).enlarged(3.0)
    assert (barred.size, barred.content) == ((48, 48), (12, 0, 36, 48))


def test_shrinking_averages_areas():
    stripes = np.zeros((8, 8, 3), dtype=np.uint8)
    stripes[:, ::2] = 200
    np.testing.assert_array_equal(resize(stripes, (2, 2)), np.full((2, 2, 3), 100))


@pytest.mark.parametrize(
    ("boxes", "size", "margin", "crop"),
    [
        # union 100, 50, 160, 150; its 60 x 100 grow to 72 x 120, then to a square
        ([(100, 50, 140, 150), None, (120, 60, 160, 150)], (400, 400), 0.1, (70, 40, 190, 160)),
        # 11 * 1.2 = 13.2 around 15.5: 8.9 to 22.1, rounded outwards to even edges
        ([(10, 10, 21, 21)], (400, 400), 0.1, (8, 8, 24, 24)),
        # moved into the image rather than shrunk
        ([(0, 0, 40, 100)], (200, 300), 0.0, (0, 0, 100, 100)),
        ([(260, 100, 300, 200)], (200, 300), 0.0, (200, 100, 300, 200)),
        ([(0, 0, 300, 200)], (200, 300), 0.5, (0, 0, 300, 200)),
        ([None, None], (80, 100), 0.1, None),
    ],
)
def test_auto_crop_holds_the_union_with_its_margin_at_the_working_aspect(boxes, size, margin, crop):
    assert auto_crop(boxes, size, (64, 64), margin=margin) == crop


@pytest.mark.parametrize("quarter_turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_box_in_the_stored_frame_shows_what_it_shows_upright(quarter_turns, mirrored):
    orientation = Orientation(quarter_turns=quarter_turns, mirrored=mirrored)
    stored = np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)
    upright = orientation.upright(stored)
    x0, y0, x1, y1 = orientation.stored_box((2, 4, 8, 9), upright.shape[:2])
    cut = orientation.upright(stored[y0:y1, x0:x1])
    np.testing.assert_array_equal(cut, upright[4:9, 2:8])


@given(st.tuples(*[st.integers(0, 90)] * 4), st.tuples(st.integers(50, 100), st.integers(50, 100)))
def test_an_automatic_crop_holds_the_person_between_even_edges(edges, halves):
    height, width = 2 * halves[0], 2 * halves[1]
    x0, x1 = sorted((edges[0] % width, edges[1] % width))
    y0, y1 = sorted((edges[2] % height, edges[3] % height))
    box = (x0, y0, x1 + 1, y1 + 1)
    left, top, right, bottom = crop = auto_crop([box], (height, width), (64, 48))
    assert 0 <= left <= box[0] < box[2] <= right <= width
    assert 0 <= top <= box[1] < box[3] <= bottom <= height
    assert not any(edge % 2 for edge in crop)


ONE = 1 << 16
# a, b, c, d of the matrix; a 2 x 3 image [[0, 1, 2], [3, 4, 5]] as it must be shown
CASES = {
    "upright": ((1, 0, 0, 1), [[0, 1, 2], [3, 4, 5]]),
    "clockwise": ((0, 1, -1, 0), [[3, 0], [4, 1], [5, 2]]),
    "upside down": ((-1, 0, 0, -1), [[5, 4, 3], [2, 1, 0]]),
    "counterclockwise": ((0, -1, 1, 0), [[2, 5], [1, 4], [0, 3]]),
    "mirrored": ((-1, 0, 0, 1), [[2, 1, 0], [5, 4, 3]]),
    "upside down mirrored": ((1, 0, 0, -1), [[3, 4, 5], [0, 1, 2]]),
    "transposed": ((0, 1, 1, 0), [[0, 3], [1, 4], [2, 5]]),
    "transposed across": ((0, -1, -1, 0), [[5, 2], [4, 1], [3, 0]]),
}


def matrix_of(a, b, c, d, scale=ONE):
    return (a * scale, b * scale, 0, c * scale, d * scale, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(("numbers", "expected"), CASES.values(), ids=CASES.keys())
def test_all_eight_matrices_put_pixels_where_they_say(numbers, expected):
    image = np.repeat(np.arange(6, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)
    orientation = parse_display_matrix(matrix_of(*numbers))
    shown = orientation.upright(image)
    np.testing.assert_array_equal(shown[..., 0], expected)
    assert orientation.upright_size((2, 3)) == shown.shape[:2]


def test_a_frame_that_was_looked_at_is_let_go_at_once():
    frame = av.VideoFrame(16, 16, "yuv420p")
    frame.pts = 1
    before = sys.getrefcount(frame)
    assert orientation_of(frame) == Orientation()
    assert sys.getrefcount(frame) == before


def bars(height=60, width=80, *, box=(10, 12, 70, 50)):
    x0, y0, x1, y1 = box
    brightest = np.zeros((height, width, 3), np.uint8)
    brightest[y0:y1, x0:x1] = (0, 90, 0)
    return brightest


def test_a_film_between_black_bars_is_found_within_their_blurred_edges():
    """A dark stage and a black film have none."""
    assert film_box(bars()) == (12, 14, 68, 48)
    assert film_box(bars(box=(0, 12, 80, 60))) == (0, 14, 80, 60)
    noisy = bars()
    noisy[30, 9] = noisy[30, 70] = noisy[11, 40] = noisy[50, 40] = 90  # of compression
    assert film_box(noisy) == (12, 14, 69, 49)
    light = np.zeros((60, 80, 3), np.uint8)
    light[np.hypot(*np.mgrid[-30:30, -40:40]) < 15] = 90
    assert film_box(light) == film_box(0 * light) == (0, 0, 80, 60)


def test_a_crop_around_people_stays_within_the_film():
    """Of a film of 40x60 px in an image of 100x200: the crop has the film's shape."""
    people = [(90, 30, 110, 95)]
    assert auto_crop(people, (100, 200), 64, film=(80, 20, 120, 80)) == (80, 20, 120, 80)
    assert auto_crop(people, (100, 200), 64) != (80, 20, 120, 80)
    assert auto_crop([(100, 50, 140, 150)], (300, 600), 64, margin=0.1) == (0, 40, 240, 160)
    assert auto_crop([None], (100, 200), 64, film=(80, 20, 120, 80)) is None


def test_boxes_follow_the_person_at_a_place_also_past_another():
    """Two who change sides, and somebody else far away; nobody is in the last frame."""
    left, right = [(10, 0, 30, 80), (14, 0, 34, 80)], [(70, 0, 90, 80), (50, 0, 70, 80)]
    crossing, far = [(24, 0, 44, 80), (20, 0, 40, 80)], (300, 0, 320, 80)
    sides = [(0, 0, 20, 80), (50, 0, 70, 80)]
    frames = [[right[0], left[0], far], [left[1], right[1]], crossing, [*sides, far], []]
    boxes = boxes_of_one(frames, place=(20.0, 40.0), index=0)
    assert boxes == [left[0], left[1], (20, 0, 44, 80), (0, 0, 70, 80), None]
    boxes = boxes_of_one(frames, place=(305.0, 40.0), index=4)  # where somebody is: in the fourth
    assert boxes == [far, None, None, far, None]
    at_left = {"place": (20.0, 40.0), "index": 0}
    assert boxes_of_one([[far], [left[0]]], **at_left) == [None, left[0]]  # nobody is there before
    larger = (12, 0, 60, 120)
    assert boxes_of_one([[left[0]], [larger]], **at_left) == [left[0], None]
    assert boxes_of_one([[], []], **at_left) == [None, None]
