"""The film's edge: what it cuts of a person goes on beyond it.

A film from the knees or the waist up ends in trunk and thighs, and a side may cut an arm. Where the
person moves into the picture, the cut would come into view. Each reference is continued by the
colors at its edge: cloth goes on, and a belt does not come again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Frame, MaskedFrame
from motiontransfer.plate.background import View
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.puppet.appearance import Appearance, Patch, covered_area
from motiontransfer.puppet.fit.cutting import CutPart

# How far a film is continued at the bottom and at the sides, in heights of the body.
_BELOW, _BESIDE = 0.25, 0.12
_EDGE_ROWS = 3  # pixels at the edge, whose mean goes on: one has noise
_LEAST_FILMED = 0.6  # share of an arm; with less it is left out, and so is a hand without an arm


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """Pixels by which a film is continued at both sides and at the bottom."""

    side: int
    bottom: int

    def __bool__(self) -> bool:
        return bool(self.side or self.bottom)

    @property
    def corner(self) -> Float32[np.ndarray, "2"]:
        """The film's first pixel in what it is continued to."""
        return np.array([self.side, 0], np.float32)

    def placed(self, keypoints: Keypoints) -> Keypoints:
        """Joints of the film in what it is continued to."""
        points = np.where(keypoints.score[..., None] > 0, keypoints.points + self.corner, 0)
        return replace(keypoints, points=points.astype(np.float32))

    def moved(self, view: View) -> View:
        """A homography of the film in what it is continued to."""
        to_film = np.array([[1, 0, -self.side], [0, 1, 0], [0, 0, 1]])
        return np.linalg.inv(to_film) @ view @ to_film

    def scaled(self, zoom: float) -> "Margin":
        return Margin(side=round(zoom * self.side), bottom=round(zoom * self.bottom))

    def around(self, image: Shaped[np.ndarray, "height width *channels"]) -> np.ndarray:
        """The image with its edges' colors beyond them."""
        if not self:
            return image
        edges = image.copy()
        edges[-1] = image[-_EDGE_ROWS:].mean(axis=0)
        edges[:, 0], edges[:, -1] = (
            edges[:, columns].mean(axis=1) for columns in (np.s_[:_EDGE_ROWS], np.s_[-_EDGE_ROWS:])
        )
        beyond = [(0, self.bottom), (self.side, self.side), *[(0, 0)] * (image.ndim - 2)]
        wider = np.pad(edges, beyond, mode="edge")
        height, width = image.shape[:2]
        wider[:height, self.side : self.side + width] = image
        return wider


NO_MARGIN = Margin(side=0, bottom=0)


def margin_of(height_px: float) -> Margin:
    """The margin of a film that cuts a body of this height."""
    return Margin(side=round(_BESIDE * height_px), bottom=round(_BELOW * height_px))


@dataclass(frozen=True, slots=True)
class ContinuedFrame:
    """Reads a frame with its margin, in any process."""

    read: Callable[[], Frame | MaskedFrame]
    margin: Margin

    def __call__(self) -> Frame | MaskedFrame:
        return self.margin.around(self.read())


def continued_parts(
    parts: Sequence[BodyPart], cut: Sequence[CutPart | None], margin: Margin, size: tuple[int, int]
) -> list[CutPart | None]:
    """Cut parts that go on beyond the edge; others end there.

    Args:
        size: (height, width) of the frame with its margin.
    """
    bottom, right = size[0] - margin.bottom, size[1] - margin.side
    rooted = [own for part, own in zip(parts, cut, strict=True) if own and _is_rooted(part)]
    at_edge = np.max([_row(own, bottom - 1, size[1]) for own in rooted], axis=0, initial=0)
    kept: list[CutPart | None] = []
    for part, own in zip(parts, cut, strict=True):
        if own is None:
            kept.append(None)
            continue
        (x, y), width = own.corner, own.coverage.shape[1]
        filmed = np.zeros_like(own.coverage)
        filmed[: max(bottom - y, 0), max(margin.side - x, 0) : max(right - x, 0)] = 255
        shown = cv2.bitwise_and(own.coverage, filmed)
        is_enough = covered_area(shown) >= _LEAST_FILMED * covered_area(own.coverage)
        if part.motion != "rigid" and (_is_rooted(part) or is_enough):
            # Below goes on what is above: no hand that was beside a thigh.
            row = at_edge if _is_rooted(part) else _row(own, bottom - 1, size[1])
            filmed[:, max(margin.side - x, 0) : max(right - x, 0)] = 255
            filmed[: max(bottom - y, 0)] = 255
            below = filmed[max(bottom - y, 0) :]
            np.minimum(below, row[x : x + width], out=below)
            shown = cv2.min(own.coverage, filmed)
        hidden = cv2.min(own.hidden, filmed)
        is_kept = shown.any() and (is_enough or not part.is_arm)
        kept.append(replace(own, coverage=shown, hidden=hidden) if is_kept else None)
    return kept


def _is_rooted(part: BodyPart) -> bool:
    return part.is_trunk or part.is_cloth or part.name.endswith(("thigh", "shin"))


def _row(cut: CutPart, y: int, width: int) -> UInt8[np.ndarray, " width"]:
    """Coverage along a row of the frame."""
    row, (x, top) = np.zeros(width, np.uint8), cut.corner
    if 0 <= y - top < len(cut.coverage):
        row[x : x + cut.coverage.shape[1]] = cut.coverage[y - top]
    return row


def within_film(appearance: Appearance, margin: Margin, background: Frame) -> Appearance:
    """An appearance of continued frames at its places in the film; patches go on beyond it."""
    if not margin:
        return appearance

    def moved(patch: Patch) -> Patch:
        x, y = patch.corner
        return replace(patch, corner=(x - margin.side, y))

    patches = [[patch and moved(patch) for patch in row] for row in appearance.patches]
    points = appearance.points - margin.corner
    return replace(appearance, points=points, patches=patches, background=background)
