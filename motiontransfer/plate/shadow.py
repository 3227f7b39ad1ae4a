"""A person's shadow: found in a room; taken away, and cast where the person is."""

import cv2
import numpy as np
from jaxtyping import UInt8

from motiontransfer.core.arrays import Frame, PixelMask

Light = UInt8[np.ndarray, "rows columns 3"]
"""Share of a room's light that the person leaves there, by color; of 255."""

SHADOW_OFFSET = 8.0  # levels; keeps ratios of dark pixels apart from noise
_DARKENING = (0.35, 1.02)  # brightness of a pixel in a shadow, relative to the background
_TINT = 0.07  # largest change of a shadow's color, relative to its darkening


def without_shadow(photo: Frame, light: Light) -> Frame:
    return cv2.divide(photo, _enlarged(light, photo, (0.0, 0.0)), scale=255)


def with_shadow(room: Frame, light: Light, moved: tuple[float, float]) -> Frame:
    """A room with the shadow of who has moved by (x, y) pixels since the photo."""
    return cv2.multiply(room, _enlarged(light, room, moved), scale=1 / 255)


def _enlarged(light: Light, room: Frame, moved: tuple[float, float]) -> Frame:
    scale = np.divide(room.shape[:2], light.shape[:2])[::-1]
    matrix = np.column_stack([np.diag(scale), moved + (scale - 1) / 2])
    size = room.shape[1::-1]
    return cv2.warpAffine(light, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(255,) * 3)


def is_shadow(frame: Frame, background: Frame) -> PixelMask:
    """Pixels that show the background image with all channels darkened alike."""
    ratio = (frame + np.float32(SHADOW_OFFSET)) / (background + np.float32(SHADOW_OFFSET))
    darkening = ratio.mean(axis=2)
    tint = np.abs(ratio - darkening[..., None]).max(axis=2)
    low, high = _DARKENING
    return (low < darkening) & (darkening < high) & (tint < _TINT)
