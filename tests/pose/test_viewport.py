import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motiontransfer.pose.boxes import Viewport, ViewportFollower, equal_viewports, fit_viewport
from tests.people import standing

IMAGE = (96, 128)  # height, width
STRIDE = 8
VIEWPORT = Viewport(margin_px=4.0, multiple_of=STRIDE)


def at(*spans: tuple[float, float, float, float] | None) -> tuple[np.ndarray, np.ndarray]:
    """Points and score of a person whose trunk is a box x0, y0, x1, y1."""
    points = np.zeros((len(spans), 4, 2), np.float32)
    for corners, span in zip(points, spans, strict=True):
        x0, y0, x1, y1 = span or (0, 0, 0, 0)
        corners[:] = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)]
    score = np.array([span is not None for span in spans], np.float32)
    return points, np.repeat(score[:, None], 4, axis=1)


def place(*spans, viewport=VIEWPORT) -> list[list[int]]:
    return ViewportFollower(viewport, image_size=IMAGE).place(*at(*spans)).tolist()


# 4 + 20 + 4 pixels, and 2 for a start between two even places, fit in 32; 4 + 46 + 4 in 56.
STANDING, BOX = (50, 22, 70, 68), [44, 16, 76, 72]


RAISED, LOWERED = (50, 6, 70, 68), (50, 14, 70, 68)
TALLER, ASIDE = [44, 0, 76, 72], [48, 16, 80, 72]


@pytest.mark.parametrize(
    ("spans", "boxes"),
    [
        ([STANDING, (51, 21, 71, 67), (49, 22, 69, 68), STANDING], [BOX] * 4),
        # The margin of 54 to 74 ends at 78: it is around the person again, who would leave it.
        ([STANDING, (54, 22, 74, 68), (53, 22, 73, 68)], [BOX, ASIDE, ASIDE]),
        # It is smaller when they are by more than one multiple: 64 of its 72 pixels are needed.
        ([STANDING, RAISED, LOWERED, STANDING], [BOX, TALLER, TALLER, BOX]),
        # Where no person is detected, it stays.
        ([STANDING, None, None], [BOX] * 3),
        ([None, STANDING], [[0, 0, 128, 96], BOX]),
    ],
)
def test_it_stays_while_the_person_is_inside_and_needs_its_size(spans, boxes):
    assert place(*spans) == boxes


people = st.tuples(
    st.integers(-20, 120), st.integers(-20, 90), st.integers(1, 60), st.integers(1, 90)
).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))


@given(st.lists(people | st.none(), min_size=1, max_size=8), st.integers(1, 3))
def test_frames_may_arrive_one_by_one_or_in_batches(people, size):
    points, score = at(*people)
    follower = ViewportFollower(VIEWPORT, image_size=IMAGE)
    batches = [slice(start, start + size) for start in range(0, len(points), size)]
    placed = [follower.place(points[batch], score[batch]) for batch in batches]
    assert np.concatenate(placed).tolist() == place(*people)


@given(st.lists(people | st.none(), min_size=1, max_size=12))
def test_it_is_inside_the_image_and_holds_joints_and_margin(spans):
    placed, end = np.array(place(*spans)), np.array(IMAGE[::-1])
    size = placed[:, 2:] - placed[:, :2]
    assert (placed[:, :2] >= 0).all()
    assert (placed[:, 2:] <= end).all()
    assert (size >= 2 * STRIDE).all()
    assert (size % STRIDE == 0).all()
    for box, span in zip(placed, spans, strict=True):
        if span:
            assert (box[:2] <= np.clip(np.array(span[:2]) - 4, 0, end)).all()
            assert (box[2:] >= np.clip(np.array(span[2:]) + 4, 0, end)).all()


def test_its_margin_is_of_the_largest_person():
    # The trunk is 50 px, the body three times that, the margin 0.06 of it.
    clips = [standing(5), standing(1)]
    clips[1].points[:] *= 0.6
    assert fit_viewport(clips, multiple_of=STRIDE) == Viewport(margin_px=9.0, multiple_of=STRIDE)


def test_boxes_of_one_size_are_as_large_as_the_largest_person():
    # 22 + 2 and 40 + 2 pixels wide, 50 + 2 and 30 + 2 high.
    people = np.array([[50, 20, 72, 70], [80, 60, 120, 90.0]])
    boxes = equal_viewports(VIEWPORT, people, image_size=IMAGE)
    assert boxes.tolist() == [[36, 16, 84, 72], [76, 40, 124, 96]]
    whole = np.array([[0, 0, 128, 96.0]])
    assert equal_viewports(VIEWPORT, whole, image_size=IMAGE).tolist() == whole.tolist()
