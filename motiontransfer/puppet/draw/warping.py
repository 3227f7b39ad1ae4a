"""Textured puppet: each body part of a pose, warped from a reference frame (part-based warping).

A part that a nearer one hid in its reference has less coverage.

Source: Balakrishnan et al. 2018, "Synthesizing Images of Humans in Unseen Poses".
"""

import math
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from motiontransfer.body.parts import BodyPoses, body_scales, joined_parts, meeting_joints
from motiontransfer.core.arrays import Affine, Frame, MaskedFrame, Series
from motiontransfer.plate.shadow import with_shadow
from motiontransfer.pose.keypoints import Keypoints, resize_points
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.draw.back_of_head import with_hair
from motiontransfer.puppet.draw.bending import bends_of, margin_px, sampling_grid
from motiontransfer.puppet.draw.canvas import (
    Canvas,
    DrawnPart,
    Texture,
    faded,
    lay_over,
    to_texture,
)
from motiontransfer.puppet.draw.choice import CHOICE, ChoiceConfig
from motiontransfer.puppet.draw.occlusion import parts_by_depth
from motiontransfer.puppet.draw.part_maps import Placement
from motiontransfer.puppet.draw.retrieval import References
from motiontransfer.puppet.draw.steady import Chosen, choose_over_clip, fading

_Resized = UInt8[np.ndarray, "rows columns 4"]

_FRAMES_AT_ONCE = 512  # looked ahead; each has a distance for each part and reference in memory
_BLOCK_FRAMES = 16  # compared with all references at once: memory grows with both

# Patches are enlarged once: bilinear interpolation of that looks as cubic interpolation of a patch,
# in a third of the time. Of the patch itself, it halves fine detail.
_ENLARGED = 2
_MIDWAY = np.array([[-9, 41, 41, -9]]) / 64  # a pixel from four: a quarter beside, it is as cubic
_CACHE_BYTES = 2**29  # of enlarged patches, the latest used
_NO_MAP = np.zeros(0, np.float32)  # OpenCV's second map: places are one array of (x, y)


class Puppet:
    """Draws a person of known appearance in any pose."""

    def __init__(
        self,
        appearance: Appearance,
        size: tuple[int, int] | None = None,
        *,
        choice: ChoiceConfig = CHOICE,
    ) -> None:
        """Prepare the choice of references.

        Args:
            size: (height, width) of the image in which poses are given; None: that of the
                references.
        """
        self.appearance, self.choice = appearance, choice
        self.references = References(appearance, self.choice)
        self.parts = self.references.parts
        self.joined, self.joints = joined_parts(self.parts), meeting_joints(self.parts)
        height, width = appearance.background.shape[:2]
        rows, columns = size or (height, width)
        self.zoom = np.array([width / columns, height / rows])
        """Pixels of the references per pixel of that image, in x and in y."""
        self.least_distance = 0.0
        """References that are nearer are left out; % of the body's height."""
        self.overlay = None if appearance.overlay is None else appearance.overlay.pixels
        areas = [math.prod(patch.size) for row in appearance.patches for patch in row if patch]
        num_bytes = 4 * _ENLARGED**2 * np.mean(areas or [1])
        self.pixels = lru_cache(int(_CACHE_BYTES / num_bytes))(self._pixels)
        """RGB and coverage of a patch, by reference, part, and the factor by which it was shrunk
        before it was enlarged. The last is the share of hair over its face."""

    def _pixels(self, reference: int, part: int, by: int, hair: float) -> _Resized:
        patch = self.references.patches[reference][part]
        assert patch is not None
        pixels, poses = patch.pixels, self.references.poses
        (eyes, mouth), are_known = poses.joints(("mid_eye", "mid_mouth"), reference)
        if hair and are_known.all():
            points, found = poses.joints(self.parts[part].joints, reference)
            face = np.array([eyes, mouth, *points[found]], np.float64) - patch.corner
            pixels = with_hair(pixels, face, share=hair)
        return _enlarged(_with_margin(_shrunk(pixels, by)))

    def __deepcopy__(self, memo: object) -> "Puppet":
        """The puppet itself, as it never changes: a network and its EMA share it."""
        return self

    def beyond(self, distance: float) -> "Puppet":
        """The same puppet without references that are nearer; % of the body's height."""
        other = copy(self)
        other.least_distance = distance
        return other

    def follow(self, keypoints: Keypoints) -> "PuppetClip":
        """Choose a reference for each part in each frame of a whole clip, with few switches."""
        return PuppetFollower(self, looks_ahead=True).follow(keypoints)


