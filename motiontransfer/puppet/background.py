"""Background image of a fixed camera: masked temporal median with inpainting.

At each pixel, the median over those frames only in which the person is farthest from it, or too far
to cast a soft shadow on it: a plain median would show the person where they mostly stand, and one
over all frames that show the background a brighter shape of them in their soft shadow. Where the
median is in a shadow, and a quarter of those frames are not, it is that of the bright ones. Pixels
that are hardly ever uncovered are inpainted (Bertalmio et al. 2001, which continues edges).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from jaxtyping import Bool, Int64, UInt8

from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.puppet.silhouette import LEAST_MASK, read_masks
from motiontransfer.puppet.target_clips import FullSizeFrames
from motiontransfer.video.color import Frame
from motiontransfer.video.geometry import resize

# Distance of the person from a pixel, shares of the body's height: it shows the background; surely;
# without a soft shadow.
_FREE, _SURELY_FREE, _UNSHADED = 0.012, 0.05, 0.5
_FARTHEST = 0.2  # share of the frames, those with the person farthest from a pixel
_LARGEST_HELD = 0.03  # side of what is held, where a mask leaves it out; share of the body's height
_FEWEST_FRAMES = 0.05  # share of the frames that have to show it
_NUM_FRAMES = 200  # of all clips together
_LEVELS = 255  # quantisation levels of distances up to _UNSHADED
_INPAINTING_RADIUS_PX = 3
_ROWS_AT_ONCE = 32  # a long median of whole frames would need much memory
_SHADOW = (0.5, 0.9)  # brightness of a median in a shadow, relative to the upper quartile
_SHADOW_DARKENING = (0.35, 1.02)
_SHADOW_TINT = 0.07  # largest change of a shadow's color, relative to its darkening
_SHADOW_OFFSET = 8.0  # levels; keeps ratios of dark pixels apart from noise
_MOVING = 40  # levels between the median and the upper quartile of a pixel that changes
_THINNEST_SHADOW = 0.01  # share of the frame's height; thinner ones are noise at edges


_Image = TypeVar("_Image", bound=np.ndarray)
_Pixels = Bool[np.ndarray, "height width"]
_Levels = UInt8[np.ndarray, "rows columns 3"]


class Background(NamedTuple):
    image: Frame
    is_filled: _Pixels
    """Pixels that were never seen uncovered, and are inpainted."""
    is_moving: _Pixels
    """Pixels of the masks that change beside the person: captions, screens, other people."""


def median_background(frames: FullSizeFrames, *, num_frames: int = _NUM_FRAMES) -> Background:
    """Median over about `num_frames` training frames, evenly spread over the clips; they are kept.

    The person is where their masks are.
    """
    clips, size = frames.clips, frames.size
    distances, heights, samples = [], [], []
    kept: list[tuple[int, int]] = []
    for number, clip in enumerate(clips):
        masks = read_masks(clip.masks_file)
        height_px = body_height_px(clip.keypoints.resized(masks.masks.shape[1:]))
        heights.append(height_px)
        masked = masks.frames_of(clip.training[:: frames.steps[number]])
        indices = evenly_spaced(masked, count=max(num_frames // len(clips), 1))
        description = f"reading frames for the background, clip {number + 1} of {len(clips)}"
        for index in track(indices, description, total=len(indices)):
            kept.append((number, index))
            frame = frames.keep(kept[-1])
            samples.append(_resampled(frame, masks.masks.shape[1:]))
            is_free = (masks[index] < LEAST_MASK).astype(np.uint8)
            away = cv2.distanceTransform(is_free, cv2.DIST_L2, cv2.DIST_MASK_5)
            share = np.clip(away / max(_UNSHADED * height_px, 1), 0, 1)
            distances.append((share * _LEVELS).astype(np.uint8))
    levels = np.stack(distances)
    shows_background = _showing_background(levels)

    def rows(number: int, start: int, stop: int) -> _Levels:
        return frames.rows(kept[number], start, stop)

    median, lit, upper = _quantile_images(rows, shows_background, size)
    seen = np.where(_shaded(median, upper)[..., None], lit, median)
    is_moving = _moving(samples, levels >= _SURELY_FREE / _UNSHADED * _LEVELS)
    hidden = np.asarray(~shows_background.any(axis=0), np.uint8)
    small = _resampled(seen, hidden.shape)
    hidden[_held(small, hidden, float(np.median(heights)))] = 1
    filled = cv2.inpaint(small, hidden, _INPAINTING_RADIUS_PX, cv2.INPAINT_NS)
    is_hidden = _resampled(hidden, size) > 0
    image = np.where(is_hidden[..., None], resize(filled, size), seen)
    return Background(image, is_filled=is_hidden, is_moving=is_moving)


def _held(image: Frame, hidden: UInt8[np.ndarray, "height width"], height_px: float) -> _Pixels:
    """Small things of another color at the edge of what was hidden: straps, what hands hold.

    No mask shows them as the person, and inpainting would spread their color.
    """
    seen, side = 1 - hidden.astype(np.float32), 2 * round(_SURELY_FREE * height_px) + 1
    share = np.maximum(cv2.blur(seen, (side, side)), 1e-6)
    around = cv2.blur(image * seen[..., None], (side, side)) / share[..., None]
    differs = (np.abs(image - around).max(axis=2) > _MOVING) & (hidden == 0)
    _, pieces, boxes, _ = cv2.connectedComponentsWithStats(differs.astype(np.uint8))
    at_edge = np.unique(pieces[differs & (cv2.dilate(hidden, np.ones((3, 3), np.uint8)) > 0)])
    largest = max((_LARGEST_HELD * height_px) ** 2, 1)
    return np.isin(pieces, [it for it in at_edge if boxes[it, cv2.CC_STAT_AREA] <= largest])


def _resampled(image: _Image, size: tuple[int, ...]) -> _Image:
    """An image in another size, by the pixel under the center of each."""
    return image[np.ix_(*map(_nearest, size, image.shape))]


def _nearest(length: int, of_length: int) -> Int64[np.ndarray, " length"]:
    return ((np.arange(length) + 0.5) * of_length / length).astype(np.int64)


def _showing_background(
    levels: UInt8[np.ndarray, "frames height width"],
) -> Bool[np.ndarray, "frames height width"]:
    """Mask of the frames that a pixel's background is taken from, by the person's distance."""
    ranks = [len(levels) - max(round(it * len(levels)), 1) for it in (_FARTHEST, _FEWEST_FRAMES)]
    of_far, of_farthest = np.partition(levels, ranks, axis=0)[ranks]
    free = round(_FREE / _UNSHADED * _LEVELS)
    return (levels >= np.maximum(of_far, free)) & (of_farthest >= free)


def _moving(
    samples: Sequence[_Levels], is_free: Bool[np.ndarray, "frames height width"]
) -> _Pixels:
    """Pixels that change in the frames that surely show the background, and not by a shadow."""

    def rows(number: int, start: int, stop: int) -> _Levels:
        return samples[number][start:stop]

    median, _, upper = _quantile_images(rows, is_free, is_free.shape[1:])
    return np.any(cv2.absdiff(median, upper) > _MOVING, axis=2) & ~_shaded(median, upper)


def _shaded(median: Frame, upper: Frame) -> _Pixels:
    """Where a median lies in a shadow that the upper quartile does not."""
    side = max(round(_THINNEST_SHADOW * len(median)), 1)
    brightness = (median.mean(axis=2) + 1) / (upper.mean(axis=2) + 1)
    is_dark = (brightness > _SHADOW[0]) & (brightness < _SHADOW[1])
    shadow = (is_shadow(median, upper) & is_dark).astype(np.uint8)
    return cv2.morphologyEx(shadow, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)) > 0


def _quantile_images(
    read: Callable[[int, int, int], _Levels],
    is_used: Bool[np.ndarray, "frames rows columns"],
    size: tuple[int, ...],
) -> tuple[Frame, Frame, Frame]:
    """Images by `_quantiles` of the frames that are used at a pixel, over time; 0 without any.

    Args:
        read: some rows of a frame, by its number, the first row, and that after the last.
        size: of the frames.
    """
    height, width = size
    images = np.empty((3, height, width, 3), np.uint8)
    y, x = map(_nearest, (height, width), is_used.shape[1:])
    for top in range(0, height, _ROWS_AT_ONCE):
        rows = slice(top, min(top + _ROWS_AT_ONCE, height))
        used = is_used[:, y[rows, None], x]
        levels = np.empty((*used.shape, 3), np.uint8)
        unused = used.view(np.uint8) - np.uint8(1)  # 255 where it is
        for number, of_frame in enumerate(levels):
            mask = cv2.cvtColor(unused[number], cv2.COLOR_GRAY2RGB)
            cv2.bitwise_or(read(number, rows.start, rows.stop), mask, dst=of_frame)
        count = used.sum(axis=0)[..., None]
        for image, of_rows in zip(images, _quantiles(levels, count), strict=True):
            image[rows] = np.where(count > 0, of_rows, 0)
    median, lit, upper = images
    return median, lit, upper


def _quantiles(
    levels: UInt8[np.ndarray, "frames rows columns 3"], count: Int64[np.ndarray, "rows columns 1"]
) -> tuple[_Levels, _Levels, _Levels]:
    """Median, median of the levels nearer to the upper quartile than to it, and upper quartile.

    Args:
        levels: 255 in frames that do not count.
        count: number of the others.
    """
    shape = levels.shape[1:]
    # NumPy sorts 16 bits by SIMD instructions, four times as fast as 8.
    ordered = cv2.transpose(levels.reshape(len(levels), -1)).astype(np.uint16)
    ordered.sort(axis=1)
    ordered = ordered.reshape(*shape, -1)
    last = np.maximum(np.broadcast_to(count, shape) - 1, 0)

    def at(index: Int64[np.ndarray, "rows columns 3"]) -> _Levels:
        return np.take_along_axis(ordered, index[..., None], axis=-1)[..., 0].astype(np.uint8)

    median, upper = at(last // 2), at(3 * last // 4)
    middle = (median.astype(np.uint16) + upper) // 2
    first_lit = np.minimum((ordered <= middle[..., None]).sum(axis=-1), last)
    return median, at((first_lit + last) // 2), upper


def is_shadow(frame: Frame, background: Frame) -> _Pixels:
    """Pixels that show the background image with all channels darkened alike."""
    ratio = (frame + np.float32(_SHADOW_OFFSET)) / (background + np.float32(_SHADOW_OFFSET))
    darkening = ratio.mean(axis=2)
    tint = np.abs(ratio - darkening[..., None]).max(axis=2)
    low, high = _SHADOW_DARKENING
    return (low < darkening) & (darkening < high) & (tint < _SHADOW_TINT)
