import numpy as np

from motiontransfer.body.parts import body_parts
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.edges import Margin, continued_parts
from tests.people import HOLISTIC

MARGIN = Margin(side=2, bottom=4)


def test_a_film_goes_on_in_the_colors_at_its_edge_and_is_itself_within():
    image = np.random.default_rng(0).integers(0, 255, (10, 8, 3), dtype=np.uint8)
    wider = MARGIN.around(image)
    assert wider.shape == (14, 12, 3)
    np.testing.assert_array_equal(wider[:10, 2:10], image)
    np.testing.assert_array_equal(
        wider[10:, 4], np.tile(image[-3:, 2].mean(axis=0).astype("u1"), (4, 1))
    )
    assert Margin(side=0, bottom=0).around(image) is image


def test_trunk_and_legs_go_on_below_and_hands_end():
    """A thigh of columns 3 to 5 beside a hand of column 8, in a film of 10 rows and 12 columns."""
    parts = body_parts(HOLISTIC)
    cut = {name: np.zeros((14, 16), np.uint8) for name in ("left_thigh", "left_shin", "left_hand")}
    cut["left_thigh"][6:, 3:6] = cut["left_shin"][11:, 3:6] = 255
    cut["left_thigh"][11:, 8] = 255  # of the hand above, continued
    cut["left_hand"][7:, 8] = 255
    own = [
        None
        if part.name not in cut
        else CutPart(
            corner=(0, 0),
            colors=np.zeros((14, 16, 3), np.uint8),
            coverage=cut[part.name],
            hidden=np.zeros((14, 16), np.uint8),
        )
        for part in parts
    ]
    kept = continued_parts(parts, own, MARGIN, (14, 16))
    kept = {part.name: one.coverage for part, one in zip(parts, kept, strict=True) if one}
    assert (kept["left_thigh"][6:, 3:6] == 255).all()
    assert (kept["left_shin"][11:, 3:6] == 255).all()
    assert not kept["left_thigh"][:, 8].any()
    assert kept["left_hand"][7:10, 8].all()
    assert not kept["left_hand"][10:].any()