class PuppetFollower:
    """Choice of references for the frames of a clip as they arrive, in batches of any size."""

    def __init__(self, puppet: Puppet, *, looks_ahead: bool = False) -> None:
        """Begin a clip.

        Args:
            looks_ahead: choose for all frames of a batch together; False: causally.
        """
        self._puppet, self._looks_ahead = puppet, looks_ahead
        self._current = np.full(len(puppet.parts), -1)
        self._switch = np.array([puppet.choice.switch[part.kind] for part in puppet.parts])
        names = [part.name for part in puppet.parts]
        self._neck, self._head = names.index("neck"), names.index("head")

    def follow(self, keypoints: Keypoints) -> "PuppetClip":
        puppet, points = self._puppet, resize_points(keypoints.points, self._puppet.zoom)
        poses = BodyPoses(keypoints.skeleton, points, keypoints.score)
        scales = body_scales(poses, puppet.appearance.full_lengths)
        chosen = np.full((len(points), len(puppet.parts)), -1)
        distances = np.full(chosen.shape, np.inf)
        at_once = _FRAMES_AT_ONCE if self._looks_ahead else 1
        rate = keypoints.frame_rate if self._looks_ahead else 1 / puppet.choice.lasts_seconds
        for start in range(0, len(points), at_once):
            block = slice(start, start + at_once)
            found = self._distances(poses[block], scales[block])
            found[found < puppet.least_distance] = np.inf
            chosen[block] = self._choose(found, float(rate) * self._switch)
            of_chosen = np.maximum(chosen[block], 0)[..., None]
            distances[block] = np.take_along_axis(found, of_chosen, axis=2)[..., 0]
        # A skirt stays behind a raised leg, which has its own piece of it.
        chosen[
            (distances > puppet.choice.most_of_skirt) & [part.is_cloth for part in puppet.parts]
        ] = -1
        distances[chosen < 0] = np.inf
        hair = puppet.references.hair(poses, chosen[:, self._head])
        heights_px = puppet.appearance.height_px * scales
        depth, score = keypoints.depth, keypoints.score
        by_depth = parts_by_depth(puppet.parts, poses, heights_px, depth, score, of="pose")
        fade = puppet.choice.fade if self._looks_ahead else 0
        return PuppetClip(puppet, poses, scales, chosen, distances, hair, by_depth, fade)

    def _distances(
        self, poses: BodyPoses, scales: Series
    ) -> Float64[np.ndarray, "frames parts references"]:
        starts = range(0, len(poses), _BLOCK_FRAMES)
        blocks = (slice(start, start + _BLOCK_FRAMES) for start in starts)
        references = self._puppet.references
        return np.concatenate([references.distances(poses[of], scales[of]) for of in blocks])

    def _choose(
        self,
        distances: Float64[np.ndarray, "frames parts references"],
        switch: Float64[np.ndarray, " parts"],
    ) -> Chosen:
        """References of the next frames, together.

        The neck is taken from the reference of the head, if that shows one.
        """
        chosen = choose_over_clip(
            distances + self._puppet.references.penalties.T,
            self._puppet.appearance.differences,
            choice=self._puppet.choice,
            joined=self._puppet.joined,
            switch=switch,
            before=self._current,
        )
        head = chosen[:, self._head]
        has_neck = np.isfinite(distances[np.arange(len(head)), self._neck, head])
        chosen[:, self._neck] = np.where((head >= 0) & has_neck, head, chosen[:, self._neck])
        self._current = chosen[-1]
        return chosen


