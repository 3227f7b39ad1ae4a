"""Compositing of finished frames without PyTorch, as the renderer and an exported target do it.

Faces are blended in by a feathered weight or by Poisson image editing (Perez et al. 2003). Frames
are made larger by a fast guided filter (He and Sun 2015), whose guide is the puppet over the
background image at the size of the target's video: around each pixel a frame is taken for a linear
function of the guide at the working size, and the result is that function of the larger guide,
or as far as the puppet is sure, and where nothing was generated, the guide itself.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, TypeVar

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from motiontransfer.core.errors import PARAMS_FILE, ParamsError
from motiontransfer.core.parallel import map_ahead
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.draw.warping import Puppet, PuppetClip, Texture
from motiontransfer.video.color import Frame, MaskedFrame
from motiontransfer.video.geometry import resize

PendingFrame = Callable[[], Frame]
"""Finishes a generated frame, also beside the generation of the next one."""
FaceBlending = Literal["feather", "poisson"]
VisibleLabel = Literal["none", "corner"]
Label = UInt8[np.ndarray, "label_height label_width 4"]
"""Red, green, blue and opacity."""
_Plane = UInt8[np.ndarray, "rows columns"]
_AnyFrame = TypeVar("_AnyFrame", Frame, MaskedFrame)
Levels = Float32[np.ndarray, "height width channels"]
Box = tuple[slice, slice]
"""Rows and columns."""

_FEATHER_FRACTION = 0.15  # of each side of a face box
_ELLIPSE_HEIGHT, _ELLIPSE_WIDTH = 0.86, 0.68
"""Share of the crop: forehead to chin and cheek to cheek, without hair and background."""
_ELLIPSE_RAMP = 0.3
"""Share of the ellipse's radius over which the weight falls to 0."""
_CLONE_EROSION_PX = 3  # by which OpenCV shrinks a mask
_CLONE_BORDER_PX = 2 * _CLONE_EROSION_PX + 2  # a mask may lie at a frame's edge
_GUIDE_RADIUS_PX = 1  # of the window, pixels of the working image
_MAX_THREADS = 4
_GUIDE_SMOOTHNESS = 3.0  # levels; texture of the guide below it stays
_SAME = 1.0  # level by which frames differ where nothing was generated, as they are rounded
_GUIDE_REACH_PX = 3  # of what differs there: two windows, and a pixel between
_BAND_ROWS = 16
_LABEL_TEXTS = ("AI-generated", "AI")  # the second where the first does not fit
_LABEL_HEIGHT = 0.04  # height of the letters, of the shorter side
_MIN_FONT_PX = 10
_LABEL_BACKGROUND = (0, 0, 0, 150)
_LABEL_COLOR = (255, 255, 255, 235)


def face_box_weight(size: tuple[int, int]) -> Float32[np.ndarray, "height width"]:
    """Blending weight of a face box: 1 inside, a cosine ramp to 0 at the border."""
    down, across = ((np.arange(length, dtype=np.float32) + 0.5) / length for length in size)
    rows, columns = (
        _cosine_ramp(np.minimum(position, 1 - position) / np.float32(_FEATHER_FRACTION))
        for position in (down, across)
    )
    return rows[:, None] * columns[None, :]


def face_ellipse_weight(crop_size: int) -> Float32[np.ndarray, "crop_size crop_size"]:
    """Blending weight of an aligned crop: 1 on the face, a cosine ramp to 0 around it."""
    position = (np.arange(crop_size, dtype=np.float32) + 0.5) / crop_size - 0.5
    radius = np.hypot(
        position[:, None] / np.float32(_ELLIPSE_HEIGHT / 2),
        position[None, :] / np.float32(_ELLIPSE_WIDTH / 2),
    )
    return _cosine_ramp((1 - radius) / np.float32(_ELLIPSE_RAMP))


