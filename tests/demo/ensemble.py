"""Several actors filmed together, who pass in front of each other, with the truth about all.

Hides that their meshes become one, so that whoever is nearer hides whoever is behind, and throws
shadows on them. For the tests of what must tell people apart; the demo's clips show one actor each.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

from demo.actors.choreography import Motion, perform
from demo.actors.clothes import DressedBody
from demo.actors.footwork import Bar
from demo.actors.renderer import Actor, Film, load_film, pose_actor, shoot
from demo.actors.scenes import ROOMS, Camera, draw_plate

_ROOM = replace(
    ROOMS["ben"],
    camera=Camera(position=(0.0, 1.55, 7.4), target=(0.0, 0.95, 0.0), focal_length=2.4),
    home=(0.0, 0.0),
)
_ASIDE, _DEPTH = 0.8, 0.55  # leg lengths from the middle of the room


@dataclass(frozen=True, slots=True, kw_only=True)
class DressedGroup:
    """Several dressed bodies as one mesh."""

    bodies: tuple[DressedBody, ...]
    """Who is in it; points and faces lie in this order."""

    points: Float[np.ndarray, "points 3"]
    """Rest positions, metres; the bodies stand inside each other."""

    faces: Int[np.ndarray, "faces 3"]
    """Indices of points."""

    coordinates: Float[np.ndarray, "points 4"]
    """Where a point is on its part."""

    def colours(
        self, face: Int[np.ndarray, " places"], coordinates: Float[np.ndarray, "places 4"]
    ) -> tuple[Float[np.ndarray, "places 3"], Float[np.ndarray, " places"]]:
        """Albedo and shine of places on these faces: each body has its own clothes."""
        albedo, shine = np.empty((len(face), 3)), np.empty(len(face))
        start = 0
        for body in self.bodies:
            its = (face >= start) & (face < start + len(body.faces))
            albedo[its], shine[its] = body.colours(face[its] - start, coordinates[its])
            start += len(body.faces)
        return albedo, shine


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Actors in one room, ready to be filmed."""

    actors: tuple[Actor, ...]
    """Each by themselves in that room, to be posed."""

    film: Film[DressedGroup]
    """All of them, the room and the camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShot:
    """One filmed frame."""

    frame: UInt8[np.ndarray, "height width 3"]
    """What the camera saw."""

    joints: Float[np.ndarray, "people joints 2"]
    """True pixel positions of everyone's joints, hidden ones too."""

    distance: Float[np.ndarray, " people"]
    """From the camera to the middle of each person, metres: the nearer one is in front."""


def gather(actors: Sequence[Actor]) -> Ensemble:
    """Put actors who were loaded for the same size and samples into one room, wide enough."""
    film = load_film(
        _ROOM,
        draw_plate(_ROOM, actors[0].film.size),
        _as_one([actor.film.dressed for actor in actors]),
        samples=actors[0].film.samples,
    )
    at_home = (replace(a, film=replace(a.film, room=_ROOM, plate=film.plate)) for a in actors)
    return Ensemble(actors=tuple(at_home), film=film)


def _as_one(bodies: Sequence[DressedBody]) -> DressedGroup:
    starts = np.cumsum([0, *(len(body.points) for body in bodies[:-1])])
    return DressedGroup(
        bodies=tuple(bodies),
        points=np.concatenate([body.points for body in bodies]),
        faces=np.concatenate(
            [body.faces + start for body, start in zip(bodies, starts, strict=True)]
        ),
        coordinates=np.concatenate([body.coordinates for body in bodies]),
    )


def cross_paths(num_frames: int, *, frame_rate: float, seed: int) -> tuple[Motion, Motion]:
    """Two dances, danced together: one passes in front of the other and comes back.

    The first dancer is nearer to the camera and begins on the left of the image. They walk past
    each other for two bars, dance for one, and walk back.
    """
    beat = 0.45
    times = np.arange(num_frames) / frame_rate
    motions = []
    for index, (side, depth) in enumerate(((-1.0, _DEPTH), (1.0, -_DEPTH))):
        here, middle, there = ((x * side * _ASIDE, depth) for x in (1, 0, -1))
        bars = tuple(
            Bar(to=to, move=move)
            for to, move in (
                (here, "touch"),
                *((middle, "walk"), (there, "walk"), (there, "touch")),
                *((middle, "walk"), (here, "walk")),
            )
        )
        rng = np.random.default_rng([seed, index])
        motions.append(perform(bars, times, start=here, beat=beat, rng=rng))
    return motions[0], motions[1]


def film_together(
    ensemble: Ensemble, motions: Sequence[Motion], frames: range
) -> Iterator[GroupShot]:
    """Film some frames of the actors' dances, in their order."""
    camera, size = ensemble.film.room.camera, ensemble.film.size
    for index in frames:
        posed = [
            pose_actor(actor, motion, index)
            for actor, motion in zip(ensemble.actors, motions, strict=True)
        ]
        frame, _ = shoot(ensemble.film, np.concatenate([points for points, _ in posed]))
        joints = np.stack([joints for _, joints in posed])
        middle = joints.mean(axis=1) - np.array(camera.position)
        yield GroupShot(
            frame=frame,
            joints=camera.project(joints, size),
            distance=np.linalg.norm(middle, axis=1),
        )
