"""Limb dropout: data augmentation against missing limbs in detected poses.

A detector loses an arm, a leg, a hand or the face as a whole; a generator that was never trained on
such poses renders artefacts.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.skeleton import Skeleton
from motiontransfer.training.batches import make_generator

_JOINTS_OF_LIMB = {"arm": ("elbow", "wrist", "pinky", "index", "thumb")} | {
    "leg": ("knee", "ankle", "heel", "foot_index")
}


def limb_groups(skeleton: Skeleton) -> list[list[int]]:
    """Joints of each limb that is hidden as a whole: arms (with hands), legs, hands, face."""
    joints, groups = skeleton.joints, []
    for side in ("left", "right"):
        hand = f"{side}_hand"
        hand_joints = [joint for name, names in skeleton.groups if name == hand for joint in names]
        for limb, parts in _JOINTS_OF_LIMB.items():
            groups.append([f"{side}_{part}" for part in parts])
            if limb == "arm":
                groups[-1] += hand_joints
        groups.append(hand_joints)
    groups.append([j for name, names in skeleton.groups if name.startswith("face") for j in names])
    known = [[joints.index(joint) for joint in group if joint in joints] for group in groups]
    return [group for group in known if group]


def hide_limbs(
    score: Float[Tensor, "batch time joints"],
    indices: range,
    *,
    skeleton: Skeleton,
    share: float,
    seed: int,
    step: int,
) -> Float[Tensor, "batch time joints"]:
    """Set one limb's scores to 0, in all poses of a window alike, in a share of the windows."""
    if share == 0:
        return score
    groups, hidden = limb_groups(skeleton), score.clone()
    generator = make_generator(seed, step, "limb_dropout")
    # All from index 0 on: how many of them are drawn does not change any.
    numbers = torch.rand((indices.stop, 2), generator=generator)[indices.start :]
    for sample, (drawn, which) in enumerate(numbers.tolist()):
        if drawn < share:
            hidden[sample][:, groups[int(which * len(groups))]] = 0
    return hidden
