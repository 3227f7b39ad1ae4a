"""Textured puppet: each body part of a pose as a real frame shows it, carried to its place.

The appearance of a person is a set of reference frames, cut into body parts. A pose takes each part
from the frame in which it looks most alike: where the part's joints lie alike around their middle.
Where a part was hidden by another one, or is shown from that side by no frame, the puppet has less
coverage or confidence: a network paints the rest.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8

from motiontransfer.pose.body_parts import (
    BodyPart,
    BodyPoses,
    body_parts,
    body_scales,
    full_lengths,
    part_map,
)
from motiontransfer.skeleton import Skeleton

Texture = UInt8[np.ndarray, "height width 5"]
"""RGB times coverage, coverage, confidence times coverage; 255: all of it."""
TEXTURE_CHANNELS = 5

_PADDING = 0.12  # around the joints: hair and shoes, as a share of the body's height
_DIFFERENT = (14, 40)  # levels from the background image: none of the person, all of it
_SHADOW_DARKENING = (0.35, 1.02)
_SHADOW_TINT = 0.07  # largest change of colour of a shadow, relative to its darkening
_SHADOW_OFFSET = 8.0  # levels; keeps ratios of dark pixels apart from noise
_HIDDEN_PENALTY = 3.0
_ENLARGING_PENALTY, _SHRINKING_PENALTY = 1.5, 0.5  # per factor e between the bodies' sizes
_MISSING_PENALTY = 3.0  # of joints, per share of them that the reference lacks
_STICKINESS = (0.25, 0.1)  # share of the distance and distance to win for a change of reference
_CONFIDENCE_DECAY = 4.0  # distance, % of the body's height, that lowers confidence to 1 / e


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A body part cut out of a reference frame."""

    corner: tuple[int, int]
    """(x, y) of its first pixel in the frame."""
    pixels: UInt8[np.ndarray, "height width 4"]
    """RGB and coverage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """How a person looks: reference frames, cut into body parts."""

    skeleton: Skeleton
    points: Float[np.ndarray, "references joints 2"]
    score: Float[np.ndarray, "references joints"]
    frames: Int64[np.ndarray, "references 2"]
    """(clip, frame_index) of each reference."""
    full_lengths: Float64[np.ndarray, " lines"]
    height_px: float
    """Of the upright body at scale 1."""
    patches: Sequence[Sequence[Patch | None]]
    """By reference and part; None where the part was not seen."""
    background: UInt8[np.ndarray, "height width 3"]
    """The scene without the person."""


def cut_reference(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    index: int,
    *,
    frame: UInt8[np.ndarray, "height width 3"],
    background: UInt8[np.ndarray, "height width 3"],
    height_px: float,
) -> list[Patch | None]:
    """Cut a frame into the body parts that it shows.

    Args:
        height_px: of the upright body in this frame.
    """
    joints = poses.points[index][poses.found[index]]
    padding = _PADDING * height_px
    x0, y0 = np.maximum(np.floor(joints.min(axis=0) - padding), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(joints.max(axis=0) + padding), frame.shape[1::-1]).astype(int)
    crop = frame[y0:y1, x0:x1]
    person = silhouette(crop, background[y0:y1, x0:x1])
    origin = np.array([x0, y0], np.float32)
    patches = []
    for mask in part_masks(parts, poses, index, person, origin=origin, height_px=height_px):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            patches.append(None)
            continue
        inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        patches.append(
            Patch(
                corner=(int(x0 + columns[0]), int(y0 + rows[0])),
                pixels=np.dstack([crop[inside], mask[inside]]),
            )
        )
    return patches


def silhouette(
    frame: UInt8[np.ndarray, "height width 3"], background: UInt8[np.ndarray, "height width 3"]
) -> Float32[np.ndarray, "height width"]:
    """Where a frame differs from the background image by more than a shadow, 0 to 1."""
    difference = cv2.absdiff(frame, background).max(axis=2).astype(np.float32)
    ratio = (frame + np.float32(_SHADOW_OFFSET)) / (background + np.float32(_SHADOW_OFFSET))
    darkening = ratio.mean(axis=2)
    tint = np.abs(ratio - darkening[..., None]).max(axis=2)
    low, high = _SHADOW_DARKENING
    is_shadow = (low < darkening) & (darkening < high) & (tint < _SHADOW_TINT)
    low, high = _DIFFERENT
    person = np.clip((difference - low) / (high - low), 0, 1) * ~is_shadow
    return cv2.GaussianBlur(person.astype(np.float32), (3, 3), 0)


def part_masks(
    parts: Sequence[BodyPart],
    poses: BodyPoses,
    index: int,
    person: Float32[np.ndarray, "height width"],
    *,
    origin: Float32[np.ndarray, "2"],
    height_px: float,
) -> list[UInt8[np.ndarray, "height width"]]:
    """Coverage of each part: the silhouette where the part is nearest and nothing is before it.

    Distances are in radii of the parts. Parts that meet at a joint overlap there.
    """
    size = person.shape
    distances = np.stack(
        [_distance(part, poses, index, size, origin) / (part.radius * height_px) for part in parts]
    )
    nearest = distances.min(axis=0)
    masks = []
    for number, part in enumerate(parts):
        distance = distances[number]
        mask = np.clip((nearest + 0.5 - distance) / 0.25, 0, 1)
        # Before another part its outline is not that of the silhouette: it reaches less far.
        reach = part.reach - (part.reach - TIGHT) * _cover(parts, distances, number)
        mask = mask * np.clip((reach - distance) / 0.2, 0, 1)
        for other, in_front in zip(parts[number + 1 :], distances[number + 1 :], strict=True):
            hides = np.clip(2.2 - 2 * in_front, 0, 1)
            for joint in part.ends() & other.ends():
                (point,), _ = (values[index] for values in poses.joints((joint,)))
                hides = hides * (1 - _disc(size, point - origin, other.radius * height_px))
            mask = mask * (1 - hides)
        core = np.clip((0.75 - distance) / 0.25, 0, 1)
        masks.append((255 * mask * np.maximum(person, core)).round().astype(np.uint8))
    return masks


TIGHT=1.0
def _cover(
    parts: Sequence[BodyPart], distances: Float32[np.ndarray, "parts height width"], number: int
) -> Float32[np.ndarray, "height width"]:
    """Where a part lies before others that it does not meet."""
    behind = np.zeros(distances.shape[1:], np.float32)
    for other, distance in zip(parts[:number], distances[:number], strict=True):
        if not parts[number].ends() & other.ends():
            behind = np.maximum(behind, np.clip(2.4 - 1.6 * distance, 0, 1))
    return behind


def _distance(
    part: BodyPart,
    poses: BodyPoses,
    index: int,
    size: tuple[int, int],
    origin: Float32[np.ndarray, "2"],
) -> Float32[np.ndarray, "height width"]:
    """Distance of each pixel from a part's bones, pixels; very large without any."""
    away = np.ones(size, np.uint8)
    for bone in part.bones:
        points, found = (values[index] for values in poses.joints(bone))
        if found.all():
            start, end = (points - origin).round().astype(int).tolist()
            cv2.line(away, start, end, 0)
    if away.all():
        return np.full(size, 1e6, np.float32)
    return cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_5)


