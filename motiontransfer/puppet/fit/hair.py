"""Hair and collars told by color.

Long hair turns with the head, wherever it hangs. Its colors are those around a face that are rare
on trunk and arms. What has them and is connected to the head is hair: on a shoulder, on a chest, or
between the fingers of a hand. A part that mostly has them is dressed in them, and nothing on it
counts as hair.

What has the trunk's colors below a mouth is a collar, and neither neck nor head. Carried by these,
it would stand beside another reference's trunk.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Float64
from scipy.ndimage import gaussian_filter

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Frame, PixelMask
from motiontransfer.plate.masks import disc_of, opened, touching
from motiontransfer.puppet.fit.silhouette import (
    JAW,
    SURE,
    Around,
    Distance,
    Field,
    Silhouette,
    around_part,
)

# Radii of the head.
_LEAST = 0.12  # around a face: nearer is skin
_MOST = 1.3  # farther is what is behind
_BELOW = 2.0  # from where other parts tell which colors are theirs: hair lies on them above
_THIN = 0.06  # half the width of a strand that counts, and of a rim where cloth and skin mix
_FACE = 0.3  # within are the colors of skin, and no collar

# Radii of other parts.
_BESIDE = 1.4  # within which they may be seen
_BEFORE = 0.9  # of forearms and hands, which are before hair and may have its color
_OF_TRUNK = 0.5  # beyond, a trunk does not hide a neck
_NEAR = 2.0  # of a neck: within, the trunk's colors are its collar's

_BARE = 0.15  # share of its middle: a neck that shows less is dressed

# Colors.
_FEWEST = 30  # pixels that tell them
_BINS = 32  # of each channel of CIELAB
_SMOOTH = 4.0, 1.0, 1.0  # bins: light varies more than color
_MORE_OFTEN = 2.0  # in one place than in another
_RARE = 0.05  # of the most frequent color there: less may be anything
_DRESSED = 0.5  # share of a part
_PASSES = 2  # each with the colors of what the one before found


def hair_and_collar(
    parts: Sequence[BodyPart], distances: Sequence[Distance], person: Silhouette, frame: Frame
) -> tuple[Field, Field, bool]:
    """1 where a person's hair and collar are, falling to 0 at their edges; if the neck is bare.

    0 where no face was found, or colors do not tell.

    Args:
        frame: the person's box in the size of the coverage.
    """
    hair, collar = np.zeros((2, *person.coverage.shape), np.float32)
    head = next(number for number, part in enumerate(parts) if part.is_head)
    if not distances[head].radii.size:
        return hair, collar, False
    around = around_part(parts, head, distances, person, frame)
    below = around.below_mouth()
    if below is None:
        return hair, collar, False
    x0, y0, x1, y1 = around.box
    lab = cv2.cvtColor(cv2.blur(around.frame, (3, 3)), cv2.COLOR_RGB2LAB)  # without noise
    hair[y0:y1, x0:x1] = own = _hair(around, below, lab)
    collar[y0:y1, x0:x1], is_bare = collar_of(around, below, lab, own)
    return hair, collar, is_bare


def _hair(head: Around, below: Float64[np.ndarray, "height width"], lab: Frame) -> Field:
    """Hair around a head.

    Args:
        below: see `Around.below_mouth`.
        lab: colors in CIELAB.
    """
    own, is_person = head.own, head.is_person
    trunk = head.nearest_that(lambda part: part.is_trunk)
    arms = head.nearest_that(lambda part: part.is_arm and not part.is_forearm)
    before = head.nearest_that(lambda part: part.is_forearm or part.is_hand)
    others = np.minimum.reduce([trunk, arms, before])
    around = is_person & (below < 0) & (own > _LEAST) & (own < _MOST) & (others > _BESIDE)
    elsewhere = is_person & (own > _BELOW) & (others < SURE)
    if min(np.count_nonzero(around), np.count_nonzero(elsewhere)) < _FEWEST:
        return np.zeros_like(own)
    is_free = is_person & (before > _BEFORE)
    disc, is_hair = disc_of(_THIN * head.part.radius * head.person.height_px), around
    for _ in range(_PASSES):
        is_like = is_free & _more_often(lab, is_hair & (own > _LEAST), elsewhere & ~is_hair)
        for part in (trunk, arms):
            sure = is_person & (part < SURE)
            if np.count_nonzero(is_like & sure) > _DRESSED * np.count_nonzero(sure):
                is_like &= part > _BESIDE
        is_thick = opened(is_like.astype(np.uint8), disc) > 0
        is_hair = touching(is_thick, around & is_thick)
    return cv2.blur(is_hair.astype(np.float32), (3, 3))


def collar_of(
    head: Around, below: Float64[np.ndarray, "height width"], lab: Frame, hair: Field
) -> tuple[Field, bool]:
    """The collar around a head, and whether the neck is bare within it.

    Args:
        below: see `Around.below_mouth`.
        lab: colors in CIELAB.
        hair: around the head, of which nothing is a collar.
    """
    own, is_asked = head.own, head.is_person & (hair == 0)
    trunk = head.nearest_that(lambda part: part.is_trunk)
    neck = head.nearest_that(lambda part: part.is_neck)
    cloth, face = is_asked & (trunk < SURE) & (neck < _NEAR), is_asked & (own < _FACE)
    is_collar = is_asked & (below > 0) & (own > _FACE)
    is_collar &= _more_often(lab, cloth, face)
    rim = disc_of(_THIN * head.part.radius * head.person.height_px)
    middle = is_asked & (neck < SURE) & (trunk > _OF_TRUNK) & (own > JAW)
    collar = cv2.blur(cv2.dilate(is_collar.astype(np.float32), rim), (3, 3))
    num_bare = np.count_nonzero(middle & ~is_collar)
    return collar, bool(num_bare > _BARE * np.count_nonzero(middle))


def _more_often(lab: Frame, one: PixelMask, other: PixelMask) -> PixelMask:
    """Pixels whose color is twice as frequent in one place as in another."""
    often, bins = _colors(lab, one), lab // (256 // _BINS)
    is_often = often > np.maximum(_MORE_OFTEN * _colors(lab, other), _RARE * often.max())
    return is_often[bins[..., 0], bins[..., 1], bins[..., 2]]


def _colors(lab: Frame, where: PixelMask) -> Float[np.ndarray, "bins bins bins"]:
    """Share of each color and those beside it."""
    counted = cv2.calcHist([lab], [0, 1, 2], where.view(np.uint8), [_BINS] * 3, [0, 256] * 3)
    return gaussian_filter(counted, _SMOOTH, mode="constant") / max(np.count_nonzero(where), 1)
