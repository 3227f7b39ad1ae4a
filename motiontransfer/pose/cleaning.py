"""Keypoint cleaning: stray hands, exchanged sides, gap filling, smoothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import mirrored
from motiontransfer.pose.time_series import (
    Mask,
    Series,
    TimeFilter,
    inner_gaps,
    joints_by_presence,
    smooth,
)

_STRAY_HAND = 0.15  # body heights from the wrist; a hand is about a tenth long

# Joint group that comes and goes as a whole -> the body's joint it moves with.
_CARRIER_OF_GROUP = {"left_hand": "left_wrist", "right_hand": "right_wrist", "face": "nose"}


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
    """Left and right of the body were exchanged."""
    removed: Int64[np.ndarray, " frames"]
    filled: Int64[np.ndarray, " frames"]
    misfits: Mask
    """The fitted body does not explain the joints, which stay as they were detected."""
    residual: Series
    """Mean distance of the joints from the fitted body, body heights; NaN where there is none."""

    @classmethod
    def none(cls, num_frames: int) -> "Repairs":
        nowhere, zeros = np.zeros(num_frames, np.bool_), np.zeros(num_frames, np.int64)
        return cls(
            sides=nowhere,
            removed=zeros,
            filled=zeros,
            misfits=nowhere,
            residual=np.full(num_frames, np.nan),
        )

    def counts(self) -> dict[str, int]:
        return {
            "frames_with_sides_repaired": int(self.sides.sum()),
            "frames_with_joints_removed": int((self.removed > 0).sum()),
            "joints_removed": int(self.removed.sum()),
            "joints_filled": int(self.filled.sum()),
            "frames_without_fit": int(self.misfits.sum()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """Gaps up to this long are filled, then joints are smoothed."""

    longest_gap_seconds: float
    smoothing: TimeFilter
    smoothing_seconds: float

    def of_body(self, keypoints: Keypoints) -> Keypoints:
        return self._smoothed(fill_body_gaps, keypoints, ["body"])

    def of_carried(self, keypoints: Keypoints) -> Keypoints:
        """Of hands and face, which the body carries."""
        others = [group for group, _ in keypoints.skeleton.groups if group != "body"]
        return self._smoothed(fill_carried_gaps, keypoints, others)

    def _smoothed(
        self, fill: Callable[..., Keypoints], keypoints: Keypoints, groups: Sequence[str]
    ) -> Keypoints:
        longest = round(self.longest_gap_seconds * keypoints.frame_rate)
        filled = fill(keypoints, longest_gap_frames=longest)
        return smooth(filled, self.smoothing, seconds=self.smoothing_seconds, groups=groups)


def fill(keypoints: Keypoints, filling: Filling) -> tuple[Keypoints, Repairs]:
    """Fill gaps and smooth, and repair nothing else."""
    filled = filling.of_carried(filling.of_body(keypoints))
    assert filled.filled is not None
    none = Repairs.none(keypoints.num_frames)
    return filled, replace(none, filled=filled.filled.sum(axis=1))
