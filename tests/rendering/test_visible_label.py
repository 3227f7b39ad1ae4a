"""The label is in the lower right corner, legible on any ground, and nothing else changes."""

import numpy as np
import pytest

from motiontransfer.rendering.visible_label import with_label


def plain(height, width, shade=128):
    return np.full((height, width, 3), shade, np.uint8)


def extent(frame, labelled):
    """(height, width) of what changed; it reaches into the lower right corner."""
    rows, columns = np.nonzero((frame != labelled).any(axis=2))
    assert (rows.max(), columns.max()) == (frame.shape[0] - 1, frame.shape[1] - 1)
    return frame.shape[0] - int(rows.min()), frame.shape[1] - int(columns.min())


@pytest.mark.parametrize("size", [(256, 256), (1280, 720), (720, 1280), (96, 96)])
def test_it_takes_a_small_part_of_the_corner(size):
    frame = plain(*size)
    height, width = extent(frame, with_label(frame))
    assert 14 <= height <= max(18, 0.07 * min(size))
    assert 60 <= width <= max(90, 0.35 * min(size))


def test_it_grows_with_the_picture():
    small, large = (plain(side, side) for side in (256, 1024))
    one, other = extent(small, with_label(small)), extent(large, with_label(large))
    assert 3 < other[0] / one[0] < 4.5
    assert 3 < other[1] / one[1] < 4.5


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_letters_stand_out_from_any_ground(shade):
    frame = plain(256, 256, shade)
    labelled = with_label(frame)
    height, width = extent(plain(256, 256), with_label(plain(256, 256)))
    label = labelled[-height:, -width:].astype(int)
    ground = np.median(label)
    letters = label.mean(axis=2) > ground + 100
    assert 0.05 < letters.mean() < 0.4
    assert (np.delete(labelled, slice(256 - height, 256), axis=0) == shade).all()


def test_where_there_is_no_room_it_is_shorter():
    frame = plain(48, 40)
    _, width = extent(frame, with_label(frame))
    assert width < 30
    assert with_label(plain(4, 4)).shape == (4, 4, 3)


def test_the_frame_itself_is_left_alone():
    frame = plain(64, 64)
    with_label(frame)
    assert (frame == 128).all()
