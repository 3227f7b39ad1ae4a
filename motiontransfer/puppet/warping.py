"""Textured puppet: each body part of a pose as a real frame shows it, warped to its place.

Where a part was hidden by another one, or is shown from that side by no frame, the puppet has less
coverage or confidence: a network generates the rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8

from motiontransfer.keypoints import resize_points
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.parts import BodyPoses, body_scales, joined_parts, part_map
from motiontransfer.puppet.retrieval import References, choose_jointly
from motiontransfer.skeleton import Skeleton

Texture = UInt8[np.ndarray, "height width 6"]
"""RGB, 1, confidence and the share that bypasses a network's gate, each times coverage; of 255."""
TEXTURE_CHANNELS = 6

# Share of the distance, and distance, to win for a change of reference; hands change shape fast.
_HYSTERESIS, _HYSTERESIS_OF_HANDS = (0.25, 0.1), (0.1, 0.0)
# What it costs that parts which meet come from different references, % of the body's height.
_SEAM_COST = 1.5
_BLOCK_FRAMES = 16  # compared with all references at once
# Distance, % of the body's height, that lowers confidence, and the ungated share, to 1 / e.
_CONFIDENCE_DECAY, _UNGATED_DECAY = 4.0, 8.0
_CACHE_BYTES = 2**28  # of decoded patches, the latest used


class Puppet:
    """Draws a person of known appearance in any pose."""

    def __init__(self, appearance: Appearance, size: tuple[int, int] | None = None) -> None:
        """Prepare the choice of references.

        Args:
            size: (height, width) of the image in which poses are given; None: that of the
                references.
        """
        self.appearance = appearance
        self.references = References(appearance)
        self.parts = self.references.parts
        self.joined = joined_parts(self.parts)
        height, width = appearance.background.shape[:2]
        rows, columns = size or (height, width)
        sizes = [math.prod(it.size) for of in appearance.patches for it in of if it is not None]
        kept = int(_CACHE_BYTES / (4 * np.mean(sizes or [1])))
        # RGB and coverage by reference and part.
        self.pixels = lru_cache(kept)(lambda it, part: appearance.patches[it][part].pixels)
        # Pixels of the references per pixel of that image, in x and in y.
        self.zoom = np.array([width / columns, height / rows])

    def __deepcopy__(self, memo: object) -> "Puppet":
        """Itself, as it never changes: a network and its EMA share a puppet."""
        return self

    def follow(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
        *,
        skeleton: Skeleton,
        excluded: Bool[np.ndarray, "frames references"] | None = None,
    ) -> "PuppetClip":
        """Choose a reference for each part in each frame of a clip. Causal.

        Args:
            excluded: references that a frame may not use.
        """
        return PuppetFollower(self, skeleton).follow(points, score, excluded=excluded)


