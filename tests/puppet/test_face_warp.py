import numpy as np
import pytest

from motiontransfer.puppet.face_warp import FaceWarp

IDENTITY = np.eye(2, 3)
X, Y = np.meshgrid(np.linspace(40, 80, 6), np.linspace(50, 90, 6))
FACE = np.stack([X.ravel(), Y.ravel()], axis=1)
"""Points around (60, 70), whose box has a diagonal of 57 px."""
MOUTH = (FACE[:, 1] > 75) & (np.abs(FACE[:, 0] - 60) < 15)


def grid_of(drawn, reference, **how):
    warp = FaceWarp(own=IDENTITY, reference=reference, drawn=drawn)
    return warp.sampling_grid(corner=(0, 0), size=(120, 140), **how)


def opened(by=7.0):
    """The mouth lower in the reference by some pixels."""
    reference = FACE.copy()
    reference[MOUTH, 1] += by
    return reference


def at(grid, points):
    return np.array([grid[round(y), round(x)] for x, y in points])


def test_points_of_the_face_are_sampled_where_the_reference_has_them():
    grid, reference = grid_of(FACE, opened()), opened()
    np.testing.assert_allclose(
        at(grid, FACE), reference - FACE + FACE.round(), atol=2.2
    )  # smoothed
    assert np.abs(at(grid, FACE[MOUTH])[:, 1] - FACE[MOUTH].round()[:, 1]).min() > 4.5


def test_hair_beyond_the_ring_stays():
    grid = grid_of(FACE, opened())
    y, x = np.mgrid[:140, :120]
    beyond = np.hypot(x - 60, y - 70) > 0.97 * np.hypot(40, 40)
    apart = grid - np.dstack([x, y])
    assert np.abs(apart[beyond]).max() < 0.05
    assert np.abs(apart).max() < 8  # it nowhere goes farther than the points do, nearly


@pytest.mark.parametrize("by", [0, 2])
def test_a_face_that_is_off_by_a_detectors_noise_is_not_warped(by):
    grid = grid_of(FACE, opened(by))
    y, x = np.mgrid[:140, :120]
    np.testing.assert_allclose(grid, np.dstack([x, y]), atol=0.02)


@pytest.mark.parametrize(("origin", "shrink"), [(3 + 5j, 1), (0j, 2)])
def test_places_are_counted_from_an_origin_in_a_smaller_reference(origin, shrink):
    plain, other = (
        grid_of(FACE, opened(), **how) for how in ({}, {"origin": origin, "shrink": shrink})
    )
    expected = (plain - (origin.real, origin.imag)) / shrink
    np.testing.assert_allclose(other, expected, atol=0.02)


def test_a_face_seen_from_another_side_is_not_warped():
    """Its nose is a sixth of the face's size elsewhere; half of that is half of it too much."""
    turned = FACE + np.where(MOUTH[:, None], 24, 0) * (1, 0)
    y, x = np.mgrid[:140, :120]
    np.testing.assert_allclose(grid_of(FACE, turned), np.dstack([x, y]), atol=0.02)
