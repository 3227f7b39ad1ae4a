"""Pinhole cameras, rooms with their background image, and the cast of actors.

A room is a floor, a back wall and what stands before it, textures evaluated where a ray meets
them. The background image keeps the light that a person can take away, so that shadows are laid
on it later. Metres; the floor is y = 0, the wall z = -depth.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from demo.actors.appearance import Outfit, linear
from demo.actors.mesh import unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Where it stands and what it looks at; meters, y up."""

    position: tuple[float, float, float]
    """Its center."""
    target: tuple[float, float, float]
    """The point in the middle of the image."""
    focal_length: float
    """In heights of the image, so that it does not depend on the number of pixels."""

    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Unit vectors right, up and forward, as rows."""
        forward = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, forward), forward])

    def project(
        self, points: Float[np.ndarray, "*shape 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "*shape 2"]:
        """World points to (x, y) in pixels of an image of that size (height, width)."""
        local = (points - np.array(self.position)) @ self.axes().T
        scale = self.focal_length * size[0] / local[..., 2]
        return np.stack(
            [size[1] / 2 + scale * local[..., 0], size[0] / 2 - scale * local[..., 1]], axis=-1
        )

    def rays(
        self, pixels: Float[np.ndarray, "points 2"], size: tuple[int, int]
    ) -> Float[np.ndarray, "points 3"]:
        """Unit directions of the rays through pixels (x, y)."""
        flat = np.empty((len(pixels), 3))
        flat[:, 0] = (pixels[:, 0] - size[1] / 2) / (self.focal_length * size[0])
        flat[:, 1] = -(pixels[:, 1] - size[0] / 2) / (self.focal_length * size[0])
        flat[:, 2] = 1.0
        return unit(flat @ self.axes())


_SKIRTING_HEIGHT = 0.11
_SAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room with its camera, its light, and the place where the actor stands."""

    camera: Camera
    """What films it."""
    light: tuple[float, float, float]
    """Direction towards the key light."""
    key: float
    """Strength of the key light."""
    sky: float
    """Strength of the light from all around."""
    wall_depth: float
    """How far behind the origin the wall is, meters."""
    wall: tuple[int, int, int]
    """Color of the wall, sRGB."""
    floor: tuple[int, int, int]
    """Color of the floor, sRGB."""
    floor_pattern: Literal["planks", "tiles"]
    """What the floor is made of."""
    furniture: Literal["picture_and_plant", "shelf_and_lamp"]
    """What is at the wall."""
    home: tuple[float, float]
    """Where the actor's path begins: x and z, meters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """A room without the actor, in linear light."""

    lit: Float[np.ndarray, "height width 3"]
    """As it is."""
    unlit: Float[np.ndarray, "height width 3"]
    """As it would be with the key light and half of the sky hidden."""
    points: Float[np.ndarray, "height width 3"]
    """Where each pixel's ray meets floor or wall, meters."""


def draw_plate(room: Room, size: tuple[int, int]) -> Plate:
    """Film the empty room with 4 x 4 rays a pixel."""
    height, width = size
    ys, xs = np.mgrid[0 : height * _SAMPLES, 0 : width * _SAMPLES] + 0.5
    pixels = np.stack([xs.reshape(-1), ys.reshape(-1)], axis=1) / _SAMPLES
    points, on_floor = _meet(room, room.camera.rays(pixels, size))
    albedo = np.empty_like(points)
    albedo[on_floor] = _floor_color(room, points[on_floor])
    albedo[~on_floor] = _wall_color(room, points[~on_floor])
    facing = np.where(on_floor, _unit(room.light)[1], _unit(room.light)[2])
    vignette = 1.0 - 0.22 * (((pixels / [width, height]) - 0.5) ** 2).sum(axis=1) * 2
    lit = albedo * ((room.sky + room.key * facing) * vignette)[:, None]
    unlit = albedo * (0.5 * room.sky * vignette)[:, None]
    ys, xs = np.mgrid[0:height, 0:width] + 0.5
    centers, _ = _meet(
        room, room.camera.rays(np.stack([xs.reshape(-1), ys.reshape(-1)], axis=1), size)
    )

    def shrink(values: np.ndarray) -> np.ndarray:
        return values.reshape(height, _SAMPLES, width, _SAMPLES, 3).mean(axis=(1, 3))

    return Plate(lit=shrink(lit), unlit=shrink(unlit), points=centers.reshape(height, width, 3))


def _unit(vector: tuple[float, float, float]) -> np.ndarray:
    return np.array(vector) / np.linalg.norm(vector)


