"""Keypoint cleaning: outliers, left/right swaps, gap filling, smoothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64

from motiontransfer.pose.boxes import Places, body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import mirrored
from motiontransfer.pose.time_series import Mask, TimeFilter, inner_gaps, joints_by_presence, smooth

# Outliers.
_STRAYING = 0.03  # body heights: how far detectors stray without being wrong
_ACCELERATION = 60.0  # body heights a second, squared: about 100 m/s², more than a hand reaches
_OWN_MOTION_FACTOR = 3.0  # above the median step of the joint itself around
_OWN_MOTION_SECONDS = 1.0  # what is around
_STRAY_HAND = 0.15  # body heights from the wrist; a hand is about a tenth long

# Swapped sides.
_TURNS_PER_SECOND = 2.5  # a quick spin
_WIDTH = 0.26  # of the shoulders, body heights
_COST_OF_A_SWAPPED_SECOND = 0.1  # body heights
_WRONG_WRIST = 0.1  # body heights between a hand and its wrist from which it may be the other's
_LEG = ("left_knee", "left_ankle", "left_heel", "left_foot_index")

# Joint group that comes and goes as a whole -> the body's joint it moves with.
_CARRIER_OF_GROUP = {"left_hand": "left_wrist", "right_hand": "right_wrist", "face": "nose"}

Tracks = Float64[np.ndarray, "frames tracks 2"]
Seen = Bool[np.ndarray, "frames tracks"]
Steps = Float64[np.ndarray, " steps"]
PairSteps = Float64[np.ndarray, "steps pairs"]


def remove_outliers(keypoints: Keypoints, *, longest_frames: int) -> Keypoints:
    """Make joints missing that jump and return within so many frames; 0 removes nothing."""
    tracks, seen, joints_of_track = _tracks(keypoints)
    height = body_height_px(keypoints)
    removed = np.zeros(keypoints.score.shape, np.bool_)
    for length in range(1, longest_frames + 1):
        gone = _excursions(tracks, seen, length, height=height, frame_rate=keypoints.frame_rate)
        for index, joints in enumerate(joints_of_track):
            removed[:, joints] |= gone[:, index, None]
    return keypoints.without(removed)


def remove_stray_hands(keypoints: Keypoints) -> Keypoints:
    removed = np.zeros(keypoints.score.shape, np.bool_)
    farthest = _STRAY_HAND * body_height_px(keypoints)
    for side in ("left", "right"):
        hand, hand_score = keypoints.joint(f"{side}_hand_wrist")
        wrist, wrist_score = keypoints.joint(f"{side}_wrist")
        stray = np.linalg.norm(hand - wrist, axis=1) > farthest
        stray &= (hand_score > 0) & (wrist_score > 0)
        removed[:, keypoints.skeleton.slice(f"{side}_hand")] = stray[:, None]
    return keypoints.without(removed)


def _tracks(keypoints: Keypoints) -> tuple[Tracks, Seen, list[slice]]:
    """Positions tested for outliers: each body joint, and the middle of each other group."""
    present = keypoints.score > 0
    joints_of_track = []
    for group, _ in keypoints.skeleton.groups:
        where = keypoints.skeleton.slice(group)
        alone = [slice(joint, joint + 1) for joint in range(where.start, where.stop)]
        joints_of_track += alone if group == "body" else [where]
    count = np.stack([present[:, joints].sum(axis=1) for joints in joints_of_track], axis=1)
    total = np.stack(  # missing joints are (0, 0) and add nothing
        [keypoints.points[:, joints].sum(axis=1, dtype=np.float64) for joints in joints_of_track],
        axis=1,
    )
    return total / np.maximum(count, 1)[..., None], count > 0, joints_of_track


def _excursions(
    tracks: Tracks, seen: Seen, length: int, *, height: float, frame_rate: Fraction
) -> Seen:
    """Mask of excursions: `length` frames off the straight line between their neighbors."""
    span = length + 1
    gone = np.zeros(seen.shape, np.bool_)
    if len(tracks) <= span:
        return gone
    before, after = tracks[:-span], tracks[span:]
    strays = []
    for step in range(1, span):
        here = slice(step, len(tracks) - span + step)
        line = before + (after - before) * (step / span)
        distance = np.linalg.norm(tracks[here] - line, axis=2)
        strays.append(np.where(seen[here], distance, np.inf))
    least = np.min(strays, axis=0)
    seconds = span / 2 / float(frame_rate)
    possible = height * (_STRAYING + _ACCELERATION * seconds**2 / 2)
    went_on = np.linalg.norm(after - before, axis=2)
    strayed = np.isfinite(least) & (least > np.maximum(possible, went_on))
    suspect = strayed & seen[:-span] & seen[span:]
    for start, track in np.argwhere(suspect).tolist():
        usual = _usual_step(tracks[:, track], seen[:, track], start, start + span, frame_rate)
        if least[start, track] > _OWN_MOTION_FACTOR * usual * span / 2:
            gone[start + 1 : start + span, track] = seen[start + 1 : start + span, track]
    return gone


def _usual_step(track: Places, seen: Mask, before: int, after: int, frame_rate: Fraction) -> float:
    reach = round(_OWN_MOTION_SECONDS / 2 * frame_rate)
    around = (slice(max(0, before - reach), before + 1), slice(after, after + reach + 1))
    steps = [
        np.linalg.norm(np.diff(track[part], axis=0), axis=1)[seen[part][1:] & seen[part][:-1]]
        for part in around
    ]
    every = np.concatenate(steps)
    return float(np.median(every)) if len(every) else 0.0


def repair_side_swaps(keypoints: Keypoints) -> Keypoints:
    """Swap left and right back: of the whole body first, then of the legs alone.

    Arms alone would leave their shoulders, which detectors exchange with them.
    """
    groups = dict(keypoints.skeleton.groups)
    body = tuple(joint for joint in groups["body"] if joint.startswith("left_"))
    hand = groups.get("left_hand", ())  # detected at the wrist, so it goes with it
    for joints, moved in ((body, (*body, *hand)), (_LEG, _LEG)):
        keypoints = swap_sides(keypoints, swapped_frames(keypoints, joints), joints=moved)
    return keypoints


def repair_hands(keypoints: Keypoints) -> Keypoints:
    """Give each hand to the wrist it hangs on, where both or the only one found are wrong."""
    (left_wrong, left_seen), (right_wrong, right_seen) = (
        _on_the_other_wrist(keypoints, side) for side in ("left", "right")
    )
    frames = (left_wrong & (right_wrong | ~right_seen)) | (right_wrong & ~left_seen)
    hand = dict(keypoints.skeleton.groups).get("left_hand", ())
    return swap_sides(keypoints, frames, joints=hand)


def swap_sides(keypoints: Keypoints, frames: Mask, *, joints: Sequence[str]) -> Keypoints:
    """Exchange joints, given by the left ones, with those of the right in some frames."""
    if not frames.any():
        return keypoints
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


def swapped_frames(keypoints: Keypoints, joints: Sequence[str]) -> Mask:
    """Mask of frames in which these left joints and their right ones are exchanged, by motion."""
    indices = [keypoints.skeleton.index(joint) for joint in joints]
    others = [keypoints.skeleton.index(mirrored(joint)) for joint in joints]
    points, score = keypoints.points.astype(np.float64), keypoints.score
    seen = (score[:, indices] > 0) & (score[:, others] > 0)
    height = body_height_px(keypoints)
    swapped = np.zeros(keypoints.num_frames, np.bool_)
    known = np.flatnonzero(seen.sum(axis=1))
    if len(known) < 2 or height == 0:
        return swapped
    pairs = np.stack([points[:, indices], points[:, others]], axis=2) / height
    gains = _gains(pairs[known], seen[known])
    turned = np.pi * _TURNS_PER_SECOND * np.diff(known) / float(keypoints.frame_rate)
    changes = 2 * _WIDTH * np.sin(np.minimum(turned, np.pi / 2))  # of both sides, at most
    staying = _COST_OF_A_SWAPPED_SECOND / float(keypoints.frame_rate)
    swapped[known] = _cheapest_labels(changes - gains, staying=staying)
    return swapped


def _gains(
    pairs: Float64[np.ndarray, "frames pairs 2 2"], seen: Bool[np.ndarray, "frames pairs"]
) -> Steps:
    """How much less the joints move if left and right are swapped; median over pairs of joints.

    At most 0 where swapping does not halve it, as at a cut or at another person.
    """
    earlier, later = pairs[:-1], pairs[1:]
    kept = np.linalg.norm(later - earlier, axis=3).sum(axis=2)
    changed = np.linalg.norm(later[:, :, ::-1] - earlier, axis=3).sum(axis=2)
    both = seen[:-1] & seen[1:]
    lands = _median(changed, both) < _median(kept, both) / 2
    gains = _median(kept - changed, both)
    return np.where(lands, gains, np.minimum(gains, 0))


def _median(values: PairSteps, counted: Bool[np.ndarray, "steps pairs"]) -> Steps:
    """Median over the counted pairs; 0 where none is counted."""
    return np.ma.median(np.ma.array(values, mask=~counted), axis=1).filled(0.0)


def _cheapest_labels(changes: Steps, *, staying: float) -> Int8[np.ndarray, " frames"]:
    """0 as found or 1 swapped, at the least total cost of changes and of staying swapped."""
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


def _on_the_other_wrist(keypoints: Keypoints, side: str) -> tuple[Mask, Mask]:
    """Masks: the hand is clearly at the other side's wrist; the hand is seen."""
    hand, hand_score = keypoints.joint(f"{side}_hand_wrist")
    own, own_score = keypoints.joint(f"{side}_wrist")
    other, other_score = keypoints.joint(mirrored(f"{side}_wrist"))
    to_own, to_other = (np.linalg.norm(hand - wrist, axis=1) for wrist in (own, other))
    wrong = (to_own > _WRONG_WRIST * body_height_px(keypoints)) & (to_other < to_own / 2)
    return wrong & (hand_score > 0) & (own_score > 0) & (other_score > 0), hand_score > 0


