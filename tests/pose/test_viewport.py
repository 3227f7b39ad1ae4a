"""The viewport holds the person, in few steady places."""

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.viewport import Viewport, fit_viewport, place_viewport
from motiontransfer.skeleton import Skeleton

IMAGE = (96, 128)  # height, width
STRIDE = 8
VIEWPORT = Viewport(size=(64, 40), margin_px=4.0, multiple_of=STRIDE)
_CORNERS = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_SKELETON = Skeleton(groups=(("body", _CORNERS),))


def at(*spans: tuple[float, float, float, float] | None) -> tuple[np.ndarray, np.ndarray]:
    """Points and score of a person whose trunk is a box x0, y0, x1, y1."""
    points = np.zeros((len(spans), 4, 2), np.float32)
    for corners, span in zip(points, spans, strict=True):
        x0, y0, x1, y1 = span or (0, 0, 0, 0)
        corners[:] = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)]
    score = np.array([span is not None for span in spans], np.float32)
    return points, np.repeat(score[:, None], 4, axis=1)


def place(*spans, viewport=VIEWPORT) -> list[list[int]]:
    return place_viewport(viewport, *at(*spans), image_size=IMAGE).tolist()


def test_it_begins_around_the_person_and_stays_while_they_are_inside():
    # Along x, 4 + 20 + 4 pixels lie in the middle of 40 that begin at a multiple of 8.
    standing, swaying = (50, 22, 70, 68), (53, 20, 73, 66)
    assert place(standing, swaying, standing) == [[40, 8, 80, 72]] * 3


def test_it_moves_by_the_least_multiple_that_holds_the_person_again():
    # The margin around 57 to 77 ends at 81.
    assert place((50, 22, 70, 68), (57, 22, 77, 68)) == [[40, 8, 80, 72], [48, 8, 88, 72]]
    assert place((50, 22, 70, 68), (43, 22, 63, 68)) == [[40, 8, 80, 72], [32, 8, 72, 72]]


def test_a_raised_arm_enlarges_it_for_that_frame():
    # 4 + 80 + 4 pixels need 95 where a side begins at any multiple of 8.
    assert place((50, 22, 70, 68), (50, 10, 70, 90), (50, 22, 70, 68)) == [
        [40, 8, 80, 72],
        [40, 0, 80, 96],
        [40, 8, 80, 72],
    ]


def test_it_stays_where_no_person_is_detected():
    assert place((50, 22, 70, 68), None, None) == [[40, 8, 80, 72]] * 3
    assert place(None, None) == [[40, 16, 80, 80]] * 2


people = st.tuples(
    st.integers(-20, 120), st.integers(-20, 90), st.integers(1, 60), st.integers(1, 90)
).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))


@settings(deadline=None)
@given(st.lists(people | st.none(), min_size=1, max_size=12))
def test_it_is_inside_the_image_and_holds_joints_and_margin(spans):
    placed = place(*spans)
    for (x0, y0, x1, y1), span in zip(placed, spans, strict=True):
        assert 0 <= x0 < x1 <= IMAGE[1]
        assert 0 <= y0 < y1 <= IMAGE[0]
        assert x1 - x0 >= 40
        assert y1 - y0 >= 64
        assert (x1 - x0) % STRIDE == 0
        assert (y1 - y0) % STRIDE == 0
        if span:
            low = np.clip(np.array(span[:2]) - 4, 0, IMAGE[::-1])
            high = np.clip(np.array(span[2:]) + 4, 0, IMAGE[::-1])
            assert x0 <= low[0]
            assert y0 <= low[1]
            assert x1 >= high[0]
            assert y1 >= high[1]


@settings(deadline=None)
@given(st.lists(people | st.none(), max_size=8), st.lists(people, max_size=4))
def test_it_depends_on_no_later_frame(spans, later):
    spans = [(50, 22, 70, 68), *spans]
    assert place(*spans, *later)[: len(spans)] == place(*spans)


def keypoints(*spans) -> Keypoints:
    points, score = at(*spans)
    return Keypoints(
        points=points,
        score=score,
        skeleton=_SKELETON,
        image_size=IMAGE,
        frame_rate=Fraction(25),
        detector="none",
    )


def test_it_is_fitted_to_nearly_all_frames_of_all_clips():
    # The trunk is 50 px, the body three times that, the margin 9: 22 + 18 and 50 + 18 pixels,
    # and 7 for places between two multiples of 8.
    narrow, wide = (50, 20, 60, 70), (50, 20, 72, 70)
    clips = [keypoints(*[narrow] * 10), keypoints(*[narrow] * 40, *[wide] * 50)]
    fitted = fit_viewport(clips, multiple_of=STRIDE)
    assert fitted == Viewport(size=(80, 48), margin_px=9.0, multiple_of=STRIDE)
    once = keypoints(*[wide] * 99, (10, 20, 72, 70))
    assert fit_viewport([once], multiple_of=STRIDE) == fitted
    assert fit_viewport([keypoints((0, 0, 127, 95))], multiple_of=STRIDE).size == IMAGE
