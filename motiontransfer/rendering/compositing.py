"""Compositing of finished frames without PyTorch, as the renderer and an exported target do it.

Faces are blended in by a feathered weight or by Poisson image editing (Perez et al. 2003). A puppet
is drawn over a room at the size of the result. Shadows, which are soft, are generated at the
working size and added to the larger background image.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Literal, TypeVar

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.core.arrays import Frame, Gray, MaskedFrame, PixelMask, Plane
from motiontransfer.core.errors import PARAMS_FILE, ParamsError
from motiontransfer.core.parallel import map_ahead
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.draw.warping import Puppet, PuppetClip, Texture
from motiontransfer.video.geometry import resize

PendingFrame = Callable[[], Frame]
"""Finishes a generated frame, also beside the generation of the next one."""
FaceBlending = Literal["feather", "poisson"]
VisibleLabel = Literal["none", "corner"]
Label = UInt8[np.ndarray, "label_height label_width 4"]
"""Red, green, blue and opacity."""
_AnyFrame = TypeVar("_AnyFrame", Frame, MaskedFrame)

_FEATHER_FRACTION = 0.15  # of each side of a face box
_ELLIPSE_HEIGHT, _ELLIPSE_WIDTH = 0.86, 0.68
"""Share of the crop: forehead to chin and cheek to cheek, without hair and background."""
_ELLIPSE_RAMP = 0.3
"""Share of the ellipse's radius over which the weight falls to 0."""
_CLONE_EROSION_PX = 3  # by which OpenCV shrinks a mask
_CLONE_BORDER_PX = 2 * _CLONE_EROSION_PX + 2  # a mask may lie at a frame's edge
_MAX_THREADS = 4
_LABEL_TEXTS = ("AI-generated", "AI")  # the second where the first does not fit
_LABEL_HEIGHT = 0.04  # height of the letters, of the shorter side
_MIN_FONT_PX = 10
_LABEL_BACKGROUND = (0, 0, 0, 150)
_LABEL_COLOR = (255, 255, 255, 235)


def face_box_weight(size: tuple[int, int]) -> Plane:
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


def blend_poisson(frame: Frame, patch: Frame, mask: PixelMask) -> Frame:
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


def over_image(texture: Texture, background: Frame) -> Frame:
    """A puppet over an image of its size."""
    left, top, width, height = cv2.boundingRect(texture[..., 3])
    result, person = background.copy(), np.s_[top : top + height, left : left + width]
    if not width:
        return result
    *color, coverage = texture[person].transpose(2, 0, 1)  # dense rows, as it is drawn
    result[person] = _laid_over(color, coverage, result[person])
    return result


def puppet_frames(
    puppet: Puppet,
    keypoints: Keypoints,
    *,
    size: tuple[int, int],
    rooms: Iterable[Frame] | None = None,
) -> Iterator[MaskedFrame]:
    """The puppet in each pose over its background image, at a size; in threads.

    Args:
        rooms: the background image with shadows, in each pose, in the size of the poses' image;
            None: there are no shadows.
    """
    clip, image_size = puppet.follow(keypoints), keypoints.image_size
    small, large = (resize(puppet.appearance.background, each) for each in (image_size, size))

    def draw(numbered: tuple[int, Frame | None]) -> UInt8[np.ndarray, "rows columns 4"]:
        index, room = numbered
        background = large if room is None else enlarged_room(room, small, large)
        return draw_puppet(clip, index, image_size, background)

    each = zip(range(keypoints.num_frames), repeat(None) if rooms is None else rooms, strict=False)
    return map_ahead(draw, each, num_threads=num_threads())


def enlarged_room(
    room: Frame, small: Frame, large: UInt8[np.ndarray, "rows columns 3"]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """A room at the size of the large background image, whose shadows alone are enlarged.

    Args:
        small: the background image in the size of `room`.
    """
    shadows = cv2.subtract(room, small, dtype=cv2.CV_16S)
    return cv2.add(large, cv2.resize(shadows, large.shape[1::-1]), dtype=cv2.CV_8U)


def draw_puppet(
    clip: PuppetClip, index: int, image_size: tuple[int, int], background: Frame
) -> MaskedFrame:
    """The puppet in a pose, which an image of a size has, over a background image, in its size."""
    (height, width), (rows, columns) = image_size, background.shape[:2]
    texture = clip.draw(index, box=(0, 0, width, height), size=(rows, columns))
    room = clip.room(index, background)
    return cv2.merge([*cv2.split(over_image(texture, room)), texture[..., 3]])


def over_background(person: MaskedFrame, background: Frame) -> MaskedFrame:
    """A person, in colors times their coverage, over an image of that size; with the coverage."""
    *color, coverage = cv2.split(person)
    return cv2.merge([*cv2.split(_laid_over(color, coverage, background)), coverage])


def _laid_over(color: Sequence[Gray], coverage: Gray, background: Frame) -> Frame:
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
