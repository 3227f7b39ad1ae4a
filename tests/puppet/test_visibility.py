"""How much of a part a reference shows: worked out for patches that are half hidden."""

from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.visibility import end_share, shown_share
from motiontransfer.puppet.parts import BodyPoses
from tests.people import NUMBER_OF, PARTS, posed


def cut_part(*, hidden_rows=0):
    """A part of 40 rows that something in front hides from the first row on."""
    coverage = np.full((40, 30), 255, np.uint8)
    coverage[:hidden_rows] = 0
    colors = np.full((*coverage.shape, 3), 90, np.uint8)
    return CutPart(corner=(0, 0), colors=colors, coverage=coverage, hidden=255 - coverage)


def share_of(name, cut, keypoints, **how):
    poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
    return shown_share(PARTS[NUMBER_OF[name]], cut, poses, 0, height_px=150.0, **how)


@pytest.mark.parametrize("hidden_rows", [0, 10, 40])
def test_a_trunk_in_profile_shows_what_nothing_hides(hidden_rows):
    """Its joints lie on a line, so that their outline tells nothing."""
    joints = {"shoulder": -50, "hip": 0}
    aside = {f"{side}_{joint}": (0, y) for side in ("left", "right") for joint, y in joints.items()}
    share = share_of("torso", cut_part(hidden_rows=hidden_rows), posed(**aside))
    assert share == pytest.approx(1 - hidden_rows / 40)


def test_a_limb_shows_a_share_of_its_outline():
    """Its bone is 25.3 px long, and so wide at both ends as on its sides; 600 pixels are shown."""
    forearm = posed(left_elbow=(28, -25), left_wrist=(32, 0))
    cut = cut_part(hidden_rows=20)
    radius = PARTS[NUMBER_OF["left_forearm"]].radius
    area = 25.3 * 2 * radius * 150 + (radius * 150) ** 2 * np.pi
    assert share_of("left_forearm", cut, forearm) == pytest.approx(600 / area, rel=0.1)


@pytest.mark.parametrize(
    ("name", "hidden_rows", "share"),
    [("left_forearm", 0, 1), ("left_forearm", 4, 0.5), ("left_forearm", 8, 0), ("torso", 8, 1)],
)
def test_a_gap_at_an_end_of_a_limb_is_a_share_of_the_quarter_there(name, hidden_rows, share):
    """The bone is the rows 0 to 31 of the cut part."""
    pose = posed(left_elbow=(28, -31), left_wrist=(28, 0))
    cut = replace(cut_part(hidden_rows=hidden_rows), corner=(128 + 20, 128 - 31))
    poses = BodyPoses(pose.skeleton, pose.points, pose.score)
    assert end_share(PARTS[NUMBER_OF[name]], cut, poses, 0) == share
