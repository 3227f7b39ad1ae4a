"""How tall a person appears, from whatever is seen of them: the yardstick for distances in pixels.

Hides which joints tell it. The trunk is nearly always in view and looks shorter than it is when it
bends, never longer, so a high quantile over the clip stands for the upright body. The shares are
round numbers: of the demo's two actors as detected, forehead to heel is 3.0 trunks and 4.4 and 4.8
shoulder widths.
"""

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.keypoints import Keypoints

_HEIGHTS_PER_TRUNK = 3.0
_HEIGHTS_PER_SHOULDERS = 4.0
_UPRIGHT_QUANTILE = 0.9


def body_height_px(keypoints: Keypoints) -> float:
    """Height of the upright body in pixels, one number a clip; 0 where nothing is seen.

    Taken from trunk or shoulders; without them, the extent of what is seen.
    """
    shoulders, has_shoulders = _pair(keypoints, "shoulder")
    hips, has_hips = _pair(keypoints, "hip")
    trunk = np.linalg.norm(shoulders.mean(axis=1) - hips.mean(axis=1), axis=1)
    if (has_shoulders & has_hips).any():
        return _HEIGHTS_PER_TRUNK * _upright(trunk[has_shoulders & has_hips])
    if has_shoulders.any():
        width = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=1)
        return _HEIGHTS_PER_SHOULDERS * _upright(width[has_shoulders])
    seen = keypoints.points[keypoints.score > 0].astype(np.float64)
    return float(np.ptp(seen, axis=0).max()) if len(seen) else 0.0


def _upright(lengths: Float64[np.ndarray, " some"]) -> float:
    return float(np.quantile(lengths, _UPRIGHT_QUANTILE))


def _pair(
    keypoints: Keypoints, name: str
) -> tuple[Float64[np.ndarray, "frames 2 2"], Bool[np.ndarray, " frames"]]:
    """A joint on both sides, and where both are seen."""
    found = [keypoints.joint(f"{side}_{name}") for side in ("left", "right")]
    points = np.stack([points for points, _ in found], axis=1).astype(np.float64)
    return points, (found[0][1] > 0) & (found[1][1] > 0)
