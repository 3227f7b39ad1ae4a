"""The visible label is small, readable on any ground, and changes nothing else."""

import numpy as np
import pytest
from PIL import Image

from motiontransfer.rendering.visible_label import labelled, with_label


def plain(shade, height, width):
    return np.full((height, width, 3), shade, np.uint8)


def extent(frame, marked):
    """(height, width) of what changed; it reaches into the lower right corner."""
    rows, columns = np.nonzero((frame != marked).any(axis=2))
    assert (rows.max(), columns.max()) == (frame.shape[0] - 1, frame.shape[1] - 1)
    return frame.shape[0] - int(rows.min()), frame.shape[1] - int(columns.min())


@pytest.mark.parametrize("size", [(256, 256), (1280, 720), (720, 1280), (96, 96)])
def test_a_visible_label_takes_a_small_part_of_the_corner(size):
    frame = plain(128, *size)
    height, width = extent(frame, with_label(frame))
    assert 14 <= height <= max(18, 0.07 * min(size))
    assert 60 <= width <= max(90, 0.35 * min(size))


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_letters_of_the_visible_label_stand_out_from_any_ground(shade):
    frame = plain(shade, 256, 256)
    marked = with_label(frame)
    height, width = extent(plain(128, 256, 256), with_label(plain(128, 256, 256)))
    assert (frame == shade).all()
    label = marked[-height:, -width:].astype(int)
    ground = np.median(label)
    letters = label.mean(axis=2) > ground + 100
    assert 0.05 < letters.mean() < 0.4
    assert (np.delete(marked, slice(256 - height, 256), axis=0) == shade).all()


def test_the_visible_label_of_a_small_frame_is_shorter():
    frame = plain(128, 48, 40)
    _, width = extent(frame, with_label(frame))
    assert width < 30
    assert with_label(plain(128, 4, 4)).shape == (4, 4, 3)


def test_a_label_is_laid_over_as_pillow_does():
    random = np.random.default_rng(0)
    frame, label = (random.integers(0, 256, (256, 256, n), np.uint8) for n in (3, 4))
    expected = Image.alpha_composite(Image.fromarray(frame).convert("RGBA"), Image.fromarray(label))
    np.testing.assert_array_equal(labelled(frame, label), np.asarray(expected)[..., :3])
