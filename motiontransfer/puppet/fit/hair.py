"""Long hair told by color: it turns with the head, wherever it hangs.

Its colors are those around a face that are rare on trunk and arms. What has them and is connected
to the head is hair: on a shoulder, on a chest, or between the fingers of a hand. A part that mostly
has them is dressed in them, and nothing on it counts as hair.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Frame, PixelMask
from motiontransfer.plate.masks import disc_of, opened, touching
from motiontransfer.puppet.fit.silhouette import Distance, Field, Silhouette

# Radii of the head.
_LEAST = 0.12  # around a face: nearer is skin
_MOST = 1.3  # farther is what is behind
_BELOW = 2.0  # from where other parts tell which colors are theirs: hair lies on them above
_STRAND = 0.06  # half the width of what counts

# Radii of other parts.
_BESIDE = 1.4  # within which they may be seen
_SURE = 0.4  # within which they surely are
_BEFORE = 0.9  # the same of forearms and hands, which are before hair and may have its color

# Colors.
_FEWEST = 30  # pixels that tell them
_BINS = 32  # of each channel of CIELAB
_SMOOTH = 4.0, 1.0, 1.0  # bins: light varies more than color
_MORE_OFTEN = 2.0  # around the face than on other parts
_RARE = 0.05  # of the most frequent color there: less may be anything
_DRESSED = 0.5  # share of a part
_PASSES = 2  # each with the colors of what the one before found


def hair_of_head(
    parts: Sequence[BodyPart], distances: Sequence[Distance], person: Silhouette, frame: Frame
) -> Field:
    """1 where a person's hair is, falling to 0 at its edge; 0 where colors do not tell.

    Args:
        frame: the person's box in the size of the coverage.
    """
    hair = np.zeros_like(person.coverage)
    (eye, mouth), found = person.joints(("mid_eye", "mid_mouth"))
    head, of_head = next(both for both in zip(parts, distances, strict=True) if both[0].is_head)
    if not found.all() or not of_head.radii.size:
        return hair
    x0, y0, x1, y1 = of_head.box

    def nearest(is_asked: Callable[[BodyPart], bool]) -> Field:
        both = zip(parts, distances, strict=True)
        return np.minimum.reduce([d.within(of_head.box) for part, d in both if is_asked(part)])

    own = of_head.radii
    trunk = nearest(lambda part: part.is_trunk)
    arms = nearest(lambda part: part.is_arm and not part.is_forearm)
    before = nearest(lambda part: part.is_forearm or part.is_hand)
    others = np.minimum.reduce([trunk, arms, before])
    is_person = person.coverage[y0:y1, x0:x1] >= 1
    rows, columns = np.ogrid[y0:y1, x0:x1]
    down_x, down_y = mouth - eye
    is_above = (columns - mouth[0]) * down_x + (rows - mouth[1]) * down_y < 0
    around = is_person & is_above & (own > _LEAST) & (own < _MOST) & (others > _BESIDE)
    elsewhere = is_person & (own > _BELOW) & (others < _SURE)
    if min(np.count_nonzero(around), np.count_nonzero(elsewhere)) < _FEWEST:
        return hair
    lab, is_free = smooth_lab(frame[y0:y1, x0:x1]), is_person & (before > _BEFORE)
    disc, is_hair = disc_of(_STRAND * head.radius * person.height_px), around
    for _ in range(_PASSES):
        is_like = is_free & more_often(lab, is_hair & (own > _LEAST), elsewhere & ~is_hair)
        for part in (trunk, arms):
            sure = is_person & (part < _SURE)
            if np.count_nonzero(is_like & sure) > _DRESSED * np.count_nonzero(sure):
                is_like &= part > _BESIDE
        is_thick = opened(is_like.astype(np.uint8), disc) > 0
        is_hair = touching(is_thick, around & is_thick)
    hair[y0:y1, x0:x1] = cv2.blur(is_hair.astype(np.float32), (3, 3))
    return hair


def smooth_lab(frame: Frame) -> Frame:
    """Colors in CIELAB, without noise."""
    return cv2.cvtColor(cv2.blur(frame, (3, 3)), cv2.COLOR_RGB2LAB)


def more_often(lab: Frame, one: PixelMask, other: PixelMask) -> PixelMask:
    """Pixels whose color is twice as frequent in one place as in another."""
    often, bins = _colors(lab, one), lab // (256 // _BINS)
    is_often = often > np.maximum(_MORE_OFTEN * _colors(lab, other), _RARE * often.max())
    return is_often[bins[..., 0], bins[..., 1], bins[..., 2]]


def _colors(lab: Frame, where: PixelMask) -> Float[np.ndarray, "bins bins bins"]:
    """Share of each color and those beside it."""
    counted = cv2.calcHist([lab], [0, 1, 2], where.view(np.uint8), [_BINS] * 3, [0, 256] * 3)
    return gaussian_filter(counted, _SMOOTH, mode="constant") / max(np.count_nonzero(where), 1)