class _Gap(NamedTuple):
    start: int
    stop: int
    joints: Int64[np.ndarray, " some"]
    seen: Mask
    carrier: int | None = None


def fill_body_gaps(keypoints: Keypoints, *, longest_gap_frames: int) -> Keypoints:
    """Fill the gaps of each joint of the body.

    Gaps that are longer, or at the clip's ends, stay. Detected joints are not touched.
    """
    body = keypoints.skeleton.slice("body")
    gaps = [
        _Gap(start, stop, body.start + joints, seen)
        for joints, seen in joints_by_presence(keypoints.score[:, body] > 0)
        for start, stop in inner_gaps(seen, longest=longest_gap_frames)
    ]
    return _filled(keypoints, gaps, longest_gap_frames=longest_gap_frames)


def fill_carried_gaps(keypoints: Keypoints, *, longest_gap_frames: int) -> Keypoints:
    """Fill the gaps of hands and face, each as a whole, carried by the body's joints.

    A gap is where no joint of the group is seen; a joint missing on one side of it stays missing in
    it. Where the carrying joint is missing too, the group moves by itself.
    """
    gaps = []
    for group, _ in keypoints.skeleton.groups:
        if group not in _CARRIER_OF_GROUP:
            continue
        carrier = keypoints.skeleton.index(_CARRIER_OF_GROUP[group])
        where = keypoints.skeleton.slice(group)
        seen = keypoints.score[:, where] > 0
        patterns = list(joints_by_presence(seen))
        gaps += [
            _Gap(start, stop, where.start + joints, joint_seen, carrier)
            for start, stop in inner_gaps(seen.sum(axis=1) > 0, longest=longest_gap_frames)
            for joints, joint_seen in patterns
            if joint_seen[start - 1] and joint_seen[stop]
        ]
    return _filled(keypoints, gaps, longest_gap_frames=longest_gap_frames)


