import cv2
import numpy as np
import pytest

from motiontransfer.puppet.draw.canvas import faded, lay_over, to_texture

HEIGHT_PX = 1000.0  # so that 4 px beside the outline may be soft


def texture_of(coverage, *, height_px=HEIGHT_PX):
    """One part in a color, of this coverage."""
    canvas = np.zeros((4, *coverage.shape), np.float32)
    color = np.full((*coverage.shape, 3), (200, 100, 50))
    pixels = np.dstack([color, coverage]).astype(np.uint8)
    drawn = lay_over(canvas, (pixels, (0, 0)))
    return to_texture(canvas, [drawn], height_px=height_px).astype(int)


def edge(width):
    """Coverage that falls from 255 to 0 over so many pixels, around x = 100."""
    x = np.arange(200)
    return np.tile((255 * np.clip(0.5 - (x - 99.5) / width, 0, 1)).round(), (60, 1))


def test_a_wide_rim_is_narrow_where_a_third_was_covered_and_in_its_color():
    third = 110  # of a rim from 70 to 130
    row, rim = texture_of(edge(60))[30], edge(60)[30].astype(int)
    assert abs(rim[third] - 80) < 5
    assert (row[: third - 5, 3] == 255).all()
    assert not row[third + 7 :].any()
    assert row[third - 2 : third + 3, 3].tolist() == rim[third - 2 : third + 3].tolist()
    for channel, level in enumerate((200, 100, 50)):
        np.testing.assert_allclose(row[:, channel], row[:, 3] * level / 255, atol=1)


@pytest.mark.parametrize("width", [1, 3, 6])
def test_a_narrow_edge_stays(width):
    np.testing.assert_allclose(texture_of(edge(width))[..., 3], edge(width), atol=1)


@pytest.mark.parametrize(("width", "stays"), [(4, False), (10, True)])
def test_what_is_thin_is_no_part_of_the_person(width, stays):
    coverage = np.zeros((60, 200))
    coverage[:, :60] = 255
    coverage[:, 100 : 100 + width] = 255
    shown = texture_of(coverage)[..., 3]
    assert shown[:, 100 : 100 + width].all() == stays
    assert (shown[:, :59] == 255).all()


def test_at_the_edge_of_what_is_drawn_a_person_goes_on():
    assert (texture_of(np.full((40, 40), 255))[..., 3] == 255).all()


def test_the_outline_of_a_small_person_stays():
    for soft in (edge(60), cv2.GaussianBlur(edge(1), (0, 0), 1)):
        np.testing.assert_allclose(texture_of(soft, height_px=300.0)[..., 3], soft, atol=1)


@pytest.mark.parametrize(("other", "level"), [(120, 138), (90, 138), (60, 150)])
def test_a_share_of_like_colors_passes_over_and_the_outline_stays(other, level):
    """Two fifths; half of that of colors halfway to unlike, and nothing of those that are."""
    own, beyond = (np.full((20, 20, 4), (at, at, at, 255), np.uint8) for at in (150, other))
    own[:, :5, 3] = 90
    pixels, corner = faded((own, (3, 0)), (beyond, (8, 0)), share=0.4, unlike=40.0)
    assert corner == (3, 0)
    assert (pixels[..., 3] == own[..., 3]).all()
    assert (pixels[:, :5, :3] == 150).all()
    assert pixels[:, 9:, :3] == pytest.approx(level, abs=1)
