"""Silhouette of a person: where a frame differs from the background image, divided into body parts.

Beyond the radius of every part, what is darker than the background by a shadow is not the person.
Each pixel belongs to the part whose bones are nearest, in radii of the parts, unless a part in
front hides it; parts that meet at a joint overlap there. A part's radius is where frames mostly
begin to look like the background image.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64, UInt8

from motiontransfer.puppet.appearance import Patch
from motiontransfer.puppet.parts import BodyPart, BodyPoses, part_map, part_shapes

_PADDING = 0.12  # around the joints: hair and shoes, as a share of the body's height
_DIFFERENT = (14, 40)  # levels from the background image: none of the person, all of it
_SHADOW_DARKENING = (0.35, 1.02)
_SHADOW_TINT = 0.07  # largest change of a shadow's color, relative to its darkening
_SHADOW_OFFSET = 8.0  # levels; keeps ratios of dark pixels apart from noise
# Radii around bones, and around joints that lie at the outline: all of it, and none of it.
_CORE, _SOLID_CORE = (0.55, 0.8), (0.1, 0.3)  # covered whatever the color
_BEFORE, _SOLID_BEFORE = (0.6, 1.1), (0.2, 0.5)  # hides what lies behind
_OVERLAP = 1.2  # radii by which a part reaches beyond where another one is nearer
_RADIUS_RANGE = (0.7, 1.6)  # of fitted radii, relative to the usual ones
_RADIUS_BINS = 40
_ALONE = 2.0  # radii of the others, beyond which a pixel near a part is that part's alone
_FAR_PX = 1e6  # beyond every frame
_NUM_FILLS = 3  # references from which what is hidden of a part is filled
_NUM_CANDIDATES = 40  # among which they are looked for, the most alike
_LEAST_FILL = 0.4  # of the hidden places, which another reference must show
_LEAST_HIDDEN = 0.005  # of a patch's pixels; less is not filled
_NUM_PLACES = 64  # at which that is looked up
_REACH_BEFORE_OTHERS = 1.0  # radii; there the silhouette does not show the outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """The box around the person in a reference frame."""

    poses: BodyPoses
    index: int
    """The pose that the frame shows."""
    corner: Int64[np.ndarray, "2"]
    """(x, y) of its first pixel in the frame."""
    pixels: UInt8[np.ndarray, "height width 3"]
    background: UInt8[np.ndarray, "height width 3"]
    height_px: float
    """Height of the upright body in this frame."""

    def joints(
        self, names: tuple[str, ...]
    ) -> tuple[Float64[np.ndarray, "names 2"], Bool[np.ndarray, " names"]]:
        """Points of these joints in the crop, and where they were found."""
        points, found = self.poses.joints(names, self.index)
        return points - self.corner, found


def crop_person(
    poses: BodyPoses,
    index: int,
    frame: UInt8[np.ndarray, "height width 3"],
    background: UInt8[np.ndarray, "height width 3"],
    *,
    height_px: float,
) -> Crop:
    """The person with some margin.

    Args:
        index: which of the poses the frame shows.
        height_px: of the upright body in this frame.
    """
    joints = poses.points[index][poses.found[index]]
    padding = _PADDING * height_px
    limit = np.array(frame.shape[1::-1])
    x0, y0 = low = np.clip(np.floor(joints.min(axis=0) - padding), 0, limit - 1).astype(int)
    x1, y1 = np.clip(np.ceil(joints.max(axis=0) + padding), low + 1, limit).astype(int)
    return Crop(
        poses=poses,
        index=index,
        corner=low,
        pixels=frame[y0:y1, x0:x1],
        background=background[y0:y1, x0:x1],
        height_px=height_px,
    )


def difference(
    frame: UInt8[np.ndarray, "height width 3"], background: UInt8[np.ndarray, "height width 3"]
) -> Float32[np.ndarray, "height width"]:
    """Difference of a frame from the background image, 0 to 1."""
    levels = cv2.absdiff(frame, background).max(axis=2).astype(np.float32)
    low, high = _DIFFERENT
    return cv2.GaussianBlur(np.clip((levels - low) / (high - low), 0, 1), (3, 3), 0)


def is_shadow(
    frame: UInt8[np.ndarray, "height width 3"], background: UInt8[np.ndarray, "height width 3"]
) -> Bool[np.ndarray, "height width"]:
    """Pixels that show the background image with all channels darkened alike."""
    ratio = (frame + np.float32(_SHADOW_OFFSET)) / (background + np.float32(_SHADOW_OFFSET))
    darkening = ratio.mean(axis=2)
    tint = np.abs(ratio - darkening[..., None]).max(axis=2)
    low, high = _SHADOW_DARKENING
    return (low < darkening) & (darkening < high) & (tint < _SHADOW_TINT)


def fit_radii(parts: Sequence[BodyPart], crops: Sequence[Crop]) -> tuple[BodyPart, ...]:
    """The parts with the largest radii within which frames mostly differ from the background."""
    low, high = _RADIUS_RANGE
    edges = np.linspace(0, high, _RADIUS_BINS + 1)
    different, total = np.zeros((2, len(parts), _RADIUS_BINS))
    for crop in crops:
        distances = _distances(parts, crop)
        person = difference(crop.pixels, crop.background)
        second = np.partition(distances, 1, axis=0)[1]
        for number in range(len(parts)):
            # Within `high` of one part and far from all others: it is the nearest.
            own = (distances[number] < high) & (second > _ALONE)
            values = distances[number][own]
            total[number] += np.histogram(values, edges)[0]
            different[number] += np.histogram(values, edges, weights=person[own])[0]
    is_person = different >= 0.5 * np.maximum(total, 1)
    fitted = []
    for part, inside in zip(parts, is_person, strict=True):
        factor = float(edges[np.flatnonzero(inside)[-1] + 1]) if inside.any() else 1.0
        factor = min(max(factor, low), high)
        fitted.append(replace(part, radius=factor * part.radius, reach=part.reach / factor))
    return tuple(fitted)


def part_masks(
    parts: Sequence[BodyPart], crop: Crop
) -> Iterator[tuple[UInt8[np.ndarray, "height width"], UInt8[np.ndarray, "height width"]]]:
    """Coverage of each part: the silhouette where the part is nearest and nothing is before it.

    And where it would be covered, were it not hidden. Distances are in radii of the parts. Parts
    that meet at a joint overlap there. What lies behind a part without meeting it takes nothing
    from it.
    """
    distances = _distances(parts, crop)
    nearest = distances.min(axis=0)
    person = difference(crop.pixels, crop.background)
    person *= ~(is_shadow(crop.pixels, crop.background) & (nearest > 1))
    for number, part in enumerate(parts):
        distance = distances[number]
        rivals = [n >= number or bool(part.meets(it)) for n, it in enumerate(parts)]
        mask = np.clip((distances[rivals].min(axis=0) + _OVERLAP - distance) / 0.25, 0, 1)
        # Before another part its outline is not that of the silhouette: it reaches less far.
        reach = part.reach + (_REACH_BEFORE_OTHERS - part.reach) * _cover(parts, distances, number)
        mask = mask * np.clip((reach - distance) / 0.2, 0, 1)
        shown = np.ones_like(mask)
        for other, in_front in zip(parts[number + 1 :], distances[number + 1 :], strict=True):
            hides = _inside(in_front, _SOLID_BEFORE if other.is_solid else _BEFORE)
            for joint in part.meets(other):
                (point,), _ = crop.joints((joint,))
                hides = hides * (1 - _disc(point, other.radius, crop))
            shown = shown * (1 - hides)
        core = _inside(distance, _SOLID_CORE if part.is_solid else _CORE)
        mask = 255 * mask * np.maximum(person, core)
        yield (mask * shown).round().astype(np.uint8), (mask * (1 - shown)).round().astype(np.uint8)


def _inside(
    distance: Float32[np.ndarray, "height width"], limits: tuple[float, float]
) -> Float32[np.ndarray, "height width"]:
    """1 up to the first limit, falling to 0 at the second."""
    whole, none = limits
    return np.clip((none - distance) / np.float32(none - whole), 0, 1)


def _cover(
    parts: Sequence[BodyPart], distances: Float32[np.ndarray, "parts height width"], number: int
) -> Float32[np.ndarray, "height width"]:
    """Share to which a part lies before others that it does not meet."""
    behind = np.zeros(distances.shape[1:], np.float32)
    for other, distance in zip(parts[:number], distances[:number], strict=True):
        if not parts[number].meets(other):
            behind = np.maximum(behind, np.clip(2.4 - 1.6 * distance, 0, 1))
    return behind


def _distances(parts: Sequence[BodyPart], crop: Crop) -> Float32[np.ndarray, "parts height width"]:
    """Distance of each pixel from each part's bones, in radii; very large without any."""
    distances = []
    for part in parts:
        away = np.ones(crop.pixels.shape[:2], np.uint8)
        points, found = crop.joints(part.joints)
        if part.is_solid and found.sum() >= part.min_joints:
            cv2.fillConvexPoly(away, cv2.convexHull(_pixels(points[found])), 0)
        for bone in part.bones:
            points, found = crop.joints(bone)
            if found.all():
                start, end = _pixels(points).tolist()
                cv2.line(away, start, end, 0)
        if away.all():
            distances.append(np.full(away.shape, _FAR_PX, np.float32))
        else:
            distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_5)
            distances.append(distance / np.float32(part.radius * crop.height_px))
    return np.stack(distances)


