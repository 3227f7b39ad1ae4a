"""A hat in a hand: told where the hand is beside the body, and avoided before the trunk."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from motiontransfer.body.parts import BodyPoses
from motiontransfer.puppet.fit.cutting import cut_parts
from motiontransfer.puppet.fit.held import held_by_hands, hidden_by_held
from tests.people import (
    COLORS,
    HEIGHT_PX,
    NUMBER_OF,
    PARTS,
    PERSON_SIZE,
    appearance_of,
    difference_mask,
    painted,
    posed,
    room,
    scene,
    silhouette_of,
)

ASIDE = posed(left_elbow=(45, -45), left_wrist=(70, -40))
"""The left hand 50 px beside the hip."""


@pytest.mark.parametrize(("num_hats", "held"), [(0, 0), (1, 0), (2, 3 / 7), (3, 1)])
def test_a_hand_holds_what_the_person_covers_beside_it(num_hats, held):
    """Of 20 references, each with all or nothing; from a share of .07 on, wholly from .14."""
    nothing = np.zeros(PERSON_SIZE, np.uint8)
    with_hat = cv2.circle(nothing.copy(), (200, 88), 40, 255, -1)
    masks = [with_hat] * num_hats + [nothing] * (20 - num_hats)
    people = [silhouette_of(ASIDE, mask) for mask in masks]
    assert held_by_hands(PARTS, people) == pytest.approx([held, 0], abs=0.02)


@pytest.mark.parametrize(("aside_px", "shown"), [(-5, 0), (9, 0.5), (18, 1)])
def test_a_trunk_is_shown_the_less_the_nearer_a_hand_is(aside_px, shown):
    """The left hand beside the hull of the trunk, up to .12 of 150 px; the right one is farther."""
    pose = posed(left_index=(16 + aside_px, -25))
    poses = BodyPoses(pose.skeleton, pose.points, pose.score)
    (shares,) = hidden_by_held(PARTS, poses, np.array([HEIGHT_PX]), (0.0, 1.0))
    hidden = dict(zip(NUMBER_OF, shares, strict=True))
    assert hidden.pop("torso") == pytest.approx(1 - shown, abs=0.03)
    assert hidden == {name: name == "right_hand" for name in hidden}


@pytest.mark.parametrize("has_hat", [True, False])
def test_a_trunk_behind_a_hand_that_holds_a_hat_elsewhere_is_avoided(has_hat):
    before = posed(left_elbow=(38, -20), left_wrist=(5, -30))
    frames = [painted(pose)[0] for pose in (before, ASIDE)]
    if has_hat:
        cv2.circle(frames[1], (205, 90), 20, (90, 90, 90), -1)
    patches = appearance_of(before, ASIDE, frames=frames).patches
    shown = patches[0][NUMBER_OF["torso"]].shown
    assert shown == 0 if has_hat else shown > 0.5


@pytest.mark.parametrize(("held", "coverage"), [((0.0, 1.0), 255), ((1.0, 0.0), 0)])
def test_a_hat_between_hip_and_hand_is_the_trunks_unless_that_hand_holds_it(held, coverage):
    pose = posed(left_elbow=(45, -45), left_wrist=(38, -8))
    frame = cv2.circle(painted(pose)[0], (153, 118), 10, COLORS[NUMBER_OF["torso"]].tolist(), -1)
    person = replace(silhouette_of(pose, difference_mask(frame, room())), held=held)
    trunk = cut_parts(PARTS, scene(room()), person, frame, range(len(PARTS)))[NUMBER_OF["torso"]]
    left, top = trunk.corner
    assert trunk.coverage[118 - top, 134 - left] == 255
    assert trunk.coverage[123 - top, 156 - left] == coverage
