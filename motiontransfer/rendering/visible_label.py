"""The visible label of generated frames, in their lower right corner."""

from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from motiontransfer.video.color import Frame

VisibleLabel = Literal["none", "corner"]
Label = UInt8[np.ndarray, "label_height label_width 4"]
"""Red, green, blue and opacity."""

_TEXTS = ("AI-generated", "AI")  # the second where the first does not fit
_RELATIVE_HEIGHT = 0.04  # height of the letters, of the shorter side
_MIN_FONT_PX = 10
_BACKGROUND = (0, 0, 0, 150)
_TEXT = (255, 255, 255, 235)


def with_label(frame: Frame) -> Frame:
    """Return the frame with its label."""
    return labelled(frame, draw_label(*frame.shape[:2]))


def labelled(frame: Frame, label: Label) -> Frame:
    """Return the frame with a label that was drawn for its size."""
    result, opacity = frame.copy(), label[..., 3:].astype(np.uint32)
    corner = result[-label.shape[0] :, -label.shape[1] :]
    corner[:] = (opacity * label[..., :3] + (255 - opacity) * corner + 127) // 255
    return result


@lru_cache(maxsize=4)
def draw_label(height: int, width: int) -> Label:
    """The label for frames of this size; cached: it never changes."""
    from PIL import Image, ImageDraw, ImageFont  # here: an exported target is drawn without Pillow

    font_px = max(_MIN_FONT_PX, round(_RELATIVE_HEIGHT * min(height, width)))
    font = ImageFont.load_default(size=font_px)
    padding = font_px // 3
    sizes = {text: round(font.getlength(text)) + 2 * padding for text in _TEXTS}
    text = next((text for text, size in sizes.items() if size <= width), _TEXTS[-1])
    size = (min(sizes[text], width), min(font_px + 2 * padding, height))
    image = Image.new("RGBA", size, _BACKGROUND)
    middle = (size[0] / 2, size[1] / 2)
    ImageDraw.Draw(image).text(middle, text, _TEXT, font, anchor="mm")
    return np.asarray(image)