def _pixels(points: Float[np.ndarray, "points 2"]) -> Int32[np.ndarray, "points 2"]:
    """Rounded to integers that OpenCV takes, also from points that are far away."""
    return np.clip(points.round(), -_FAR_PX, _FAR_PX).astype(np.int32)


def _disc(
    center: Float64[np.ndarray, "2"], radius: float, crop: Crop
) -> Float32[np.ndarray, "height width"]:
    """1 within 1.2 radii of a joint, 0 beyond 1.6."""
    height, width = crop.pixels.shape[:2]
    y, x = np.ogrid[:height, :width]
    away = np.hypot(x - center[0], y - center[1])
    return np.clip(4 - 2.5 * away / (radius * crop.height_px), 0, 1).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutPart:
    """A body part in a reference frame, and where something before it hides it."""

    patch: Patch
    hidden: UInt8[np.ndarray, "height width"]

    def hidden_places(self) -> Int64[np.ndarray, "places 2"]:
        """(x, y) of some pixels that are hidden; none where few are."""
        rows, columns = np.nonzero(self.hidden > 127)
        if len(rows) < _LEAST_HIDDEN * self.hidden.size:
            return np.zeros((0, 2), np.int64)
        chosen = np.linspace(0, len(rows) - 1, _NUM_PLACES).round().astype(np.int64)
        return np.stack([columns[chosen], rows[chosen]], axis=1)

    def filled(self, source: Patch, matrix: Float64[np.ndarray, "2 3"]) -> "CutPart":
        """Show where it is hidden what another reference shows there.

        Args:
            matrix: map from that reference's patch to this one.
        """
        pixels, hidden = self.patch.pixels.astype(np.float32), self.hidden.astype(np.float32)
        carried = cv2.warpAffine(source.pixels, matrix, hidden.shape[::-1])
        shown = hidden * carried[..., 3] / np.float32(255)
        covered = pixels[..., 3] + shown
        share = (shown / np.maximum(covered, 1))[..., None]
        pixels[..., :3] += share * (carried[..., :3] - pixels[..., :3])
        pixels[..., 3] = covered
        return CutPart(
            patch=replace(self.patch, pixels=pixels.round().astype(np.uint8)),
            hidden=(hidden - shown).round().astype(np.uint8),
        )


