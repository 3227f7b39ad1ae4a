"""Keypoint cleaning: stray hands and faces, gap filling, smoothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from motiontransfer.core.arrays import FrameMask, Series
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import TimeFilter, inner_gaps, smooth

_STRAY_HAND = 0.15  # body heights from the wrist; a hand is about a tenth long

# Joint group -> the body's joint it moves with.
_CARRIER_OF_GROUP = {"left_hand": "left_wrist", "right_hand": "right_wrist", "face": "nose"}

# Its eyes and mouth as the body's joints, and its upper and lower end as the face's.
_HEAD_ENDS = (
    *(("left_eye", "right_eye"), ("left_mouth", "right_mouth")),
    *(("face_forehead",), ("face_chin",)),
)


def remove_strays(keypoints: Keypoints) -> Keypoints:
    """Remove hands that are far from their wrists, and faces that are upside down on their heads.

    A face that is found on the back of a head may be.
    """
    removed = np.zeros(keypoints.score.shape, np.bool_)
    farthest = _STRAY_HAND * body_height_px(keypoints)
    for side in ("left", "right"):
        hand, hand_score = keypoints.joint(f"{side}_hand_wrist")
        wrist, wrist_score = keypoints.joint(f"{side}_wrist")
        stray = np.linalg.norm(hand - wrist, axis=1) > farthest
        stray &= (hand_score > 0) & (wrist_score > 0)
        removed[:, keypoints.skeleton.slice(f"{side}_hand")] = stray[:, None]
    ends = [keypoints.midpoint(*joints) for joints in _HEAD_ENDS]
    (eyes, mouth, forehead, chin), are_found = zip(*ends, strict=True)
    is_over = ((mouth - eyes) * (chin - forehead)).sum(axis=1) < 0
    removed[:, keypoints.skeleton.slice("face")] = (np.all(are_found, axis=0) & is_over)[:, None]
    return keypoints.without(removed)


def fill_joints(
    keypoints: Keypoints, groups: Sequence[str], *, longest_gap_frames: int
) -> Keypoints:
    """Fill the gaps of each joint of some groups; joints of hands and face move with the body's.

    Gaps that are longer, or at the clip's ends, stay. Detected joints are not touched.
    """
    points, score = keypoints.points.copy(), keypoints.score.copy()
    marked = keypoints.filled
    filled = np.zeros(score.shape, np.bool_) if marked is None else marked.copy()
    for group in groups:
        where, carrier = keypoints.skeleton.slice(group), _CARRIER_OF_GROUP.get(group)
        for joint in range(where.start, where.stop):
            seen = keypoints.score[:, joint] > 0
            for start, stop in inner_gaps(seen, longest=longest_gap_frames):
                gap, reach = slice(start, stop), longest_gap_frames + 1
                near = slice(max(0, start - reach), stop + reach)
                points[gap, joint] = _positions(keypoints, joint, carrier, near, gap)
                # From one side to the other, less with each frame away from what was seen.
                share = np.arange(1, stop - start + 1) / (stop - start + 1)
                straight = np.interp(share, (0, 1), keypoints.score[[start - 1, stop], joint])
                frames = np.minimum(share, 1 - share) * (stop - start + 1)
                score[gap, joint] = straight * (1 - frames / reach)
                filled[gap, joint] = True
    return replace(keypoints, points=points, score=score, filled=filled)


def _positions(
    keypoints: Keypoints, joint: int, carrier: str | None, near: slice, gap: slice
) -> Float64[np.ndarray, "gap 2"]:
    """Where a joint is in a gap, by the two nearest frames on either side; as its carrier moves.

    Where that one is missing, too, it moves by itself.
    """
    from scipy.interpolate import PchipInterpolator  # here: live motion does without SciPy

    frames = np.arange(len(keypoints.score))
    is_near = np.zeros(len(frames), np.bool_)
    is_near[near] = True
    is_near &= keypoints.score[:, joint] > 0
    moved = np.zeros((len(frames), 2))
    if carrier is not None:
        carried, confidence = keypoints.joint(carrier)
        if (confidence[gap.start - 1 : gap.stop + 1] > 0).all():
            moved, is_near = carried.astype(np.float64), is_near & (confidence > 0)
    before, after = (is_near & side for side in (frames < gap.start, frames >= gap.stop))
    known = np.concatenate([np.flatnonzero(before)[-2:], np.flatnonzero(after)[:2]])
    curve = PchipInterpolator(known, keypoints.points[known, joint] - moved[known], axis=0)
    return curve(frames[gap]) + moved[gap]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    sides: FrameMask
    """Left and right of the body were exchanged."""
    removed: Int64[np.ndarray, " frames"]
    filled: Int64[np.ndarray, " frames"]
    misfits: FrameMask
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
        return self._smoothed(keypoints, ["body"])

    def of_carried(self, keypoints: Keypoints) -> Keypoints:
        """Of hands and face, which the body carries."""
        others = [group for group, _ in keypoints.skeleton.groups if group != "body"]
        return self._smoothed(keypoints, others)

    def _smoothed(self, keypoints: Keypoints, groups: Sequence[str]) -> Keypoints:
        longest = round(self.longest_gap_seconds * keypoints.frame_rate)
        filled = fill_joints(keypoints, groups, longest_gap_frames=longest)
        return smooth(filled, self.smoothing, seconds=self.smoothing_seconds, groups=groups)


def fill(keypoints: Keypoints, filling: Filling) -> tuple[Keypoints, Repairs]:
    """Fill gaps and smooth, and repair nothing else."""
    filled = filling.of_carried(filling.of_body(keypoints))
    assert filled.filled is not None
    none = Repairs.none(keypoints.num_frames)
    return filled, replace(none, filled=filled.filled.sum(axis=1))
