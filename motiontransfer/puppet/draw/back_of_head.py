"""The back of a head that was filmed from the front: its own hair over its face.

What lies above the forehead is stretched down to the nape. Below, colors go over from one side of
the head to the other: long hair is there as well, or skin.
"""

import cv2
import numpy as np
from jaxtyping import Float, Float32

from motiontransfer.core.arrays import Affine, AnyFrame, Gray, Joints, MaskedFrame
from motiontransfer.plate.masks import SOLID, mean_around

# Upright, a head has this size, (height, width), and these places, (x, y): enough for its hair in a
# film of 1080 pixels.
_SIZE = 320, 256
_EYES, _MOUTH = np.array((128, 160)), np.array((128, 224))
_LENGTH = 64  # from the eyes to the mouth

_SOFT_PX = 7  # half of the width of edges: hair ends softly
_AROUND = 2 * _SOFT_PX + 1, 2 * _SOFT_PX + 1
_NEAR = np.ones(_AROUND, np.uint8)
_LIKE_SKIN = 1.5  # times nearer to the face's color than to the top's: shining hair is not
_FAR = 65  # pixels: to hair from all of a forehead
_LEAST = 1e-3  # share of a box that is hair, or of the head; with less it goes to black

# Lengths from the eyes to the mouth.
_FOREHEAD, _CHIN = np.array((0, -0.9)), np.array((0, 0.8))  # from the eyes, and from the mouth
_NAPE = 0.45  # from the mouth down to where short hair ends
_BEHIND_EARS = 0.7  # by which it ends higher there
_TOP = 0.4  # of the way from the top to the forehead: hair, if there is any
_CROWN = 0.2  # from the forehead up to the top, at least

_STRETCHED = 0.2, 0.55  # of the way from the top to the forehead: above is a rim, below a parting
_NARROWED = 0.3  # of the distance from the middle, at the nape: there are no crowns above ears

_Colors = Float32[np.ndarray, "height width 3"]
_Distances = Float[np.ndarray, "height width"]


