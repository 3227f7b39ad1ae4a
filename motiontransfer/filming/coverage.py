"""Which frames cover a motion best: greedy facility location over body parts.

Each next frame is the one that most lowers the distance of all parts to their nearest chosen frame
(Nemhauser, Wolsey, Fisher 1978). A part's distance is that of its joints and of the neighboring
bones, as where references are chosen (`puppet.draw.retrieval`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from jaxtyping import Bool, Complex128, Float32, Float64

from motiontransfer.body.parts import (
    BodyPart,
    BodyPoses,
    body_parts,
    body_scales,
    bone_vectors,
    full_lengths,
    part_shapes,
)
from motiontransfer.core.arrays import Series
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints

FARTHEST = 12.0
"""% of the body's height: beyond, a part looks no less alike."""

_WEIGHTS = {"head": 2.0, "hand": 1.5, "other": 1.0}  # people look at faces, then at hands
_MOST_FRAMES = 600  # of all clips, to be covered and again to choose from; memory grows with both

Shapes = Complex128[np.ndarray, "_ _"]
"""Points x + iy of a part in each frame; NaN where missing."""


def upright_heights(keypoints: Keypoints) -> Series:
    """How high the body would be upright in each frame, pixels: less where it is farther away."""
    poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
    scales = body_scales(poses, full_lengths(poses))
    at_one = keypoints.points / np.nan_to_num(scales, nan=1.0)[:, None, None]
    return scales * body_height_px(replace(keypoints, points=at_one.astype(np.float32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPoses:
    """Shapes of all parts at body height 100, comparable between people."""

    parts: Sequence[BodyPart]
    joints: Sequence[Shapes]
    """Of each part: its joints around their middle."""
    bones: Sequence[Shapes]
    """Of each part: halves of the neighboring bones, which count like joints."""

    @classmethod
    def of(cls, keypoints: Keypoints, parts: Sequence[BodyPart]) -> "PartPoses":
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        scales = upright_heights(keypoints) / 100
        joints, bones = [], []
        for part in parts:
            shape, found = part_shapes(part, poses, scales)
            joints.append(np.where(found & (scales > 0)[:, None], shape, np.nan))
            ends = [bone_vectors(bone, poses, scales) / 2 for bone in part.neighbors]
            bones.append(np.array(ends, complex).reshape(-1, len(poses)).T)
        return cls(parts=parts, joints=joints, bones=bones)

    def of_frames(self, indices: Sequence[int]) -> "PartPoses":
        joints, bones = ([one[indices] for one in each] for each in (self.joints, self.bones))
        return replace(self, joints=joints, bones=bones)

    @property
    def is_found(self) -> Bool[np.ndarray, "parts frames"]:
        pairs = zip(self.parts, self.joints, strict=True)
        return np.array(
            [np.isfinite(shape).sum(axis=1) >= part.min_joints for part, shape in pairs]
        )

    @property
    def weights(self) -> Float64[np.ndarray, "parts frames"]:
        """Of each part in each frame, 0 where it is not found; their sum is 1."""
        weights = np.array([[_WEIGHTS[part.kind]] for part in self.parts]) * self.is_found
        return weights / max(weights.sum(), 1e-9)

    def distances(self, others: "PartPoses") -> Float32[np.ndarray, "parts frames others"]:
        """Of each part; the farthest where one of both does not show it."""
        found = self.is_found[:, :, None] & others.is_found[:, None]
        distances = np.full(found.shape, FARTHEST, np.float32)
        for number, part in enumerate(self.parts):
            square, shared = _square_distances(self.joints[number], others.joints[number])
            square /= np.maximum(shared, 1)
            turned, _ = _square_distances(self.bones[number], others.bones[number])
            distance = np.sqrt(square + part.neighbor_weight * turned)
            np.copyto(
                distances[number],
                distance,
                where=found[number] & (distance < FARTHEST),
                casting="same_kind",
            )
        return distances


def _square_distances(
    a: Complex128[np.ndarray, "frames points"], b: Complex128[np.ndarray, "others points"]
) -> tuple[Float64[np.ndarray, "frames others"], Float64[np.ndarray, "frames others"]]:
    """Sums over the points that both have, as sums of products; and how many these are."""
    has_a, has_b = (np.isfinite(points).astype(np.float64) for points in (a, b))
    a, b = (np.nan_to_num(points) for points in (a, b))
    square = np.square(np.abs(a)) @ has_b.T + has_a @ np.square(np.abs(b)).T
    return np.maximum(square - 2 * (a @ b.conj().T).real, 0), has_a @ has_b.T


def cover(
    weights: Float64[np.ndarray, "parts frames"],
    nearest: Float64[np.ndarray, "parts frames"],
    apart: Float32[np.ndarray, "parts frames others"],
) -> Iterator[tuple[int, float]]:
    """Yield the others in the order of what they add, and how much that is, while it is something.

    Gains only shrink, so that one that was the largest before is looked at first (Minoux 1978).

    Args:
        nearest: distance of each part in each frame to the nearest that is there already.
    """
    bounds = np.full(apart.shape[2], np.inf)
    while True:
        fresh: set[int] = set()
        while (best := int(bounds.argmax())) not in fresh:
            gain = np.maximum(nearest - apart[..., best], 0)
            bounds[best] = float((weights * gain).sum())
            fresh.add(best)
        if bounds[best] <= 0:
            return
        yield best, float(bounds[best])
        nearest = np.minimum(nearest, apart[..., best])
        bounds[best] = 0.0


def covering_frames(
    clips: Sequence[Keypoints], among: Sequence[Sequence[int]], *, count: int
) -> list[tuple[int, int]]:
    """(clip, frame) of those that show best what is in all frames, each part for itself.

    What remains where nothing more is covered is evenly spread.

    Args:
        among: the frames of each clip to choose from.
    """
    share = max(_MOST_FRAMES // len(clips), 1)
    offered = [evenly_spaced(frames, count=share) for frames in among]
    keys = [(number, frame) for number, frames in enumerate(offered) for frame in frames]
    if len(keys) <= count:
        return keys
    wanted, there = [], []
    for clip, frames in zip(clips, offered, strict=True):
        poses = PartPoses.of(only_seen(clip), body_parts(clip.skeleton))
        wanted.append(poses.of_frames(evenly_spaced(range(clip.num_frames), count=share)))
        there.append(poses.of_frames(frames))
    rows = [np.concatenate([each.distances(one) for one in there], axis=2) for each in wanted]
    apart = np.concatenate(rows, axis=1)
    weights = np.concatenate([each.weights for each in wanted], axis=1)
    order = cover(weights, np.full(weights.shape, FARTHEST), apart)
    found = [keys[best] for best, _ in islice(order, count)]
    rest = [key for key in keys if key not in set(found)]
    return sorted(found + evenly_spaced(rest, count=count - len(found)))


def only_seen(keypoints: Keypoints) -> Keypoints:
    """Without joints that were filled in or completed."""
    keypoints = keypoints.measured()
    return keypoints if keypoints.filled is None else keypoints.without(keypoints.filled)
