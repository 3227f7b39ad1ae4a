"""Unfilmed sides: where a target was never filmed from behind, a dance is danced facing the camera.

A pose seen from behind has the silhouette of the same pose seen from the front with left and right
exchanged: in an orthographic image, depth has no sign. The width of shoulders and hips tells when
to exchange.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from motiontransfer.core.arrays import FrameMask, Series
from motiontransfer.pose.facing import BACK_SECONDS, WIDTH_FROM_FRONT, trunk_widths
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import running_median, segments, window_frames
from motiontransfer.retargeting.head_views import show_filmed_heads
from motiontransfer.retargeting.shapes import head_joints
from motiontransfer.retargeting.statistics import PoseStatistics

UnfilmedSides = Literal["face_camera", "as_danced"]

_SHORT_SECONDS = 0.2  # of which half is a wrong detection; a fast spin shows the back for longer
_SURE = 0.3  # of the trunk's width from the front: narrower, it is seen from the side


@dataclass(frozen=True, slots=True, kw_only=True)
class FacingCamera:
    """Poses of a target that show no side that was not filmed."""

    poses: Keypoints
    is_exchanged: FrameMask
    """Frames whose dancer is seen from behind, and whose target faces the camera."""
    is_head_turned: FrameMask
    """Frames whose head is turned towards the camera."""

    def counts(self) -> dict[str, int]:
        return {
            "frames": self.poses.num_frames,
            "frames_turned_to_camera": int(self.is_exchanged.sum()),
            "turns_to_camera": len(segments(self.is_exchanged)),
            "heads_turned_to_camera": int(self.is_head_turned.sum()),
        }


def face_camera(
    poses: Keypoints, target: PoseStatistics, *, was_exchanged: bool = False
) -> FacingCamera:
    """Turn what the target's films do not show to the camera; nothing if they show the back.

    Args:
        poses: in the target's image.
        was_exchanged: before them, which counts where all of them are seen from the side.
    """
    if target.seconds_from_behind >= BACK_SECONDS:
        nowhere = np.zeros(poses.num_frames, np.bool_)
        return FacingCamera(poses=poses, is_exchanged=nowhere, is_head_turned=nowhere)
    sizes = target.heights_px(poses)
    width = np.nan_to_num(trunk_widths(poses.sure(target.min_score)) / sizes)
    is_behind = _is_behind(width, poses.frame_rate, was_exchanged)
    turned, is_turned = show_filmed_heads(
        poses, target.head_views, sizes, min_score=target.min_score
    )
    shown = turned.exchanged(is_behind, but=head_joints(poses) if target.head_views else ())
    return FacingCamera(poses=shown, is_exchanged=is_behind, is_head_turned=is_turned)


def _is_behind(width: Series, frame_rate: Fraction, was: bool) -> FrameMask:
    """Whether the trunk is seen from behind; in profile, as before or after, what is nearer.

    Args:
        width: of the trunk, in the body's heights; negative from behind.
    """
    width = running_median(width, window=window_frames(_SHORT_SECONDS, frame_rate))
    sure = np.flatnonzero(np.abs(width) >= _SURE * WIDTH_FROM_FRONT)
    if not len(sure):
        return np.full(len(width), was)
    return np.interp(np.arange(len(width)), sure, np.sign(width[sure])) <= 0
