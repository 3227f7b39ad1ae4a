"""Key poses: the few frames of a dance that cover it best, for a film that shows them.

Greedy facility location (Nemhauser, Wolsey, Fisher 1978): each next frame is the one that lowers
most the distance of all body parts, in all frames, to the nearest one that is chosen or was filmed.
A part's distance is that of its joints and of the neighboring bones, as where references are chosen
(`motiontransfer.puppet.retrieval`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Complex128, Float64

from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.time_series import Series
from motiontransfer.puppet.parts import (
    BodyPart,
    BodyPoses,
    body_parts,
    body_scales,
    bone_vectors,
    full_lengths,
    part_shapes,
)

NUM_KEY_POSES = 12
"""On computed actors twelve poses of a dance gave more than a minute of another one."""

_MAX_FRAMES = 400  # of a dance or of films that are compared, evenly spread: memory grows with both
NEAR = 2.5
"""% of the body's height; a part is covered by a filmed one that is as near.

Of 32 films of actors (four pairs, 2 to 20 s of another dance, poses struck exactly and not) the
share that is covered goes with the puppet's likeness, r = .79, .78 and .88 of person, face and
hands within pairs; at 2 it is .77 .79 .85, at 4 .69 .72 .82. Who strikes another body's pose
exactly is off by at most 2.3 in 90 % of frames; with arms off by .1 radians by 2.2 to 2.8
(medians), by .2, where a struck film has lost most of what it gives, by 3.2 to 3.9.
"""
_FARTHEST = 12.0  # % of the body's height: beyond, a part looks no less alike
_WEIGHTS = {"head": 2.0, "hand": 1.5, "other": 1.0}  # people look at faces, then at hands
_REGIONS = {"head": "head", "hand": "hands", "arm": "arms", "torso": "trunk", "neck": "trunk"}
_LEAST_GAIN = 0.05  # % of the body's height, mean over parts and frames; dances need 8 to 12 poses
_LEAST_FOUND = 0.9  # of the body's joints that the dance usually shows; fewer: the pose is a guess

Distances = Float64[np.ndarray, "frames others"]
_Alike = list[tuple[float, int, int]]
"""Of each frame: distance to the most similar one of a film, the film, and its frame."""
Shapes = Complex128[np.ndarray, "_ _"]
"""Points x + iy of a part in each frame; NaN where missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPoses:
    """Frames of a dance to strike, and how well it is covered."""

    frames: Sequence[int]
    """In the order of what they add."""
    coverage: Sequence[float]
    """Share, 0 to 1, of body parts in all frames that is covered before the first, with each."""
    of_regions: Mapping[str, float]
    """The same share of each region of the body, before the first."""
    nearest: Sequence[tuple[int, int]]
    """The film and its frame that are most like each of `frames`; empty without films."""

    def in_words(self) -> str:
        """How much is covered before the first, and of which regions less than of all."""
        least = sorted(self.of_regions, key=self.of_regions.__getitem__)
        told = ", ".join(f"{region} {100 * self.of_regions[region]:.0f} %" for region in least)
        return f"{100 * self.coverage[0]:.0f} % of the dance ({told})"


