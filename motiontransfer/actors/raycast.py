"""Filming: rays through the people's window, light and shadow, the people laid over the plate.

Hides the ray caster (Embree through embreex) and the shading. One key light with a soft edge,
light from the sky and from the floor, a small highlight. Each sub-sample of a pixel sees
another point of the key light, so shadows on the person are soft at no cost.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from embreex.mesh_construction import TriangleMesh  # ty: ignore[import-not-found] - compiled
from embreex.rtcore_scene import EmbreeScene  # ty: ignore[import-not-found] - compiled
from jaxtyping import Bool, Float, Int, UInt8
from scipy import ndimage, sparse

from motiontransfer.actors.appearance import display
from motiontransfer.actors.stage_set import Plate, Room
from motiontransfer.actors.surface import face_sums, vertex_normals

_LIGHT_RADIUS = 0.06
_FLOOR_LIGHT_RADIUS = 0.11
_FLOOR_SHADOW_RAYS = 12
_SKY_RAYS = 9
_OFF_SURFACE = 2e-3


@runtime_checkable
class Mesh(Protocol):
    """What can be filmed: one dressed body, or several as one mesh."""

    @property
    def points(self) -> Float[np.ndarray, "points 3"]:
        """Rest positions, metres."""
        ...

    @property
    def faces(self) -> Int[np.ndarray, "faces 3"]:
        """Indices of points."""
        ...

    @property
    def coordinates(self) -> Float[np.ndarray, "points 4"]:
        """Where a point is on its part."""
        ...

    def colours(
        self, face: Int[np.ndarray, " places"], coordinates: Float[np.ndarray, "places 4"]
    ) -> tuple[Float[np.ndarray, "places 3"], Float[np.ndarray, " places"]]:
        """Albedo and shine of places on these faces, by their coordinates."""
        ...


Dressed = TypeVar("Dressed", bound=Mesh)


@dataclass(frozen=True, slots=True, kw_only=True)
class Film(Generic[Dressed]):
    """What stays the same from frame to frame."""

    room: Room
    """Camera and light."""

    plate: Plate
    """The empty room."""

    dressed: Dressed
    """Who is filmed."""

    sums: sparse.csr_array
    """`face_sums` of the mesh's faces."""

    samples: int
    """Sub-samples of a pixel along each side."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.plate.lit.shape[0], self.plate.lit.shape[1]


def load_film(room: Room, plate: Plate, dressed: Dressed, *, samples: int) -> Film[Dressed]:
    """Prepare to film a mesh in a room."""
    sums = face_sums(dressed.faces, len(dressed.points))
    return Film(room=room, plate=plate, dressed=dressed, sums=sums, samples=samples)


def shoot(
    film: Film, points: Float[np.ndarray, "points 3"]
) -> tuple[UInt8[np.ndarray, "height width 3"], Float[np.ndarray, "height width"]]:
    """One frame of the body with its points here, and how much of each pixel the person covers."""
    scene = EmbreeScene()
    TriangleMesh(
        scene,
        np.ascontiguousarray(points, np.float32),
        np.ascontiguousarray(film.dressed.faces, np.int32),
    )
    light = _shadowed_plate(film, scene, points)
    person, cover, window = _person(film, scene, points)
    rows, columns = window
    light[rows, columns] = light[rows, columns] * (1 - cover[..., None]) + person
    coverage = np.zeros(film.size)
    coverage[rows, columns] = cover
    return np.rint(display(light)).astype(np.uint8), coverage


def _window(film: Film, points: np.ndarray, margin: int) -> tuple[slice, slice]:
    pixels = film.room.camera.project(points, film.size)
    low = np.floor(pixels.min(axis=0)).astype(int) - margin
    high = np.ceil(pixels.max(axis=0)).astype(int) + margin
    height, width = film.size
    return (
        slice(*np.clip([low[1], high[1]], 0, height).tolist()),
        slice(*np.clip([low[0], high[0]], 0, width).tolist()),
    )


def _disc(count: int, radius: float, towards: tuple[float, float, float]) -> np.ndarray:
    """Directions spread evenly (golden angle) over a disc around a direction."""
    axis = np.array(towards) / np.linalg.norm(towards)
    side = np.cross(axis, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    index = np.arange(count)
    turn, reach = index * np.pi * (3 - np.sqrt(5)), radius * np.sqrt((index + 0.5) / count)
    directions = (
        axis
        + (reach * np.cos(turn))[:, None] * side
        + (reach * np.sin(turn))[:, None] * np.cross(axis, side)
    )
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def _hidden(
    scene: EmbreeScene, origins: np.ndarray, directions: np.ndarray
) -> Bool[np.ndarray, " rays"]:
    hits = scene.run(
        np.ascontiguousarray(origins, np.float32),
        np.ascontiguousarray(np.broadcast_to(directions, origins.shape), np.float32),
        query="OCCLUDED",
    )
    return np.asarray(hits) == 0


def _shadowed_plate(film: Film, scene: EmbreeScene, points: np.ndarray) -> np.ndarray:
    """The room with the person's shadow on floor and wall."""
    towards = np.array(film.room.light) / np.linalg.norm(film.room.light)
    feet = points * [1, 0, 1]
    on_floor = points - (points[:, 1:2] / towards[1]) * towards
    on_floor[:, 2] = np.maximum(on_floor[:, 2], -film.room.wall_depth)
    rows, columns = _window(film, np.concatenate([feet, on_floor]), film.size[0] // 12)
    spots = film.plate.points[rows, columns]
    shape = spots.shape[:2]
    flat = spots.reshape(-1, 3) + np.array([0.0, _OFF_SURFACE, _OFF_SURFACE])
    shade = np.zeros(len(flat))
    for directions, share in (
        (_disc(_FLOOR_SHADOW_RAYS, _FLOOR_LIGHT_RADIUS, film.room.light), 0.8),
        (_disc(_SKY_RAYS, 0.6, (0.05, 1.0, 0.1)), 0.35),
    ):
        for direction in directions:
            shade += share / len(directions) * _hidden(scene, flat, direction)
    shade = ndimage.gaussian_filter(shade.reshape(shape), 1.3 * film.size[0] / 256)[..., None]
    light = film.plate.lit.copy()
    light[rows, columns] += (film.plate.unlit[rows, columns] - light[rows, columns]) * np.minimum(
        shade, 1
    )
    return light


def _person(
    film: Film, scene: EmbreeScene, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[slice, slice]]:
    window = _window(film, points, 1)
    rows, columns = window
    n = film.samples
    ys, xs = np.mgrid[rows.start * n : rows.stop * n, columns.start * n : columns.stop * n]
    pixels = np.stack([xs.reshape(-1), ys.reshape(-1)], axis=1)
    rays = film.room.camera.rays((pixels + 0.5) / n, film.size)
    hits = scene.run(
        np.ascontiguousarray(np.broadcast_to(film.room.camera.position, rays.shape), np.float32),
        np.ascontiguousarray(rays, np.float32),
        output=True,
    )
    hit = np.flatnonzero(hits["primID"] >= 0)
    colours = np.zeros((len(rays), 3))
    which_sample = (pixels[hit, 0] % n) + n * (pixels[hit, 1] % n)
    barycentric = np.stack(
        [1 - hits["u"][hit] - hits["v"][hit], hits["u"][hit], hits["v"][hit]], axis=1
    )
    colours[hit] = _shade(
        film, scene, points, rays[hit], hits["primID"][hit], barycentric, which_sample
    )
    cover = np.zeros(len(rays))
    cover[hit] = 1.0
    shape = (rows.stop - rows.start, n, columns.stop - columns.start, n)
    person = np.minimum(colours, 1.2).reshape(*shape, 3).mean(axis=(1, 3))
    return person, cover.reshape(shape).mean(axis=(1, 3)), window


def _shade(
    film: Film,
    scene: EmbreeScene,
    points: np.ndarray,
    rays: np.ndarray,
    face: np.ndarray,
    barycentric: np.ndarray,
    which_sample: np.ndarray,
) -> Float[np.ndarray, "hits 3"]:
    corners = film.dressed.faces[face]
    at_points = np.concatenate(
        [points, vertex_normals(points, film.dressed.faces, film.sums), film.dressed.coordinates],
        axis=1,
    )
    at = np.einsum("hc,hck->hk", barycentric, at_points[corners])
    place, normals, coordinates = at[:, :3], at[:, 3:6], at[:, 6:]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    facing = np.sign((normals * rays).sum(axis=1, keepdims=True))
    normals *= np.where(facing > 0, -1.0, 1.0)  # a shell of hair is seen from both sides
    albedo, shine = film.dressed.colours(face, coordinates)
    lights = _disc(film.samples**2, _LIGHT_RADIUS, film.room.light)[which_sample]
    key = np.clip((normals * lights).sum(axis=1), 0, None)
    lit = key > 0
    key[lit] *= ~_hidden(scene, place[lit] + _OFF_SURFACE * 2 * normals[lit], lights[lit])
    half = lights - rays
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    highlight = shine * key * np.clip((normals * half).sum(axis=1), 0, 1) ** 24
    sky = film.room.sky * (0.62 + 0.38 * normals[:, 1] + 0.12 * normals[:, 2])
    near_floor = np.clip(place[:, 1] / 0.25, 0.55, 1.0)  # the floor hides the sky from shoes
    light = film.room.key * key + sky * near_floor
    return albedo * light[:, None] + (film.room.key * highlight)[:, None]