def _filled(keypoints: Keypoints, gaps: list[_Gap], *, longest_gap_frames: int) -> Keypoints:
    points, score = keypoints.points.copy(), keypoints.score.copy()
    marked = keypoints.filled
    filled = np.zeros(score.shape, np.bool_) if marked is None else marked.copy()
    for gap in gaps:
        here = np.ix_(np.arange(gap.start, gap.stop), gap.joints)
        points[here] = _positions(keypoints, gap, reach=longest_gap_frames + 1)
        # From one side to the other, less with each frame away from what was seen.
        length = gap.stop - gap.start
        after = np.arange(1, length + 1)[:, None]
        first, last = (keypoints.score[at, gap.joints] for at in (gap.start - 1, gap.stop))
        straight = (first + (last - first) * (after / (length + 1))).astype(np.float64)
        distance = np.minimum(after, length + 1 - after)
        score[here] = straight * (1 - distance / (longest_gap_frames + 1))
        filled[here] = True
    return replace(keypoints, points=points, score=score, filled=filled)


def _positions(keypoints: Keypoints, gap: _Gap, *, reach: int) -> Float64[np.ndarray, "gap some 2"]:
    """Where the joints are in the gap, by the two nearest frames within `reach` on either side."""
    from scipy.interpolate import PchipInterpolator  # here: live motion does without SciPy

    first = max(0, gap.start - reach)
    near = slice(first, gap.stop + reach)  # what follows counts frames from there
    start, stop = gap.start - first, gap.stop - first
    values, seen = keypoints.points[near, gap.joints].astype(np.float64), gap.seen[near]
    moved = np.zeros((len(values), 1, 2))
    if gap.carrier is not None:
        carried = keypoints.score[near, gap.carrier] > 0
        if carried[start - 1 : stop + 1].all():
            moved = keypoints.points[near, gap.carrier, None].astype(np.float64)
            seen = seen & carried
    before = np.flatnonzero(seen[:start])[-2:]
    after = stop + np.flatnonzero(seen[stop:])[:2]
    known = np.concatenate([before, after])
    curve = PchipInterpolator(known, values[known] - moved[known], axis=0)
    return curve(np.arange(start, stop)) + moved[start:stop]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    sides: Mask
    """Left and right were exchanged: of the body or the legs."""
    hands: Mask
    removed: Int64[np.ndarray, " frames"]
    filled: Int64[np.ndarray, " frames"]
    misfits: Mask
    """The fitted body does not explain the joints, which stay as they were detected."""

    def counts(self) -> dict[str, int]:
        return {
            "frames_with_sides_repaired": int(self.sides.sum()),
            "frames_with_hands_repaired": int(self.hands.sum()),
            "frames_with_joints_removed": int((self.removed > 0).sum()),
            "joints_removed": int(self.removed.sum()),
            "joints_filled": int(self.filled.sum()),
            "frames_without_fit": int(self.misfits.sum()),
        }


