"""Canvas on which parts are laid over one another, and the texture that is made of it."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

Texture = UInt8[np.ndarray, "height width 4"]
"""RGB and 1, each times coverage; of 255."""
DrawnPart = tuple[UInt8[np.ndarray, "_ _ 4"], tuple[int, int]]
"""RGB and coverage of a part's pixels, and the (x, y) of the first."""
Canvas = Float32[np.ndarray, "4 height width"]
Corners = Int64[np.ndarray, "2 2"]
"""(x, y) of the first pixel, and of the one behind the last."""

# The outline; widths are shares of the body's height.
_OUTLINE = 80  # of 255: coverage there; what ends softly was more of the person than a half
_SOFT = 0.004  # from it, beyond which a pixel is the person's, or not
_THIN = 0.003  # thinner than twice that it is no part of the person
_LEAST_SOFT_PX = 2


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


def lay_over(canvas: Canvas, drawn: DrawnPart) -> Corners:
    """Lay a part over what was drawn before; return what it can have changed."""
    pixels, (left, top) = drawn
    right, bottom = left + pixels.shape[1], top + pixels.shape[0]
    *color, coverage = cv2.split(pixels)
    share, full = coverage / np.float32(255), np.full_like(coverage, 255)
    for plane, over in zip(canvas[:, top:bottom, left:right], (*color, full), strict=True):
        change = cv2.multiply(cv2.subtract(over, plane, dtype=cv2.CV_32F), share)
        cv2.add(plane, change, dst=plane)
    return np.array([(left, top), (right, bottom)])


def to_texture(canvas: Canvas, drawn: Sequence[Corners], *, height_px: float) -> Texture:
    """The texture on a canvas.

    Args:
        drawn: where something was drawn; elsewhere the canvas' memory is never touched.
        height_px: of the upright body in the texture.
    """
    texture = np.zeros(canvas.shape, np.uint8)
    if drawn:
        (left, top), (right, bottom) = np.min(drawn, axis=0)[0], np.max(drawn, axis=0)[1]
        person = canvas[:, top:bottom, left:right]
        _make_firm(person, height_px=height_px)
        for plane, levels in zip(texture[:, top:bottom, left:right], person, strict=True):
            plane[:] = cv2.convertScaleAbs(levels)  # rounded
    return texture.transpose(1, 2, 0)


def _make_firm(person: Canvas, *, height_px: float) -> None:
    """Make the outline as narrow as a film's, where parts end softly and nothing lies under them.

    Half transparent, a wide rim would look like fog; so would what is thin. A small person's
    outline is narrow, and their fingers are thin.
    """
    thin_px, soft_px = round(_THIN * height_px), round(_SOFT * height_px)
    if soft_px < _LEAST_SOFT_PX:
        return
    coverage = cv2.convertScaleAbs(person[3])
    thin, soft = (
        cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius_px + 1,) * 2)
        for radius_px in (thin_px, soft_px)
    )
    _, inside = cv2.threshold(coverage, _OUTLINE, 255, cv2.THRESH_BINARY)
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, thin)
    # Beyond the image it is not known: pixels there stay as they are.
    low = cv2.erode(inside, soft, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    low, high = (cv2.blur(limit, (3, 3)) for limit in (low, cv2.dilate(inside, soft)))
    firm = cv2.min(cv2.max(coverage, low), high)
    factor = np.ones_like(person[3])
    np.divide(firm, person[3], out=factor, where=firm != coverage)
    for plane in person:
        cv2.multiply(plane, factor, dst=plane)
