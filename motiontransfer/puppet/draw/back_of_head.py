"""The back of a head that was filmed from the front: its own hair over its face.

What lies above the forehead is stretched down to the nape. Below, colors go from one side of the
head to the other: of long hair they are hair's, of short hair they are skin's.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.core.arrays import Affine, Joints, MaskedFrame, Vector

# The head upright, in this size: (height, width), and places (x, y). Its hair is as fine as heads
# are in a film of 1080 pixels.
_SIZE = 320, 256
_EYES, _MOUTH = (128, 160), (128, 224)
_LENGTH = 64  # pixels from the eyes to the mouth
_SOFT_PX = 7  # of edges: hair ends softly
_BLUR = 2 * _SOFT_PX + 1, 2 * _SOFT_PX + 1
_COVERED = 200  # of 255: less is mixed with the room at an outline

# Lengths from the eyes to the mouth.
_FOREHEAD, _CHIN = 0.9, 0.8  # above the eyes and below the mouth, where a detector has no face
_NAPE, _BEHIND_EARS = 0.45, 0.7  # end of short hair below the mouth; by which it is higher at ears
_CROWN = 0.2  # least height of what is stretched

_ENDS = np.array(
    [(_EYES[0], _EYES[1] - _FOREHEAD * _LENGTH), (_MOUTH[0], _MOUTH[1] + _CHIN * _LENGTH)]
)
_STRETCHED = 0.2, 0.55  # of the way from the top to the forehead: below, partings show skin
_NARROWED = 0.3  # at the nape, that a column's own crown is nearer to the middle

_Colors = Float32[np.ndarray, "320 256 3"]
_Levels = UInt8[np.ndarray, "320 256"]
_Share = Float32[np.ndarray, "320 256"]


def with_hair(
    pixels: MaskedFrame, face: Joints, *, eyes: Vector, mouth: Vector, share: float
) -> MaskedFrame:
    """A head with hair over its face, as far as it is turned away.

    Args:
        pixels: a head from the front, or half from the front.
        face: joints on the face and at the ears, pixels.
        eyes: their middle, as that of the mouth.
        share: 0: as it is, 1 and -1: from behind. Between, hair ends where the face of a turned
            head begins, which looks to the right of the image, or to the left.
    """
    matrix = _upright(eyes, mouth)
    head = cv2.warpAffine(pixels, matrix, _SIZE[::-1])
    covered = (head[..., 3] > _COVERED).astype(np.uint8)
    columns = np.flatnonzero(covered[: _EYES[1]].any(axis=0))
    if not len(columns):
        return pixels
    points = np.vstack([face @ matrix[:, :2].T + matrix[:, 2], _ENDS])
    hidden = _hidden(points, covered)
    sides = (int(columns[0]), int(columns[-1]))
    hair = _hair(head[..., :3], covered, sides, forehead=float(points[:, 1].min()))
    rows, across = np.mgrid[: _SIZE[0], : _SIZE[1]].astype(np.float32)
    middle, half = (sides[1] + sides[0]) / 2, max((sides[1] - sides[0]) / 2, 1)
    nape = _MOUTH[1] + _LENGTH * (_NAPE - _BEHIND_EARS * ((across - middle) / half) ** 2)
    above = _ramp(nape - rows)[..., None]
    back = above * hair + (1 - above) * _between_sides(head[..., :3], covered, hidden)
    turned = across - sides[0] if share > 0 else sides[1] - across
    away = _ramp(abs(share) * 2 * (half + _SOFT_PX) - _SOFT_PX - turned)
    layer = np.dstack([back, away * cv2.blur(hidden, _BLUR)]).round().astype(np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    layer = cv2.warpAffine(layer, matrix, pixels.shape[1::-1], flags=flags)
    drawn, weight = pixels.copy(), layer[..., 3:] / np.float32(255)
    drawn[..., :3] = (weight * layer[..., :3] + (1 - weight) * pixels[..., :3]).round()
    return drawn


def _upright(eyes: Vector, mouth: Vector) -> Affine:
    """The map of a head to where it is upright."""
    turned = _LENGTH * 1j / complex(*(mouth - eyes))
    linear = np.array([(turned.real, -turned.imag), (turned.imag, turned.real)])
    return np.column_stack([linear, _EYES - linear @ eyes])


def _hidden(points: Joints, covered: _Levels) -> _Levels:
    """The face and all above it, of 255."""
    face = np.zeros_like(covered)
    cv2.fillConvexPoly(face, cv2.convexHull(points.round().astype(np.int32)), 255)
    face = cv2.dilate(face, np.ones(_BLUR, np.uint8))
    face[: _EYES[1], face.any(axis=0)] = 255
    return face * (covered > 0)


def _hair(
    colors: UInt8[np.ndarray, "320 256 3"],
    covered: _Levels,
    sides: tuple[int, int],
    *,
    forehead: float,
) -> UInt8[np.ndarray, "320 256 3"]:
    """What is above the forehead, stretched down to the nape."""
    middle = (sides[0] + sides[1]) / 2
    above = covered[: _EYES[1]]
    top = np.where(above.any(axis=0), above.argmax(axis=0), _EYES[1])
    first, last = top.min(), _MOUTH[1] + _NAPE * _LENGTH
    rows, across = np.mgrid[: _SIZE[0], : _SIZE[1]]
    down = np.clip((rows - first) / (last - first), 0, 1)
    x = middle + (across - middle) * (1 - _NARROWED * down)
    start = np.interp(x, np.arange(_SIZE[1]), top)
    crown = np.maximum(forehead - start, _CROWN * _LENGTH)
    y = start + crown * (_STRETCHED[0] + down * (_STRETCHED[1] - _STRETCHED[0]))
    return cv2.remap(colors, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)


def _between_sides(
    colors: UInt8[np.ndarray, "320 256 3"], covered: _Levels, hidden: _Levels
) -> _Colors:
    """Colors from one side of what is hidden to the other one."""
    around = cv2.blur(colors * covered[..., None], _BLUR, dst=None).astype(np.float32)
    around /= np.maximum(cv2.blur(covered.astype(np.float32), _BLUR), 1e-3)[..., None]
    inside = (cv2.erode(covered, np.ones(_BLUR, np.uint8)) > 0) & (hidden > 0)
    rows, across = np.arange(_SIZE[0]), np.arange(_SIZE[1])
    left, right = inside.argmax(axis=1), _SIZE[1] - 1 - inside[:, ::-1].argmax(axis=1)
    share = np.clip((across - left[:, None]) / np.maximum(right - left, 1)[:, None], 0, 1)[..., None]
    ends = around[rows, left][:, None], around[rows, right][:, None]
    between = ((1 - share) * ends[0] + share * ends[1]).astype(np.float32)
    return cv2.blur(between, (1, _BLUR[1]))


def _ramp(pixels: _Share) -> _Share:
    return np.clip(pixels / (2 * _SOFT_PX) + 0.5, 0, 1)