def _cosine_ramp(fraction: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    return np.float32(0.5) - np.float32(0.5) * np.cos(np.float32(np.pi) * fraction.clip(0, 1))


def blend_poisson(frame: Frame, patch: Frame, mask: Bool[np.ndarray, "height width"]) -> Frame:
    """Return the frame with the patch's gradients where the mask is; elsewhere it is untouched."""
    if not mask.any():
        return frame.copy()
    border = [(_CLONE_BORDER_PX, _CLONE_BORDER_PX)] * 2
    target, source = (np.pad(image, [*border, (0, 0)], mode="edge") for image in (frame, patch))
    side = 2 * _CLONE_EROSION_PX + 1
    levels = np.pad(255 * mask.astype(np.uint8), border)
    levels = cv2.dilate(levels, np.ones((side, side), np.uint8))
    x, y, width, height = cv2.boundingRect(levels)
    middle = (x + width // 2, y + height // 2)
    cloned = cv2.seamlessClone(source, target, levels, middle, cv2.NORMAL_CLONE)
    inner = slice(_CLONE_BORDER_PX, -_CLONE_BORDER_PX)
    return np.where(mask[..., None], cloned[inner, inner], frame)


class GuidedUpsampling:
    def __init__(self, puppet: Puppet, *, size: tuple[int, int]) -> None:
        """Resize the background image to the (height, width) of upsampled frames."""
        self._size, self._background = size, resize(puppet.appearance.background, size)

    def upsample(
        self, frame: _AnyFrame, puppet: PuppetClip, index: int
    ) -> UInt8[np.ndarray, "new_height new_width channels"]:
        """A frame that was generated from the puppet's pose of this index, at the larger size.

        A mask's guide is the puppet's coverage.
        """
        height, width, channels = frame.shape
        texture = puppet.draw(index, box=(0, 0, width, height), size=self._size)
        result = _over(texture, self._background)
        if channels == 4:
            result = np.dstack([result, texture[..., 3]])
        guide = cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA)
        guide, image = guide.astype(np.float32), frame.astype(np.float32)
        if (box := _changed(guide, image, self._size)) is None:
            return result
        changed = _enlarged(*_guided_filter(guide, image), result, box)
        # The puppet itself where it is sure.
        sure = texture[box][..., 4].astype(np.float32)
        result[box] = cv2.blendLinear(result[box], changed, sure, 255 - sure)
        return result


def _person(texture: Texture) -> Box:
    """Box of what a puppet covers."""
    left, top, width, height = cv2.boundingRect(texture[..., 3])
    return np.s_[top : top + height, left : left + width]


def _over(texture: Texture, background: Frame) -> Frame:
    """A puppet over an image of its size."""
    result, person = background.copy(), _person(texture)
    if not texture[person].size:
        return result
    *color, coverage, _ = texture[person].transpose(2, 0, 1)  # dense rows, as it is drawn
    result[person] = _laid_over(color, coverage, result[person])
    return result


def puppet_frames(
    puppet: Puppet, keypoints: Keypoints, *, size: tuple[int, int]
) -> Iterator[MaskedFrame]:
    """The puppet alone over its background image, in each pose, at a size; in threads."""
    clip, background = puppet.follow(keypoints), resize(puppet.appearance.background, size)
    return map_ahead(
        lambda index: draw_puppet(clip, index, keypoints.image_size, background),
        range(keypoints.num_frames),
        num_threads=num_threads(),
    )


def draw_puppet(
    clip: PuppetClip, index: int, image_size: tuple[int, int], background: Frame
) -> MaskedFrame:
    """The puppet in a pose, which an image of a size has, over a background image, in its size."""
    (height, width), (rows, columns) = image_size, background.shape[:2]
    texture = clip.draw(index, box=(0, 0, width, height), size=(rows, columns))
    room = clip.room(index, background)
    return cv2.merge([*cv2.split(_over(texture, room)), texture[..., 3]])


def upsample_frames(
    frames: Iterable[_AnyFrame], puppet: PuppetClip, *, size: tuple[int, int]
) -> Iterator[_AnyFrame]:
    """Frames of a clip at a larger size (height, width), in the order of its poses; in threads."""
    upsampling = GuidedUpsampling(puppet.puppet, size=size)
    return map_ahead(
        lambda numbered: upsampling.upsample(numbered[1], puppet, numbered[0]),
        enumerate(frames),
        num_threads=num_threads(),
    )


def over_background(person: MaskedFrame, background: Frame) -> MaskedFrame:
    """A person, in colors times their coverage, over an image of that size; with the coverage."""
    *color, coverage = cv2.split(person)
    return cv2.merge([*cv2.split(_laid_over(color, coverage, background)), coverage])


def _laid_over(color: Sequence[_Plane], coverage: _Plane, background: Frame) -> Frame:
    under = cv2.multiply(background, cv2.merge([255 - coverage] * 3), scale=1 / 255)
    return cv2.add(under, cv2.merge(color))


def without_mask(frame: MaskedFrame) -> Frame:
    """The colors, dense: each reader of a slice would copy it, which takes 100 times as long."""
    return cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB)


def num_threads() -> int:
    """One a core, of which a job beside others has a part."""
    return min(int(os.environ.get("LOKY_MAX_CPU_COUNT") or os.cpu_count() or 1), _MAX_THREADS)


def size_of_height(
    working: tuple[int, int], full: tuple[int, int], *, height: int | None
) -> tuple[int, int]:
    """(height, width) of results.

    Args:
        working: of the frames as generated.
        full: of the target's video, or without texture that of the working image.
        height: None for that of `full`.

    Raises:
        ParamsError: larger than that, or smaller than the working image.
    """
    if height is None or height == full[0]:
        return full
    if not working[0] <= height < full[0]:
        raise ParamsError(
            f"{PARAMS_FILE}: render.height: expected null or {working[0]} to {full[0]}, from the "
            f"working image to what the target's texture has, got {height}"
        )
    return (height, 2 * round(full[1] * height / full[0] / 2)) if height > working[0] else working


