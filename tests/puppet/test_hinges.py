from dataclasses import replace

import numpy as np
import pytest

from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.bending import DrawnBox, Placement
from motiontransfer.puppet.hinges import HINGES, across, hinge_limbs, hinge_shifts, with_stand_ins
from motiontransfer.puppet.parts import BodyPoses, meeting_joints
from tests.people import HEIGHT_PX, NUMBER_OF, PARTS, appearance_of, painted, posed

ELBOW = [joint for _, joint, _ in HINGES].index("left_elbow")
KNEE = [joint for _, joint, _ in HINGES].index("left_knee")
FREE = {"left_shoulder": (18, -50), "left_elbow": (50, -40), "left_wrist": (80, -10)}
"""An arm that nothing touches."""


def poses_of(*keypoints):
    points, score = zip(*((one.points[0], one.score[0]) for one in keypoints), strict=True)
    return BodyPoses(HOLISTIC, np.stack(points), np.stack(score))


def beside(keypoints, by_px):
    """The same with its left elbow found so far to the left of a limb that goes down."""
    points = keypoints.points.copy()
    points[0, HOLISTIC.index("left_elbow")] += by_px * across(poses_of(keypoints), 0, ELBOW)
    return replace(keypoints, points=points.astype(np.float32))


@pytest.mark.parametrize("by_px", [-2.0, 0.0, 2.0])
def test_the_middle_of_a_limb_is_found_beside_its_joint(by_px):
    pose = posed(**FREE)
    appearance = appearance_of(beside(pose, by_px), frames=[painted(pose)[0]])
    assert appearance.middles.shape == (1, len(HINGES))
    assert appearance.middles[0, ELBOW] * HEIGHT_PX == pytest.approx(-by_px, abs=0.7)


def test_the_middle_of_a_limb_that_touches_the_body_is_not_known():
    appearance = appearance_of(posed(left_elbow=(15, -25), left_wrist=(10, 0)))
    assert np.isnan(appearance.middles[0, ELBOW])
    assert np.isfinite(appearance.middles[0, KNEE])


def test_the_side_of_a_hinge_is_square_to_the_bisector_of_its_limbs():
    bent = posed(left_shoulder=(18, -50), left_elbow=(40, -50), left_wrist=(40, 0))
    assert across(poses_of(bent), 0, ELBOW) == pytest.approx((-(0.5**0.5), 0.5**0.5), abs=1e-6)
    straight = posed(left_shoulder=(18, -50), left_elbow=(18, -20), left_wrist=(18, 10))
    assert across(poses_of(straight), 0, ELBOW) == pytest.approx((-1, 0), abs=1e-6)
    folded = posed(left_shoulder=(18, -50), left_elbow=(18, -20), left_wrist=(19, -50))
    assert across(poses_of(folded), 0, ELBOW) is None


def shifts_of(middles, arm=0, forearm=1, pose=None):
    chosen = np.zeros(len(PARTS), np.int64)
    chosen[NUMBER_OF["left_upper_arm"]], chosen[NUMBER_OF["left_forearm"]] = arm, forearm
    table = np.zeros((len(middles), len(HINGES)))
    table[:, ELBOW] = middles
    return hinge_shifts(table, hinge_limbs(PARTS), chosen, poses_of(pose or posed(**FREE)))


def test_two_limbs_are_moved_to_where_their_middles_lie_on_the_mean():
    side = across(poses_of(posed(**FREE)), 0, ELBOW)
    shifts = shifts_of([0.0, 0.02])
    assert shifts["left_elbow", 0] == pytest.approx(0.01 * side)
    assert shifts["left_elbow", 1] == pytest.approx(-0.01 * side)
    assert len(shifts) == 2


@pytest.mark.parametrize(
    ("middles", "chosen"), [([0.0, np.nan], (0, 1)), ([0.0, 0.02], (1, 1)), ([0.0, 0.02], (-1, 1))]
)
def test_nothing_is_moved_where_a_middle_is_not_known_or_one_reference_shows_both(middles, chosen):
    assert not shifts_of(middles, *chosen)


def test_a_limb_goes_through_the_place_to_which_it_is_moved():
    pose = posed(**FREE)
    poses, shift = poses_of(pose), np.array((0.01, 0.02))
    placement = Placement(
        PARTS,
        meeting_joints(PARTS),
        poses,
        poses,
        shifts={("left_elbow", 0): shift},
        growth=np.ones(1),
        height_px=HEIGHT_PX,
        drawn=DrawnBox(corner=np.zeros(2), rate=np.ones(2)),
    )
    (elbow,), (shoulder,) = (pose.joint(f"left_{joint}")[0] for joint in ("elbow", "shoulder"))
    for part in ("left_upper_arm", "left_forearm"):
        place = placement.map_of(NUMBER_OF[part], 0) @ np.append(elbow + HEIGHT_PX * shift, 1)
        assert place == pytest.approx(elbow, abs=0.3)
    place = placement.map_of(NUMBER_OF["left_upper_arm"], 0) @ np.append(shoulder, 1)
    assert place == pytest.approx(shoulder, abs=0.3)


def test_a_stand_in_has_the_middles_of_the_other_side_and_a_mirror_turns_them():
    middles = np.array([[0.01, 0.02, 0.03, 0.04]])
    expected = [[0.01, 0.02, 0.03, 0.04], [0.02, 0.01, 0.04, 0.03], [-0.02, -0.01, -0.04, -0.03]]
    assert with_stand_ins(middles).tolist() == expected
