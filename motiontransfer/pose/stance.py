"""How near and how tall a person stands in each frame, measured on ankles and head.

Hides which joints tell it, and what of their movement is a step or a jump. Source: Chan et al.
2019, supplement: the ankle line is the lower of the two ankles, the height is the distance from the
nose to the middle of the ankles; without a nose, the head's middle is taken from ears or eyes.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.smoothing import fill_gaps, running_mean, running_median, window_frames

_HEAD_JOINTS = (
    ("nose",),
    ("left_ear", "right_ear"),
    ("left_eye", "right_eye"),
)  # first choice first


@dataclass(frozen=True, slots=True, kw_only=True)
class Stance:
    """Measures of every frame; 0 where their joints are missing."""

    ankle_x_px: Float64[np.ndarray, " frames"]
    """Middle of the ankles."""

    ankle_y_px: Float64[np.ndarray, " frames"]
    """The ankle line: y of the lower ankle in the image."""

    height_px: Float64[np.ndarray, " frames"]
    """Distance from the head to the middle of the ankles."""

    has_ankles: Bool[np.ndarray, " frames"]
    """Both ankles were found."""

    has_height: Bool[np.ndarray, " frames"]
    """Both ankles and the head were found."""


def measure_stance(keypoints: Keypoints, *, min_score: float) -> Stance:
    """Measure each frame.

    Args:
        min_score: joints with a lower score count as missing.

    Raises:
        KeypointsError: these keypoints have no ankles or no head at all.
    """
    ankles, has_ankles = _middle(keypoints, ("left_ankle", "right_ankle"), min_score)
    line = np.maximum(keypoints.joint("left_ankle")[0], keypoints.joint("right_ankle")[0])[:, 1]
    head = np.zeros_like(ankles)
    has_head = np.zeros_like(has_ankles)
    for joints in _HEAD_JOINTS:
        middle, found = _middle(keypoints, joints, min_score)
        head = np.where((found & ~has_head)[:, None], middle, head)
        has_head = has_head | found
    has_height = has_ankles & has_head
    return Stance(
        ankle_x_px=np.where(has_ankles, ankles[:, 0], 0.0),
        ankle_y_px=np.where(has_ankles, line.astype(np.float64), 0.0),
        height_px=np.where(has_height, np.linalg.norm(head - ankles, axis=1), 0.0),
        has_ankles=has_ankles,
        has_height=has_height,
    )


def floor_line(
    stance: Stance, *, frame_rate: Fraction, seconds: float = 1.0
) -> Float64[np.ndarray, " frames"]:
    """The ankle line without steps and jumps: where the feet are when they are on the floor.

    A running median drops what is shorter than half of `seconds`, a running mean takes the corners
    off; frames without ankles get the line between their neighbours.

    Raises:
        ValueError: no frame has ankles.
    """
    line = fill_gaps(stance.ankle_y_px, stance.has_ankles)
    line = running_median(line, window=window_frames(seconds, frame_rate))
    return running_mean(line, window=window_frames(seconds / 2, frame_rate))


def _middle(
    keypoints: Keypoints, joints: tuple[str, ...], min_score: float
) -> tuple[Float64[np.ndarray, "frames 2"], Bool[np.ndarray, " frames"]]:
    """Mean of joints, and where all of them were found."""
    found = [keypoints.joint(joint) for joint in joints]
    points = np.stack([point for point, _ in found]).mean(axis=0, dtype=np.float64)
    weakest = np.stack([score for _, score in found]).min(axis=0)
    return points, (weakest > 0) & (weakest >= min_score)
