"""Visibility: the share of a body part that a reference shows, before what is hidden is filled.

It is compared between references: 1 is no more than what the part's outline covers.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float

from motiontransfer.body.parts import BodyPart, BodyPoses
from motiontransfer.core.arrays import Mask
from motiontransfer.puppet.appearance import covered_area
from motiontransfer.puppet.fit.cutting import CutPart
from motiontransfer.puppet.fit.occluders import color_shares

_DRAWN_RADIUS_PX = 8  # of an outline, to measure its area
_MOSTLY_USUAL = 0.8  # of a part's pixels; the rest may be at its edge
_NUM_ALONG = 32  # places along a limb's bone, of which a quarter is near an end


def shown_share(
    part: BodyPart,
    cut: CutPart,
    poses: BodyPoses,
    reference: int,
    *,
    height_px: float,
    usual: Bool[np.ndarray, "brightnesses chromas"] | None = None,
) -> float:
    """Share of a part that a reference shows.

    Of its outline in the same pose: a fist shows less than an open hand, and hides nothing. Cloth
    beyond it makes up for nothing that is hidden. A trunk has none in profile, where its joints lie
    on a line: what nothing hides of it is its share. So is it a head's, times what its face shows.

    Args:
        height_px: of the upright body in the reference.
        usual: colors of the part; others are of what it holds or lies on. None: all are.
    """
    shown = cut.coverage
    if part.is_trunk or part.is_head:
        area, whole = covered_area(shown), covered_area(shown) + covered_area(cut.hidden)
        if part.is_head:
            shown, hull = _face(shown, poses.joints(part.joints, reference), cut.corner)
            area, whole = area * covered_area(shown), whole * hull
    else:
        area, whole = _in_outline(part, cut, poses, reference, radius_px=part.radius * height_px)
    own = (
        1.0
        if usual is None
        else float(color_shares(cut.colors, shown)[usual].sum()) / _MOSTLY_USUAL
    )
    return min(own, 1.0) * area / max(whole, 1)


def joined_share(part: BodyPart, filled: CutPart, poses: BodyPoses, reference: int) -> float:
    """Share of a limb's bone that is covered near its worse end, where it meets another part.

    1 of other parts. A caption before an ankle takes little of a shin, and parts the foot from it.

    Args:
        filled: the part with its hidden pixels filled.
    """
    points, found = poses.joints(part.joints, reference)
    if part.motion != "limb" or not found.all():
        return 1.0
    start, end = (points - filled.corner).astype(np.float32)
    along = np.linspace(start, end, _NUM_ALONG, dtype=np.float32)[:, None]
    ends = along[: _NUM_ALONG // 4], along[-_NUM_ALONG // 4 :]
    return min(filled.covered_share(np.eye(2, 3), places) for places in ends)


def _face(
    coverage: Mask,
    joints: tuple[Float[np.ndarray, "joints 2"], Bool[np.ndarray, " joints"]],
    corner: tuple[int, int],
) -> tuple[Mask, float]:
    """Coverage in the hull of a face, and the hull's area: hair and jaws end in many ways."""
    points, found = joints
    inside = np.zeros_like(coverage)
    if not found.any():
        return inside, 0.0
    hull = cv2.convexHull((points[found] - corner).round().astype(np.int32))
    cv2.fillConvexPoly(inside, hull, 255)
    return cv2.bitwise_and(coverage, inside), cv2.contourArea(hull)


def _in_outline(
    part: BodyPart, cut: CutPart, poses: BodyPoses, index: int, *, radius_px: float
) -> tuple[float, float]:
    """Area that is covered within a radius of a part's bones, and all of it; 0 without bones."""
    bones = [poses.joints(bone, index) for bone in part.bones]
    ends = np.array([points for points, found in bones if found.all()])
    if not len(ends):
        return 0.0, 0.0
    zoom = _DRAWN_RADIUS_PX / radius_px
    two_heights = 2 * _DRAWN_RADIUS_PX / part.radius  # a joint farther away is a wrong detection
    corner = ends.min(axis=(0, 1))
    ends = np.minimum(zoom * (ends - corner), two_heights)
    ends = (ends + 2 * _DRAWN_RADIUS_PX).round().astype(np.int32)
    width, height = ends.max(axis=(0, 1)) + 2 * _DRAWN_RADIUS_PX
    outline = np.zeros((height, width), np.uint8)
    if part.is_solid:
        cv2.fillConvexPoly(outline, cv2.convexHull(ends.reshape(-1, 2)), 1)
    for start, end in ends.tolist():
        cv2.line(outline, start, end, 1, 2 * _DRAWN_RADIUS_PX)
    moved = zoom * (cut.corner - corner) + 2 * _DRAWN_RADIUS_PX
    matrix = np.column_stack([zoom * np.eye(2), moved])
    covered = cv2.warpAffine(cut.coverage, matrix, (int(width), int(height)))
    return covered_area(covered * outline), float(outline.sum())
