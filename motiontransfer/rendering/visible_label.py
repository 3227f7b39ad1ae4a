"""A label in the picture that says what it is, for those who look at it and not into the file.

Hides how large it is and where: in the lower right corner, as small as it can be read.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_TEXTS = ("AI-generated", "AI")  # the second where the first does not fit
_SHARE_OF_SIDE = 0.04  # height of the letters, of the shorter side
_SMALLEST_FONT_PX = 10
_BACKGROUND = (0, 0, 0, 150)
_TEXT = (255, 255, 255, 235)


def with_label(
    frame: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Return the frame with the label in its lower right corner."""
    height, width, _ = frame.shape
    label = _label(height, width)
    top, left = height - label.height, width - label.width
    labelled = frame.copy()
    corner = Image.fromarray(np.ascontiguousarray(frame[top:, left:]))
    labelled[top:, left:] = Image.alpha_composite(corner.convert("RGBA"), label).convert("RGB")
    return labelled


@lru_cache(maxsize=4)
def _label(height: int, width: int) -> Image.Image:
    """The label for frames of this size, on a see-through ground; cached: it never changes."""
    font_px = max(_SMALLEST_FONT_PX, round(_SHARE_OF_SIDE * min(height, width)))
    font = ImageFont.load_default(size=font_px)
    padding = font_px // 3
    sizes = {text: round(font.getlength(text)) + 2 * padding for text in _TEXTS}
    text = next((text for text, size in sizes.items() if size <= width), _TEXTS[-1])
    size = (min(sizes[text], width), min(font_px + 2 * padding, height))
    picture = Image.new("RGBA", size, _BACKGROUND)
    middle = (size[0] / 2, size[1] / 2)
    ImageDraw.Draw(picture).text(middle, text, _TEXT, font, anchor="mm")
    return picture
