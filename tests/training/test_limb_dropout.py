"""One limb is hidden as a whole, in all poses of a window, in a share of the windows."""

import numpy as np
import pytest
import torch

from motiontransfer.skeleton import HOLISTIC, Skeleton
from motiontransfer.training.pose_gan import hide_limbs, limb_groups

JOINTS = len(HOLISTIC.joints)


def hidden(indices=range(40), *, share=0.5, seed=0, step=0, skeleton=HOLISTIC):
    score = torch.full((len(indices), 3, len(skeleton.joints)), 0.7)
    left = hide_limbs(score, indices, skeleton=skeleton, share=share, seed=seed, step=step)
    assert torch.equal(score, torch.full_like(score, 0.7))
    return left == 0


def test_an_arm_goes_with_its_hand():
    groups = [{HOLISTIC.joints[i] for i in group} for group in limb_groups(HOLISTIC)]
    assert len(groups) == 7
    arm, leg, hand = groups[:3]
    assert {"left_elbow", "left_wrist", "left_hand_wrist", "left_hand_pinky_tip"} <= arm
    assert leg == {"left_knee", "left_ankle", "left_heel", "left_foot_index"}
    assert hand < arm
    assert len(hand) == 21
    assert {"face_chin", "left_face_cheek"} <= groups[6]
    trunk = {"nose", "left_shoulder", "right_hip", "left_eye"}
    assert not any(trunk & group for group in groups)
    left = {name.replace("left_", "right_") for name in arm}
    assert left == groups[3]


def test_exactly_one_limb_is_hidden_in_all_poses_of_a_window():
    gone = hidden(share=1.0)
    assert torch.equal(gone[:, 0], gone[:, 2])
    groups = [set(group) for group in limb_groups(HOLISTIC)]
    of_windows = [set(np.flatnonzero(window[0]).tolist()) for window in gone]
    assert all(joints in groups for joints in of_windows)
    assert all(group in of_windows for group in groups)  # each has its turn


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_of_windows_is_kept(share):
    gone = hidden(range(2000), share=share).any(2).any(1)
    assert abs(gone.float().mean().item() - share) < 0.05


def test_nothing_is_hidden_without_a_share():
    assert not hidden(share=0.0).any()


def test_what_is_hidden_is_drawn_from_seed_step_and_place():
    whole = hidden()
    assert torch.equal(hidden(range(10, 20)), whole[10:20])
    assert not torch.equal(hidden(seed=1), whole)
    assert not torch.equal(hidden(step=1), whole)


def test_limbs_that_a_skeleton_lacks_are_not_drawn():
    skeleton = Skeleton(groups=(("body", ("nose", "left_knee", "left_ankle")),))
    assert limb_groups(skeleton) == [[1, 2]]
    assert hidden(share=1.0, skeleton=skeleton)[:, :, 1:].all()