def _disc(
    size: tuple[int, int], centre: Float32[np.ndarray, "2"], radius: float
) -> Float32[np.ndarray, "height width"]:
    """1 within 1.2 radii of a joint, 0 beyond 1.6."""
    y, x = np.ogrid[: size[0], : size[1]]
    away = np.hypot(x - centre[0], y - centre[1])
    return np.clip(4 - 2.5 * away / radius, 0, 1).astype(np.float32)


class Puppet:
    """Draws a person of known appearance in any pose."""

    def __init__(self, appearance: Appearance) -> None:
        self.appearance = appearance
        self.parts = body_parts(appearance.skeleton)
        self._references = BodyPoses(appearance.skeleton, appearance.points, appearance.score)
        self._scales = body_scales(self._references, appearance.full_lengths)
        self._penalties = self._hidden() * _HIDDEN_PENALTY

    def follow(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
        *,
        excluded: Bool[np.ndarray, "frames references"] | None = None,
    ) -> "PuppetClip":
        """Choose a reference for each part in each frame of a clip. Causal.

        Args:
            excluded: references that a frame may not use.
        """
        poses = BodyPoses(self.appearance.skeleton, points, score)
        scales = body_scales(poses, self.appearance.full_lengths)
        chosen, distances = [], []
        for number, part in enumerate(self.parts):
            distance = self._distances(part, poses, scales) + self._penalties[:, number]
            if excluded is not None:
                distance[excluded] = np.inf
            chosen.append(_stick(distance))
            at = np.take_along_axis(distance, np.maximum(chosen[-1], 0)[:, None], axis=1)[:, 0]
            distances.append(np.where(chosen[-1] < 0, np.inf, at))
        return PuppetClip(self, poses, scales, np.stack(chosen, 1), np.stack(distances, 1))

    def excluded(
        self, clip: int, num_frames: int, *, within: int
    ) -> Bool[np.ndarray, "frames references"]:
        """The references that are less than so many frames away from each frame of a clip."""
        clips, frames = self.appearance.frames.T
        return (clips == clip) & (np.abs(np.arange(num_frames)[:, None] - frames) < within)

    def _hidden(self) -> Float64[np.ndarray, "references parts"]:
        """Share of each part that a reference does not show, compared with those that do."""
        shown = (
            np.array(
                [
                    [0 if patch is None else patch.pixels[..., 3].sum() / 255 for patch in patches]
                    for patches in self.appearance.patches
                ]
            )
            / np.square(self._scales)[:, None]
        )
        whole = np.quantile(shown, 0.8, axis=0)
        return np.clip(1 - shown / np.maximum(whole, 1), 0, 1)

    def _distances(
        self, part: BodyPart, poses: BodyPoses, scales: Float64[np.ndarray, " frames"]
    ) -> Float64[np.ndarray, "frames references"]:
        """How unlike a part looks, % of the body's height; infinite where no map can be fitted."""
        shape, found = _shapes(part, poses, scales)
        of_reference, found_there = _shapes(part, self._references, self._scales)
        both = found[:, None] & found_there
        shared = both.sum(axis=2)
        square = np.zeros(shared.shape)
        for joint in range(shape.shape[1]):
            apart = shape[:, None, joint] - of_reference[:, joint]
            square += both[..., joint] * np.square(apart).sum(axis=2)
        distance = np.sqrt(square / np.maximum(shared, 1)) / self.appearance.height_px * 100
        distance += _MISSING_PENALTY * (1 - shared / np.maximum(found.sum(axis=1)[:, None], 1))
        growth = np.log(scales[:, None] / self._scales)
        distance += np.maximum(_ENLARGING_PENALTY * growth, -_SHRINKING_PENALTY * growth)
        return np.where((shared >= part.min_joints) & np.isfinite(distance), distance, np.inf)