def _guided_filter(guide: Levels, image: Levels) -> tuple[Levels, Levels]:
    """Gain and offset of the linear function of the guide that the image is around each pixel.

    By channel; He et al. 2013, eq. 5, 6 and 8, but that the gain is 1 and not 0 where the guide
    varies little: the image is the guide with changes, whose own texture stays.
    """
    mean, mean_of_image = _mean(guide), _mean(image)
    variance = _mean(guide * guide) - mean * mean
    covariance = _mean(guide * image) - mean * mean_of_image
    least = np.float32(_GUIDE_SMOOTHNESS**2)
    gain = (covariance + least) / (variance + least)
    return _mean(gain), _mean(mean_of_image - gain * mean)


def _changed(guide: Levels, image: Levels, size: tuple[int, int]) -> Box | None:
    """Box of what differs from its guide, in an image of (height, width); None: nothing does."""
    differs = np.any(np.abs(image - guide) > _SAME, axis=2).astype(np.uint8)
    left, top, width, height = cv2.boundingRect(differs)
    if not width:
        return None
    sides = zip((top, left), (height, width), differs.shape, size, strict=True)
    down, across = (
        slice(
            max(start - _GUIDE_REACH_PX, 0) * large // small,
            -(-min(start + length + _GUIDE_REACH_PX, small) * large // small),
        )
        for start, length, small, large in sides
    )
    return down, across


def _mean(image: Levels) -> Levels:
    side = 2 * _GUIDE_RADIUS_PX + 1
    return cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT)


def _enlarged(
    gain: Float32[np.ndarray, "rows columns channels"],
    offset: Float32[np.ndarray, "rows columns channels"],
    guide: UInt8[np.ndarray, "height width channels"],
    box: Box,
) -> UInt8[np.ndarray, "_ _ channels"]:
    """In a box, the linear function of a guide whose gain and offset are given for fewer pixels.

    They are bilinear between these. In bands, which stay in the processor's cache: whole images of
    floats would go through memory.
    """
    (height, width), num_rows, (down, across) = guide.shape[:2], len(gain), box
    wide = [cv2.resize(each, (width, num_rows))[:, across] for each in (gain, offset)]
    wide = np.concatenate([each.reshape(num_rows, -1) for each in wide], axis=1)
    guide = guide[box]
    rows = (np.arange(down.start, down.stop) + 0.5) * (num_rows / height) - 0.5
    above = np.floor(rows).astype(int)
    below, share = above + 1, (rows - above).astype(np.float32)[:, None]
    result = np.empty_like(guide)
    for start in range(0, len(guide), _BAND_ROWS):
        band = slice(start, start + _BAND_ROWS)
        linear, lower = (wide[near[band].clip(0, num_rows - 1)] for near in (above, below))
        lower -= linear
        lower *= share[band]
        linear += lower
        levels, offsets = np.split(linear, 2, axis=1)
        levels *= guide[band].reshape(levels.shape)
        levels += offsets
        result[band] = cv2.convertScaleAbs(levels.clip(0)).reshape(-1, *guide.shape[1:])
    return result


def with_label(frame: _AnyFrame) -> _AnyFrame:
    """Return the frame with the visible label of generated frames in its lower right corner."""
    return labeled(frame, draw_label(*frame.shape[:2]))


def labeled(frame: _AnyFrame, label: Label) -> _AnyFrame:
    result, opacity = frame.copy(), label[..., 3:].astype(np.uint32)
    corner = result[-label.shape[0] :, -label.shape[1] :]
    shown = np.dstack([label[..., :3], np.full_like(label[..., 3], 255)])[..., : frame.shape[2]]
    corner[:] = (opacity * shown + (255 - opacity) * corner + 127) // 255
    return result


@lru_cache(maxsize=4)
def draw_label(height: int, width: int) -> Label:
    from PIL import Image, ImageDraw, ImageFont  # here: an exported target is drawn without Pillow

    font_px = max(_MIN_FONT_PX, round(_LABEL_HEIGHT * min(height, width)))
    font = ImageFont.load_default(size=font_px)
    padding = font_px // 3
    sizes = {text: round(font.getlength(text)) + 2 * padding for text in _LABEL_TEXTS}
    text = next((text for text, size in sizes.items() if size <= width), _LABEL_TEXTS[-1])
    size = (min(sizes[text], width), min(font_px + 2 * padding, height))
    image = Image.new("RGBA", size, _LABEL_BACKGROUND)
    middle = (size[0] / 2, size[1] / 2)
    ImageDraw.Draw(image).text(middle, text, _LABEL_COLOR, font, anchor="mm")
    return np.asarray(image)
