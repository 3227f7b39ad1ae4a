"""Triangle meshes with skinning weights and facial actions; Catmull-Clark subdivision."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """A piece of mesh in the rest pose."""

    points: Float[np.ndarray, "points 3"]
    """Metres."""
    faces: Int[np.ndarray, "faces 3"]
    """Indices of points, anticlockwise seen from outside."""
    coordinates: Float[np.ndarray, "points 4"]
    """Where on the person a point is; what the numbers mean is up to the part."""
    weights: Float[np.ndarray, "points bones"]
    """Skinning weights."""
    actions: Mapping[str, Float[np.ndarray, "points 3"]]
    """Offsets of the facial actions at full strength, meters."""


def dot(
    left: Float[np.ndarray, "points 3"], right: Float[np.ndarray, "points 3"]
) -> Float[np.ndarray, " points"]:
    """Dot products."""
    return np.einsum("pi,pi->p", left, right)


def unit(vectors: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
    """Unit vectors."""
    return vectors / np.sqrt(dot(vectors, vectors))[:, None]


def triangles(quads: Int[np.ndarray, "quads 4"]) -> Int[np.ndarray, "_ 3"]:
    """Each quad as two triangles."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def face_sums(faces: Int[np.ndarray, "faces 3"], num_points: int) -> sparse.csr_array:
    """The matrix that adds up, for each point, a quantity of the faces around it."""
    rows = faces.T.reshape(-1)
    columns = np.tile(np.arange(len(faces)), 3)
    shape = (num_points, len(faces))
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def vertex_normals(
    points: Float[np.ndarray, "points 3"],
    faces: Int[np.ndarray, "faces 3"],
    sums: sparse.csr_array | None = None,
) -> Float[np.ndarray, "points 3"]:
    """Unit normals, the mean of the faces around weighted by their areas.

    Args:
        sums: `face_sums` of these faces, where they are used again and again.
    """
    a, b, c = points[faces[:, 0]], points[faces[:, 1]], points[faces[:, 2]]
    normals = (face_sums(faces, len(points)) if sums is None else sums) @ np.cross(b - a, c - a)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def split_quads(
    values: Float[np.ndarray, "points channels"], quads: Int[np.ndarray, "quads 4"]
) -> tuple[Float[np.ndarray, "_ channels"], Int[np.ndarray, "_ 4"]]:
    """Subdivide once (Catmull-Clark): each quad becomes four.

    Args:
        values: position in the first three channels, which is smoothed; others are averaged.
    """
    edges = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    unique, inverse, counts = np.unique(
        np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    inverse = inverse.reshape(quads.shape)
    middles = values[np.asarray(unique, np.int64)].mean(axis=1)
    centers = values[quads].mean(axis=1)
    num, num_edges = len(values), len(unique)
    around = np.zeros((num_edges, values.shape[1]))
    np.add.at(around, inverse.reshape(-1), np.repeat(centers, 4, axis=0))
    inner = counts == 2
    edge_points = middles.copy()
    edge_points[inner, :3] = (middles[inner, :3] + around[inner, :3] / 2) / 2
    corners = values.copy()
    corners[:, :3] = _smoothed_corners(
        values[:, :3], quads, centers[:, :3], unique, middles[:, :3], inner
    )
    a, b, c, d = (quads[:, i] for i in range(4))
    ab, bc, cd, da = (num + inverse[:, i] for i in range(4))
    center = num + num_edges + np.arange(len(quads))
    fine = [(a, ab, center, da), (ab, b, bc, center), (center, bc, c, cd), (da, center, cd, d)]
    return (
        np.concatenate([corners, edge_points, centers]),
        np.concatenate([np.stack(corner, axis=1) for corner in fine]),
    )


def _smoothed_corners(
    points: np.ndarray,
    quads: np.ndarray,
    centers: np.ndarray,
    edges: np.ndarray,
    middles: np.ndarray,
    inner: np.ndarray,
) -> np.ndarray:
    num = len(points)
    valence = np.bincount(edges.reshape(-1), minlength=num)[:, None]
    face_mean, edge_mean = np.zeros_like(points), np.zeros_like(points)
    np.add.at(face_mean, quads.reshape(-1), np.repeat(centers, 4, axis=0))
    np.add.at(edge_mean, edges.reshape(-1), np.repeat(middles, 2, axis=0))
    faces_around = np.bincount(quads.reshape(-1), minlength=num)[:, None]
    smooth = (
        face_mean / np.maximum(faces_around, 1)
        + 2 * edge_mean / np.maximum(valence, 1)
        + (valence - 3) * points
    ) / np.maximum(valence, 1)
    border = np.zeros(num, bool)
    border[edges[~inner].reshape(-1)] = True
    return np.where(border[:, None] | (valence == 0), points, smooth)


def join(surfaces: Mapping[int, Surface]) -> tuple[Surface, Int[np.ndarray, " faces"]]:
    """One surface of all, and for each face the key of the surface that it came from."""
    starts = np.cumsum([0, *(len(s.points) for s in surfaces.values())])
    names = next(iter(surfaces.values())).actions
    whole = Surface(
        points=np.concatenate([s.points for s in surfaces.values()]),
        faces=np.concatenate(
            [s.faces + start for s, start in zip(surfaces.values(), starts[:-1], strict=True)]
        ),
        coordinates=np.concatenate([s.coordinates for s in surfaces.values()]),
        weights=np.concatenate([s.weights for s in surfaces.values()]),
        actions={
            name: np.concatenate([s.actions[name] for s in surfaces.values()]) for name in names
        },
    )
    return whole, np.concatenate([np.full(len(s.faces), key) for key, s in surfaces.items()])