def _shapes(
    part: BodyPart, poses: BodyPoses, scales: Float64[np.ndarray, " frames"]
) -> tuple[Float64[np.ndarray, "frames joints 2"], Bool[np.ndarray, "frames joints"]]:
    """Joints of a part around their middle, at scale 1, and where they were found."""
    points, found = poses.joints(part.joints)
    weight = found[..., None]
    middle = (points * weight).sum(1, keepdims=True) / np.maximum(weight.sum(1, keepdims=True), 1)
    shape = (points - middle).astype(np.float64) / scales[:, None, None]
    return np.where(weight & np.isfinite(shape), shape, 0), found


def _stick(distances: Float64[np.ndarray, "frames references"]) -> Int64[np.ndarray, " frames"]:
    """The nearest reference, kept while none is much nearer; -1 where all are infinitely far."""
    share, least = _STICKINESS
    nearest = distances.argmin(axis=1)
    chosen = np.full(len(distances), -1)
    current = -1
    for frame, best in enumerate(nearest.tolist()):
        row = distances[frame]
        if not math.isfinite(row[best]):
            current = -1
        elif current < 0 or not row[current] * (1 - share) - least <= row[best]:
            current = best
        chosen[frame] = current
    return chosen


@dataclass(frozen=True, slots=True)
class PuppetClip:
    """A puppet in the poses of a clip, with its references chosen."""

    puppet: Puppet
    poses: BodyPoses
    scales: Float64[np.ndarray, " frames"]
    chosen: Int64[np.ndarray, "frames parts"]
    """-1: part not drawn."""
    distances: Float64[np.ndarray, "frames parts"]

    def draw(
        self, index: int, *, box: tuple[int, int, int, int], without: Sequence[int] = ()
    ) -> Texture:
        """Draw the puppet in a box of the frame.

        Args:
            box: x0, y0, x1, y1; pixels.
            without: parts, by number, that are left out.
        """
        x0, y0, x1, y1 = box
        texture = np.zeros((y1 - y0, x1 - x0, TEXTURE_CHANNELS), np.float32)
        for number, reference in enumerate(self.chosen[index].tolist()):
            if reference >= 0 and number not in without:
                self._draw_part(texture, index, number, reference, np.array([x0, y0]))
        return texture.round().astype(np.uint8)

    def _draw_part(
        self,
        texture: Float32[np.ndarray, "height width 5"],
        index: int,
        number: int,
        reference: int,
        corner: Int64[np.ndarray, "2"],
    ) -> None:
        """Lay a part over what was drawn before."""
        puppet, part = self.puppet, self.puppet.parts[number]
        patch = puppet.appearance.patches[reference][number]
        if patch is None:
            return
        (a, has_a), (b, has_b) = (
            (points[at], found[at])
            for (points, found), at in (
                (puppet._references.joints(part.joints), reference),
                (self.poses.joints(part.joints), index),
            )
        )
        both = has_a & has_b
        scale = float(self.scales[index] / puppet._scales[reference])
        matrix = part_map(part, a[both] - patch.corner, b[both] - corner, scale=scale)
        height, width = patch.pixels.shape[:2]
        ends = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ matrix[:, :2].T
        ends += matrix[:, 2]
        low = np.maximum(np.floor(ends.min(axis=0)) - 1, 0).astype(int)
        high = np.minimum(np.ceil(ends.max(axis=0)) + 2, texture.shape[1::-1]).astype(int)
        if (high <= low).any():
            return
        matrix[:, 2] -= low
        size = tuple((high - low).tolist())
        colour = cv2.warpAffine(
            patch.pixels[..., :3], matrix, size, borderMode=cv2.BORDER_REPLICATE
        )
        coverage = cv2.warpAffine(patch.pixels[..., 3], matrix, size)[..., None] / np.float32(255)
        confidence = 255 * math.exp(-float(self.distances[index, number]) / _CONFIDENCE_DECAY)
        flat = np.full((*coverage.shape[:2], 2), (255, confidence), np.float32)
        under = texture[low[1] : high[1], low[0] : high[0]]
        under += coverage * (np.concatenate([colour, flat], axis=2) - under)


