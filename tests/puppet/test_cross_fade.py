import numpy as np
import pytest

from motiontransfer.puppet.draw.cross_fade import fading
from motiontransfer.puppet.draw.warping import Puppet
from tests.people import PERSON_SIZE, appearance_of, joined, painted, posed

WHOLE = (0, 0, PERSON_SIZE[1], PERSON_SIZE[0])


def test_colors_pass_over_in_the_frames_beside_a_switch_the_nearer_one():
    """Of five equal steps from one reference to the other, the third is the switch itself."""
    chosen = np.array([(4, 4, 4, 7, 7, 7), (2, 2, 2, 2, 2, 2)]).T
    fades = [fading(chosen, index, reach=2) for index in range(6)]
    assert fades == [{}, {0: (7, 0.2)}, {0: (7, 0.4)}, {0: (4, 0.4)}, {0: (4, 0.2)}, {}]
    assert not any(fading(chosen, index, reach=0) for index in range(6))
    twice = np.array([(1, 2, 2, 2, 3)]).T
    assert [fading(twice, index, reach=3)[0] for index in (1, 3)] == [(1, 3 / 7), (3, 3 / 7)]


@pytest.mark.parametrize(
    ("own", "other", "levels"),
    [
        (150, 120, [150, 144, 138, 132, 126, 120]),
        (180, 120, [180, 174, 168, 132, 126, 120]),  # halfway to unlike
        (200, 60, [200, 200, 200, 60, 60, 60]),
    ],
)
def test_beside_a_switch_a_part_has_a_share_of_like_colors(own, other, levels):
    keypoints = posed()
    frame, masks = painted(keypoints)
    inside = masks["torso"][..., None]
    frames = [np.where(inside, np.uint8(level), frame) for level in (own, other)]
    clip = Puppet(appearance_of(keypoints, keypoints, frames=frames)).follow(
        joined(*[keypoints] * 6)
    )
    clip.chosen[:] = np.array([0, 0, 0, 1, 1, 1])[:, None]
    y, x = (int(np.median(of)) for of in np.nonzero(masks["torso"]))
    drawn = [int(clip.draw(index, box=WHOLE)[y, x, 0]) for index in range(6)]
    assert drawn == pytest.approx(levels, abs=2)
