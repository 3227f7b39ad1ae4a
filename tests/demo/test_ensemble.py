"""Actors filmed together hide each other as they stand, and keep their own clothes and joints."""

from dataclasses import replace

import numpy as np
import pytest

from demo.actors.renderer import pose_actor, shoot
from motiontransfer.skeleton import HOLISTIC
from tests.demo.ensemble import cross_paths, film_together, gather

pytestmark = pytest.mark.slow  # as is the only test that films them together

EVERY_FIFTH = range(0, 130, 5)
TRUNK = [
    HOLISTIC.index(f"{side}_{end}") for side in ("left", "right") for end in ("shoulder", "hip")
]


@pytest.fixture(scope="module")
def ensemble(ada, ben):
    return gather((ada, ben))


@pytest.fixture(scope="module")
def motions():
    return cross_paths(len(EVERY_FIFTH) * 5, frame_rate=25.0, seed=3)


@pytest.fixture(scope="module")
def shots(ensemble, motions):
    return list(film_together(ensemble, motions, EVERY_FIFTH))


@pytest.fixture(scope="module")
def beside(shots):
    """How far the first is to the right of the second, px."""
    x = np.array([shot.joints[:, TRUNK, 0].mean(axis=1) for shot in shots])
    return x[:, 0] - x[:, 1]


def alone(ensemble, index, motions, frame_index):
    actor = ensemble.actors[index]
    return shoot(actor.film, pose_actor(actor, motions[index], frame_index)[0])


def test_they_pass_each_other_and_never_touch(shots, beside):
    assert beside[0] < -16
    assert beside[-1] > 16
    apart = np.array([shot.distance[1] - shot.distance[0] for shot in shots])
    assert apart.min() > 0.6  # metres: nobody's arm reaches the other


def test_apart_everyone_looks_as_if_alone(ensemble, motions, shots):
    for index in (0, 1):
        frame, cover = alone(ensemble, index, motions, 0)
        assert (cover == 1).sum() > 100
        np.testing.assert_array_equal(shots[0].frame[cover == 1], frame[cover == 1])


@pytest.mark.parametrize("front", [0, 1])
def test_where_they_overlap_the_nearer_one_is_seen(ensemble, motions, beside, front):
    frame_index = EVERY_FIFTH[int(np.abs(beside).argmin())]
    if front == 1:  # each where the other was
        motions = [replace(motion, path=motion.path * [1, -1]) for motion in motions]
    (shot,) = film_together(ensemble, motions, range(frame_index, frame_index + 1))
    assert shot.distance.argmin() == front
    pictures, covers = zip(*(alone(ensemble, i, motions, frame_index) for i in (0, 1)), strict=True)
    both = (covers[0] == 1) & (covers[1] == 1)
    assert both.sum() > 50
    off = [np.abs(shot.frame[both] - picture[both].astype(int)).mean() for picture in pictures]
    assert off[front] < 2
    assert off[1 - front] > 30


def test_the_joints_are_those_of_the_actors_in_this_room(ensemble, motions, shots):
    camera = ensemble.film.room.camera
    for index in (0, 1):
        _, joints = pose_actor(ensemble.actors[index], motions[index], EVERY_FIFTH[3])
        np.testing.assert_array_equal(shots[3].joints[index], camera.project(joints, (64, 64)))
        for name in ("shoulder", "hip"):
            x, y = shots[0].joints[index, HOLISTIC.index(f"left_{name}")].astype(int)
            assert alone(ensemble, index, motions, 0)[1][y, x] == 1


def test_a_seed_makes_one_pair_of_dances():
    first, again, other = (cross_paths(30, frame_rate=25.0, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[1].angles, again[1].angles)
    assert np.abs(first[0].angles - first[1].angles).max() > 0.1
    assert np.abs(first[0].angles - other[0].angles).max() > 0.1