def _meet(room: Room, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    eye = np.array(room.camera.position)
    to_floor = np.where(rays[:, 1] < -1e-6, -eye[1] / np.minimum(rays[:, 1], -1e-6), np.inf)
    to_wall = (-room.wall_depth - eye[2]) / np.minimum(rays[:, 2], -1e-6)
    on_floor = to_floor < to_wall
    return eye + np.minimum(to_floor, to_wall)[:, None] * rays, on_floor


def _hash(values: np.ndarray) -> np.ndarray:
    """A number in 0 to 1 that looks random, the same for the same input."""
    return np.modf(np.abs(np.sin(values * 12.9898 + 4.1414)) * 4375.85453)[0]


def _floor_color(room: Room, points: np.ndarray) -> np.ndarray:
    x, z = points[:, 0], points[:, 2]
    if room.floor_pattern == "planks":
        row = np.floor(x / 0.16)
        board = np.floor((z + 1.7 * _hash(row)) / 1.3) + 31 * row
        grain = 0.05 * np.sin(160 * x + 3 * np.sin(4 * z + 7 * _hash(row)))
        tone = 0.82 + 0.3 * _hash(board) + grain
        gap = (np.mod(x, 0.16) < 0.006) | (np.mod(z + 1.7 * _hash(row), 1.3) < 0.010)
        tone = np.where(gap, 0.45, tone)
    else:
        dark = np.mod(np.floor(x / 0.45) + np.floor(z / 0.45), 2)
        gap = (np.mod(x, 0.45) < 0.012) | (np.mod(z, 0.45) < 0.016)
        tone = np.where(gap, 0.55, 1.0 - 0.30 * dark)
    return linear(room.floor) * tone[:, None]


def _wall_color(room: Room, points: np.ndarray) -> np.ndarray:
    x, y = points[:, 0], points[:, 1]
    plaster = 0.012 * np.sin(31 * x + 4 * np.sin(19 * y)) + 0.012 * np.sin(
        43 * y + 4 * np.sin(27 * x)
    )
    glow = 0.78 + 0.34 * np.exp(-(((x - 0.9) / 1.8) ** 2) - ((y - 1.9) / 1.6) ** 2)
    color = linear(room.wall) * (glow + plaster)[:, None]
    if room.furniture == "picture_and_plant":
        color = _paint_picture(color, x, y)
        near = np.hypot(x - 1.38, y - 0.52) < 0.7
        color[near] = _paint_plant(color[near], x[near], y[near])
    else:
        color = _paint_shelf(color, x, y)
        color = _paint_lamp(color, x, y)
    skirting = y < _SKIRTING_HEIGHT
    white = np.array(linear((232, 228, 220)))
    shade = np.where(y > _SKIRTING_HEIGHT - 0.012, 0.6, 1.0)[:, None]
    return np.where(skirting[:, None], white * shade, color)


def _box(x: np.ndarray, y: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    return ((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3]))[:, None]


def _paint_picture(color: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    color = np.where(_box(x, y, (-1.62, 1.28, -0.72, 2.02)), linear((62, 44, 34)), color)
    color = np.where(_box(x, y, (-1.57, 1.33, -0.77, 1.97)), linear((236, 230, 214)), color)
    inside = _box(x, y, (-1.48, 1.42, -0.86, 1.88))
    hills = y < 1.58 + 0.06 * np.sin(7 * x) + 0.03 * np.sin(17 * x)
    sun = np.hypot(x + 1.02, y - 1.74) < 0.065
    scene = np.where(hills[:, None], linear((66, 112, 96)), linear((238, 190, 130)))
    scene = np.where(sun[:, None], linear((226, 90, 60)), scene)
    return np.where(inside, scene, color)


def _paint_plant(color: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    lengths = 0.42 + 0.16 * _hash(np.arange(15) + 0.5)
    for index, length in enumerate(lengths.tolist()):
        turn = -1.25 + 2.5 * index / 14
        along = (x - 1.38) * np.sin(turn) + (y - 0.52) * np.cos(turn)
        side = (
            (x - 1.38) * np.cos(turn) - (y - 0.52) * np.sin(turn) + 0.25 * along**2 * np.sign(turn)
        )
        t = along / length
        leaf = (t > 0) & (t < 1) & (np.abs(side) < 0.075 * np.sin(np.pi * np.clip(t, 0, 1)))
        green = linear((38, 92 + 5 * (index % 4), 52))
        vein = np.where(np.abs(side) < 0.007, 1.5, 1.0)
        color = np.where(leaf[:, None], green * vein[:, None], color)
    taper = 0.15 + 0.08 * np.clip(y / 0.5, 0, 1)
    pot = (np.abs(x - 1.38) < taper) & (y < 0.52)
    shade = np.clip(1.15 - 2.0 * np.abs(x - 1.46), 0.4, 1.2)
    return np.where(pot[:, None], linear((196, 110, 72)) * shade[:, None], color)


def _paint_shelf(color: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    color = np.where(_box(x, y, (0.75, 1.42, 2.05, 1.46)), linear((120, 84, 52)), color)
    spines = ((150, 52, 44), (226, 196, 120), (60, 92, 120), (88, 120, 76), (200, 200, 196))
    left = 0.82
    widths = 0.055 + 0.04 * _hash(np.arange(13) + 0.2)
    tops = 1.64 + 0.16 * _hash(np.arange(13) + 7.7)
    for index, (width, top) in enumerate(zip(widths.tolist(), tops.tolist(), strict=True)):
        spine = linear(spines[index % len(spines)])
        color = np.where(_box(x, y, (left, 1.46, left + width, top)), spine, color)
        left += width + 0.004
    return color


def _paint_lamp(color: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    halo = 0.30 * np.exp(-(((x + 1.35) / 0.5) ** 2) - ((y - 1.55) / 0.6) ** 2)
    color = color * (1 + halo[:, None] * np.array([1.0, 0.8, 0.4]))
    color = np.where(_box(x, y, (-1.365, 0.0, -1.335, 1.5)), linear((40, 40, 44)), color)
    color = np.where(_box(x, y, (-1.52, 0.0, -1.18, 0.04)), linear((40, 40, 44)), color)
    shade = (np.abs(x + 1.35) < 0.13 + 0.16 * (1.78 - y)) & (y > 1.42) & (y < 1.78)
    return np.where(shade[:, None], linear((250, 226, 170)) * 1.15, color)


PHENOTYPES = {
    "ada": {
        **{"gender": 1.0, "age": 0.62, "muscle": 0.5, "weight": 0.42, "height": 0.45},
        **{"proportions": 0.8, "cupsize": 0.45, "firmness": 0.7},
        **{"caucasian": 1.0, "asian": 0.0, "african": 0.0},
    },
    "ben": {
        **{"gender": 0.0, "age": 0.68, "muscle": 0.62, "weight": 0.62, "height": 0.42},
        **{"proportions": 0.5, "caucasian": 0.0, "asian": 0.0, "african": 1.0},
    },
    "cleo": {
        **{"gender": 1.0, "age": 0.60, "muscle": 0.55, "weight": 0.25, "height": 0.55},
        **{"proportions": 0.7, "cupsize": 0.35, "firmness": 0.7},
        **{"caucasian": 0.0, "asian": 0.0, "african": 1.0},
    },
    "dan": {
        **{"gender": 0.0, "age": 0.75, "muscle": 0.45, "weight": 0.92, "height": 0.25},
        **{"proportions": 0.4, "caucasian": 1.0, "asian": 0.0, "african": 0.0},
    },
    "eve": {
        **{"gender": 1.0, "age": 0.72, "muscle": 0.45, "weight": 0.85, "height": 0.35},
        **{"proportions": 0.5, "cupsize": 0.6, "firmness": 0.5},
        **{"caucasian": 0.0, "asian": 1.0, "african": 0.0},
    },
    "finn": {
        **{"gender": 0.0, "age": 0.64, "muscle": 0.80, "weight": 0.45, "height": 0.58},
        **{"proportions": 0.8, "caucasian": 0.5, "asian": 0.5, "african": 0.0},
    },
}
"""Anny's phenotype parameters of each actor."""

OUTFITS = {
    "ada": Outfit(
        skin=(232, 184, 156),
        lips=(178, 62, 72),
        brows=(58, 34, 22),
        iris=(70, 92, 80),
        hair=(96, 52, 28),
        hair_style="bob",
        brow_width_mm=2.9,
        shirt=(32, 116, 138),
        shirt_band=(236, 232, 218),
        sleeve_end=0.72,
        collar_drop=0.02,
        trousers=(44, 50, 78),
        shoes=(214, 70, 52),
        soles=(240, 238, 232),
        looseness=0.010,
    ),
    "ben": Outfit(
        skin=(176, 122, 88),
        lips=(136, 62, 58),
        brows=(24, 16, 12),
        iris=(46, 28, 18),
        hair=(30, 24, 22),
        hair_style="cropped",
        brow_width_mm=3.8,
        shirt=(222, 158, 44),
        shirt_band=(222, 158, 44),
        sleeve_end=1.95,
        collar_drop=0.0,
        trousers=(92, 96, 100),
        shoes=(44, 36, 34),
        soles=(226, 222, 214),
        looseness=0.014,
    ),
    "cleo": Outfit(
        skin=(132, 86, 62),
        lips=(122, 52, 54),
        brows=(20, 14, 12),
        iris=(42, 28, 20),
        hair=(24, 18, 18),
        hair_style="bob",
        brow_width_mm=3.0,
        shirt=(206, 62, 96),
        shirt_band=(206, 62, 96),
        sleeve_end=0.15,
        collar_drop=0.03,
        trousers=(228, 222, 208),
        shoes=(40, 42, 52),
        soles=(232, 230, 226),
        looseness=0.006,
    ),
    "dan": Outfit(
        skin=(238, 198, 176),
        lips=(186, 104, 98),
        brows=(150, 108, 66),
        iris=(74, 112, 142),
        hair=(176, 132, 82),
        hair_style="cropped",
        brow_width_mm=3.4,
        shirt=(58, 92, 70),
        shirt_band=(210, 204, 180),
        sleeve_end=1.95,
        collar_drop=0.0,
        trousers=(52, 54, 62),
        shoes=(122, 82, 52),
        soles=(66, 48, 36),
        looseness=0.020,
    ),
    "eve": Outfit(
        skin=(236, 200, 168),
        lips=(190, 82, 86),
        brows=(34, 26, 24),
        iris=(52, 34, 24),
        hair=(32, 26, 28),
        hair_style="bob",
        brow_width_mm=2.7,
        shirt=(238, 196, 74),
        shirt_band=(238, 196, 74),
        sleeve_end=0.15,
        collar_drop=0.025,
        trousers=(86, 68, 128),
        shoes=(240, 240, 236),
        soles=(206, 206, 200),
        looseness=0.008,
    ),
    "finn": Outfit(
        skin=(206, 160, 126),
        lips=(158, 86, 78),
        brows=(42, 30, 24),
        iris=(66, 78, 52),
        hair=(48, 34, 28),
        hair_style="cropped",
        brow_width_mm=3.9,
        shirt=(232, 232, 228),
        shirt_band=(48, 84, 160),
        sleeve_end=0.85,
        collar_drop=0.01,
        trousers=(150, 60, 44),
        shoes=(28, 30, 34),
        soles=(228, 90, 50),
        looseness=0.010,
    ),
}
"""What each actor wears."""

ROOMS = {
    "ada": Room(
        camera=Camera(position=(0.0, 1.15, 5.6), target=(0.0, 0.95, 0.0), focal_length=2.28),
        light=(0.75, 1.25, 0.9),
        key=1.05,
        sky=0.52,
        wall_depth=2.0,
        wall=(158, 184, 178),
        floor=(172, 128, 88),
        floor_pattern="planks",
        furniture="picture_and_plant",
        home=(0.0, 0.0),
    ),
    "ben": Room(
        camera=Camera(position=(-0.5, 1.55, 7.4), target=(-0.1, 0.95, 0.0), focal_length=2.4),
        light=(-0.8, 1.3, 1.0),
        key=1.1,
        sky=0.60,
        wall_depth=2.2,
        wall=(128, 148, 168),
        floor=(196, 190, 178),
        floor_pattern="tiles",
        furniture="shelf_and_lamp",
        home=(-0.5, 0.0),
    ),
    "cleo": Room(
        camera=Camera(position=(0.0, 1.2, 5.2), target=(0.0, 0.95, 0.0), focal_length=1.75),
        light=(-0.7, 1.2, 1.0),
        key=1.0,
        sky=0.55,
        wall_depth=2.1,
        wall=(206, 190, 164),
        floor=(120, 92, 70),
        floor_pattern="planks",
        furniture="shelf_and_lamp",
        home=(0.0, 0.0),
    ),
    "dan": Room(
        camera=Camera(position=(0.4, 1.5, 8.6), target=(0.1, 0.9, 0.0), focal_length=2.6),
        light=(0.9, 1.1, 0.8),
        key=1.0,
        sky=0.60,
        wall_depth=2.4,
        wall=(176, 150, 150),
        floor=(182, 178, 170),
        floor_pattern="tiles",
        furniture="picture_and_plant",
        home=(0.3, 0.0),
    ),
    "eve": Room(
        camera=Camera(position=(-0.3, 1.6, 8.2), target=(0.0, 0.9, 0.0), focal_length=2.5),
        light=(0.6, 1.4, 0.9),
        key=1.05,
        sky=0.58,
        wall_depth=2.2,
        wall=(140, 160, 190),
        floor=(160, 118, 84),
        floor_pattern="planks",
        furniture="picture_and_plant",
        home=(-0.2, 0.0),
    ),
    "finn": Room(
        camera=Camera(position=(0.2, 1.1, 5.4), target=(0.0, 1.0, 0.0), focal_length=1.8),
        light=(-0.8, 1.3, 0.9),
        key=1.05,
        sky=0.55,
        wall_depth=2.0,
        wall=(150, 172, 150),
        floor=(200, 194, 184),
        floor_pattern="tiles",
        furniture="shelf_and_lamp",
        home=(0.0, 0.0),
    ),
}
"""Where each actor is filmed."""