@dataclass(frozen=True, slots=True)
class PuppetClip:
    """A puppet in the poses of a clip, with its references chosen."""

    puppet: Puppet
    poses: BodyPoses
    scales: Series
    chosen: Int64[np.ndarray, "frames parts"]
    """-1: part not drawn."""
    distances: Float64[np.ndarray, "frames parts"]
    hair: Series
    """Share of hair over the face; see `with_hair`."""
    by_depth: Int64[np.ndarray, "frames parts"]
    """Parts, from the farthest to the nearest."""
    fade: int
    """Frames on each side of a switch of references, in which colors pass over."""

    def stand_ins(self) -> dict[str, float]:
        """Shares of frames with a side that was never filmed, and of drawn parts by stand-in."""
        exchanged, mirrored = (
            self.chosen // self.puppet.references.num_filmed == view for view in (1, 2)
        )
        num_drawn = max(np.count_nonzero(self.chosen >= 0), 1)
        return {
            "frames_with_unfilmed_side": float(exchanged.any(axis=1).mean()),
            "parts_of_unfilmed_side": float(exchanged.sum() / num_drawn),
            "parts_mirrored": float(mirrored.sum() / num_drawn),
        }

    def room(self, index: int, background: Frame) -> Frame:
        """The background image, of any size, with the person's shadow."""
        puppet, trunk = self.puppet, ("mid_shoulder", "mid_hip")
        if puppet.appearance.shadow is None:
            return background
        joints, found = self.poses.joints(trunk, index)
        before, was_found = puppet.references.poses.joints(trunk, 0)
        if not (both := found & was_found).any():
            return background
        zoom = background.shape[1] / puppet.appearance.background.shape[1]
        x, y = zoom * (joints - before)[both].mean(axis=0)
        return with_shadow(background, puppet.appearance.shadow, (float(x), float(y)))

    def draw(
        self,
        index: int,
        *,
        box: tuple[int, int, int, int] | tuple[float, float, float, float],
        size: tuple[int, int] | None = None,
    ) -> Texture:
        """Draw the puppet in a box of the frame.

        Args:
            box: x0, y0, x1, y1; pixels of the image in which the poses are given.
            size: (height, width) of the texture, also smaller or larger; None: as many pixels as
                that image has there.
        """
        x0, y0, x1, y1 = box
        height, width = size or (round(y1 - y0), round(x1 - x0))
        corner = np.array([x0, y0]) * self.puppet.zoom
        rate = np.array([width / (x1 - x0), height / (y1 - y0)]) / self.puppet.zoom
        shrink = max(round(1 / rate.max()), 1)  # areas are averaged in patches
        canvas = np.zeros((4, height, width), np.float32)
        references, pose = self.puppet.references, self.poses[index : index + 1]
        chosen = self.chosen[index].tolist()
        height_px = self.puppet.appearance.height_px * float(self.scales[index])
        placement = Placement(
            self.puppet.parts,
            references.poses,
            pose,
            chosen=chosen,
            growth=self.scales[index] / references.scales,
            height_px=height_px,
            corner=corner,
            rate=rate,
        )
        warped = partial(
            self._warped, index=index, placement=placement, shrink=shrink, limits=canvas.shape[1:]
        )
        fades = fading(self.chosen, index, reach=self.fade)
        drawn = []
        for number in self.by_depth[index].tolist():
            own = warped(number, chosen[number])
            if own is None:
                continue
            if number in fades and not self.puppet.parts[number].changes_fast:
                other, share = fades[number]
                unlike = self.puppet.choice.unlike
                own = faded(own, warped(number, other), share=share, unlike=unlike)
            drawn.append(lay_over(canvas, own))
        if drawn and self.puppet.overlay is not None:
            _lay_before(canvas, self.puppet.overlay, corner, rate)
        return to_texture(canvas, drawn, height_px=height_px * float(rate.max()))

    def _warped(
        self,
        number: int,
        reference: int,
        *,
        index: int,
        placement: Placement,
        shrink: int,
        limits: tuple[int, int],
    ) -> DrawnPart | None:
        """A part as it is drawn, where it covers something.

        Args:
            reference: -1: none.
            shrink: factor by which the reference's pixels are made smaller before.
            limits: (height, width) of what is drawn.
        """
        if reference < 0:
            return None
        patch = self.puppet.references.patches[reference][number]
        own = placement.map_of(number, reference)
        if patch is None or own is None:
            return None
        bends = bends_of(placement, self.puppet.joints[number], number, reference)
        hair = float(self.hair[index]) if self.puppet.parts[number].is_head else 0.0
        pixels = self.puppet.pixels(reference, number, shrink, hair)
        # Of the pixels with their margin.
        x, y = (place - (1 + shrink) / 2 for place in patch.corner)
        step = shrink / _ENLARGED
        matrix = (own - np.array([(0, 0, x), (0, 0, y)])) / step
        (left, right), (top, bottom) = _reached(
            matrix, pixels.shape[:2], margin=margin_px(bends), limits=limits
        )
        size = (right - left, bottom - top)
        if min(size) <= 0:
            return None
        edge = cv2.BORDER_REPLICATE
        if bends:
            grid, (left, top) = sampling_grid(
                matrix, bends, corner=(left, top), size=size, patch=pixels.shape[1::-1]
            )
            if not grid.size:
                return None
            drawn = cv2.remap(pixels, grid, _NO_MAP, cv2.INTER_LINEAR, borderMode=edge)
        else:
            matrix[:, 2] += matrix[:, :2] @ (left, top)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            drawn = cv2.warpAffine(pixels, matrix, size, flags=flags, borderMode=edge)
        x0, y0, width, height = cv2.boundingRect(cv2.extractChannel(drawn, 3))
        if not width:
            return None
        return drawn[y0 : y0 + height, x0 : x0 + width], (left + x0, top + y0)


