"""Frames of a clip, made on all cores, and the true positions of the joints in them.

Hides how the work is shared: runs of frames go to worker processes, each of which builds the
actor and the room once. A frame depends on nothing but its number, so the clip is the same
however many workers there are.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

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


@functools.lru_cache(maxsize=1)
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
    """Points of the mesh and joints in the room at one frame, the lowest sole on the floor, or as
    high above it as the dance says."""
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
    film = functools.partial(film_run, name, motion, size=size, samples=samples)
    for shots in run_parallel(film, runs, compute=compute):
        yield from shots


def in_place_of(motion: Motion, other: Motion, actor: Actor) -> Motion:
    """The same dance where the actor dances another, as the camera sees it.

    The nearest place goes to the nearest, the farthest to the farthest, and the middle between
    left and right, the median over the picture, stays where it is: what can be known of where a
    person would dance from a video of them dancing something else.
    """
    spread, other_spread = np.ptp(motion.path[:, 1]), np.ptp(other.path[:, 1])
    scale = other_spread / spread if spread > 0 else 1.0
    far, other_far = motion.path[:, 1].min(), other.path[:, 1].min()
    path = scale * (motion.path - [0.0, far]) + [0.0, other_far]
    middle = np.median(_seen_x(other.path, actor))

    def beside(right: float) -> float:
        return float(np.median(_seen_x(path + np.array([right, 0.0]), actor)) - middle)

    reach = 1 + float(np.abs(path[:, 0]).max() + np.abs(other.path[:, 0]).max())
    right = brentq(beside, -reach, reach, xtol=1e-12)
    return replace(motion, path=path + np.array([right, 0.0]))


def _seen_x(path: Float[np.ndarray, "frames 2"], actor: Actor) -> Float[np.ndarray, " frames"]:
    """Where in the picture the places of a path are from left to right."""
    room, leg_length = actor.film.room, actor.film.dressed.rig.leg_length
    floor = np.array(room.home) + leg_length * path
    points = np.stack([floor[:, 0], np.zeros(len(floor)), floor[:, 1]], axis=1)
    return room.camera.project(points, (1, 1))[:, 0]


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