def clean(
    keypoints: Keypoints,
    *,
    longest_gap_seconds: float,
    longest_outlier_seconds: float,
    smoothing: TimeFilter,
    smoothing_seconds: float,
) -> tuple[Keypoints, Repairs]:
    """Fix swapped sides, remove outliers, fill gaps, smooth: with the section `clean_keypoints`."""
    with_sides = repair_side_swaps(keypoints)
    sides = (keypoints.points != with_sides.points).any(axis=(1, 2))
    with_hands = repair_hands(with_sides)
    hands = (with_sides.points != with_hands.points).any(axis=(1, 2))
    longest_outlier = round(longest_outlier_seconds * keypoints.frame_rate)
    cleaned = remove_stray_hands(remove_outliers(with_hands, longest_frames=longest_outlier))
    removed = ((with_hands.score > 0) & (cleaned.score == 0)).sum(axis=1)
    del keypoints, with_sides, with_hands  # each is as long as the clip
    longest_gap = round(longest_gap_seconds * cleaned.frame_rate)
    others = [group for group, _ in cleaned.skeleton.groups if group != "body"]
    for fill, groups in ((fill_body_gaps, ["body"]), (fill_carried_gaps, others)):
        cleaned = fill(cleaned, longest_gap_frames=longest_gap)
        cleaned = smooth(cleaned, smoothing, seconds=smoothing_seconds, groups=groups)
    assert cleaned.filled is not None
    filled = cleaned.filled.sum(axis=1)
    return cleaned, Repairs(sides=sides, hands=hands, removed=removed, filled=filled)