class PuppetFollower:
    """Chooses the references for the frames of a clip as they arrive, in batches of any size."""

    def __init__(self, puppet: Puppet, skeleton: Skeleton) -> None:
        self._puppet, self._skeleton = puppet, skeleton
        self._current = np.full(len(puppet.parts), -1)
        hysteresis = [
            _HYSTERESIS_OF_HANDS if part.changes_fast else _HYSTERESIS for part in puppet.parts
        ]
        self._share, self._least = np.array(hysteresis).T

    def follow(
        self,
        points: Float[np.ndarray, "frames joints 2"],
        score: Float[np.ndarray, "frames joints"],
        *,
        excluded: Bool[np.ndarray, "frames references"] | None = None,
    ) -> "PuppetClip":
        """Choose a reference for each part in each of the next frames; see `Puppet.follow`."""
        puppet = self._puppet
        poses = BodyPoses(self._skeleton, resize_points(points, puppet.zoom), score)
        scales = body_scales(poses, puppet.appearance.full_lengths)
        chosen = np.full((len(points), len(puppet.parts)), -1)
        distances = np.full(chosen.shape, np.inf)
        for start in range(0, len(points), _BLOCK_FRAMES):
            block = slice(start, start + _BLOCK_FRAMES)
            found = puppet.references.distances(poses[block], scales[block])
            if excluded is not None:
                found[np.broadcast_to(excluded[block, None], found.shape)] = np.inf
            for frame, distance in enumerate(found, start):
                chosen[frame] = self._choose(distance)
                distances[frame] = distance[np.arange(len(distance)), chosen[frame]]
        distances[chosen < 0] = np.inf
        return PuppetClip(puppet, poses, scales, chosen, distances)

    def _choose(
        self, distances: Float64[np.ndarray, "parts references"]
    ) -> Int64[np.ndarray, " parts"]:
        """References of the next frame; those of the frame before are held by the hysteresis."""
        parts = np.flatnonzero(self._current >= 0)
        held, cost = self._current[parts], distances.copy()
        cost[parts, held] = cost[parts, held] * (1 - self._share[parts]) - self._least[parts]
        self._current = choose_jointly(cost, joined=self._puppet.joined, seam=_SEAM_COST)
        return self._current


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
        self,
        index: int,
        *,
        box: tuple[int, int, int, int],
        size: tuple[int, int] | None = None,
        without: Sequence[int] = (),
    ) -> Texture:
        """Draw the puppet in a box of the frame.

        Args:
            box: x0, y0, x1, y1; pixels of the image in which the poses are given.
            size: (height, width) of the texture, also smaller or larger; None: as many pixels as
                that image has there.
            without: parts, by number, that are left out.
        """
        x0, y0, x1, y1 = box
        height, width = size or (y1 - y0, x1 - x0)
        zoom = self.puppet.zoom
        rate = np.array([width / (x1 - x0), height / (y1 - y0)]) / zoom
        finer = max(round(1 / float(rate.max())), 1)  # areas are averaged below
        texture = np.zeros((finer * height, finer * width, TEXTURE_CHANNELS), np.float32)
        for number, reference in enumerate(self.chosen[index].tolist()):
            if reference >= 0 and number not in without:
                self._draw_part(
                    texture,
                    (index, number, reference),
                    corner=np.array([x0, y0]) * zoom,
                    rate=finer * rate,
                )
        if finer > 1:
            texture = cv2.resize(texture, (width, height), interpolation=cv2.INTER_AREA)
        return texture.round().astype(np.uint8)

    def _draw_part(
        self,
        texture: Float32[np.ndarray, "height width 6"],
        which: tuple[int, int, int],
        *,
        corner: Float64[np.ndarray, "2"],
        rate: Float64[np.ndarray, "2"],
    ) -> None:
        """Lay a part over what was drawn before.

        Args:
            which: frame, part, reference.
            corner: (x, y) of the texture's first pixel, pixels of the references.
            rate: pixels of the texture per pixel of the references, in x and in y.
        """
        index, number, reference = which
        puppet, part = self.puppet, self.puppet.parts[number]
        patch = puppet.appearance.patches[reference][number]
        if patch is None:
            return
        pixels = puppet.pixels(reference, number)
        a, has_a = puppet.references.poses.joints(part.joints, reference)
        b, has_b = self.poses.joints(part.joints, index)
        both = has_a & has_b
        scale = float(self.scales[index] / puppet.references.scales[reference])
        matrix = part_map(part, a[both] - patch.corner, b[both] - corner, scale=scale)
        matrix = rate[:, None] * matrix
        matrix[:, 2] += (rate - 1) / 2
        height, width = patch.size
        ends = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ matrix[:, :2].T
        ends += matrix[:, 2]
        limit = texture.shape[1::-1]
        low = np.clip(np.floor(ends.min(axis=0)) - 1, 0, limit).astype(int)
        high = np.clip(np.ceil(ends.max(axis=0)) + 2, 0, limit).astype(int)
        if (high <= low).any():
            return
        matrix[:, 2] -= low
        size = tuple((high - low).tolist())
        color = cv2.warpAffine(pixels[..., :3], matrix, size, borderMode=cv2.BORDER_REPLICATE)
        coverage = cv2.warpAffine(pixels[..., 3], matrix, size)[..., None] / np.float32(255)
        distance = float(self.distances[index, number])
        confidence = 255 * math.exp(-distance / _CONFIDENCE_DECAY)
        ungated = 255 * math.exp(-distance / _UNGATED_DECAY) * has_b.mean() * part.ungated_share
        shares = (255, confidence, ungated)
        flat = np.full((*coverage.shape[:2], 3), shares, np.float32)
        under = texture[low[1] : high[1], low[0] : high[0]]
        under += coverage * (np.concatenate([color, flat], axis=2) - under)
