"""Which frames cover what clips show."""

from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.filming.coverage import cover, covering_frames
from tests.filming.flawless import arm_up
from tests.people import joined, standing


def test_each_next_is_the_one_that_adds_most():
    """Two parts in three frames; of the fourth nothing is left to add."""
    apart = np.full((2, 3, 4), 12, np.float32)
    apart[0, :, 0] = 2  # the first part everywhere: 3 x 10 x .1
    apart[1, 0, 1] = 0  # the second in the first frame: 12 x .2
    apart[1, 0, 2], apart[1, 2, 2] = 0, 4  # and in the third, worse: 12 x .2 + 8 x .3
    apart[1, 0, 3] = 6
    weights = np.array([[0.1, 0.1, 0.1], [0.2, 0.1, 0.3]])
    found = list(cover(weights, np.full((2, 3), 12.0), apart))
    assert [best for best, _ in found] == [2, 0]
    assert [gain for _, gain in found] == pytest.approx([4.8, 3.0])


def test_a_rare_pose_is_chosen_however_long_the_rest_is():
    clip = joined(standing(80), arm_up(3), standing(80))
    chosen = covering_frames([clip], [range(163)], count=2)
    assert [80 <= frame < 83 for _, frame in chosen] in ([False, True], [True, False])
    clips = [standing(60), joined(standing(20), arm_up(2))]
    assert {*covering_frames(clips, [range(60), range(22)], count=2)} & {(1, 20), (1, 21)}


def test_only_frames_that_are_offered_are_chosen_and_as_many_as_asked_for():
    """Where nothing more is covered they are evenly spread."""
    chosen = covering_frames([standing(101)], [range(0, 101, 2)], count=6)
    frames = [frame for _, frame in chosen]
    assert frames == sorted(frames)
    assert len({*frames}) == 6
    assert not any(frame % 2 for frame in frames)
    assert np.diff(frames).max() < 40
    assert len(covering_frames([standing(5)], [range(3)], count=9)) == 3


def test_a_joint_that_was_filled_in_shows_nothing():
    clip = joined(standing(20), arm_up(4))
    filled = np.zeros(clip.score.shape, bool)
    filled[20:22] = True
    chosen = covering_frames([replace(clip, filled=filled)], [range(24)], count=2)
    assert {frame for _, frame in chosen if frame >= 20} <= {22, 23}
    assert len(chosen) == 2
