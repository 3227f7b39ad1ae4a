"""A skirt is drawn whole whatever the legs do; without one there is no such part."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.body.parts import SKIRT
from motiontransfer.puppet.appearance import pack_appearance, unpack_appearance
from motiontransfer.puppet.draw.warping import Puppet
from tests.people import PARTS, appearance_of, both_sides, painted, posed

RED = (230, 20, 40)
HEM_Y = 128 + 30


def astride(spread):
    """Someone who stands with the feet so many pixels farther out."""
    x = 14 + spread
    return posed(**both_sides({"knee": (14 + spread / 2, 38), "ankle": (x, 76), "heel": (x, 80)}))


def skirted(spread):
    """The doll in a red skirt that ends above the knees, which are 38 px below the hips."""
    frame = painted(astride(spread))[0]
    hem_x = 22 + 30 / 38 * (2 + spread / 2)
    corners = 128 + np.array([(20, 0), (-20, 0), (-hem_x, 30), (hem_x, 30)])
    cv2.fillConvexPoly(frame, corners.round().astype(np.int32), RED)
    return frame


SPREADS = 0, 10, 20
POSES = [astride(spread) for spread in SPREADS]


@pytest.fixture(scope="module")
def dressed():
    return appearance_of(*POSES, frames=[*map(skirted, SPREADS)])


def test_the_hem_is_whole_where_the_legs_stand_as_no_reference_has_them(dressed):
    asked, shown = astride(30), skirted(30)
    texture = Puppet(dressed).follow(asked).draw(0, box=(0, 0, 256, 256))
    between = np.s_[135 : HEM_Y - 5, 124:133]
    assert (shown[between] == RED).all()
    assert (texture[between][..., 3] == 255).all()
    assert texture[135 : HEM_Y - 5, 118:139, 3].min() > 180  # it widens with the knees
    np.testing.assert_allclose(texture[between][..., :3].astype(int), shown[between], atol=20)
    assert not texture[HEM_Y + 8 : HEM_Y + 18, 126:131, 3].any()
    # And it is the part that shows it.
    bare = replace(dressed, patches=[[None, *patches[1:]] for patches in dressed.patches])
    without = Puppet(bare).follow(asked).draw(0, box=(0, 0, 256, 256))
    assert (without[between][..., 3] < 128).mean() > 0.3


def test_who_wears_trousers_has_no_such_part():
    appearance = appearance_of(*POSES)
    assert appearance.parts == PARTS
    assert {len(patches) for patches in appearance.patches} == {len(PARTS)}


def test_it_is_kept_with_the_appearance(dressed):
    assert dressed.parts == (SKIRT, *PARTS)
    assert unpack_appearance(*pack_appearance(dressed)).parts == dressed.parts


def test_a_thigh_covers_the_skirt_beside_it_whose_color_changes(dressed):
    """A pleat in the shade beside the bone is no part behind: that reaches less far."""
    frames = [*map(skirted, SPREADS)]
    for frame in frames:
        shaded = (frame == RED).all(axis=2)
        shaded[:, 128 - 17 : 128 + 17] = False
        frame[shaded] = (110, 5, 15)
    appearance = appearance_of(*POSES, frames=frames)
    patch = appearance.patches[0][[part.name for part in appearance.parts].index("left_thigh")]
    x, y = np.subtract((128 + 19, 145), patch.corner)
    assert patch.pixels[y - 3 : y + 4, x - 1 : x + 2, 3].min() == 255


def test_it_is_not_drawn_beside_a_raised_leg(dressed):
    kicking = posed(left_knee=(40, -40), left_ankle=(60, -20), left_heel=(62, -16))
    skirt, *others = Puppet(dressed).follow(kicking).chosen[0]
    assert skirt == -1
    assert min(others) >= 0
    assert Puppet(dressed).follow(astride(30)).chosen[0, 0] >= 0
