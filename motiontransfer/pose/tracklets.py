"""What is surely one person: people of successive frames who are where they were expected.

Hides how far a person gets from one frame to the next, and which of two detections of the same
person is believed. Everyone is expected to go on as they went; people are shared out among those
expected so that all differences together are smallest (Hungarian method). In doubt a tracklet ends:
whether it goes on later is decided in `motiontransfer.pose.joining`.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from jaxtyping import Float64
from scipy.optimize import linear_sum_assignment

from motiontransfer.pose.bodies import (
    Body,
    difference,
    displacement,
    moved,
    overlap,
    share_in_place,
)

_JITTER = 0.03  # sizes of the person: how exact detectors are
_MAX_CHANGE = 3.0  # sizes a second: how much the mean joint may depart from going on as before
_MAX_CHANGE_IN_CROWD = 0.75  # where people overlap, detectors mix them up
_MAX_MISSED_SECONDS = 0.2
_CROWD_SECONDS = 1.5  # for how long someone who is lost may still be there
_MOMENT_SECONDS, _MOMENT_IN_CROWD_SECONDS = 0.2, 0.5
_VELOCITY_MEMORY = 0.5  # share of the velocity that stays at each step
_MAX_SHARED = 1 / 3  # of the joints: of two people with more of them in the same places one is not


@dataclass(slots=True, kw_only=True, eq=False)
class Tracklet:
    """One person for some time; grows while it is followed."""

    frame_indices: list[int] = field(default_factory=list)
    """Where they were found, in order."""

    bodies: list[Body] = field(default_factory=list)
    """As they were found there."""

    frames_in_crowd: int = 0
    """In how many of them someone else was, or may have been, in the same place."""

    velocity: Float64[np.ndarray, " 2"] = field(default_factory=lambda: np.zeros(2))
    """At the end, smoothed, px a frame."""

    def add(self, frame_index: int, body: Body, *, in_crowd: bool) -> None:
        """Go on with what was found in a later frame."""
        self.frames_in_crowd += in_crowd
        if self.bodies:
            step = displacement(self.bodies[-1], body) / (frame_index - self.end)
            self.velocity = _VELOCITY_MEMORY * self.velocity + (1 - _VELOCITY_MEMORY) * step
        self.frame_indices.append(frame_index)
        self.bodies.append(body)

    @property
    def start(self) -> int:
        """Its first frame."""
        return self.frame_indices[0]

    @property
    def end(self) -> int:
        """Its last frame."""
        return self.frame_indices[-1]

    def meets(self, other: "Tracklet") -> bool:
        """Whether both are seen at the same time, so that they are two people."""
        return self.start <= other.end and other.start <= self.end

    def is_moment(self, frame_rate: Fraction) -> bool:
        """Whether it is so short that it may be a mixture of others, and no person."""
        in_the_open = len(self.bodies) - self.frames_in_crowd
        return (
            in_the_open < _MOMENT_SECONDS * frame_rate
            and len(self.bodies) < _MOMENT_IN_CROWD_SECONDS * frame_rate
        )

    def missed(self, frame_index: int) -> int:
        """How many frames there are between the last one and a later one."""
        return frame_index - self.end - 1

    def expected(self, frame_index: int) -> Body:
        """Where the person is in a later frame if they go on as they went."""
        return moved(self.bodies[-1], (frame_index - self.end) * self.velocity)


def find_tracklets(frames: Sequence[Sequence[Body]], *, frame_rate: Fraction) -> list[Tracklet]:
    """Follow everyone as far as there is no doubt.

    Where two detections share joints, one is taken for a double of the other and is in no tracklet.
    Tracklets are in order of their first frame, then of the people in that frame.
    """
    tracklets: list[Tracklet] = []
    followed: list[Tracklet] = []
    for frame_index, bodies in enumerate(frames):
        followed = [t for t in followed if t.missed(frame_index) <= _CROWD_SECONDS * frame_rate]
        expected = [tracklet.expected(frame_index) for tracklet in followed]
        crowd = _Crowd(followed=followed, expected=expected, bodies=bodies)
        change = [
            _MAX_CHANGE_IN_CROWD if crowd.is_around(person) else _MAX_CHANGE for person in expected
        ]
        lost = [t.missed(frame_index) > _MAX_MISSED_SECONDS * frame_rate for t in followed]
        allowed = np.where(lost, -np.inf, _JITTER + np.array(change) / float(frame_rate))
        matches = _match(expected, bodies, allowed=allowed)
        in_crowd = [crowd.is_around(body) for body in bodies]
        found: list[Tracklet] = []
        for index in _believed(bodies, {body: match[1] for body, match in matches.items()}):
            tracklet = followed[matches[index][0]] if index in matches else Tracklet()
            tracklet.add(frame_index, bodies[index], in_crowd=in_crowd[index])
            found.append(tracklet)
        new = [tracklet for tracklet in found if tracklet.start == frame_index]
        tracklets += new
        followed += new
    return tracklets


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crowd:
    """Who is in a frame, and who may be."""

    followed: Sequence[Tracklet]
    """Up to the frame before."""

    expected: Sequence[Body]
    """Each of them in this frame."""

    bodies: Sequence[Body]
    """Who was found."""

    def is_around(self, person: Body) -> bool:
        """Whether two are found, or known to be, where this person is.

        Of those followed, two who were seen at the same time are not the same person.
        """
        here = [
            tracklet
            for tracklet, body in zip(self.followed, self.expected, strict=True)
            if overlap(person, body)
        ]
        return sum(overlap(person, body) for body in self.bodies) > 1 or any(
            one.meets(other) for one, other in itertools.combinations(here, 2)
        )


def _match(
    expected: Sequence[Body], bodies: Sequence[Body], *, allowed: Float64[np.ndarray, " expected"]
) -> dict[int, tuple[int, float]]:
    """Which expected person each body is, and how different it is."""
    if not (expected and bodies):
        return {}
    table = np.array([[difference(a, b) for b in bodies] for a in expected])
    # Who differs too much is as good as nobody, so that no match is bent to make another.
    gain = np.where(table <= allowed[:, None], allowed.max() - table, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return {
        int(column): (int(row), float(table[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if table[row, column] <= allowed[row]
    }


def _believed(bodies: Sequence[Body], difference_of: dict[int, float]) -> list[int]:
    """Indices of the bodies that are no doubles, in order.

    Of two that share joints, the one that is more like what was expected is believed, then the one
    with the higher score.
    """
    order = sorted(
        range(len(bodies)),
        key=lambda index: (difference_of.get(index, math.inf), -bodies[index].mean_score, index),
    )
    believed: list[int] = []
    for index in order:
        if all(share_in_place(bodies[index], bodies[i]) <= _MAX_SHARED for i in believed):
            believed.append(index)
    return sorted(believed)
