import numpy as np
import pytest

from motiontransfer.plate.inpainting import inpainted


def striped(height, width, *, period, ramp=0):
    """A wall with stripes across, each half of them dark; brighter to the right by a ramp."""
    y, x = np.mgrid[:height, :width]
    levels = np.where(y % period < period // 2, 60, 160) + ramp * x
    return np.repeat(levels[..., None], 3, axis=2).astype(np.uint8)


def hidden(image, box):
    is_hidden = np.zeros(image.shape[:2], bool)
    is_hidden[box] = True
    return np.where(is_hidden[..., None], np.uint8(0), image), is_hidden


@pytest.mark.parametrize("scale", [1, 2])
def test_a_pattern_goes_on_where_it_was_never_seen(scale):
    """Also at twice the size at which patches are chosen."""
    wall = striped(160 * scale, 96 * scale, period=8 * scale)
    image, is_hidden = hidden(wall, np.s_[40 * scale : 80 * scale, 40 * scale : 60 * scale])
    found = inpainted(image, is_hidden)
    assert np.abs(found.astype(int) - wall).max() <= 1


def test_no_border_of_a_patch_shows_where_light_falls_from_one_side():
    """Patches from the left are 20 to 40 levels darker than what they stand for."""
    wall = striped(96, 96, period=8, ramp=0.9)
    image, is_hidden = hidden(wall, np.s_[30:60, 40:60])
    found = inpainted(image, is_hidden)
    assert np.abs(found.astype(int) - wall).max() <= 3


def test_what_was_seen_stays():
    image, is_hidden = hidden(striped(64, 64, period=8), np.s_[10:30, 20:40])
    assert (inpainted(image, is_hidden)[~is_hidden] == image[~is_hidden]).all()


def test_no_thing_is_put_where_levels_go_on_evenly():
    """It stands on the right, beside the very grain that lies on the left of the hidden place."""
    wall = np.full((120, 120, 3), 150, np.uint8)
    wall[:, 36:40] = wall[:, 86:90] = np.random.default_rng(0).integers(140, 161, (120, 4, 1))
    wall[:, 90:96] = 20
    image, is_hidden = hidden(wall, np.s_[:, 40:60])
    assert inpainted(image, is_hidden)[is_hidden].min() > 130


def test_without_any_whole_patch_levels_go_on_from_the_border():
    """Only a narrow frame is known, with something in its corner."""
    wall = np.full((24, 24, 3), 100, np.uint8)
    wall[:3:2, :3:2] = 250
    image, is_hidden = hidden(wall, np.s_[3:-3, 3:-3])
    assert (inpainted(image, is_hidden)[is_hidden] == 100).all()


@pytest.mark.parametrize("value", [False, True])
def test_an_image_that_was_seen_everywhere_or_nowhere_stays(value):
    image = striped(20, 20, period=4)
    assert (inpainted(image, np.full((20, 20), value)) == image).all()
