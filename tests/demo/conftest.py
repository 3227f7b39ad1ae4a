"""Actors, a dance and a few frames at a tiny size, built once."""

import pytest

from demo.actors.choreography import compose
from demo.actors.renderer import load_actor, pose_actor

SIZE = (64, 64)


@pytest.fixture(scope="session")
def ada():
    return load_actor.__wrapped__("ada", SIZE, 1)


@pytest.fixture(scope="session")
def ben():
    return load_actor.__wrapped__("ben", SIZE, 1)


@pytest.fixture(scope="session")
def dance():
    return compose(160, frame_rate=25.0, beats_per_minute=112.0, seed=5)


@pytest.fixture(scope="session")
def posed(ada, dance):
    """(points, joints) of every fifth frame of the dance."""
    return [pose_actor(ada, dance, index) for index in range(0, 160, 5)]
