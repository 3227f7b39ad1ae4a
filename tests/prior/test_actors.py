import numpy as np
import pytest

from demo.actors.appearance import CLOTH, linear
from demo.actors.renderer import pose_actor, shoot
from prior.actors import SKIRT, moved_folds, random_actor


def drawn(seed):
    return random_actor(seed, num_frames=20, frame_rate=15, size=64, samples=1)


@pytest.fixture(scope="module")
def in_skirt():
    return drawn(5)


def frame_of(actor, index=0):
    points, _ = pose_actor(actor.actor, actor.motion, index)
    return shoot(actor.actor.film, moved_folds(points, actor, seconds=index / 15))[0]


def test_an_actor_follows_from_a_number(in_skirt):
    assert np.array_equal(frame_of(in_skirt), frame_of(drawn(5)))
    other = drawn(4)
    assert not np.array_equal(frame_of(in_skirt), frame_of(other))
    assert in_skirt.actor.film.dressed.outfit != other.actor.film.dressed.outfit


def test_a_skirt_hangs_from_the_pelvis_and_moves_with_both_thighs(in_skirt):
    dressed = in_skirt.actor.film.dressed
    skirt = np.unique(dressed.faces[dressed.part == SKIRT])
    weights, bones = dressed.weights[skirt].toarray(), dressed.rig.body.bones
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    left, right = (weights[:, bones.index(f"upperleg01.{side}")] for side in "LR")
    heights = dressed.points[skirt, 1]
    at_hem, at_waist = heights < heights.min() + 0.01, heights > heights.max() - 0.01
    assert (left + right)[at_hem].min() > 0.3
    assert (left + right)[at_waist].max() == 0
    on_left = dressed.points[skirt, 0] > 0.02
    assert (left[on_left] >= right[on_left]).all()


def test_what_pokes_through_a_skirt_is_painted_like_it(in_skirt):
    dressed = in_skirt.actor.film.dressed
    cloth = np.flatnonzero(dressed.part == CLOTH)
    corners = dressed.faces[cloth, 0]
    is_leg = (dressed.coordinates[corners, 2] < -0.05) & (dressed.coordinates[corners, 0] <= 0)
    of_legs, corners = cloth[is_leg], corners[is_leg]
    colours, _ = dressed.colours(of_legs, dressed.coordinates[corners])
    hidden = dressed.points[corners, 1] > dressed.clothes.skirt_hem
    painted = linear(dressed.clothes.skirt) * dressed.clothes.bottom(dressed.points[corners])
    assert hidden.any()
    np.testing.assert_allclose(colours[hidden], np.clip(painted[hidden], 0, 1))


def test_folds_move_cloth_alone_and_no_further_than_they_are_deep(in_skirt):
    points, _ = pose_actor(in_skirt.actor, in_skirt.motion, 3)
    dressed = in_skirt.actor.film.dressed
    moved = np.linalg.norm(moved_folds(points, in_skirt, seconds=0.2) - points, axis=1)
    cloth = np.unique(dressed.faces[np.isin(dressed.part, (CLOTH, SKIRT))])
    assert in_skirt.fold_depth > 0
    assert 0 < moved.max() <= in_skirt.fold_depth + 1e-9
    assert (np.delete(moved, cloth) == 0).all()
    shoes = cloth[dressed.coordinates[cloth, 3] < 1.5]
    assert (moved[shoes] == 0).all()
