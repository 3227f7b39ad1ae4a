"""Ray-cast frames of an actor in a room (Embree), and the ground-truth positions of the joints.

One key light with a soft edge, light from the sky and from the floor, a small highlight. Each
sub-sample of a pixel sees another point of the key light, so shadows on the person are soft at no
cost. Runs of frames go to worker processes, each of which builds the actor and the room once. A
frame depends on nothing but its number, so a clip is the same with any number of workers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial

import numpy as np
from embreex.mesh_construction import TriangleMesh  # ty: ignore[import-not-found] - compiled
from embreex.rtcore_scene import EmbreeScene  # ty: ignore[import-not-found] - compiled
from jaxtyping import Bool, Float, UInt8
from scipy import ndimage, sparse
from scipy.optimize import brentq

from demo.actors.appearance import Outfit, display
from demo.actors.body import landmarks
from demo.actors.choreography import ACTIONS, Motion
from demo.actors.clothes import DressedBody, Paint, dress
from demo.actors.mesh import dot, face_sums, unit, vertex_normals
from demo.actors.posing import ANGLES, BonePose, load_rig, pose_bones, skin
from demo.actors.scenes import OUTFITS, PHENOTYPES, ROOMS, Plate, Room, draw_plate
from motiontransfer.core.parallel import run_parallel
from motiontransfer.core.params import Compute
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import HOLISTIC

_LIGHT_RADIUS = 0.06
_FLOOR_LIGHT_RADIUS = 0.11
_FLOOR_SHADOW_RAYS = 12
_SKY_RAYS = 9
_OFF_SURFACE = 2e-3
_RUN_FRAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """What stays the same from frame to frame."""

    room: Room
    """Camera and light."""
    plate: Plate
    """The empty room."""
    dressed: DressedBody
    """Who is filmed."""
    sums: sparse.csr_array
    """`face_sums` of the mesh's faces."""
    triangles: np.ndarray
    """The mesh's faces as Python tuples, which embreex reads twice as fast as rows of an array."""
    samples: int
    """Sub-samples of a pixel along each side."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.plate.lit.shape[0], self.plate.lit.shape[1]


def load_film(room: Room, plate: Plate, dressed: DressedBody, *, samples: int) -> Film:
    """Prepare to film a mesh in a room."""
    sums = face_sums(dressed.faces, len(dressed.points))
    triangles = np.empty(len(dressed.faces), object)
    triangles[:] = [tuple(corners) for corners in dressed.faces.tolist()]
    return Film(
        room=room, plate=plate, dressed=dressed, sums=sums, triangles=triangles, samples=samples
    )


def shoot(
    film: Film, points: Float[np.ndarray, "points 3"]
) -> tuple[UInt8[np.ndarray, "height width 3"], Float[np.ndarray, "height width"]]:
    """One frame of the body with its points here, and how much of each pixel the person covers."""
    frames, coverage = shoot_paints(film, points)
    return frames[0], coverage


def shoot_paints(
    film: Film, points: Float[np.ndarray, "points 3"]
) -> tuple[UInt8[np.ndarray, "paints height width 3"], Float[np.ndarray, "height width"]]:
    """The same frame in each of the body's paints; rays are cast once."""
    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(points, np.float32), film.triangles)
    room = _shadowed_plate(film, scene, points)
    person, cover, window = _person(film, scene, points)
    rows, columns = window
    frames = []
    for painted in np.split(person, person.shape[2] // 3, axis=2):
        light = room.copy()
        light[rows, columns] = light[rows, columns] * (1 - cover[..., None]) + painted
        frames.append(np.rint(display(light)).astype(np.uint8))
    coverage = np.zeros(film.size)
    coverage[rows, columns] = cover
    return np.stack(frames), coverage


def _window(film: Film, points: np.ndarray, margin: int) -> tuple[slice, slice]:
    pixels = np.ascontiguousarray(film.room.camera.project(points, film.size).T)
    low = np.floor(pixels.min(axis=1)).astype(int) - margin
    high = np.ceil(pixels.max(axis=1)).astype(int) + margin
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
    """Whether the person is in the way.

    Args:
        directions: one for each origin, or one for all.
    """
    hits = scene.run(
        np.ascontiguousarray(origins, np.float32),
        np.ascontiguousarray(directions, np.float32),
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
    flat = (spots.reshape(-1, 3) + np.array([0.0, _OFF_SURFACE, _OFF_SURFACE])).astype(np.float32)
    directions, shares = _shadow_lights(film.room.light)
    lamp, spot = np.nonzero(_in_shadow_box(points.astype(np.float32), flat, directions))
    hidden = _hidden(scene, flat[spot], directions[lamp])
    shade = np.bincount(spot, shares[lamp] * hidden, len(flat))
    shade = ndimage.gaussian_filter(shade.reshape(shape), 1.3 * film.size[0] / 256)[..., None]
    light = film.plate.lit.copy()
    light[rows, columns] += (film.plate.unlit[rows, columns] - light[rows, columns]) * np.minimum(
        shade, 1
    )
    return light


@lru_cache(maxsize=1)
def _shadow_lights(
    key: tuple[float, float, float],
) -> tuple[Float[np.ndarray, "lights 3"], Float[np.ndarray, " lights"]]:
    """Directions of the light that a person takes away, and how much comes from each."""
    discs = (
        (_disc(_FLOOR_SHADOW_RAYS, _FLOOR_LIGHT_RADIUS, key), 0.8),
        (_disc(_SKY_RAYS, 0.6, (0.05, 1.0, 0.1)), 0.35),
    )
    shares = [np.full(len(disc), share / len(disc)) for disc, share in discs]
    return np.concatenate([disc for disc, _ in discs]), np.concatenate(shares)


def _in_shadow_box(
    points: Float[np.ndarray, "points 3"],
    spots: Float[np.ndarray, "spots 3"],
    lights: Float[np.ndarray, "lights 3"],
) -> Bool[np.ndarray, "lights spots"]:
    """Where a ray from a spot to a light meets the rectangle around the mesh, seen from there."""
    sides = unit(np.cross(lights, [0.0, 1.0, 0.0]))
    inside = np.ones((len(lights), len(spots)), bool)
    for axes in (sides, np.cross(sides, lights)):
        of_mesh, of_spots = (axes.astype(np.float32) @ at.T for at in (points, spots))
        inside &= of_spots > of_mesh.min(axis=1, keepdims=True) - _OFF_SURFACE
        inside &= of_spots < of_mesh.max(axis=1, keepdims=True) + _OFF_SURFACE
    return inside


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
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    row, column = np.divmod(hit, n * shape[1])
    barycentric = np.stack(
        [1 - hits["u"][hit] - hits["v"][hit], hits["u"][hit], hits["v"][hit]], axis=1
    )
    which_sample = column % n + n * (row % n)
    colors = _shade(film, scene, points, rays[hit], hits["primID"][hit], barycentric, which_sample)
    pixel = row // n * shape[1] + column // n
    person, cover = (
        np.stack(
            [np.bincount(pixel, values, shape[0] * shape[1]) for values in channels], axis=1
        ).reshape(*shape, -1)
        / n**2
        for channels in (np.minimum(colors, 1.2).T, np.ones((1, len(hit))))
    )
    return person, cover[..., 0], window


def _shade(
    film: Film,
    scene: EmbreeScene,
    points: np.ndarray,
    rays: np.ndarray,
    face: np.ndarray,
    barycentric: np.ndarray,
    which_sample: np.ndarray,
) -> Float[np.ndarray, "hits channels"]:
    corners = film.dressed.faces[face]
    at_points = np.concatenate(
        [points, vertex_normals(points, film.dressed.faces, film.sums), film.dressed.coordinates],
        axis=1,
    )
    at = sum(barycentric[:, [c]] * at_points[corners[:, c]] for c in range(3))
    place, normals, coordinates = at[:, :3], unit(at[:, 3:6]), at[:, 6:]
    normals[dot(normals, rays) > 0] *= -1.0  # a shell of hair is seen from both sides
    albedo, shine = film.dressed.colors(face, coordinates)
    lights = _disc(film.samples**2, _LIGHT_RADIUS, film.room.light)[which_sample]
    key = np.clip(dot(normals, lights), 0, None)
    lit = key > 0
    key[lit] *= ~_hidden(scene, place[lit] + _OFF_SURFACE * 2 * normals[lit], lights[lit])
    highlight = shine * key * np.clip(dot(normals, unit(lights - rays)), 0, 1) ** 24
    sky = film.room.sky * (0.62 + 0.38 * normals[:, 1] + 0.12 * normals[:, 2])
    near_floor = np.clip(place[:, 1] / 0.25, 0.55, 1.0)  # the floor hides the sky from shoes
    light = film.room.key * key + sky * near_floor
    return albedo * light[:, None] + (film.room.key * highlight)[:, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person in their room, ready to be filmed."""

    film: Film
    """Mesh, room and camera."""
    joints: Float[np.ndarray, "joints 3"]
    """Rest positions of the joints of `skeleton.HOLISTIC`, meters."""
    joint_weights: sparse.csr_array
    """Their skinning weights."""
    joint_actions: Float[np.ndarray, "actions joints 3"]
    """Offsets of the joints on the face by facial action, meters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One filmed frame."""

    frame: UInt8[np.ndarray, "height width 3"]
    """What the camera saw."""
    joints: Float[np.ndarray, "joints 2"]
    """True pixel positions of the joints; outside the image where they are outside."""


@lru_cache(maxsize=1)
def load_actor(name: str, size: tuple[int, int], samples: int) -> Actor:
    """Build an actor of `cast.PHENOTYPES` in their own room."""
    return make_actor(PHENOTYPES[name], OUTFITS[name], ROOMS[name], size=size, samples=samples)


def make_actor(
    phenotype: Mapping[str, float],
    outfit: Outfit,
    room: Room,
    *,
    size: tuple[int, int],
    samples: int,
    paints: tuple[Paint, ...] = (),
) -> Actor:
    """Build anybody in any room.

    Args:
        paints: colors in which `shoot_paints` films them.
    """
    rig = load_rig(phenotype, ACTIONS)
    marks = landmarks(rig.body).values()
    still = np.zeros(3)
    dressed = dress(rig, outfit, paints)
    return Actor(
        film=load_film(room, draw_plate(room, size), dressed, samples=samples),
        joints=np.array([mark.rest for mark in marks]),
        joint_weights=sparse.csr_array(np.array([mark.weights for mark in marks])),
        joint_actions=np.array(
            [
                [
                    still if mark.vertex is None else rig.body.actions[action][mark.vertex]
                    for mark in marks
                ]
                for action in ACTIONS
            ]
        ),
    )


def pose_actor(
    actor: Actor, motion: Motion, frame_index: int
) -> tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, "joints 3"]]:
    """Points of the mesh and joints in the room at one frame.

    The lowest sole is on the floor, or as high above it as the dance says.
    """
    dressed = actor.film.dressed
    pose = pose_bones(
        dressed.rig, dict(zip(ANGLES, motion.angles[frame_index].tolist(), strict=True))
    )
    strengths = motion.actions[frame_index]
    points = dressed.points.copy()
    for name, strength in zip(ACTIONS, strengths, strict=True):
        points += strength * dressed.actions[name]
    points = skin(points, dressed.weights, pose)
    joints = actor.joints + np.tensordot(strengths, actor.joint_actions, axes=1)
    joints = skin(joints, actor.joint_weights, pose)
    shift = _shift(actor, motion.path[frame_index], pose, points)
    shift[1] += dressed.rig.leg_length * motion.lift[frame_index]
    return points + shift, joints + shift


def _shift(
    actor: Actor, path: np.ndarray, pose: BonePose, points: np.ndarray
) -> Float[np.ndarray, " 3"]:
    rig = actor.film.dressed.rig
    root = pose.rotation[0] @ rig.body.heads[0] + pose.offset[0]
    home = np.array(actor.film.room.home)
    x, z = home + rig.leg_length * path - root[[0, 2]]
    return np.array([x, -points[actor.film.dressed.sole_points, 1].min(), z])


def film_run(
    name: str, motion: Motion, frames: range, *, size: tuple[int, int], samples: int
) -> list[Shot]:
    """Film some frames of a dance."""
    actor = load_actor(name, size, samples)
    shots = []
    for index in frames:
        points, joints = pose_actor(actor, motion, index)
        frame, _ = shoot(actor.film, points)
        shots.append(Shot(frame=frame, joints=actor.film.room.camera.project(joints, size)))
    return shots


def film_clip(
    name: str, motion: Motion, *, size: tuple[int, int], samples: int, compute: Compute
) -> Iterator[Shot]:
    """Film a dance, frame after frame.

    Args:
        size: (height, width) of the frames.
        samples: sub-samples of a pixel along each side.
    """
    num_frames = len(motion.angles)
    runs = [
        range(start, min(start + _RUN_FRAMES, num_frames))
        for start in range(0, num_frames, _RUN_FRAMES)
    ]
    film = partial(film_run, name, motion, size=size, samples=samples)
    for shots in run_parallel(film, runs, num_workers=compute.num_workers):
        yield from shots


def in_place_of(motion: Motion, other: Motion, actor: Actor) -> Motion:
    """The same dance where the actor dances another, as the camera sees it.

    A longer way to and from the camera is shortened to the other's, a shorter one is kept. The
    middle between its nearest and farthest place, and the median from left to right, stay where
    they are in the image. More cannot be known from a video of a person dancing something else.
    """
    spread, other_spread = np.ptp(motion.path[:, 1]), np.ptp(other.path[:, 1])
    path = motion.path * (other_spread / spread if spread > other_spread else 1.0)
    reach = 1 + float(np.abs(path).max() + np.abs(other.path).max())
    nearer = _moved_to(path, [0.0, 1.0], reach, seen=partial(_middle_y, actor), like=other.path)
    there = _moved_to(nearer, [1.0, 0.0], reach, seen=partial(_median_x, actor), like=other.path)
    return replace(motion, path=there)


def _moved_to(
    path: Float[np.ndarray, "frames 2"],
    direction: Sequence[float],
    reach: float,
    *,
    seen: Callable[[np.ndarray], float],
    like: Float[np.ndarray, "other_frames 2"],
) -> Float[np.ndarray, "frames 2"]:
    """Move a path until it is seen where the other one is; reach in leg lengths."""
    goal = seen(like)
    far = brentq(lambda by: seen(path + by * np.array(direction)) - goal, -reach, reach, xtol=1e-12)
    return path + far * np.array(direction)


def _middle_y(actor: Actor, path: Float[np.ndarray, "frames 2"]) -> float:
    """Half-way between the highest and the lowest place of a path in the image."""
    y = _seen(actor, path)[:, 1]
    return float((y.min() + y.max()) / 2)


def _median_x(actor: Actor, path: Float[np.ndarray, "frames 2"]) -> float:
    return float(np.median(_seen(actor, path)[:, 0]))


def _seen(actor: Actor, path: Float[np.ndarray, "frames 2"]) -> Float[np.ndarray, "frames 2"]:
    """Where in the image the places of a path are."""
    room, leg_length = actor.film.room, actor.film.dressed.rig.leg_length
    floor = np.array(room.home) + leg_length * path
    points = np.stack([floor[:, 0], np.zeros(len(floor)), floor[:, 1]], axis=1)
    return room.camera.project(points, (1, 1))


def true_keypoints(
    joints: Float[np.ndarray, "frames joints 2"], *, size: tuple[int, int], frame_rate: Fraction
) -> Keypoints:
    """Joint positions as keypoints: score 1 in the image, missing outside of it."""
    height, width = size
    inside = np.all((joints >= 0) & (joints < [width, height]), axis=2, keepdims=True)
    return Keypoints(
        points=np.where(inside, joints, 0.0).astype(np.float32),
        score=inside[..., 0].astype(np.float32),
        skeleton=HOLISTIC,
        image_size=size,
        frame_rate=frame_rate,
        detector="truth of the demo's actors",
    )
