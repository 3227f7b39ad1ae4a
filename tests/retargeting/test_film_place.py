from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.retargeting.film_place import find_place
from motiontransfer.video.geometry import Framing
from tests.people import arms_out, lost, moved, place, scaled
from tests.retargeting.test_normalization import statistics

CROP = {"crop": (100, 50, 228, 250), "content": (0, 0, 64, 100)}
FILM = Framing(source_size=(400, 500), size=(100, 64), **CROP)
"""Two pixels of the film are one of the working image, whose corner is at (100, 50)."""
DANCER = statistics(80, 80, heights=(40.0, 40.0))
TARGET = statistics(90, 90, heights=(60.0, 60.0))


@pytest.fixture
def dance():
    return replace(arms_out(frames=2), image_size=(100, 64))


def placed(dance, poses, **how):
    how = {"source": DANCER, "target": TARGET} | how
    return find_place(poses, dance, FILM, **how).placed(poses)


def test_poses_that_only_were_scaled_and_moved_are_the_dancers_again(dance):
    """Normalized from a height of 40 to one of 60 px."""
    found = placed(dance, scaled(dance, 1.5, (7, -9)))
    film = scaled(dance, 2.0, (100, 50))
    np.testing.assert_allclose(found.points, film.points, atol=1e-3)
    assert found.image_size == (400, 500)


def test_with_a_head_of_its_own_size_the_one_with_the_larger_head_is_smaller(dance):
    """Heads are a fifth and a quarter of the height: as large as each other in 40 and 32 px."""
    heads = {
        "source": replace(DANCER, proportions={"head": 0.2}),
        "target": replace(TARGET, proportions={"head": 0.25}),
    }
    poses = scaled(dance, 1.5, (0, 0))
    own = [placed(dance, poses, **heads, stature=stature) for stature in ("dancer", "target")]
    tall, small = (place(each, "left_ankle")[1] - place(each, "nose")[1] for each in own)
    assert small == pytest.approx(0.8 * tall, rel=1e-4)


def test_the_lower_foot_is_on_the_dancers_whatever_the_legs(dance):
    """The right one is lifted; longer legs lift the hips."""
    dance = moved(dance, "right_ankle", {0: (0, -20), 1: (0, -20)})
    longer = moved(dance, "left_hip", {0: (0, -5), 1: (0, -5)})
    found = placed(dance, scaled(longer, 1.5, (3, 3)))
    expected = 2 * np.array(place(dance, "left_ankle")) + (100, 50)
    np.testing.assert_allclose(place(found, "left_ankle"), expected, atol=1e-2)


def test_a_frame_without_feet_is_shifted_as_its_neighbors(dance):
    poses = scaled(dance, 1.5, (7, -9))
    for side in ("left", "right"):
        dance = lost(dance, f"{side}_ankle", [1])
    found = placed(dance, poses)
    np.testing.assert_allclose(place(found, "nose", 1), place(found, "nose", 0), atol=1e-3)
