"""All of cleaning, in order.

Hides why this order: sides first, or a swap would look like outliers; outliers next, or gaps would
be filled towards them; the body before hands and face, which are carried by its joints, and better
by smoothed ones.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.cleaning.gaps import fill_body_gaps, fill_carried_gaps
from motiontransfer.pose.cleaning.outliers import remove_outliers, remove_stray_hands
from motiontransfer.pose.cleaning.side_swaps import repair_hands, repair_side_swaps
from motiontransfer.pose.cleaning.time_filters import TimeFilter, smooth


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningSettings:
    """What is repaired and how much is smoothed."""

    longest_gap_seconds: float
    """Gaps up to this long are filled; 0: none."""

    longest_outlier_seconds: float
    """Jumps away and back within this time are removed; 0: none."""

    smoothing: TimeFilter
    """Filter over time."""

    smoothing_seconds: float
    """Width of its window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What cleaning did in each frame."""

    sides: Bool[np.ndarray, " frames"]
    """Left and right were exchanged: of the body, the arms or the legs."""

    hands: Bool[np.ndarray, " frames"]
    """A hand was given to the other wrist."""

    removed: Int64[np.ndarray, " frames"]
    """How many joints were taken for outliers."""

    filled: Int64[np.ndarray, " frames"]
    """How many joints were filled in."""

    def counts(self) -> dict[str, int]:
        """Sums over the clip."""
        return {
            "frames_with_sides_repaired": int(self.sides.sum()),
            "frames_with_hands_repaired": int(self.hands.sum()),
            "frames_with_joints_removed": int((self.removed > 0).sum()),
            "joints_removed": int(self.removed.sum()),
            "joints_filled": int(self.filled.sum()),
        }


def clean(keypoints: Keypoints, settings: CleaningSettings) -> tuple[Keypoints, Repairs]:
    """Repair one person's keypoints, and tell what was done; the number of frames never changes."""
    with_sides = repair_side_swaps(keypoints)
    with_hands = repair_hands(with_sides)
    longest = round(settings.longest_outlier_seconds * keypoints.frame_rate)
    kept = remove_stray_hands(remove_outliers(with_hands, longest_frames=longest))
    cleaned = _filled_and_smoothed(kept, settings)
    filled = cleaned.filled if cleaned.filled is not None else np.zeros_like(kept.score, np.bool_)
    return cleaned, Repairs(
        sides=_differs(keypoints, with_sides),
        hands=_differs(with_sides, with_hands),
        removed=((with_hands.score > 0) & (kept.score == 0)).sum(axis=1),
        filled=filled.sum(axis=1),
    )


def _filled_and_smoothed(keypoints: Keypoints, settings: CleaningSettings) -> Keypoints:
    longest = round(settings.longest_gap_seconds * keypoints.frame_rate)
    others = [group for group, _ in keypoints.skeleton.groups if group != "body"]
    for fill, groups in ((fill_body_gaps, ["body"]), (fill_carried_gaps, others)):
        keypoints = smooth(
            fill(keypoints, longest_gap_frames=longest),
            settings.smoothing,
            seconds=settings.smoothing_seconds,
            groups=groups,
        )
    return keypoints


def _differs(before: Keypoints, after: Keypoints) -> Bool[np.ndarray, " frames"]:
    return (before.points != after.points).sum(axis=(1, 2)) > 0
