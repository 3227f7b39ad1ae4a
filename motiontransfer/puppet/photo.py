"""Photos of a person: cut out by their own masks or by closed-form matting, and the room behind."""

import cv2
import numpy as np

from motiontransfer.pose.boxes import body_height_px
from motiontransfer.puppet.background import Background
from motiontransfer.puppet.closed_form import closed_form_matte
from motiontransfer.puppet.full_size import FullSizeFrames
from motiontransfer.puppet.inpainting import inpainted
from motiontransfer.puppet.masks import read_masks
from motiontransfer.video.color import MaskedFrame

_RIM = 0.008  # of the body's height, around what shows the person: a camera's blur
_LEAST_SHOWN = 5  # level of 255, from which a pixel shows the person
_UNDER_MASK = 128.0  # level over which a picture with a mask is stored


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
    rim = 2 * max(round(_RIM * heights[0]), 1) + 1
    shown = (frames[0, 0][..., 3] >= _LEAST_SHOWN).astype(np.uint8)
    is_filled = cv2.dilate(shown, np.ones((rim, rim), np.uint8)) > 0
    is_moving = np.zeros_like(is_filled)
    return Background(inpainted(photo, is_filled), is_filled, is_moving, of_photo=True)


def _matted(frames: FullSizeFrames, number: int, *, height_px: float) -> MaskedFrame:
    """A photo in the person's colors alone, and the share of each pixel that is the person."""
    key = number, 0
    masked = frames.masked(key)
    if masked is None:
        photo, mask = frames[key], read_masks(frames.clips[number].masks_file)[0]
        level = cv2.resize(mask, photo.shape[1::-1]) / np.float32(255)
        alpha, colors = closed_form_matte(photo, level, height_px=height_px)
        return np.dstack([colors, cv2.convertScaleAbs(alpha, alpha=255)])
    alpha = masked[..., 3:] / np.float32(255)
    colors = (masked[..., :3] - (1 - alpha) * _UNDER_MASK) / np.maximum(alpha, 1 / 255)
    return np.dstack([colors.round().clip(0, 255).astype(np.uint8), masked[..., 3]])
