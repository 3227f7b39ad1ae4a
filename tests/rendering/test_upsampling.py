"""Upsampled frames are to the frames what the guide is to the reduced guide."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.puppet.warping import Puppet
from motiontransfer.rendering.upsampling import GuidedUpsampling
from motiontransfer.video.geometry import resize
from tests.people import PERSON_SIZE, appearance_of, painted, posed, room

WORKING = (PERSON_SIZE[0] // 2, PERSON_SIZE[1] // 2)
"""Half the size of the puppet's references."""


def halved(keypoints):

    points = ((keypoints.points + 0.5) / 2 - 0.5).astype(np.float32)
    return replace(keypoints, points=points, image_size=WORKING)


@pytest.fixture(scope="module")
def puppet():
    return Puppet(appearance_of(posed()), WORKING)


def upsample(puppet, frame, keypoints=None):
    keypoints = keypoints or halved(posed())
    clip = puppet.follow(keypoints.points, keypoints.score, skeleton=keypoints.skeleton)
    return GuidedUpsampling(puppet, size=PERSON_SIZE).upsample(frame, clip, 0)


@pytest.fixture(scope="module")
def guide():
    """The puppet in the pose of its reference is what the reference shows."""
    return painted(posed())[0]


def error(one, other):
    return np.abs(one.astype(int) - other).mean()


def test_what_is_as_the_guide_is_at_the_working_size_is_the_guide(puppet, guide):
    made = upsample(puppet, resize(guide, WORKING))
    blurred = cv2.resize(resize(guide, WORKING), PERSON_SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    assert made.shape == (*PERSON_SIZE, 3)
    assert error(made, guide) < 0.5 * error(blurred, guide)


def test_a_linear_change_of_the_guides_colours_keeps_its_texture(puppet, guide):
    changed = 0.5 * guide + 60
    made = upsample(puppet, resize(changed.astype(np.uint8), WORKING))
    blurred = cv2.resize(resize(guide, WORKING), PERSON_SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    assert error(made, changed) < 0.6 * error(0.5 * blurred + 60, changed)


def test_what_the_guide_does_not_show_is_smooth(puppet):
    """A frame that is a ramp, whatever is before it."""
    x = np.arange(WORKING[1])
    ramp = np.broadcast_to(x[None, :, None], (*WORKING, 3)).astype(np.uint8)
    made = upsample(puppet, ramp).astype(float)
    expected = np.arange(PERSON_SIZE[1]) / 2 - 0.25
    assert np.abs(made[:, 4:-4] - expected[None, 4:-4, None]).max() < 8
    assert np.abs(made[:, 4:-4] - expected[None, 4:-4, None]).mean() < 1.5


def test_levels_stay_within_their_range(puppet):
    white = upsample(puppet, np.full((*WORKING, 3), 255, np.uint8))
    black = upsample(puppet, np.zeros((*WORKING, 3), np.uint8))
    assert white.min() >= 250
    assert black.max() <= 5


def test_nobody_before_the_room_is_the_room(puppet):
    keypoints = halved(posed())
    keypoints.score[:] = 0
    assert error(upsample(puppet, resize(room(), WORKING), keypoints), room()) < 1
