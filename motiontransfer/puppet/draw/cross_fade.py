"""Cross-fade of a part beside a switch of references, along their optical flow.

What both show moves from where one has it to where the other has it: a hem, a seam, a fold. Laid
over one another, they would be half transparent.

Source: Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search" (OpenCV's).
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.puppet.draw.canvas import DrawnPart
from motiontransfer.puppet.draw.steady import Chosen
from motiontransfer.puppet.masks import GRAY, HALF

_SMOOTH_PX = 9  # side of the box over which their flow is a mean
_LEAST_FLOW_PX = 12  # side of an image that OpenCV's flow accepts

_Pixels = UInt8[np.ndarray, "rows columns 4"]
_Flow = Float32[np.ndarray, "rows columns 2"]


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


def faded(own: DrawnPart, other: DrawnPart | None, *, share: float) -> DrawnPart:
    """A part on its way to another reference, which has a share of the colors and their places.

    Its outline stays: two half transparent ones would look like a ghost's.
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
    flow = _flow(under, over)
    before, over = _moved(under, -share * flow), _moved(over, (1 - share) * flow)
    before = np.where(before[..., 3:] == 255, before, under)[..., :3]
    weight = cv2.extractChannel(over, 3) * np.float32(share / 255)
    under[..., :3] = cv2.blendLinear(over[..., :3].copy(), before, weight, 1 - weight)
    return pixels, (x, y)


def _flow(own: _Pixels, other: _Pixels) -> _Flow:
    """Where the other one shows what a part shows, from there: a hem, a seam, a fold."""
    is_shared = np.minimum(own[..., 3], other[..., 3]) > HALF  # elsewhere colors tell nothing
    if min(is_shared.shape) < _LEAST_FLOW_PX:
        return np.zeros((*is_shared.shape, 2), np.float32)
    gray = (cv2.cvtColor(pixels, cv2.COLOR_RGBA2GRAY) for pixels in (own, other))
    levels = (np.where(is_shared, pixels, np.uint8(GRAY)) for pixels in gray)
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    # A quarter of the size is enough where a side has 128 pixels or more.
    dis.setFinestScale(min(max(min(is_shared.shape).bit_length() - 6, 0), 2))
    flow = dis.calc(*levels, None)  # ty: ignore[no-matching-overload] - None: no flow to begin with
    return cv2.blur(flow * is_shared[..., None], (_SMOOTH_PX, _SMOOTH_PX))


def _moved(pixels: _Pixels, by: _Flow) -> _Pixels:
    rows, columns = np.indices(pixels.shape[:2], np.float32)
    x, y = columns + by[..., 0], rows + by[..., 1]
    return cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