def cut_parts(parts: Sequence[BodyPart], crop: Crop) -> list[CutPart | None]:
    """Cut a reference into the body parts that it shows."""
    cut = []
    for mask, hidden in part_masks(parts, crop):
        if not mask.any():
            cut.append(None)
            continue
        rows, columns = (np.flatnonzero((mask | hidden).any(axis=axis)) for axis in (1, 0))
        inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        x, y = crop.corner.tolist()
        patch = Patch(
            corner=(int(x + columns[0]), int(y + rows[0])),
            pixels=np.dstack([crop.pixels[inside], mask[inside]]),
        )
        cut.append(CutPart(patch=patch, hidden=hidden[inside]))
    return cut


def fill_hidden(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    scales: Float64[np.ndarray, " references"],
    cut: Sequence[Sequence[CutPart | None]],
) -> list[list[Patch | None]]:
    """Fill what other parts hide of a part from references that show it and look most alike."""
    patches: list[list[Patch | None]] = [[] for _ in cut]
    for number, part in enumerate(parts):
        shapes, found = part_shapes(part, poses, scales)
        for reference, of_reference in enumerate(cut):
            own = of_reference[number]
            if own is None:
                patches[reference].append(None)
                continue
            both = found & found[reference]
            shared = both.sum(axis=1)
            square = (np.square(np.abs(shapes - shapes[reference])) * both).sum(axis=1)
            unlike = np.where(shared < part.min_joints, np.inf, square / np.maximum(shared, 1))
            unlike[reference] = np.inf
            num_fills, places = 0, own.hidden_places()
            for other in np.argsort(unlike, kind="stable")[:_NUM_CANDIDATES].tolist():
                source = cut[other][number]
                if not len(places) or num_fills == _NUM_FILLS or not np.isfinite(unlike[other]):
                    break
                if source is None:
                    continue
                joints = both[other]
                a, b = (poses.joints(part.joints, it)[0][joints] for it in (other, reference))
                matrix = part_map(
                    part,
                    a - source.patch.corner,
                    b - own.patch.corner,
                    scale=float(scales[reference] / scales[other]),
                )
                if source.patch.coverage(matrix, places) >= _LEAST_FILL:
                    own = own.filled(source.patch, matrix)
                    num_fills, places = num_fills + 1, own.hidden_places()
            patches[reference].append(own.patch)
    return patches
