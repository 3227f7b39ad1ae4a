"""Body parts cut out of one reference frame, and their encoding as patches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, Num, UInt8
from PIL import Image

from motiontransfer.body.parts import BodyPart
from motiontransfer.core.arrays import Frame, Mask, MaskedFrame, PixelMask
from motiontransfer.plate.background import Background
from motiontransfer.plate.full_size import ImageOnDisk, ImagesOnDisk
from motiontransfer.plate.inpainting import blended, inpainted
from motiontransfer.plate.masks import HALF, SOLID, covered_box, disc_of, opened
from motiontransfer.puppet.appearance import Patch
from motiontransfer.puppet.fit.matting import person_matte, unlike_room, without_rim
from motiontransfer.puppet.fit.part_masks import certain_coverage, part_masks
from motiontransfer.puppet.fit.silhouette import Silhouette, part_distances

# Places of a cut part that are looked up in other references.
_LEAST_HIDDEN = 0.005  # share of a patch's pixels; fewer are not worth filling
_NUM_PLACES = 64  # of the hidden ones, evenly spaced: enough to tell a share within a few percent

# Colors around what is hidden.
_SMOOTHNESS = 0.05  # standard deviation, of the part's longer side
_SMOOTH_PX = 128  # longer side of the image in which they are blurred, for the time it takes
_LEAST_WEIGHT = 1e-3  # of a pixel's own color, which is taken far from what is shown

_RIM_PX = 4  # how wide what is less than half covered is at a piece's edge
_LEAST_PIECE = 0.1  # an arm may divide a trunk

_RIM_OF_HAND = 0.008  # of the body's height: what a hand's cut is wrong by

_DISC_PX = 8.0  # radius of a disc by which coverage is opened, for the time it takes

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))

# Encoding.
_COVERAGE_STEP = 17  # levels of 255: 16 of them look smooth at edges, and take little of the file
_INTERPOLATED = np.ones((5, 5), np.uint8)  # two pixels beside: as far as enlarging looks

_Levels = Num[np.ndarray, "pixels 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPart:
    """A body part in a reference frame, and where something in front hides it."""

    corner: tuple[int, int]
    """(x, y) of its first pixel in the frame."""
    colors: Frame
    coverage: Mask
    hidden: Mask

    def hidden_places(self) -> Float32[np.ndarray, "places 1 2"]:
        """(x, y) of some pixels that are hidden; none where few are."""
        is_hidden = (self.hidden > HALF).view(np.uint8)
        count = cv2.countNonZero(is_hidden)
        if not count or count < _LEAST_HIDDEN * self.hidden.size:
            return np.zeros((0, 1, 2), np.float32)
        chosen = np.linspace(0, count - 1, _NUM_PLACES).round().astype(np.int64)
        return cv2.findNonZero(is_hidden)[chosen].astype(np.float32)

    def covered_share(
        self, matrix: Float64[np.ndarray, "2 3"], places: Float32[np.ndarray, "places 1 2"]
    ) -> float:
        """Mean coverage, 0 to 1, at places (x, y) of the image to which it is mapped."""
        x, y = cv2.split(cv2.transform(places, cv2.invertAffineTransform(matrix)))
        return cv2.mean(cv2.remap(self.coverage, x, y, cv2.INTER_NEAREST))[0] / 255

    def filled_from(self, other: "CutPart", matrix: Float64[np.ndarray, "2 3"]) -> "CutPart":
        """Copy hidden pixels from another reference; what lies beyond it there is no part.

        Args:
            matrix: map from that reference's part to this one.
        """
        box = covered_box(self.hidden)
        is_hidden = self.hidden[box] > 0
        matrix = matrix - [(0, 0, box[1].start), (0, 0, box[0].start)]
        into_box = partial(cv2.warpAffine, M=matrix, dsize=is_hidden.shape[::-1])
        covers, unknown = (into_box(mask)[is_hidden] for mask in (other.coverage, other.hidden))
        # Beyond its box no color is known: those at its edge go on.
        shows = into_box(other.colors, borderMode=cv2.BORDER_REPLICATE)[is_hidden]
        hidden = self.hidden[box][is_hidden].astype(np.float32)
        shown = hidden * covers / np.float32(255)
        covered = self.coverage[box][is_hidden] + shown
        color = self.colors[box][is_hidden].astype(np.float32)
        color += (shown / np.maximum(covered, 1))[:, None] * (shows - color)
        filled = [image.copy() for image in (self.colors, self.coverage, self.hidden)]
        changed = color, covered, np.minimum(hidden - shown, unknown)
        for image, values in zip(filled, changed, strict=True):
            image[box][is_hidden] = values.round()
        colors, coverage, hidden = filled
        return replace(self, colors=colors, coverage=coverage, hidden=hidden)

    @property
    def place(self) -> tuple[slice, slice]:
        """Its box in the frame."""
        (x, y), (height, width) = self.corner, self.coverage.shape
        return np.s_[y : y + height, x : x + width]

    def behind(self, mask: Mask) -> "CutPart":
        """Covered pixels become hidden where something is in front, of 255."""
        gone = cv2.multiply(self.coverage, mask, scale=1 / 255)
        hidden = cv2.add(self.hidden, gone)
        return replace(self, coverage=self.coverage - gone, hidden=hidden)

    def flipped(self) -> "CutPart":
        """From left to right, in its own box."""
        images = (image[:, ::-1].copy() for image in (self.colors, self.coverage, self.hidden))
        colors, coverage, hidden = images
        return CutPart(corner=(0, 0), colors=colors, coverage=coverage, hidden=hidden)

    def completed_from(self, other: "CutPart", matrix: Float64[np.ndarray, "2 3"]) -> "CutPart":
        """Cover hidden pixels by the other side's differences; what lies beyond it is no part.

        Args:
            matrix: map from the other side to this part.
        """
        size = self.hidden.shape[::-1]
        shown, unknown, colors = (
            cv2.warpAffine(image, matrix, size)
            for image in (other.coverage, other.hidden, other.colors)
        )

        def fill(is_made: PixelMask, is_beyond: PixelMask) -> _Levels:
            return blended(self.colors, colors, is_made, is_beyond=is_beyond)

        hidden = cv2.min(self.hidden, cv2.max(shown, unknown))
        return replace(self, hidden=hidden)._made_up(cv2.min(hidden, shown), fill)

    def synthesized(self, hidden: Mask) -> "CutPart":
        """Cover hidden pixels by the texture of those that are shown."""

        def fill(is_made: PixelMask, is_beyond: PixelMask) -> _Levels:
            return inpainted(self.colors, is_made, is_beyond=is_beyond)[is_made]

        return self._made_up(hidden, fill)

    def _made_up(self, made: Mask, fill: Callable[[PixelMask, PixelMask], _Levels]) -> "CutPart":
        """Cover hidden pixels, where they go on from what is shown.

        Args:
            fill: colors of the pixels that are made up, without those that are not the part's.
        """
        is_shown = self.coverage > SOLID
        is_made = (made > 0) & ~is_shown
        _, pieces = cv2.connectedComponents(is_made.astype(np.uint8), connectivity=4)
        beside = cv2.dilate(is_shown.astype(np.uint8), _CROSS) > 0
        is_made &= np.isin(pieces, np.unique(pieces[is_made & beside]))
        if not is_made.any():
            return self
        colors, levels = self.colors.copy(), np.where(is_made, made, np.uint8(0))
        colors[is_made] = fill(is_made, ~(is_made | is_shown)).round().clip(0, 255)
        return replace(self, colors=colors).covered(levels)

    def extended(self, hidden: Mask) -> "CutPart":
        """Cover hidden pixels, in the colors around."""
        if not hidden.any():
            return self
        size = hidden.shape[::-1]
        zoom = min(_SMOOTH_PX / max(size), 1)
        weight = (self.coverage / np.float32(255) + np.float32(_LEAST_WEIGHT))[..., None]
        around = np.dstack([self.colors * weight, weight])
        around = cv2.resize(around, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        around = cv2.GaussianBlur(around, (0, 0), sigmaX=_SMOOTHNESS * zoom * max(size))
        around = cv2.resize(around, size)
        around = around[..., :3] / around[..., 3:]
        share = hidden[..., None] / np.float32(255)
        color = self.colors + share * (around - self.colors)
        return replace(self, colors=color.round().astype(np.uint8)).covered(hidden)

    def covered(self, levels: Mask) -> "CutPart":
        """Hidden pixels become covered by these levels, of 255."""
        levels = cv2.min(levels, self.hidden)
        hidden = cv2.subtract(self.hidden, levels)
        return replace(self, coverage=cv2.add(self.coverage, levels), hidden=hidden)

    def without_thin(self, radius_px: float, own: Mask) -> "CutPart":
        """Without what a disc does not fit in: strings that were filled along a limb in front.

        Args:
            own: coverage before it was filled, which stays.
        """
        height, width = self.coverage.shape
        zoom = min(_DISC_PX / max(radius_px, 1), 1.0)
        size = max(round(zoom * width), 1), max(round(zoom * height), 1)
        small = cv2.resize(self.coverage, size, interpolation=cv2.INTER_AREA)
        disc = disc_of(zoom * radius_px)
        edge = len(disc)  # around the box nothing is covered
        small = cv2.copyMakeBorder(small, edge, edge, edge, edge, cv2.BORDER_CONSTANT)
        kept = cv2.resize(opened(small, disc)[edge:-edge, edge:-edge], (width, height))
        return replace(self, coverage=cv2.min(self.coverage, cv2.max(kept, own)))

    def within_edges(
        self, own: "CutPart", line: Float[np.ndarray, "2 2"], near_px: float
    ) -> "CutPart":
        """Without what was filled farther from a line than the part's own edges.

        On each side an edge is where nothing nearby hides it. Between edges it is straight, and
        beyond the last it goes on along the line.

        Args:
            own: the part before it was filled.
            line: (x, y) of two joints.
            near_px: distance from an edge that is near.
        """
        start, end = line @ (1, 1j)
        length = max(abs(end - start), near_px)
        rows, columns = np.indices(self.coverage.shape)
        along_and_away = (columns + 1j * rows - start) * (end - start).conjugate() / length
        along = (along_and_away.real.clip(0, length) / near_px).astype(np.int64)
        steps, is_beyond = np.arange(along.max() + 1), np.zeros(along.shape, bool)
        for side in (1, -1):
            away = side * along_and_away.imag
            shown, hiding = np.zeros((2, len(steps)))
            for farthest, mask in (shown, own.coverage), (hiding, own.hidden):
                np.maximum.at(farthest, along[mask > HALF], away[mask > HALF])
            is_edge = (shown > 0) & (hiding < shown - near_px)
            if is_edge.any():
                edge = np.interp(steps, steps[is_edge], shown[is_edge])
                is_beyond |= away > edge[along] + near_px
        coverage = np.where(is_beyond, cv2.min(self.coverage, own.coverage), self.coverage)
        return replace(self, coverage=coverage)

    def without_scraps(self, *, least: float = _LEAST_PIECE) -> "CutPart":
        """Without pieces that are small, or hang together with others by a faint rim only.

        Args:
            least: area that stays, share of the largest piece's.
        """
        covered = (self.coverage > HALF).view(np.uint8)
        _, pieces, statistics, _ = cv2.connectedComponentsWithStats(covered)
        areas = statistics[1:, cv2.CC_STAT_AREA]  # the first is what is not covered
        large = 1 + np.flatnonzero(areas >= least * areas.max(initial=0))
        rim = np.ones((2 * _RIM_PX + 1,) * 2, np.uint8)
        kept = cv2.dilate(np.isin(pieces, large).astype(np.uint8), rim)
        return replace(self, coverage=cv2.copyTo(self.coverage, kept))

    def patch(self, *, shown: float, sharpness: float) -> Patch:
        coverage = self.coverage // _COVERAGE_STEP * _COVERAGE_STEP
        patch = encode_patch(self.corner, np.dstack([self.colors, coverage]))
        return replace(patch, shown=shown, sharpness=sharpness)

    def stored(self, file: ImagesOnDisk) -> "StoredPart":
        images = (self.colors, self.coverage, self.hidden)
        return StoredPart(self.corner, tuple(map(file.append, images)))


class StoredPart(NamedTuple):
    """A cut part whose images wait on disk."""

    corner: tuple[int, int]
    images: tuple[ImageOnDisk, ...]

    def read(self) -> CutPart:
        colors, coverage, hidden = (image[:] for image in self.images)
        return CutPart(corner=self.corner, colors=colors, coverage=coverage, hidden=hidden)


def cut_parts(
    parts: Sequence[BodyPart],
    background: Background,
    person: Silhouette,
    frame: Frame | MaskedFrame,
    by_depth: Sequence[int],
) -> list[CutPart | None]:
    """Cut the parts out of a frame, of a photo by its matte; None where one is not seen.

    Args:
        by_depth: numbers of the parts from the farthest to the nearest.
    """
    parts = [parts[number] for number in by_depth]
    distances = part_distances(parts, person)
    box = person.place()
    colors = frame[box][..., :3]
    small = cv2.resize(colors, person.coverage.shape[::-1], interpolation=cv2.INTER_AREA)
    if background.of_photo:
        alpha, not_room = frame[box][..., 3], None
    else:
        is_known = ~background.is_filled[box]
        room = cv2.resize(background.image[box], small.shape[1::-1], interpolation=cv2.INTER_AREA)
        known = cv2.resize(is_known.astype(np.float32), small.shape[1::-1])
        not_room = known * unlike_room(small, room)
        alpha, colors = person_matte(
            colors,
            background.image[box],
            person.coverage,
            certain_coverage(parts, distances, person),
            small=small,
            is_known=is_known,
            height_px=person.height_px,
        )
    cut: list[CutPart | None] = [None] * len(parts)
    masks = part_masks(parts, distances, person, small, not_room)
    for number, part, mask in zip(by_depth, parts, masks, strict=True):
        if mask is None or not mask.shown.size:
            continue
        y, x = (rows.start - whole.start for rows, whole in zip(mask.place, box, strict=True))
        height, width = mask.shown.shape
        there = np.s_[y : y + height, x : x + width]
        coverage, hidden = (
            cv2.multiply(share, alpha[there], scale=1 / 255) for share in (mask.shown, mask.hidden)
        )
        of_part = colors[there]
        if part.is_hand:
            rim_px = _RIM_OF_HAND * person.height_px * float(person.zoom[1])
            behind = (alpha[there] > HALF) & (coverage <= HALF)
            of_part, coverage = without_rim(of_part, coverage, behind=behind, rim_px=rim_px)
        if coverage.any():
            inside = covered_box(cv2.max(coverage, hidden))
            cut[number] = CutPart(
                corner=(box[1].start + x + inside[1].start, box[0].start + y + inside[0].start),
                # Not views, which would keep the whole box in memory.
                colors=of_part[inside].copy(),
                coverage=coverage[inside].copy(),
                hidden=hidden[inside].copy(),
            )
    return cut


def encode_patch(corner: tuple[int, int], pixels: UInt8[np.ndarray, "height width 4"]) -> Patch:
    """Keep what is covered, and pixels beside it, of whose colors interpolation takes a share.

    Args:
        pixels: RGB and coverage.
    """
    covered = (pixels[..., 3] > 0).view(np.uint8)
    kept = cv2.copyTo(pixels, cv2.dilate(covered, _INTERPOLATED))
    return Patch(corner=corner, size=kept.shape[:2], encoded=_encoded(kept))


def _encoded(pixels: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, " bytes"]:
    """Encode RGB and coverage as lossless WebP, with libwebp's least effort.

    The next one, of 6, takes five times as long for files of 6/7 of the size.
    """
    file = BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True, exact=True, method=0, quality=0)
    return np.frombuffer(file.getbuffer(), np.uint8)
