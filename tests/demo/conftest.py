"""Actors, a dance and a few frames at a tiny size, built once."""

import pytest

from demo.actors.choreography import compose
from demo.actors.renderer import pose_actor
from tests.actors import actor


@pytest.fixture(scope="session")
def ada():
    return actor("ada")


@pytest.fixture(scope="session")
def ben():
    return actor("ben")


@pytest.fixture(scope="session")
def dance():
    return compose(160, frame_rate=25.0, beats_per_minute=112.0, seed=5)


@pytest.fixture(scope="session")
def posed(ada, dance):
    """(points, joints) of every fifth frame of the dance."""
    return [pose_actor(ada, dance, index) for index in range(0, 160, 5)]
