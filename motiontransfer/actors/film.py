"""Frames of a clip, made on all cores, and the true positions of the joints in them.

Hides how the work is shared: runs of frames go to worker processes, each of which builds the
actor and the room once. A frame depends on nothing but its number, so the clip is the same
however many workers there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Float, UInt8
from scipy import sparse
from scipy.optimize import brentq

from motiontransfer.actors.body import ANGLES, BonePose, load_rig, pose_bones, skin
from motiontransfer.actors.cast import OUTFITS, PHENOTYPES, ROOMS
from motiontransfer.actors.choreography import ACTIONS, Motion
from motiontransfer.actors.clothes import dress
from motiontransfer.actors.landmarks import landmarks
from motiontransfer.actors.raycast import Film, load_film, shoot
from motiontransfer.actors.stage_set import draw_plate
from motiontransfer.keypoints import Keypoints
from motiontransfer.parallel import Compute, run_parallel
from motiontransfer.skeleton import HOLISTIC

_RUN_FRAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A person in their room, ready to be filmed."""

    film: Film
    """Mesh, room and camera."""

    joints: Float[np.ndarray, "joints 3"]
    """Rest positions of the joints of `skeleton.HOLISTIC`, metres."""

    joint_weights: sparse.csr_array
    """Their skinning weights."""

    joint_actions: Float[np.ndarray, "actions joints 3"]
    """Offsets of the joints on the face by facial action, metres."""


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
    rig = load_rig(PHENOTYPES[name], ACTIONS)
    marks = landmarks(rig.body).values()
    still = np.zeros(3)
    return Actor(
        film=load_film(
            ROOMS[name], draw_plate(ROOMS[name], size), dress(rig, OUTFITS[name]), samples=samples
        ),
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
    for shots in run_parallel(film, runs, compute=compute):
        yield from shots


def in_place_of(motion: Motion, other: Motion, actor: Actor) -> Motion:
    """The same dance where the actor dances another, as the camera sees it.

    A longer way to and from the camera is shortened to the other's, a shorter one is kept; the
    middle between its nearest and farthest place, and the median from left to right, stay where
    they are in the picture: what can be known of where a person would dance from a video of them
    dancing something else.
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
    """Half-way between the highest and the lowest place of a path in the picture."""
    y = _seen(actor, path)[:, 1]
    return float((y.min() + y.max()) / 2)


def _median_x(actor: Actor, path: Float[np.ndarray, "frames 2"]) -> float:
    return float(np.median(_seen(actor, path)[:, 0]))


def _seen(actor: Actor, path: Float[np.ndarray, "frames 2"]) -> Float[np.ndarray, "frames 2"]:
    """Where in the picture the places of a path are."""
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
