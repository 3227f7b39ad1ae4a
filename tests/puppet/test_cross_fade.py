import numpy as np
import pytest

from motiontransfer.puppet.draw.cross_fade import faded, fading


def test_colors_pass_over_in_the_frames_beside_a_switch_the_nearer_one():
    """Of five equal steps from one reference to the other, the third is the switch itself."""
    chosen = np.array([(4, 4, 4, 7, 7, 7), (2, 2, 2, 2, 2, 2)]).T
    fades = [fading(chosen, index, reach=2) for index in range(6)]
    assert fades == [{}, {0: (7, 0.2)}, {0: (7, 0.4)}, {0: (4, 0.4)}, {0: (4, 0.2)}, {}]
    assert not any(fading(chosen, index, reach=0) for index in range(6))
    twice = np.array([(1, 2, 2, 2, 3)]).T
    assert [fading(twice, index, reach=3)[0] for index in (1, 3)] == [(1, 3 / 7), (3, 3 / 7)]


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
