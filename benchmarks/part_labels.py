"""True labels of body parts in films of computed actors, and how far cut parts agree with them.

A pixel's true part is the one whose bones move the mesh there. Parts that meet overlap at their
joint, so a pixel of the other part near the joint counts neither for a part nor against it. The
neck is left out: its skin is the trunk's as well.
"""

from collections.abc import Sequence

import numpy as np
from embreex.mesh_construction import TriangleMesh  # ty: ignore[import-not-found] - compiled
from embreex.rtcore_scene import EmbreeScene  # ty: ignore[import-not-found] - compiled
from jaxtyping import Bool, Float, Int, Int8

from demo.actors.clothes import DressedBody
from demo.actors.renderer import Film
from motiontransfer.body.parts import BodyPart, BodyPoses, body_parts
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.puppet.fit.cutting import CutPart

_SEGMENTS = {
    "upperarm": "upper_arm", "lowerarm": "forearm", "wrist": "hand", "finger": "hand",
    "metacarpal": "hand", "upperleg": "thigh", "lowerleg": "shin", "foot": "foot", "toe": "foot",
}  # fmt: skip
"""By how a bone's name begins; it ends with the side."""
_OF_TRUNK = ("root", "spine", "clavicle", "shoulder", "breast", "pelvis")
_NEAR_JOINT = 1.6  # radii of the wider part: up to there parts that meet show both

Labels = Int8[np.ndarray, "height width"]
"""Number in `body_parts` of the part that a pixel shows; -1: the room."""


def part_of_faces(dressed: DressedBody) -> Int[np.ndarray, " faces"]:
    """Number of the part that each face of a mesh moves with."""
    number_of = {part.name: number for number, part in enumerate(body_parts(HOLISTIC))}
    owner = np.array([number_of[_part_of(bone)] for bone in dressed.rig.body.bones])
    weights = dressed.weights.toarray()
    shares = np.stack([weights[:, owner == part].sum(axis=1) for part in number_of.values()], 1)
    return shares[dressed.faces].sum(axis=1).argmax(axis=1)


def _part_of(bone: str) -> str:
    for stem, segment in _SEGMENTS.items():
        if bone.startswith(stem):
            return ("left_" if bone.endswith(".L") else "right_") + segment
    return "neck" if bone.startswith("neck") else "torso" if bone.startswith(_OF_TRUNK) else "head"


def true_labels(
    film: Film, points: Float[np.ndarray, "points 3"], parts: Int[np.ndarray, " faces"]
) -> Labels:
    """What the middle of each pixel shows of a mesh with its points here."""
    height, width = film.size
    ys, xs = np.mgrid[:height, :width] + 0.5
    rays = film.room.camera.rays(np.stack([xs.ravel(), ys.ravel()], axis=1), film.size)
    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(points, np.float32), film.triangles)
    origins = np.broadcast_to(film.room.camera.position, rays.shape)
    first = scene.run(
        *(np.ascontiguousarray(each, np.float32) for each in (origins, rays)), output=True
    )["primID"]
    return np.where(first >= 0, parts[first], -1).astype(np.int8).reshape(film.size)


def part_iou(
    parts: Sequence[BodyPart],
    cut: Sequence[CutPart | None],
    labels: Labels,
    poses: BodyPoses,
    index: int,
    *,
    height_px: float,
) -> float:
    """Mean over the parts that a frame shows: intersection of coverage and truth over their union.

    Args:
        poses: in the frame.
        height_px: of the upright body in it.
    """
    found = []
    for number, (part, one) in enumerate(zip(parts, cut, strict=True)):
        truth = labels == number
        if part.is_neck or not truth.any():
            continue
        coverage = np.zeros(labels.shape, np.float32)
        if one is not None:
            coverage[one.place] = one.coverage / np.float32(255)
        counts = ~_of_both(parts, number, labels, poses, index, height_px=height_px)
        both, either = np.minimum(coverage, truth)[counts], np.maximum(coverage, truth)[counts]
        found.append(float(both.sum() / either.sum()))
    return float(np.mean(found))


def _of_both(
    parts: Sequence[BodyPart],
    number: int,
    labels: Labels,
    poses: BodyPoses,
    index: int,
    *,
    height_px: float,
) -> Bool[np.ndarray, "height width"]:
    """Pixels of parts that meet one, near the joint."""
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    both = np.zeros(labels.shape, np.bool_)
    for other, beside in enumerate(parts):
        for joint in parts[number].meets(beside) if other != number else ():
            ((x, y),), _ = poses.joints((joint,), index)
            near_px = _NEAR_JOINT * max(parts[number].radius, beside.radius) * height_px
            both |= (labels == other) & (np.hypot(columns - x, rows - y) < near_px)
    return both
