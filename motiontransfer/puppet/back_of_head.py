"""Back of a head that was filmed from the front alone: its hair over its face.

The strands between crown and hairline go on down to the nape, stretched, and where none are seen,
the hair around the face, smoothly. Where there is no hair, that is skin. Hair that does not hang
beside the chin ends in a nape, round, below which the neck is seen.
"""

from functools import partial

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from motiontransfer.video.color import Frame

_WIDER = 1.1  # of the face's hull: its points lie within the face
_BELOW_CHIN = 0.1  # of the face's height, to which the face reaches
_LEAST_WEIGHT = 1e-3  # of the hair's median, which is taken far from any hair
_COVERED = 250  # level of 255; less is mixed with what is beside
_HAIR_COLOR = 45  # levels from the hair's median, up to which it is hair
_FEWEST_PIXELS = 30  # of hair above the face; fewer are no hair
_EDGE_PX = 2  # standard deviation of the smooth edge
_NAPE = (0.5, 0.85)  # of the face's height: from where the back of a head narrows, and its end
_LONG_HAIR = 0.05  # of the face's area, beside the nape: longer hair hides it

# Of the face's height.
_SMOOTHNESS = 0.15  # standard deviation of the hair's shade
_HAIRLINE = 0.03  # in which hair and skin are mixed
_MIXED = 0.02  # at the hair's own border, which strands leave out
_SHORTEST_STRAND = 0.06  # fewer rows have no strands to go on
_STRANDS_END = 0.35  # above, from the face's top: hair beside the cheeks is no crown
_FEWEST_COLUMNS = 8  # of strands

_Pixels = UInt8[np.ndarray, "height width 4"]
_Mask = Bool[np.ndarray, "height width"]
_Colors = Float32[np.ndarray, "height width 3"]


def with_hair_over_face(pixels: _Pixels, face: Float[np.ndarray, "joints 2"]) -> _Pixels:
    """Cover a face.

    Args:
        pixels: RGB and coverage of an upright head.
        face: points of the face, (x, y).
    """
    middle = face.mean(axis=0)
    hull = np.zeros(pixels.shape[:2], np.uint8)
    wider = (middle + _WIDER * (face - middle)).round().astype(np.int32)
    cv2.fillConvexPoly(hull, cv2.convexHull(wider), 1)
    top, bottom = face[:, 1].min(), face[:, 1].max()
    bottom = min(round(float(bottom + _BELOW_CHIN * (bottom - top))), len(pixels))
    top = round(float(top))
    rows = np.arange(len(pixels))[:, None]
    covered, colors = pixels[..., 3] > _COVERED, pixels[..., :3]
    above = covered & (hull == 0) & (rows < top)  # beside the face is skin, too
    if np.count_nonzero(above) < _FEWEST_PIXELS or not (covered & (hull > 0)).any():
        return pixels
    hair, is_hair = _hair(colors, covered, hull > 0, above)
    blur = partial(cv2.GaussianBlur, ksize=(0, 0), sigmaX=_SMOOTHNESS * float(bottom - top))
    is_around = is_hair & (hull == 0)  # not eyes and lips, which are dark too
    weight = is_around.astype(np.float32) + np.float32(_LEAST_WEIGHT)
    shown = np.where(is_around[..., None], colors, hair) * weight[..., None]
    smooth = blur(shown.astype(np.float32)) / blur(weight)[..., None]
    narrows, end = (top + share * (bottom - top) for share in _NAPE)
    over = _strands(colors, is_around, smooth, face_rows=(top, bottom), end=end)
    is_face = (hull > 0) | (covered & ~is_hair & (rows < bottom))
    # Its edge is mixed with hair, and looks like it.
    edge = max(_EDGE_PX, round(_HAIRLINE * (bottom - top)))
    is_face = cv2.dilate(is_face.astype(np.float32), np.ones((2 * edge + 1,) * 2, np.uint8))
    share, shown = cv2.GaussianBlur(is_face, (0, 0), _EDGE_PX), pixels[..., 3]
    below = _below_nape(hull, narrows, end)
    beside = is_around & below & (rows < end)
    if np.count_nonzero(beside) < _LONG_HAIR * np.count_nonzero(hull):
        ends = (~below | beside).astype(np.float32)
        shown = shown * cv2.GaussianBlur(ends, (0, 0), _EDGE_PX)
    color = colors + share[..., None] * (over - colors)
    return np.dstack([color, shown]).round().astype(np.uint8)


def _hair(
    colors: Frame, covered: _Mask, is_face: _Mask, above: _Mask
) -> tuple[Float[np.ndarray, "3"], _Mask]:
    """Color of the hair, and its pixels: less like the skin than half of what is above the face."""
    levels = colors.astype(np.float32)
    skin = np.median(levels[covered & is_face], axis=0)
    from_skin = np.abs(levels - skin).max(axis=2)
    above = above & (from_skin >= np.median(from_skin[above]))
    hair = np.median(levels[above], axis=0)
    from_hair = np.abs(levels - hair).max(axis=2)
    return hair, covered & (from_hair < _HAIR_COLOR) & (from_hair < from_skin)


def _strands(
    colors: Frame, is_hair: _Mask, smooth: _Colors, *, face_rows: tuple[int, int], end: float
) -> _Colors:
    """Each column's hair above the face, mirrored at the hairline and stretched to the nape.

    `smooth` where too few columns have any.

    Args:
        face_rows: the face's first row, and the one behind its last.
        end: row of the nape's end.
    """
    top, bottom = face_rows
    height = bottom - top
    side = 2 * max(round(_MIXED * height), 1) + 1
    crown = is_hair.astype(np.uint8)
    crown[max(round(top + _STRANDS_END * height), 0) :] = 0
    is_strand = cv2.erode(crown, np.ones((side, side), np.uint8), borderValue=0) > 0
    rows = np.arange(len(colors), dtype=np.float32)[:, None]
    first = is_strand.argmax(axis=0)
    below = ~is_strand & (rows >= first)
    last = np.where(below.any(axis=0), below.argmax(axis=0), len(colors)) - 1
    is_long = is_strand.any(axis=0) & (last - first >= _SHORTEST_STRAND * height)
    known, columns = np.flatnonzero(is_long), np.arange(colors.shape[1])
    if len(known) < _FEWEST_COLUMNS:
        return smooth
    first, last = (
        cv2.blur(np.interp(columns, known, ends[known]).astype(np.float32)[None], (4 * side, 1))
        for ends in (first, last)
    )
    along = last - np.clip((rows - last) / np.maximum(end - last, 1), 0, 1) * (last - first)
    nearest = known[np.abs(columns[:, None] - known).argmin(axis=1)].astype(np.float32)
    strands = np.where(is_strand[..., None], colors.astype(np.float32), smooth)
    return cv2.remap(strands, np.broadcast_to(nearest, along.shape).copy(), along, cv2.INTER_LINEAR)


def _below_nape(hull: UInt8[np.ndarray, "height width"], narrows: float, end: float) -> _Mask:
    """Below the half ellipse in which short hair ends.

    Args:
        narrows: row from which it does; end: its last.
    """
    rows, columns = np.ogrid[: hull.shape[0], : hull.shape[1]]
    left, right = np.flatnonzero(hull.any(axis=0))[[0, -1]].tolist()
    across = (2 * columns - left - right) / max(right - left, 1)
    down = np.maximum(rows - narrows, 0) / max(end - narrows, 1)
    return (np.square(across) + np.square(down) > 1) & (rows > narrows)
