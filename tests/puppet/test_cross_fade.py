import numpy as np

from motiontransfer.puppet.draw.cross_fade import fading
from motiontransfer.puppet.draw.warping import Puppet
from tests.people import PERSON_SIZE, appearance_of, joined, painted, posed

WHOLE = (0, 0, PERSON_SIZE[1], PERSON_SIZE[0])


def test_colors_pass_over_in_the_frames_beside_a_switch():
    """Of five equal steps from one reference to the other, the third is the switch itself."""
    chosen = np.array([(4, 4, 4, 7, 7, 7), (2, 2, 2, 2, 2, 2)]).T
    fades = [fading(chosen, index, reach=2) for index in range(6)]
    assert fades == [{}, {0: (7, 0.2)}, {0: (7, 0.4)}, {0: (4, 0.4)}, {0: (4, 0.2)}, {}]
    assert not any(fading(chosen, index, reach=0) for index in range(6))


def test_beside_two_switches_the_nearer_one_counts():
    chosen = np.array([(1, 2, 2, 2, 3)]).T
    nearest = [fading(chosen, index, reach=3)[0] for index in (1, 3)]
    assert nearest == [(1, 3 / 7), (3, 3 / 7)]


def test_beside_a_switch_a_hem_moves_from_one_place_to_the_other():
    """It is nowhere half transparent: frames are not one over another."""
    keypoints = posed()
    frame, masks = painted(keypoints)
    rows = np.arange(PERSON_SIZE[0])[:, None]
    worn = [np.where(rows < hem, np.uint8(200), np.uint8(60)) for hem in (105, 110)]
    frames = [np.where(masks["torso"][..., None], each[..., None], frame) for each in worn]
    clip = Puppet(appearance_of(keypoints, keypoints, frames=frames)).follow(
        joined(*[keypoints] * 6)
    )
    clip.chosen[:] = np.array([0, 0, 0, 1, 1, 1])[:, None]
    x = int(np.median(np.flatnonzero(masks["torso"].any(axis=0))))
    columns = [clip.draw(index, box=WHOLE)[95:125, x, 0].astype(int) for index in range(6)]
    hems = [95 + np.sum(column > 130) for column in columns]
    np.testing.assert_allclose(hems, [105, 106, 107, 108, 109, 110], atol=0.5)
    assert max(np.sum((column > 75) & (column < 185)) for column in columns) <= 3
