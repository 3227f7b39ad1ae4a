"""Collars told by color: what has the trunk's colors below a mouth is neither neck nor head.

Carried by these, it would stand beside another reference's trunk.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Frame
from motiontransfer.plate.masks import disc_of
from motiontransfer.puppet.fit.hair import more_often, smooth_lab
from motiontransfer.puppet.fit.silhouette import Distance, Field, Silhouette

# Radii.
_CLOTH = 0.4  # of a trunk: within are its colors
_FACE = 0.3  # of a head: within are the colors of skin, and no collar
_CHIN = 0.85  # of a head: up to which its beard and its shadow reach
_RIM = 0.06  # of a head: in which colors of cloth and skin mix
_OF_TRUNK = 0.5  # beyond, a trunk does not hide a neck
_MIDDLE = 0.4  # of a neck
_NEAR = 2.0  # of a neck: within, the trunk's colors are its collar's

_BARE = 0.15  # share of its middle: a neck that shows less is dressed


def collar_of(
    parts: Sequence[BodyPart],
    distances: Sequence[Distance],
    person: Silhouette,
    frame: Frame,
    hair: Field,
) -> tuple[Field, bool]:
    """1 where a collar is, falling to 0 at its edge, and whether the neck is bare within it.

    0 where no face was found.

    Args:
        frame: the person's box in the size of the coverage.
        hair: of which nothing is a collar.
    """
    collar = np.zeros_like(person.coverage)
    both = zip(parts, distances, strict=True)
    part, of_head = next(one for one in both if one[0].is_head)
    (eye, mouth), found = person.joints(("mid_eye", "mid_mouth"))
    if not found.all() or not of_head.radii.size:
        return collar, False
    head, (x0, y0, x1, y1) = of_head.radii, of_head.box

    def away(is_asked: Callable[[BodyPart], bool]) -> Field:
        both = zip(parts, distances, strict=True)
        return next(d.within(of_head.box) for part, d in both if is_asked(part))

    trunk, neck = away(lambda part: part.is_trunk), away(lambda part: part.is_neck)
    rows, columns = np.ogrid[y0:y1, x0:x1]
    down_x, down_y = mouth - eye
    is_below = (columns - mouth[0]) * down_x + (rows - mouth[1]) * down_y > 0
    is_asked = (person.coverage[y0:y1, x0:x1] >= 1) & (hair[y0:y1, x0:x1] == 0)
    cloth, face = is_asked & (trunk < _CLOTH) & (neck < _NEAR), is_asked & (head < _FACE)
    is_collar = is_asked & is_below & (head > _FACE)
    is_collar &= more_often(smooth_lab(frame[y0:y1, x0:x1]), cloth, face)
    rim = disc_of(_RIM * part.radius * person.height_px)
    middle = is_asked & (neck < _MIDDLE) & (trunk > _OF_TRUNK) & (head > _CHIN)
    collar[y0:y1, x0:x1] = cv2.blur(cv2.dilate(is_collar.astype(np.float32), rim), (3, 3))
    num_bare = np.count_nonzero(middle & ~is_collar)
    return collar, bool(num_bare > _BARE * np.count_nonzero(middle))
