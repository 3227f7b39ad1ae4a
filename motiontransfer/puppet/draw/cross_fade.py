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
    levels = np.arange(256, dtype=np.uint8)
    passing = np.clip(2 - levels / np.float32(unlike), 0, 1)
    red, green, blue, _ = cv2.split(cv2.blur(cv2.absdiff(over, under), (5, 5)))
    weight = cv2.multiply(
        cv2.LUT(cv2.extractChannel(over, 3), levels * np.float32(share / 255)),
        cv2.LUT(cv2.max(cv2.max(red, green), blue), passing),
    )
    colors = (cv2.cvtColor(each, cv2.COLOR_RGBA2RGB) for each in (over, under))
    blended = cv2.blendLinear(*colors, weight, 1 - weight)
    cv2.mixChannels([blended], [under], [0, 0, 1, 1, 2, 2])
    return pixels, (x, y)
