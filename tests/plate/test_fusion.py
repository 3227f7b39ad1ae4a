import numpy as np
import pytest

from motiontransfer.plate.fusion import fused

WALL = np.full((200, 60, 3), 100, np.uint8)
NOWHERE = np.zeros(WALL.shape[:2], bool)


def halves(left, right):
    """Pixels of the left half, and of the right half."""
    return np.repeat([[[left, right]]], 30, axis=2).repeat(200, axis=1).astype(bool)[0]


def columns(image):
    assert (image == image[:1, :, :1]).all()
    return image[0, :, 0].astype(int)


@pytest.mark.parametrize("overlap", [0, 10])
def test_a_border_between_frames_of_another_light_is_gone(overlap):
    """From 100 to 110, where in each frame the wall is even.

    By the screened Poisson equation with a reach of 4 pixels, .02 of 200, the levels on the left
    are 100 + a, 100 + a r, 100 + a r² away from the border, where r + 1/r = 2 + 1/16 and
    a = 10 r / (1 + r): r = .78 and a = 4.4.
    """
    bright = np.full_like(WALL, 110)
    is_used = np.stack([halves(True, False), halves(False, True)])
    is_used[0, :, : 30 + overlap] = True
    image = np.where(is_used[0, ..., None], WALL, bright)
    found = columns(fused(image, [WALL, bright], is_used, NOWHERE))
    border = 30 + overlap
    expected = 4.38 * 0.7808 ** np.arange(8)
    assert np.abs(found[border - 8 : border][::-1] - (100 + expected)).max() <= 0.6
    assert np.abs(found[border : border + 8] - (110 - expected)).max() <= 0.6


def test_an_image_that_agrees_with_its_frames_stays():
    room = np.random.default_rng(0).integers(0, 256, WALL.shape, np.uint8)
    is_used = np.stack([halves(True, False), halves(True, True)])
    assert (fused(room, [room, room], is_used, NOWHERE) == room).all()


def test_what_some_frames_show_beside_the_image_does_not_count():
    caption = WALL.copy()
    caption[50:70, 20:40] = (255, 255, 100)
    is_used = np.ones((3, *NOWHERE.shape), bool)
    assert (fused(WALL, [WALL, caption, WALL], is_used, NOWHERE) == WALL).all()


def test_what_is_behind_pixels_that_none_shows_does_not_count():
    is_hidden = NOWHERE.copy()
    is_hidden[80:, 10:30] = True
    image = np.where(is_hidden[..., None], np.uint8(0), WALL)
    found = fused(image, [WALL], ~is_hidden[None], is_hidden)
    assert (found[~is_hidden] == 100).all()
