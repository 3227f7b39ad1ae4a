"""Photos of a person: cut out by their own masks or by closed-form matting, and the room behind.

The room is without the soft shadow that the person casts on it.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from motiontransfer.core.arrays import Frame, MaskedFrame
from motiontransfer.plate.background import Background
from motiontransfer.plate.full_size import FullSizeFrames
from motiontransfer.plate.inpainting import inpainted, membrane
from motiontransfer.plate.masks import disc_of
from motiontransfer.plate.shadow import Light, without_shadow
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.puppet.fit.closed_form import MIXED, closed_form_matte

_LEAST_SHOWN = 5  # level of 255, from which a pixel shows the person
_UNDER_MASK = 128.0  # level over which a picture with a mask is stored

# A soft shadow on an even room.
_ROWS = 96  # of its image
_REACH = 0.15  # of the body's height, beyond which there is none
_DARKEST = 0.2  # share of light that is left; by less a room would be divided to noise
# Four of 16 photos, with a shadow on a wall, had up to 0.05, 0.4, 0.07 and 0.89. Others in even
# rooms had at least 0.98 of the last, rooms with things in them at least 0.15 of the first.
_MOST_COLOR = 0.06  # 90 % of differences between the colors' shares are below
_MOST_GRAIN = 0.7  # levels by which half of the pixels differ from those around them
_MOST_UNEVEN = 0.1  # deviation of what is farther away, of its row's median
_LEAST_SHADOW = 0.94  # 5 % of what is around the person is darker than that


def photo_background(frames: FullSizeFrames) -> Background:
    """The room of the first photo: what the person hides is filled by patches of the rest.

    Each photo is kept with its matte, in the person's colors alone.
    """
    photo = frames[0, 0]
    heights = [
        body_height_px(clip.keypoints) * len(photo) / clip.keypoints.image_size[0]
        for clip in frames.clips
    ]
    for number, height_px in enumerate(heights):
        frames.keep((number, 0), _matted(frames, number, height_px=height_px))
    rim = 2 * max(round(MIXED * heights[0]), 1) + 1
    shown = (frames[0, 0][..., 3] >= _LEAST_SHOWN).astype(np.uint8)
    is_filled = cv2.dilate(shown, np.ones((rim, rim), np.uint8)) > 0
    light = _soft_shadow(photo, is_filled, height_px=heights[0])
    lit = photo if light is None else without_shadow(photo, light)
    room = inpainted(lit, is_filled)
    return Background(room, is_filled, shadow=light, of_photo=True)


def _matted(frames: FullSizeFrames, number: int, *, height_px: float) -> MaskedFrame:
    """A photo in the person's colors alone, and the share of each pixel that is the person."""
    key = number, 0
    masked = frames.masked(key)
    if masked is None:
        photo, mask = frames[key], frames.masks[number][0]
        level = cv2.resize(mask, photo.shape[1::-1]) / np.float32(255)
        alpha, colors = closed_form_matte(photo, level, height_px=height_px)
        return np.dstack([colors, cv2.convertScaleAbs(alpha, alpha=255)])
    alpha = masked[..., 3:] / np.float32(255)
    colors = (masked[..., :3] - (1 - alpha) * _UNDER_MASK) / np.maximum(alpha, 1 / 255)
    return np.dstack([colors.round().clip(0, 255).astype(np.uint8), masked[..., 3]])


def _soft_shadow(
    photo: Frame, is_person: Bool[np.ndarray, "height width"], *, height_px: float
) -> Light | None:
    """The light that the person leaves of a photo's room; None without a shadow, or where not even.

    Around the person it is compared with what is farther away, row by row: a floor differs from a
    wall.
    """
    size = round(photo.shape[1] * _ROWS / len(photo)), _ROWS
    seen = (~is_person).astype(np.float32)
    share = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)[..., None]
    room = cv2.resize(photo * seen[..., None], size, interpolation=cv2.INTER_AREA)
    room = (room + 1) / np.maximum(share, 1 / 255)
    person = share[..., 0] < 0.5
    near = cv2.dilate(person.astype(np.uint8), disc_of(_REACH * height_px * _ROWS / len(photo))) > 0
    around = near & ~person
    if near.all(axis=1).any() or not around.any():
        return None
    rows = [_usual(row, is_near) for row, is_near in zip(room, near, strict=True)]
    even = (room / np.array(rows)[:, None]).astype(np.float32)
    light = membrane(even, person) / membrane(even, near)
    color = np.quantile(np.ptp(light[around], axis=1), 0.9)
    if color > _MOST_COLOR or even[~near].std() > _MOST_UNEVEN:
        return None
    if np.quantile(light[around].mean(axis=1), 0.05) > _LEAST_SHADOW:
        return None
    gray = photo.mean(axis=2, dtype=np.float32)
    grain = np.abs(gray - cv2.GaussianBlur(gray, (0, 0), 0.01 * height_px))
    at = cv2.resize(around.astype(np.uint8), gray.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    if np.median(grain[at]) > _MOST_GRAIN:
        return None
    light = cv2.GaussianBlur(np.where(near[..., None], light, 1).clip(_DARKEST, 1), (0, 0), 1)
    return cv2.convertScaleAbs(light, alpha=255)


def _usual(
    row: Float32[np.ndarray, "columns 3"], is_near: Bool[np.ndarray, " columns"]
) -> Float32[np.ndarray, "3"]:
    """Color of a row of the room: the mean of those of both sides, of which one may be darker."""
    middle = int(np.flatnonzero(is_near).mean()) if is_near.any() else len(row) // 2
    sides = [row[side][~is_near[side]] for side in (slice(middle), slice(middle, None))]
    return np.mean([np.median(side, axis=0) for side in sides if len(side)], axis=0)
