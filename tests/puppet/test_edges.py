import numpy as np

from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.edges import Margin, continued_parts
from tests.people import PARTS

MARGIN = Margin(side=2, bottom=4)
NAMES = "left_thigh", "left_shin", "left_hand"


def test_a_film_goes_on_in_the_colors_at_its_edge_and_is_itself_within():
    image = np.random.default_rng(0).integers(0, 255, (10, 8, 3), dtype=np.uint8)
    wider = MARGIN.around(image)
    assert wider.shape == (14, 12, 3)
    np.testing.assert_array_equal(wider[:10, 2:10], image)
    np.testing.assert_array_equal(
        wider[10:, 4], np.tile(image[-3:, 2].mean(axis=0).astype("u1"), (4, 1))
    )
    assert Margin(side=0, bottom=0).around(image) is image


def test_a_view_of_the_film_is_the_same_of_what_it_is_continued_to():
    view = np.array([[1.1, 0.2, 5], [0, 0.9, -3], [0.001, 0, 1]])
    x, y, w = view @ (7, 4, 1)
    u, v, t = MARGIN.moved(view) @ (9, 4, 1)
    np.testing.assert_allclose((u / t, v / t), (x / w + 2, y / w))


def test_trunk_and_legs_go_on_below_and_hands_end():
    """A thigh of columns 3 to 5 beside a hand of column 8, in a film of 10 rows and 12 columns."""
    parts = [part for part in PARTS if part.name in NAMES]
    nothing = np.zeros((14, 16), np.uint8)
    colors = np.dstack([nothing] * 3)
    own = {
        part.name: CutPart(corner=(0, 0), colors=colors, coverage=nothing.copy(), hidden=nothing)
        for part in parts
    }
    own["left_thigh"].coverage[6:, 3:6] = own["left_shin"].coverage[11:, 3:6] = 255
    own["left_thigh"].coverage[11:, 8] = 255  # of the hand above, continued
    own["left_hand"].coverage[7:, 8] = 255
    continued = continued_parts(parts, [*own.values()], MARGIN, (14, 16))
    thigh, shin, hand = (continued[[*own].index(name)].coverage for name in NAMES)
    assert (thigh[6:, 3:6] == 255).all()
    assert (shin[11:, 3:6] == 255).all()
    assert not thigh[:, 8].any()
    assert hand[7:10, 8].all()
    assert not hand[10:].any()
