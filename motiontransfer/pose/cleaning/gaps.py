"""Filling short gaps in time.

Hides how a joint moves while it is not seen: on a cubic between its neighbours that stays between
them (Fritsch and Carlson, *Monotone piecewise cubic interpolation*, 1980), so no gap makes a joint
overshoot. A joint of the body is there or not; hands and face come and go as a whole, and a gap in
them is filled as carried along: a hand by its wrist, which is mostly still seen, the face by the
nose.
"""

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.interpolate import PchipInterpolator

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.runs import alike, inner_gaps

CARRIER_OF_GROUP = MappingProxyType(
    {"left_hand": "left_wrist", "right_hand": "right_wrist", "face": "nose", "face_mesh": "nose"}
)
"""Joint group that comes and goes as a whole -> the body's joint it moves with."""


@dataclass(frozen=True, slots=True)
class _Gap:
    start: int
    stop: int
    joints: Int64[np.ndarray, " some"]
    seen: Bool[np.ndarray, " frames"]


def fill_body_gaps(keypoints: Keypoints, *, longest_gap_frames: int) -> Keypoints:
    """Fill the gaps of each joint of the body.

    Gaps that are longer, or at the clip's ends, stay. What was seen is not touched.
    """
    body = keypoints.skeleton.slice("body")
    gaps = [
        _Gap(start, stop, body.start + joints, seen)
        for joints, seen in alike(keypoints.score[:, body] > 0)
        for start, stop in inner_gaps(seen, longest=longest_gap_frames)
    ]
    return _filled(keypoints, gaps, carriers={}, longest_gap_frames=longest_gap_frames)


def fill_carried_gaps(keypoints: Keypoints, *, longest_gap_frames: int) -> Keypoints:
    """Fill the gaps of hands and face, each as a whole, carried by the body's joints.

    A gap is where no joint of the group is seen; a joint missing on one side of it stays missing in
    it. Where the carrying joint is missing too, the group moves by itself.
    """
    gaps, carriers = [], {}
    for group, _ in keypoints.skeleton.groups:
        if group not in CARRIER_OF_GROUP:
            continue
        where = keypoints.skeleton.slice(group)
        seen = keypoints.score[:, where] > 0
        for start, stop in inner_gaps(seen.sum(axis=1) > 0, longest=longest_gap_frames):
            for joints, joint_seen in alike(seen):
                if joint_seen[start - 1] and joint_seen[stop]:
                    gaps.append(_Gap(start, stop, where.start + joints, joint_seen))
        carrier = keypoints.skeleton.index(CARRIER_OF_GROUP[group])
        carriers |= dict.fromkeys(range(where.start, where.stop), carrier)
    return _filled(keypoints, gaps, carriers=carriers, longest_gap_frames=longest_gap_frames)


def _filled(
    keypoints: Keypoints, gaps: list[_Gap], *, carriers: dict[int, int], longest_gap_frames: int
) -> Keypoints:
    points, score = keypoints.points.copy(), keypoints.score.copy()
    marked = keypoints.filled
    filled = np.zeros(score.shape, np.bool_) if marked is None else marked.copy()
    for gap in gaps:
        here = np.ix_(np.arange(gap.start, gap.stop), gap.joints)
        carrier = carriers.get(int(gap.joints[0]))
        points[here] = _positions(keypoints, gap, carrier, reach=longest_gap_frames + 1)
        score[here] = _faded(keypoints, gap, longest_gap_frames)
        filled[here] = True
    return replace(keypoints, points=points, score=score, filled=filled)


def _positions(
    keypoints: Keypoints, gap: _Gap, carrier: int | None, *, reach: int
) -> Float64[np.ndarray, "gap some 2"]:
    """Where the joints are in the gap, by the two nearest frames on either side.

    Args:
        reach: how many frames away from the gap such a frame may be.
    """
    values, seen = keypoints.points[:, gap.joints].astype(np.float64), gap.seen
    moved = np.zeros((keypoints.num_frames, 1, 2))
    if carrier is not None:
        carried = keypoints.score[:, carrier] > 0
        if carried[gap.start - 1 : gap.stop + 1].all():
            moved, seen = keypoints.points[:, carrier, None].astype(np.float64), seen & carried
    first = max(0, gap.start - reach)
    before = first + np.flatnonzero(seen[first : gap.start])[-2:]
    after = gap.stop + np.flatnonzero(seen[gap.stop : gap.stop + reach])[:2]
    known = np.concatenate([before, after])
    curve = PchipInterpolator(known, values[known] - moved[known], axis=0)
    return curve(np.arange(gap.start, gap.stop)) + moved[gap.start : gap.stop]


def _faded(
    keypoints: Keypoints, gap: _Gap, longest_gap_frames: int
) -> Float64[np.ndarray, "gap some"]:
    """Scores from one side to the other, less with each frame away from what was seen."""
    length = gap.stop - gap.start
    after = np.arange(1, length + 1)[:, None]
    before, behind = (keypoints.score[at, gap.joints] for at in (gap.start - 1, gap.stop))
    straight = before + (behind - before) * (after / (length + 1))
    distance = np.minimum(after, length + 1 - after)
    return straight.astype(np.float64) * (1 - distance / (longest_gap_frames + 1))