def with_hair(pixels: MaskedFrame, face: Joints, *, share: float) -> MaskedFrame:
    """A head with hair over its face, as far as it is turned away; its outline stays.

    Args:
        pixels: a head from the front, or half from the front.
        face: the middle of the eyes, that of the mouth, and all joints on the face; pixels.
        share: 0: as it is, 1 and -1: from behind. Between, hair ends where the face begins. It is
            on the left of the image if the head looks to the right, which is positive.
    """
    matrix = _upright(face)
    head = cv2.warpAffine(pixels, matrix, _SIZE[::-1])
    is_covered = (head[..., 3] > SOLID).astype(np.uint8)
    columns = np.flatnonzero(is_covered[: _EYES[1]].any(axis=0))
    if not (len(columns) and is_covered[_EYES[1] : _MOUTH[1]].any()):
        return pixels
    first, last = float(columns[0]), float(columns[-1])
    middle, half = (first + last) / 2, (last - first + 1) / 2
    ends = (_EYES + _LENGTH * _FOREHEAD, _MOUTH + _LENGTH * _CHIN)
    points = np.vstack([face @ matrix[:, :2].T + matrix[:, 2], *ends])
    hidden = _hidden(points, is_covered)
    rows, across = np.mgrid[: _SIZE[0], : _SIZE[1]].astype(np.float32)
    nape = _MOUTH[1] + _LENGTH * (_NAPE - _BEHIND_EARS * ((across - middle) / half) ** 2)
    is_hair = _ramp(nape - rows)[..., None]
    forehead = float(points[:, 1].min())
    hair = _without_skin(head[..., :3], is_covered, forehead)
    hair = _stretched(hair, is_covered, middle=middle, forehead=forehead)
    back = is_hair * hair + (1 - is_hair) * _between_sides(head[..., :3], is_covered, hidden)
    beside = across - first if share > 0 else last - across
    reached = _ramp(2 * abs(share) * (half + _SOFT_PX) - _SOFT_PX - beside)
    layer = np.dstack([back, reached * cv2.blur(hidden, _AROUND)]).round().astype(np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    layer = cv2.warpAffine(layer, matrix, pixels.shape[1::-1], flags=flags)
    weight, drawn = layer[..., 3:] / np.float32(255), pixels.copy()
    drawn[..., :3] = (weight * layer[..., :3] + (1 - weight) * pixels[..., :3]).round()
    return drawn


def _upright(face: Joints) -> Affine:
    """The map of a head to where it is upright."""
    turn = _LENGTH * 1j / complex(*(face[1] - face[0]))
    linear = np.array([(turn.real, -turn.imag), (turn.imag, turn.real)])
    return np.column_stack([linear, _EYES - linear @ face[0]])


def _hidden(points: Joints, is_covered: Gray) -> Gray:
    """The face and all above it, 255."""
    face = np.zeros_like(is_covered)
    cv2.fillConvexPoly(face, cv2.convexHull(points.round().astype(np.int32)), 255)
    face = cv2.dilate(face, _NEAR)
    face[: _EYES[1], face.any(axis=0)] = 255
    return face * is_covered


def _without_skin(colors: AnyFrame, is_covered: Gray, forehead: float) -> _Colors:
    """What looks more like the face than like the top of the head, in colors around it."""
    rows, top = np.arange(_SIZE[0])[:, None], is_covered.any(axis=1).argmax()
    crown = max(forehead - top, _CROWN * _LENGTH)
    is_top, is_face = rows < top + _TOP * crown, (rows >= _EYES[1]) & (rows < _MOUTH[1])
    typical = [np.median(colors[is_covered * of > 0], axis=0) for of in (is_top, is_face)]
    from_top, from_face = (np.abs(colors - color).sum(axis=2) for color in typical)
    is_hair = (is_covered * (from_top <= _LIKE_SKIN * from_face)).astype(np.float32)
    share = np.clip(2 * cv2.blur(is_hair, _AROUND) - 1, 0, 1)[..., None]
    return share * colors + (1 - share) * mean_around(colors, is_hair, _FAR, least=_LEAST)


def _stretched(colors: _Colors, is_covered: Gray, *, middle: float, forehead: float) -> _Colors:
    """Hair from the top to the forehead, as long as to the nape."""
    above = is_covered[: _EYES[1]]
    tops = np.where(above.any(axis=0), above.argmax(axis=0), _EYES[1])
    rows, across = np.mgrid[: _SIZE[0], : _SIZE[1]]
    down = (rows - tops.min()) / (_MOUTH[1] + _NAPE * _LENGTH - tops.min())
    x = middle + (across - middle) * (1 - _NARROWED * np.clip(down, 0, 1))
    top = np.interp(x, np.arange(_SIZE[1]), tops)
    way = np.interp(down, (0, 1), _STRETCHED)
    y = top + way * np.maximum(forehead - top, _CROWN * _LENGTH)
    return cv2.remap(colors, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)


def _between_sides(colors: AnyFrame, is_covered: Gray, hidden: Gray) -> _Colors:
    """Colors that go over from one side of what is hidden to the other, in each row."""
    around = mean_around(colors, is_covered.astype(np.float32), _AROUND[0], least=_LEAST)
    inside = cv2.erode(is_covered, _NEAR) * cv2.dilate(hidden, _NEAR) > 0
    # Of the row, or of the last that has two sides.
    rows = np.maximum.accumulate(inside.any(axis=1) * np.arange(_SIZE[0]))
    left = inside.argmax(axis=1)[rows]
    right = _SIZE[1] - 1 - inside[:, ::-1].argmax(axis=1)[rows]
    on_way = (np.arange(_SIZE[1]) - left[:, None]) / np.maximum(right - left, 1)[:, None]
    on_way = np.clip(on_way, 0, 1).astype(np.float32)[..., None]
    between = (1 - on_way) * around[rows, left][:, None] + on_way * around[rows, right][:, None]
    return cv2.blur(between, (1, _AROUND[1]))


def _ramp(pixels: _Distances) -> _Distances:
    return np.clip(pixels / (2 * _SOFT_PX) + 0.5, 0, 1)
