"""Which parts of a body hide which, by the depth of its joints."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from motiontransfer.body.parts import BodyPart, BodyPoses, cosine_from_front
from motiontransfer.core.arrays import FrameMask, JointMask, Scores, Series
from motiontransfer.pose.skeleton import Limb, mirrored

_PROFILE = 0.8  # cosine of 37 degrees; nearer to the front, legs hardly hide each other
_RAISED = 0.15  # above the hip, share of the trunk: less in a squat, whose trunk leans forward
_OF_ARM = ("upper_arm", "forearm", "hand")
# What the trunk hides, from the spine: (behind, beside), body heights. Nearer, depth errs; of what
# the detector does not see, that is the reason.
_BEHIND, _UNSEEN_BEHIND = (0.05, 0.1), (0.0, 0.13)
_DEEP = 0.1, 0.16  # of a pose: so deep, it is surely behind, also where the trunk's rim is
_AWAY = 0.09  # by which a pose's wrist is deeper than its elbow: 37 degrees of a forearm
_SEEN = 0.5  # score from which on a joint is seen
_SMALLEST_PX = 1e-6  # keeps quotients finite

Depth = Float32[np.ndarray, "frames joints"]
"""See `Keypoints.depth`."""


def parts_by_depth(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    heights_px: Series,
    depth: Depth | None = None,
    score: Scores | None = None,
    *,
    of: Literal["reference", "pose"] = "reference",
) -> Int64[np.ndarray, "frames parts"]:
    """Numbers of the parts from the farthest to the nearest, in each frame.

    Parts of arms that the trunk hides are behind all else, others before it. Where a pose's forearm
    points away, it is behind its upper arm, and the hand behind both. In profile, the farther one
    of both legs' parts is behind the nearer one. A leg whose knee is above its hip, as the trunk
    sees it, and nearer than the hips is before the trunk. Else, and without depth, the order is
    that of `body_parts`.

    Args:
        heights_px: of the upright body in each frame.
        score: of the detected joints; None: all were seen.
        of: what is drawn, or what is cut. Of a reference less is told: where depth errs, an upper
            arm would be cut out of it with the forearm's pixels.
    """
    places = np.zeros((len(poses), len(parts)), np.int64)
    if depth is None:
        return places + np.arange(len(parts))
    is_aside = np.abs(cosine_from_front(poses, heights_px)) < _PROFILE
    is_seen = (np.ones_like(depth) if score is None else score) >= _SEEN
    for number, part in enumerate(parts):
        if not part.is_limb:
            continue
        side, _, segment = part.name.partition("_")
        if segment in _OF_ARM:
            elbow, wrist = f"{side}_elbow", f"{side}_wrist"
            bone = (wrist, wrist) if part.is_hand else part.bones[0]
            is_hidden = _is_hidden(bone, poses, heights_px, depth, is_seen, of)
            deeper = _deep((wrist, wrist), poses, depth) - _deep((elbow, elbow), poses, depth)
            behind_arm = _OF_ARM.index(segment) * ((deeper > _AWAY) & (of == "pose"))
            places[:, number] = np.where(is_hidden, 2, -4) + behind_arm
        else:
            start, end = part.bones[0]
            other = mirrored(start), mirrored(end)
            is_far = is_aside & (_deep(part.bones[0], poses, depth) > _deep(other, poses, depth))
            is_before = _is_raised(poses, side, depth)
            places[:, number] = np.where(is_before, -1, np.where(is_far, 1, 0))
    return np.argsort(-places, axis=1, kind="stable")


def _deep(bone: Limb, poses: BodyPoses, depth: Depth) -> Series:
    return depth[:, [*map(poses.skeleton.index, bone)]].mean(axis=1, dtype=np.float64)


def _is_hidden(
    bone: Limb,
    poses: BodyPoses,
    heights_px: Series,
    depth: Depth,
    is_seen: JointMask,
    of: Literal["reference", "pose"],
) -> FrameMask:
    """True where the trunk hides a bone: behind the spine, and not beside it.

    Told at the middle of what is not beside it: a far forearm comes out from behind the trunk. Of
    an upper arm, at its own middle. A bone with an end that is not seen may be nearer to the spine,
    and farther beside. So may be one that is deep, of a pose.
    """
    shoulders, hips = ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")
    ends = [*map(poses.skeleton.index, bone)]
    points, _ = poses.joints((*bone, "mid_shoulder", "mid_hip"))
    *places, top, bottom = (points @ np.array((1, 1j))).T
    length_px = np.maximum(np.abs(bottom - top), 1)
    away = (np.array(places) - top) * (bottom - top).conj() / length_px
    deep = depth[:, ends].T.astype(np.float64)
    if bone[0] in shoulders:
        away[:] = away.mean(axis=0)
        deep[:] = deep.mean(axis=0)
    seen = is_seen[:, ends].all(axis=1, keepdims=True)
    of_top, of_bottom = (_deep(line, poses, depth) for line in (shoulders, hips))
    is_hidden = np.zeros(len(poses), np.bool_)
    for limits in [np.where(seen, _BEHIND, _UNSEEN_BEHIND), *([_DEEP] if of == "pose" else [])]:
        least, most = np.broadcast_to(limits, (len(poses), 2)).T
        share = _middle_within(*away.imag, most * heights_px)
        place, behind = (first + share * (last - first) for first, last in (away, deep))
        down = np.clip(place.real / length_px, 0, 1)
        is_hidden |= behind - of_top - down * (of_bottom - of_top) > least
    return is_hidden


def _middle_within(first: Series, last: Series, limit: Series) -> Series:
    """Place of the middle, 0 to 1, of what is within a limit of 0, on the way from first to last.

    NaN where nothing is.
    """
    way = np.where(np.abs(last - first) < _SMALLEST_PX, _SMALLEST_PX, last - first)
    start, end = np.sort(np.clip((np.array([-limit, limit]) - first) / way, 0, 1), axis=0)
    return np.where(start < end, (start + end) / 2, np.nan)


def _is_raised(poses: BodyPoses, side: str, depth: Depth) -> FrameMask:
    """True where a knee is above its hip as the trunk sees it, and nearer than the hips' middle."""
    knee_name = f"{side}_knee"
    points, found = poses.joints((f"{side}_hip", knee_name, "mid_hip", "mid_shoulder"))
    hip, knee, bottom, top = points.astype(np.float64).swapaxes(0, 1)
    above, least = knee - hip, _RAISED * (top - bottom)
    is_above = np.sum((above - least) * (top - bottom), axis=1) > 0
    return found.all(axis=1) & is_above & (_deep((knee_name, knee_name), poses, depth) < 0)
