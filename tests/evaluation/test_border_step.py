"""A benchmark's figure: where a filled part of a room shows at its border."""

import numpy as np
import pytest

from benchmarks.transfer.wholeness import border_step

SIZE = (200, 160)
UNSEEN = np.zeros(SIZE, bool)
UNSEEN[60:150, 60:100] = True


@pytest.mark.parametrize("levels", [0, 3, 12])
def test_a_step_is_measured_beyond_the_rooms_own_slope(levels):
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    room = np.repeat((60 + 0.5 * x + 0.3 * y + levels * UNSEEN)[..., None], 3, axis=2)
    step = border_step(room.round().astype(np.uint8), UNSEEN, height_px=120.0)
    assert step == pytest.approx(levels, abs=1.5)


def test_a_room_that_was_seen_has_no_border():
    assert border_step(np.zeros((*SIZE, 3), np.uint8), ~UNSEEN & UNSEEN, height_px=120.0) is None
