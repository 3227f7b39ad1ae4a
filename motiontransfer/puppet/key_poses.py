"""Key poses: the few frames of a dance that cover it best, for a film that shows them.

Greedy facility location (Nemhauser, Wolsey, Fisher 1978): each next frame is the one that lowers
most the distance of all body parts, in all frames, to the nearest one that is chosen or was filmed.
A part's distance is that of its joints and of the neighboring bones, as where references are chosen
(`motiontransfer.puppet.retrieval`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex128, Float64

from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.pose.keypoints import Keypoints
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
_FARTHEST = 12.0  # % of the body's height: beyond, a part looks no less alike
_WEIGHTS = {"head": 2.0, "hand": 1.5, "other": 1.0}  # people look at faces, then at hands
_LEAST_GAIN = 0.05  # % of the body's height, mean over parts and frames; dances need 8 to 12 poses
_LEAST_FOUND = 0.9  # of the body's joints that the dance usually shows; fewer: the pose is a guess

Distances = Float64[np.ndarray, "frames others"]
Shapes = Complex128[np.ndarray, "_ _"]
"""Points x + iy of a part in each frame; NaN where missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPoses:
    """Frames of a dance to strike, and how well it is covered."""

    frames: Sequence[int]
    """In the order of what they add."""
    coverage: Sequence[float]
    """Share, 0 to 1, of the dance that is covered before the first, and with each of them."""


def find_key_poses(
    dance: Keypoints, filmed: Sequence[Keypoints] = (), *, num_poses: int = NUM_KEY_POSES
) -> KeyPoses:
    """The poses of a dance that cover it best, beside those of films that are there.

    Fewer where fewer cover it. A frame in which joints are missing, completed or filled in is never
    one of them.
    """
    parts = body_parts(dance.skeleton)
    compared = evenly_spaced(range(dance.num_frames), count=min(_MAX_FRAMES, dance.num_frames))
    poses = _Poses.of(dance.part(compared), parts)
    weights = np.array([[_WEIGHTS[part.kind]] for part in parts]) * poses.is_found
    weights /= max(weights.sum(), 1e-9)
    nearest = np.full(weights.shape, _FARTHEST)
    for clip in filmed:
        if clip.skeleton == dance.skeleton and clip.num_frames:
            kept = evenly_spaced(range(clip.num_frames), count=min(_MAX_FRAMES, clip.num_frames))
            apart = poses.distances(_Poses.of(clip.part(kept), parts))
            nearest = np.minimum(nearest, apart.min(axis=2))
    apart = poses.distances(poses)
    apart[..., ~_is_certain(dance.part(compared))] = _FARTHEST
    chosen, left = list[int](), [float((weights * nearest).sum())]
    while len(chosen) < num_poses:
        gains = np.einsum("pf,pfo->o", weights, np.maximum(nearest[..., None] - apart, 0))
        best = int(gains.argmax())
        if gains[best] < _LEAST_GAIN:
            break
        chosen.append(compared[best])
        nearest = np.minimum(nearest, apart[..., best])
        left.append(float((weights * nearest).sum()))
    return KeyPoses(frames=chosen, coverage=[1 - each / _FARTHEST for each in left])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Poses:
    """Shapes of all parts at body height 100, comparable between people."""

    parts: Sequence[BodyPart]
    joints: Sequence[Shapes]
    """Of each part: its joints around their middle."""
    bones: Sequence[Shapes]
    """Of each part: halves of the neighboring bones, which count like joints."""

    @classmethod
    def of(cls, keypoints: Keypoints, parts: Sequence[BodyPart]) -> "_Poses":
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        scales = body_scales(poses, full_lengths(poses)) * body_height_px(keypoints) / 100
        joints, bones = [], []
        for part in parts:
            shape, found = part_shapes(part, poses, scales)
            joints.append(np.where(found & (scales > 0)[:, None], shape, np.nan))
            ends = [bone_vectors(bone, poses, scales) / 2 for bone in part.neighbors]
            bones.append(np.array(ends, complex).reshape(-1, len(poses)).T)
        return cls(parts=parts, joints=joints, bones=bones)

    @property
    def is_found(self) -> Bool[np.ndarray, "parts frames"]:
        pairs = zip(self.parts, self.joints, strict=True)
        return np.array(
            [np.isfinite(shape).sum(axis=1) >= part.min_joints for part, shape in pairs]
        )

    def distances(self, others: "_Poses") -> Float64[np.ndarray, "parts frames others"]:
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