def fit_appearance(
    skeleton: Skeleton,
    clips: Sequence[
        tuple[Float[np.ndarray, "frames joints 2"], Float[np.ndarray, "frames joints"]]
    ],
    references: Mapping[tuple[int, int], UInt8[np.ndarray, "height width 3"]],
    *,
    background: UInt8[np.ndarray, "height width 3"],
    height_px: float,
) -> Appearance:
    """Cut reference frames into body parts.

    Args:
        clips: points and scores of each clip.
        references: (clip, frame_index) -> frame.
        height_px: of the upright body, pixels.
    """
    points = np.stack([clips[clip][0][frame] for clip, frame in references])
    score = np.stack([clips[clip][1][frame] for clip, frame in references])
    poses, parts = BodyPoses(skeleton, points, score), body_parts(skeleton)
    full = full_lengths(poses)
    scales = body_scales(poses, full)
    patches = [
        cut_reference(
            parts, poses, index, frame=frame, background=background, height_px=height_px * scale
        )
        for index, (frame, scale) in enumerate(zip(references.values(), scales, strict=True))
    ]
    return Appearance(
        skeleton=skeleton,
        points=points,
        score=score,
        frames=np.array(list(references)),
        full_lengths=full,
        height_px=height_px,
        patches=patches,
        background=background,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAppearance:
    """What of an appearance is not an array."""

    groups: list[tuple[str, list[str]]]
    """Of the skeleton."""
    height_px: float


def pack_appearance(appearance: Appearance) -> tuple[dict[str, np.ndarray], PackedAppearance]:
    """Arrays and the rest of an appearance, as they are stored."""
    boxes = np.zeros((len(appearance.patches), len(body_parts(appearance.skeleton)), 4), np.int32)
    pixels = [np.zeros(0, np.uint8)]
    for reference, patches in enumerate(appearance.patches):
        for part, patch in enumerate(patches):
            if patch is not None:
                boxes[reference, part] = *patch.corner, *patch.pixels.shape[:2]
                pixels.append(patch.pixels.reshape(-1))
    arrays = {
        "points": appearance.points,
        "score": appearance.score,
        "frames": appearance.frames,
        "full_lengths": appearance.full_lengths,
        "patch_boxes": boxes,
        "patch_pixels": np.concatenate(pixels),
        "background": appearance.background,
    }
    groups = [(name, list(joints)) for name, joints in appearance.skeleton.groups]
    return arrays, PackedAppearance(groups=groups, height_px=appearance.height_px)


def unpack_appearance(arrays: Mapping[str, np.ndarray], packed: PackedAppearance) -> Appearance:
    """Inverse of `pack_appearance`.

    Raises:
        ValueError: the arrays do not fit together.
        KeyError: one is missing.
    """
    skeleton = Skeleton(groups=tuple((name, tuple(joints)) for name, joints in packed.groups))
    patches: list[list[Patch | None]] = []
    pixels, start = arrays["patch_pixels"], 0
    for boxes in arrays["patch_boxes"].tolist():
        patches.append([])
        for x, y, height, width in boxes:
            size = height * width * 4
            part = pixels[start : start + size].reshape(height, width, 4)
            patches[-1].append(Patch(corner=(x, y), pixels=part) if size else None)
            start += size
    return Appearance(
        skeleton=skeleton,
        points=arrays["points"],
        score=arrays["score"],
        frames=arrays["frames"],
        full_lengths=arrays["full_lengths"],
        height_px=packed.height_px,
        patches=patches,
        background=arrays["background"],
    )
