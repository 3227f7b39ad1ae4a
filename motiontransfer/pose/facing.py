"""Which way someone faces, by 2-D joints alone: whether films show a back."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex128

from motiontransfer.pose.boxes import across_body, body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import Series

# Heights of the upright body.
WIDTH_FROM_FRONT = 0.32  # of shoulders and hips together
_TURNED = 0.1  # of these widths; narrower ones are seen from the side

BACK_SECONDS = 0.5  # of film from behind that show a back; wrong detections are shorter


def lacks_back(dance: Keypoints, filmed: Sequence[Keypoints]) -> bool:
    """Whether a dance shows a back that films of another person do not."""
    return seconds_from_behind([dance]) >= BACK_SECONDS > seconds_from_behind(filmed)


def seconds_from_behind(clips: Sequence[Keypoints]) -> float:
    """For how long clips show someone's back."""
    return sum((float((_facing(clip) < -_TURNED).sum() / clip.frame_rate) for clip in clips), 0.0)


def _facing(keypoints: Keypoints) -> Series:
    """Width of shoulders and hips, body heights; negative from behind, NaN where not known."""
    shoulders, hips, ankles = (both_sides(keypoints, name) for name in ("shoulder", "hip", "ankle"))
    across = across_body((shoulders - ankles).mean(axis=1))
    widths = (shoulders + hips) @ np.array((1, -1)) * across.conj()
    return widths.real / (body_height_px(keypoints) or np.nan)


def both_sides(
    poses: Keypoints, name: str, *, min_score: float = 0.0
) -> Complex128[np.ndarray, "frames 2"]:
    """A joint on the left and on the right, x + iy; NaN where it was not found."""
    found = [poses.midpoint(f"{side}_{name}", min_score=min_score) for side in ("left", "right")]
    pairs = [np.where(has, at[:, 0] + 1j * at[:, 1], complex(np.nan, np.nan)) for at, has in found]
    return np.stack(pairs, axis=1)
