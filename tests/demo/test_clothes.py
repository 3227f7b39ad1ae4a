import numpy as np
import pytest

from demo.actors.appearance import CLOTH, linear, surface_colors
from demo.actors.scenes import OUTFITS


def colors_of(outfit, part, rows):
    rows = np.array(rows, float)
    colors, _ = surface_colors(outfit, np.full(len(rows), part), rows)
    return colors


def test_a_sleeve_ends_in_a_line_not_in_a_gradient():
    outfit = OUTFITS["ada"]
    end = outfit.sleeve_end
    arms = np.linspace(end - 0.3, end + 0.3, 101)
    colors = colors_of(outfit, CLOTH, [[arm, -0.3, 0.5, 8.0] for arm in arms])
    assert len(np.unique(colors.round(6), axis=0)) == 3  # shirt, its hem, skin
    np.testing.assert_allclose(colors[arms > end], np.tile(linear(outfit.skin), (50, 1)))
    np.testing.assert_allclose(colors[0], linear(outfit.shirt))


def test_clothes_stand_off_the_body_with_weights_that_sum_to_one(ada, ben):
    for actor in (ada, ben):
        dressed = actor.film.dressed
        np.testing.assert_allclose(dressed.weights.sum(axis=1), 1.0, atol=1e-6)
        assert np.isfinite(dressed.points).all()
        assert dressed.faces.max() < len(dressed.points)
        assert len(dressed.sole_points) > 50
        assert dressed.points[dressed.sole_points, 1].min() == pytest.approx(-0.016, abs=0.012)
