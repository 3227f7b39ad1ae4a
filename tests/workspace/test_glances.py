"""Glances are spread over the video, and each has a later picture where there is one."""

import numpy as np
import pytest

from motiontransfer.media.reading import read_facts
from motiontransfer.workspace.glances import glance_at
from tests.workspace.filmed import film


def counted(num_frames):
    """Frames that tell their index by their grey."""
    return [np.full((32, 32, 3), 2 * index, np.uint8) for index in range(num_frames)]


def test_moments_are_spread_evenly_and_what_they_say_is_what_is_there(tmp_path):
    facts = read_facts(film(tmp_path / "a.mkv", counted(100)))
    glances = list(glance_at(facts, num_glances=5, seconds_between=0.2))
    indices = [int(glance.picture[0, 0, 0]) // 2 for glance in glances]
    assert indices == [0, 24, 47, 70, 94]  # five from the first to the last that has a later one
    for index, glance in zip(indices, glances, strict=True):
        assert glance.seconds == pytest.approx(index / 25, abs=0.002)
        assert int(glance.shortly_after[0, 0, 0]) // 2 == index + 5
        assert glance.seconds_between == pytest.approx(0.2, abs=0.002)


def test_a_single_frame_is_looked_at_once(tmp_path):
    facts = read_facts(film(tmp_path / "a.mkv", counted(1)))
    (glance,) = glance_at(facts, num_glances=20)
    assert glance.shortly_after is None
    assert glance.seconds_between == 0


def test_fewer_frames_than_glances_give_each_once(tmp_path):
    facts = read_facts(film(tmp_path / "a.mkv", counted(8)))
    seconds = [glance.seconds for glance in glance_at(facts, num_glances=20)]
    assert seconds == sorted(set(seconds))
