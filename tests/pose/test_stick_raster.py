"""Only pixels near a stick are computed, and the picture is as if all had been."""

import numpy as np
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from motiontransfer.pose.rendering import draw_lines

POSITION = st.floats(-40, 80, allow_nan=False).map(lambda value: round(value, 3))
FAR = st.one_of(POSITION, st.sampled_from([-3000.0, 3000.0]))
ENDS = st.tuples(st.tuples(FAR, FAR), st.tuples(FAR, FAR))
SIZES = st.sampled_from([(24, 32), (23, 41), (1, 9), (40, 5)])


def paint(sticks, *, radius, size, intensity=None, plane=None, num_planes=1):
    """Sticks given as ((x, y), (x, y)), painted on one plane unless told otherwise."""
    number = len(sticks)
    return draw_lines(
        torch.tensor(sticks, dtype=torch.float64).reshape(number, 2, 2),
        radius_px=torch.full((number,), radius, dtype=torch.float64),
        intensity=torch.ones(number, 1).double() if intensity is None else intensity.double(),
        plane=torch.zeros(number, 1, dtype=torch.int64) if plane is None else plane,
        num_planes=num_planes,
        size=size,
    )


def by_distance(stick, *, radius, size):
    """Brute force over the whole frame: distance of each pixel's centre to the segment."""
    y, x = np.mgrid[: size[0], : size[1]].astype(float)
    start, end = np.array(stick)
    along = end - start
    length_squared = max(along @ along, 1e-6)
    place = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length_squared, 0, 1)
    distance = np.hypot(x - start[0] - place * along[0], y - start[1] - place * along[1])
    return min(2 * radius, 1) * np.clip(max(radius, 0.5) + 0.5 - distance, 0, 1)


@given(ends=ENDS, radius=st.floats(0.2, 9), size=SIZES)
@example(ends=((3.0, 11.0), (60.0, 11.0)), radius=2.5, size=(24, 32))
@example(ends=((3.0, 6.0), (20.0, 6.0)), radius=1.0, size=(24, 32))
@example(ends=((3.0, -50.0), (3.0, 60.0)), radius=2.5, size=(24, 32))
@example(ends=((-3000.0, -3000.0), (3000.0, 3000.0)), radius=1.0, size=(24, 32))
def test_no_pixel_that_a_stick_touches_is_left_out(ends, radius, size):
    painted = paint([ends], radius=radius, size=size)
    assert painted.shape == (1, *size)
    expected = by_distance(ends, radius=radius, size=size)
    assert np.abs(painted[0].numpy() - expected).max() < 2e-3


@given(sticks=st.lists(ENDS, min_size=2, max_size=4), radius=st.floats(0.5, 4))
def test_where_sticks_cross_the_strongest_shows(sticks, radius):
    strength = torch.linspace(0.25, 1, len(sticks))
    together = paint(sticks, radius=radius, size=(24, 32), intensity=strength[:, None])
    alone = [
        paint([stick], radius=radius, size=(24, 32), intensity=strength[i : i + 1, None])
        for i, stick in enumerate(sticks)
    ]
    assert torch.equal(together, torch.stack(alone).amax(0))


def test_a_stick_shows_on_its_planes_as_strong_as_told_there():
    stick = ((4.0, 4.0), (20.0, 12.0))
    painted = paint(
        [stick],
        radius=2.0,
        size=(24, 32),
        intensity=torch.tensor([[0.5, 0.25]]),
        plane=torch.tensor([[3, 1]]),
        num_planes=5,
    )
    full = paint([stick], radius=2.0, size=(24, 32))[0]
    expected = torch.zeros(5, 24, 32).double()
    expected[3], expected[1] = 0.5 * full, 0.25 * full
    assert torch.equal(painted, expected)


def test_nothing_to_paint_leaves_the_planes_empty():
    painted = paint([], radius=1.0, size=(9, 11), num_planes=3)
    assert painted.shape == (3, 9, 11)
    assert not painted.any()
