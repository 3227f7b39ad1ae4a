from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.body.fit import fit_body
from motiontransfer.body.skeleton import BONES, LENGTHS, USUAL_LENGTHS, stature
from motiontransfer.pose.skeleton import HOLISTIC
from tests.body.conftest import SCALE, TURN, detected, moving
from tests.people import lost

LARGE = ("spine", "upper_arm", "forearm", "thigh", "shin")


def in_statures(lengths):
    """Of these bones, so that the size does not count."""
    return {name: lengths[LENGTHS.index(name)] / stature(lengths) for name in LARGE}


def off(fitted, found):
    """Distance of each joint from the true one, body heights."""
    return np.linalg.norm(fitted.projected() - found.motion.projected(), axis=2) / SCALE


@pytest.fixture(scope="module")
def fitted(turning):
    return fit_body(turning.keypoints, turning.world)


def test_lengths_are_recovered_within_three_standard_errors(fitted, turning):
    """A bone has two ends of 1 px noise, in 60 frames, of one side or two; .5 % more by priors."""
    expected = in_statures(turning.motion.lengths)
    for name, length in in_statures(fitted.lengths).items():
        count = len(TURN) * sum(bone.length == name for bone in BONES.values())
        error = np.sqrt(2 / count) / (SCALE * turning.motion.lengths[LENGTHS.index(name)])
        assert length == pytest.approx(expected[name], rel=3 * error + 0.005), name
    assert stature(fitted.lengths) == pytest.approx(stature(USUAL_LENGTHS))


def test_joints_are_nearer_to_the_truth_than_detected_ones(fitted, turning):
    found, true = turning.keypoints.points[:, :33], turning.motion.projected()
    noise = np.linalg.norm(found - true, axis=2).mean()
    assert off(fitted, turning).mean() * SCALE < noise / 2
    assert fitted.fits.all()


def test_the_yaw_is_that_of_the_turn(fitted):
    np.testing.assert_allclose(np.degrees(fitted.yaw), np.degrees(TURN), atol=5)


def test_directions_have_the_depth_that_a_picture_lacks(fitted, turning):
    """Within 10 degrees on the average; world landmarks are true here."""
    cosine = (fitted.directions * turning.motion.directions).sum(axis=2)
    large = [index for index, bone in enumerate(BONES.values()) if bone.length in LARGE]
    assert np.degrees(np.arccos(np.clip(cosine[:, large], -1, 1))).mean() < 10


@pytest.mark.parametrize(
    "frames",
    [[], [12], range(20, 30), [5, 6, 40, 41, 42]],
    ids=["none", "one", "in profile", "two times"],
)
def test_exchanged_frames_are_found(turning, frames):
    mask = np.isin(np.arange(len(TURN)), frames)
    keypoints = turning.keypoints.exchanged(mask)
    order = np.array(HOLISTIC.other_sides())[:33]
    mirror = turning.world[:, order] * np.array([1, 1, -1], np.float32)
    world = np.where(mask[:, None, None], mirror, turning.world)
    motion = fit_body(keypoints, world)
    np.testing.assert_array_equal(motion.is_exchanged, mask)
    assert off(motion, turning).mean() < 0.005


def test_a_quick_spin_is_no_exchange():
    """Two turns a second."""
    found = detected(moving(np.linspace(0, 4 * np.pi, 26)), noise_px=1.0)
    assert not fit_body(found.keypoints, found.world).is_exchanged.any()


def test_without_world_landmarks_joints_are_nearly_as_good(turning):
    motion = fit_body(turning.keypoints)
    assert off(motion, turning).mean() < 0.01
    assert motion.fits.all()
    assert not motion.is_exchanged.any()


def test_a_photo_has_lengths_between_its_own_and_usual_ones():
    found = detected(moving(np.array([0.4])))
    motion = fit_body(found.keypoints, found.world)
    true, fitted, usual = (
        in_statures(lengths) for lengths in (found.motion.lengths, motion.lengths, USUAL_LENGTHS)
    )
    for name in LARGE:
        low, high = sorted([true[name], usual[name]])
        assert 0.97 * low < fitted[name] < 1.03 * high
    assert off(motion, found).mean() < 0.01


def test_a_hidden_arm_in_profile_is_not_the_other_one(turning):
    """The left arm is not seen in half a second of the turn; the detector puts it at the right."""
    keypoints, world, hidden = turning.keypoints, turning.world.copy(), range(8, 20)
    for part in ("elbow", "wrist", "index", "pinky", "thumb"):
        keypoints = lost(keypoints, f"left_{part}", hidden)
        own, other = (HOLISTIC.index(f"{side}_{part}") for side in ("left", "right"))
        world[hidden, own] = turning.world[hidden, other]
    arm = [HOLISTIC.index(f"left_{part}") for part in ("elbow", "wrist")]
    assert off(fit_body(keypoints, world), turning)[hidden][:, arm].mean() < 0.03


def test_a_leg_that_is_found_at_the_other_one_for_two_frames_stays(turning):
    """Feet are a quarter of the height apart: no leg goes there and back in .12 s."""
    points, there = turning.keypoints.points.copy(), [54, 55]
    for part in ("knee", "ankle", "heel", "foot_index"):
        own, other = (HOLISTIC.index(f"{side}_{part}") for side in ("left", "right"))
        points[there, own] = points[there, other]
    motion = fit_body(replace(turning.keypoints, points=points), turning.world)
    leg = [HOLISTIC.index(f"left_{part}") for part in ("knee", "ankle")]
    assert off(motion, turning)[there][:, leg].max() < 0.02


@pytest.mark.parametrize(("stop", "misfits"), [(33, []), (34, [30, 31, 32, 33])])
def test_frames_that_no_skeleton_explains_do_not_fit(turning, stop, misfits):
    """But for up to .12 s, which are 3 frames: the detector's fault."""
    points = turning.keypoints.points.copy()
    wrong = np.random.default_rng(0).uniform(50, 350, (stop - 30, 33, 2))
    points[30:stop, :33] = wrong
    motion = fit_body(replace(turning.keypoints, points=points), turning.world)
    assert np.flatnonzero(~motion.fits).tolist() == misfits


def test_a_long_film_is_fitted_in_windows_that_meet():
    """As smooth where windows meet as elsewhere, and the same each time."""
    found = detected(moving(np.sin(np.arange(300) / 40)), noise_px=1.0)
    first, second = (fit_body(found.keypoints, found.world) for _ in range(2))
    np.testing.assert_array_equal(first.directions, second.directions)
    assert off(first, found).mean() < 0.005
    bend = np.linalg.norm(np.diff(first.projected(), 2, axis=0), axis=2).max(axis=1)
    seam = slice(195, 245)
    assert bend[seam].max() < 2 * np.delete(bend, np.r_[seam]).max()
