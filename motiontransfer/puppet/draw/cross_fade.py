"""Cross-fade of a part's colors beside a switch of references."""

import cv2
import numpy as np

from motiontransfer.puppet.draw.canvas import DrawnPart
from motiontransfer.puppet.draw.steady import Chosen


def fading(chosen: Chosen, index: int, *, reach: int) -> dict[int, tuple[int, float]]:
    """Parts with a switch near a frame: the reference beyond it, and its share of the colors.

    The share falls from one half at the switch to nothing.

    Args:
        reach: frames on each side of a switch, in which the share is not 0.
    """
    fades = {}
    for away in range(reach, 0, -1):  # the nearest switch counts
        share = (reach + 1 - away) / (2 * reach + 1)
        for frame in (index + away, index - away):
            if 0 <= frame < len(chosen):
                parts = np.flatnonzero(chosen[frame] != chosen[index]).tolist()
                fades |= {part: (int(chosen[frame, part]), share) for part in parts}
    return fades


def faded(own: DrawnPart, other: DrawnPart | None, *, share: float, unlike: float) -> DrawnPart:
    """A part on its way to another reference, which has a share of the colors.

    Its outline stays, and where colors are unlike, its own: a shirt half over a skirt would look
    like a ghost's.

    Args:
        unlike: levels between two colors, from which on less passes over; at twice that nothing.
    """
    if other is None:
        return own
    (pixels, (x, y)), (others, (u, v)) = own, other
    left, top = max(x, u), max(y, v)
    right = min(x + pixels.shape[1], u + others.shape[1])
    bottom = min(y + pixels.shape[0], v + others.shape[0])
    if left >= right or top >= bottom:
        return own
    pixels = pixels.copy()
    under = pixels[top - y : bottom - y, left - x : right - x]
    over = others[top - v : bottom - v, left - u : right - u]
    weight = cv2.extractChannel(over, 3) * np.float32(share / 255)
    apart = cv2.blur(cv2.absdiff(over, under)[..., :3], (5, 5)).max(axis=2)
    weight *= np.clip(2 - apart / np.float32(unlike), 0, 1)
    colors = (each[..., :3].copy() for each in (over, under))
    under[..., :3] = cv2.blendLinear(*colors, weight, 1 - weight)
    return pixels, (x, y)