def _lay_before(
    canvas: Canvas,
    overlay: MaskedFrame,
    corner: Float64[np.ndarray, "2"],
    rate: Float64[np.ndarray, "2"],
) -> None:
    """What stays in the picture, over the person alone: the background has it beside them."""
    size = canvas.shape[:0:-1]
    matrix = np.column_stack([np.diag(rate), (0.5 - corner) * rate - 0.5])
    *colors, share = cv2.warpAffine(overlay, matrix, size).transpose(2, 0, 1)
    coverage, share = canvas[3] / np.float32(255), share / np.float32(255)
    for plane, levels in zip(canvas, colors, strict=False):  # its coverage stays
        plane += share * (levels * coverage - plane)


def _reached(
    matrix: Affine, size: tuple[int, int], *, margin: float, limits: tuple[int, int]
) -> list[tuple[int, int]]:
    """First pixel drawn, and the one behind the last, in x and in y.

    Args:
        matrix: from what is drawn to a patch with its margin.
        size: (height, width) of the patch with its margin; the limits are those of what is drawn.
        margin: by which it may reach farther, in pixels drawn.
    """
    reached, (height, width) = [], size
    forward = cv2.invertAffineTransform(matrix).tolist()
    for (a, b, start), limit in zip(forward, reversed(limits), strict=True):
        middle = start + (a * width + b * height) / 2
        reach = (abs(a) * (width - 2) + abs(b) * (height - 2)) / 2 + margin
        last = min(math.ceil(middle + reach) + 2, limit)
        reached.append((max(math.floor(middle - reach) - 1, 0), last))
    return reached


def _with_margin(pixels: MaskedFrame) -> _Resized:
    """Pixels with a margin of their colors, where nothing is covered."""
    wider = cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    wider[[0, -1], :, 3] = wider[:, [0, -1], 3] = 0
    return wider


def _shrunk(pixels: MaskedFrame, by: int) -> _Resized:
    """Means of squares of pixels; colors are weighted by coverage, and go on beside it."""
    if by == 1:
        return pixels
    height, width = pixels.shape[:2]
    even = np.pad(pixels.astype(np.float32), ((0, -height % by), (0, -width % by), (0, 0)))
    even[..., :3] *= even[..., 3:]
    small = cv2.resize(even, None, fx=1 / by, fy=1 / by, interpolation=cv2.INTER_AREA)
    color = np.where(small[..., 3:] > 0, small, cv2.blur(small, (3, 3)))
    color = color[..., :3] / np.maximum(color[..., 3:], 1e-6)
    return np.dstack([color, small[..., 3]]).round().astype(np.uint8)


def _enlarged(pixels: MaskedFrame) -> _Resized:
    """The pixels, and one between each two of them, in rows and columns."""
    rows, columns = pixels.shape[:2]
    large = np.empty((_ENLARGED * rows - 1, _ENLARGED * columns - 1, 4), np.uint8)
    large[::2, ::2] = pixels
    midway = partial(cv2.filter2D, ddepth=-1, borderType=cv2.BORDER_REPLICATE)
    large[::2, 1::2] = midway(pixels, kernel=_MIDWAY, anchor=(1, 0))[:, :-1]
    large[1::2] = midway(large[::2], kernel=_MIDWAY.T, anchor=(0, 1))[:-1]
    return large
