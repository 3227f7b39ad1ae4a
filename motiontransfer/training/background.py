"""Background image of a fixed camera: masked temporal median with inpainting.

At each pixel, the median over those frames only in which the person is far from it: a plain median
would show the person where they mostly stand. If the person is never far, the frames with the
largest distance are used. Pixels that are hardly ever uncovered are inpainted (Bertalmio et al.
2001, which continues edges).
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.silhouette import distance_to_body
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import frames_to_tensor

# Distance of the person from a pixel that shows the background, shares of the body's height.
_FAR, _FAR_ENOUGH = 0.05, 0.025
_FEWEST_FRAMES = 0.05  # share of the frames that have to show it
_LEVELS = 255  # distances up to _FAR are told apart by so many
_INPAINTING_RADIUS_PX = 3
_ROWS_AT_ONCE = 32  # a long median of whole frames would need much memory


def median_background(
    clips: Sequence[TargetClip], *, num_frames: int
) -> Float[Tensor, "3 height width"]:
    """Median over about `num_frames` training frames, evenly spread over the clips."""
    frames, distances = [], []
    for clip in clips:
        count = min(max(num_frames // len(clips), 1), len(clip.training))
        positions = np.linspace(0, len(clip.training) - 1, count).round().astype(int)
        height_px = body_height_px(clip.keypoints)
        with FrameStore(clip.frames) as store:
            for position in positions:
                index = clip.training[int(position)]
                frames.append(store[index])
                away = distance_to_body(clip.keypoints, index, height_px=height_px)
                share = np.clip(away / max(_FAR * height_px, 1), 0, 1)
                distances.append((share * _LEVELS).astype(np.uint8))
    shows_background = _showing_background(np.stack(distances))
    seen = _median_where(np.stack(frames), shows_background)
    hidden = np.asarray(~shows_background.any(axis=0), np.uint8)
    background_image = cv2.inpaint(seen, hidden, _INPAINTING_RADIUS_PX, cv2.INPAINT_NS)
    return frames_to_tensor([background_image])[0]


def _showing_background(
    levels: UInt8[np.ndarray, "frames height width"],
) -> Bool[np.ndarray, "frames height width"]:
    """Which frames show the background at a pixel: by the distance of the person from it."""
    fewest = max(round(_FEWEST_FRAMES * len(levels)), 1)
    of_farthest = np.partition(levels, len(levels) - fewest, axis=0)[len(levels) - fewest]
    enough = of_farthest >= _FAR_ENOUGH / _FAR * _LEVELS
    return (levels >= of_farthest) & enough


def _median_where(
    frames: UInt8[np.ndarray, "frames height width 3"],
    shows_background: Bool[np.ndarray, "frames height width"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Median over time of the frames that show the background; 0 where none does."""
    median = np.empty(frames.shape[1:], np.uint8)
    for top in range(0, frames.shape[1], _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        levels = torch.from_numpy(frames[:, rows]).float()
        levels[torch.from_numpy(~shows_background[:, rows])] = torch.nan
        median[rows] = levels.nanmedian(dim=0).values.nan_to_num(0).byte().numpy()
    return median
