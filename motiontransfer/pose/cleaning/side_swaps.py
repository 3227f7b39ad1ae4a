"""Repairing frames in which a detector took left for right.

Hides how a swap is told from a movement: both sides of the body land on each other's places from
one frame to the next, which no turn is quick enough for. The repair is the labelling of all frames
with the least cost, found exactly over two states (Viterbi): a change of sides costs what the
fastest turn would explain and gains the distance that joints no longer jump; a swapped second costs
a little, since a detector is right more often than not. So a swap that lasts for many seconds
stays: nothing tells then which part of the clip is the wrong one.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float64, Int8

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.body_height import body_height_px
from motiontransfer.skeleton import Skeleton, mirrored

_ARM = ("left_elbow", "left_wrist", "left_pinky", "left_index", "left_thumb")
_LEG = ("left_knee", "left_ankle", "left_heel", "left_foot_index")

_TURNS_PER_SECOND = 2.5  # a quick spin
_WIDTH = 0.26  # of the shoulders, body heights
_COST_OF_A_SWAPPED_SECOND = 0.1  # body heights
_WRONG_WRIST = 0.1  # body heights between a hand and its wrist from which it may be the other's


def repair_side_swaps(keypoints: Keypoints) -> Keypoints:
    """Swap left and right back: of the whole body first, then of arms or legs alone."""
    skeleton = keypoints.skeleton
    body = tuple(
        joint
        for group, joints in skeleton.groups
        if group == "body"
        for joint in joints
        if joint.startswith("left_")
    )
    left_hand = _group(skeleton, "left_hand")  # was looked for at the wrist, so goes with it
    for judged, moved in (
        (body, (*body, *left_hand)),
        (_ARM, (*_ARM, *left_hand)),
        (_LEG, _LEG),
    ):
        keypoints = swap_sides(keypoints, swapped_frames(keypoints, judged), joints=moved)
    return keypoints


def repair_hands(keypoints: Keypoints) -> Keypoints:
    """Give each hand to the wrist it hangs on, where both or the only one found are wrong."""
    left_wrong, left_seen = _on_the_other_wrist(keypoints, "left")
    right_wrong, right_seen = _on_the_other_wrist(keypoints, "right")
    frames = (left_wrong & (right_wrong | ~right_seen)) | (right_wrong & ~left_seen)
    return swap_sides(keypoints, frames, joints=_group(keypoints.skeleton, "left_hand"))


def swap_sides(
    keypoints: Keypoints, frames: Bool[np.ndarray, " frames"], *, joints: Sequence[str]
) -> Keypoints:
    """Exchange joints of the left with those of the right in some frames.

    Args:
        joints: names of the left ones.
    """
    order = np.arange(len(keypoints.skeleton.joints))
    for joint in joints:
        left, right = (keypoints.skeleton.index(name) for name in (joint, mirrored(joint)))
        order[left], order[right] = right, left
    chosen = frames[:, None]
    filled = keypoints.filled
    return replace(
        keypoints,
        points=np.where(chosen[..., None], keypoints.points[:, order], keypoints.points),
        score=np.where(chosen, keypoints.score[:, order], keypoints.score),
        filled=None if filled is None else np.where(chosen, filled[:, order], filled),
    )


def swapped_frames(keypoints: Keypoints, joints: Sequence[str]) -> Bool[np.ndarray, " frames"]:
    """Where left and right of these joints are exchanged, by how they move from frame to frame.

    Args:
        joints: names of the left ones.
    """
    indices = [keypoints.skeleton.index(joint) for joint in joints]
    others = [keypoints.skeleton.index(mirrored(joint)) for joint in joints]
    points, score = keypoints.points.astype(np.float64), keypoints.score
    seen = (score[:, indices] > 0) & (score[:, others] > 0)
    height = body_height_px(keypoints)
    swapped = np.zeros(keypoints.num_frames, np.bool_)
    judged = np.flatnonzero(seen.sum(axis=1))
    if len(judged) < 2 or height == 0:
        return swapped
    pairs = np.stack([points[:, indices], points[:, others]], axis=2) / height
    gains = _gains(pairs[judged], seen[judged])
    steps = np.diff(judged)
    changes = np.array([_cost_of_a_change(int(step), keypoints.frame_rate) for step in steps])
    staying = _COST_OF_A_SWAPPED_SECOND / float(keypoints.frame_rate)
    swapped[judged] = _cheapest_labels(changes - gains, staying=staying)
    return swapped


def _gains(
    pairs: Float64[np.ndarray, "frames pairs 2 2"], seen: Bool[np.ndarray, "frames pairs"]
) -> Float64[np.ndarray, " steps"]:
    """How much shorter joints move from each frame to the next if sides change there.

    The median over pairs: arms or legs that cross by themselves are not the body. Nothing is gained
    where joints then still move half as far: a cut, or someone else.
    """
    earlier, later = pairs[:-1], pairs[1:]
    kept = np.linalg.norm(later - earlier, axis=3).sum(axis=2)
    changed = np.linalg.norm(later[:, :, ::-1] - earlier, axis=3).sum(axis=2)
    both = seen[:-1] & seen[1:]
    lands = _median(changed, both) < _median(kept, both) / 2
    gains = _median(kept - changed, both)
    return np.where(lands, gains, np.minimum(gains, 0))


def _median(
    values: Float64[np.ndarray, "steps pairs"], counted: Bool[np.ndarray, "steps pairs"]
) -> Float64[np.ndarray, " steps"]:
    """Median along the last axis of what is counted; 0 where nothing is."""
    ordered = np.sort(np.where(counted, values, np.inf), axis=1)
    count = counted.sum(axis=1)
    middle = np.stack([np.maximum(count - 1, 0) // 2, np.minimum(count // 2, values.shape[1] - 1)])
    found = np.take_along_axis(ordered, middle.T, axis=1).mean(axis=1)
    return np.where(count > 0, found, 0.0)


def _cost_of_a_change(num_frames: int, frame_rate: Fraction) -> float:
    """How far both sides move at most in a turn over some frames, body heights."""
    turned = min(np.pi * _TURNS_PER_SECOND * num_frames / float(frame_rate), np.pi / 2)
    return 2 * _WIDTH * float(np.sin(turned))


def _cheapest_labels(
    changes: Float64[np.ndarray, " steps"], *, staying: float
) -> Int8[np.ndarray, " frames"]:
    """For each frame 0 as found or 1 swapped, at the least total cost.

    Args:
        changes: cost of a change between each frame and the next.
        staying: cost of each swapped frame.
    """
    cost = [0.0, staying]
    came_from = np.zeros((len(changes), 2), np.int8)
    for step, change in enumerate(changes):
        ways = [(cost[0], cost[1] + change), (cost[1], cost[0] + change)]
        for state, (keep, switch) in enumerate(ways):
            came_from[step, state] = state if keep <= switch else 1 - state
        cost = [min(ways[0]), min(ways[1]) + staying]
    labels = np.zeros(len(changes) + 1, np.int8)
    labels[-1] = int(cost[1] < cost[0])
    for step in range(len(changes) - 1, -1, -1):
        labels[step] = came_from[step, labels[step + 1]]
    return labels


def _on_the_other_wrist(
    keypoints: Keypoints, side: str
) -> tuple[Bool[np.ndarray, " frames"], Bool[np.ndarray, " frames"]]:
    """Where a hand clearly hangs on the other side's wrist, and where it is seen at all."""
    hand, hand_score = keypoints.joint(f"{side}_hand_wrist")
    own, own_score = keypoints.joint(f"{side}_wrist")
    other, other_score = keypoints.joint(mirrored(f"{side}_wrist"))
    to_own, to_other = (np.linalg.norm(hand - wrist, axis=1) for wrist in (own, other))
    wrong = (to_own > _WRONG_WRIST * body_height_px(keypoints)) & (to_other < to_own / 2)
    return wrong & (hand_score > 0) & (own_score > 0) & (other_score > 0), hand_score > 0


def _group(skeleton: Skeleton, name: str) -> tuple[str, ...]:
    return dict(skeleton.groups).get(name, ())