def find_key_poses(
    dance: Keypoints, filmed: Sequence[Keypoints] = (), *, num_poses: int = NUM_KEY_POSES
) -> KeyPoses:
    """The poses of a dance that cover it best, beside those of films that are there.

    Fewer where fewer cover it. A frame in which joints are missing, completed or filled in is never
    one of them.
    """
    parts = body_parts(dance.skeleton)
    compared = evenly_spaced(range(dance.num_frames), count=min(_MAX_FRAMES, dance.num_frames))
    poses = PartPoses.of(dance.part(compared), parts)
    weights = np.array([[_WEIGHTS[part.kind]] for part in parts]) * poses.is_found
    weights /= max(weights.sum(), 1e-9)
    nearest, alike = np.full(weights.shape, _FARTHEST), list[_Alike]()
    for number, clip in enumerate(filmed):
        if clip.skeleton == dance.skeleton and clip.num_frames:
            kept = evenly_spaced(range(clip.num_frames), count=min(_MAX_FRAMES, clip.num_frames))
            apart = poses.distances(PartPoses.of(clip.part(kept), parts))
            nearest = np.minimum(nearest, apart.min(axis=2))
            mean = np.einsum("pf,pfo->fo", weights, apart)
            best = mean.argmin(axis=1)
            alike.append([(mean[f, o], number, kept[o]) for f, o in enumerate(best.tolist())])
    of_regions = _shares(parts, weights, nearest)
    if num_poses:
        apart = poses.distances(poses)
        apart[..., ~_is_certain(dance.part(compared))] = _FARTHEST
    chosen, coverage = list[int](), [float((weights * (nearest <= NEAR)).sum())]
    while len(chosen) < num_poses:
        gains = np.einsum("pf,pfo->o", weights, np.maximum(nearest[..., None] - apart, 0))
        best = int(gains.argmax())
        if gains[best] < _LEAST_GAIN:
            break
        chosen.append(best)
        nearest = np.minimum(nearest, apart[..., best])
        coverage.append(float((weights * (nearest <= NEAR)).sum()))
    return KeyPoses(
        frames=[compared[index] for index in chosen],
        coverage=coverage,
        of_regions=of_regions,
        nearest=[min(of[index] for of in alike)[1:] for index in chosen if alike],
    )


def _shares(
    parts: Sequence[BodyPart],
    weights: Float64[np.ndarray, "parts frames"],
    nearest: Float64[np.ndarray, "parts frames"],
) -> dict[str, float]:
    """The share of each region of the body that is covered; of those that are seen."""
    own, covered = dict[str, float](), dict[str, float]()
    for part, weight, distance in zip(parts, weights, nearest, strict=True):
        region = next((name for word, name in _REGIONS.items() if word in part.name), "legs")
        own[region] = own.get(region, 0.0) + float(weight.sum())
        covered[region] = covered.get(region, 0.0) + float(weight[distance <= NEAR].sum())
    return {name: covered[name] / own[name] for name in own if own[name] > 0}


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

    def distances(self, others: "PartPoses") -> Float64[np.ndarray, "parts frames others"]:
        """Of each part; the farthest where one of both does not show it."""
        found = self.is_found[:, :, None] & others.is_found[:, None]
        distances = np.full(found.shape, _FARTHEST)
        for number, part in enumerate(self.parts):
            square, shared = _square_distances(self.joints[number], others.joints[number])
            square /= np.maximum(shared, 1)
            turned, _ = _square_distances(self.bones[number], others.bones[number])
            distance = np.sqrt(square + part.neighbor_weight * turned)
            np.copyto(distances[number], distance, where=found[number] & (distance < _FARTHEST))
        return distances


def _square_distances(
    a: Complex128[np.ndarray, "frames points"], b: Complex128[np.ndarray, "others points"]
) -> tuple[Distances, Distances]:
    """Sums over the points that both have, as sums of products; and how many these are."""
    has_a, has_b = (np.isfinite(points).astype(np.float64) for points in (a, b))
    a, b = (np.nan_to_num(points) for points in (a, b))
    square = np.square(np.abs(a)) @ has_b.T + has_a @ np.square(np.abs(b)).T
    return np.maximum(square - 2 * (a @ b.conj().T).real, 0), has_a @ has_b.T


def _is_certain(keypoints: Keypoints) -> Bool[np.ndarray, " frames"]:
    """Frames that show as much of the body as is usual, without joints that were filled in."""
    found = keypoints.measured().score > 0
    if keypoints.filled is not None:
        found &= ~keypoints.filled
    body = found[:, keypoints.skeleton.slice("body")]
    usual = body.mean(axis=0)
    return body @ usual >= _LEAST_FOUND * usual.sum()
