"""Multi-person tracking by pose distance: tracklets, then track linking (Hungarian assignment)."""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int32

from motiontransfer.core.arrays import Vector
from motiontransfer.pose.keypoints import People
from motiontransfer.pose.skeleton import HOLISTIC, mirrored

UNASSIGNED = -1
"""Track number of a detection in no track: a duplicate, a mixture of two people, or no body."""

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_MIN_SIZE = 0.02  # of the image's diagonal: two joints side by side do not make a tiny person
_MIN_SHARED_JOINTS = 3  # with fewer, people are compared by their boxes
_COINCIDENT = 0.05  # sizes of the person: two people's joints are rarely as near as that

_JITTER = 0.03  # sizes of the person: how exact detectors are
_MAX_CHANGE = 3.0  # sizes a second: how far the mean joint may be from constant velocity
_MAX_CHANGE_IN_CROWD = 0.75  # where people overlap, detectors mix them up
_MAX_MISSED_SECONDS = 0.2
_CROWD_SECONDS = 1.5  # how long a lost person is predicted
_SHORT_SECONDS, _SHORT_IN_CROWD_SECONDS = 0.2, 0.5
_VELOCITY_MEMORY = 0.5  # share of the velocity that stays at each step
_MAX_COINCIDENT = 1 / 3  # of the joints: with more of them coinciding, one of two is a duplicate

_MAX_GAP_SECONDS = 1.5
_SIDE_SECONDS = 0.4  # over which velocity and size on a side of a gap are measured
_LINK_JITTER = 0.1  # sizes of the person: how exact an extrapolated place is
_DRIFT = 0.6  # sizes a second: how fast an extrapolated place gets inexact
_MAX_GROWTH = 1.6
_MARGIN = 0.5  # any other link must cost at least twice as much,
_MARGIN_SPEED = 0.1  # and, for each second of the gap, at least so many sizes more
_GAP_COST = 0.3  # sizes a second: so that no tracklet is left out in between


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Body:
    row: int
    """Index among the frame's people."""
    points: Float64[np.ndarray, "2 joints 2"]
    """The body's joints, px; as found, and with left and right exchanged."""
    found: Bool[np.ndarray, "2 joints"]
    box: Float64[np.ndarray, "2 2"]
    center: Vector
    """Middle of those joints of the trunk that were found, else of the box, px."""
    size: float
    """Diagonal of the box, px."""
    mean_score: float
    """Over all joints of the body, missing ones too."""

    def shifted(self, by: Vector) -> "Body":
        return replace(self, points=self.points + by, box=self.box + by, center=self.center + by)

    def overlaps(self, other: "Body") -> bool:
        low, high = np.maximum(self.box[0], other.box[0]), np.minimum(self.box[1], other.box[1])
        return bool((low < high).all())


def measure_bodies(people: People, *, image_size: tuple[int, int]) -> list[Body]:
    """Bodies in a frame from left to right, independent of the order of detections.

    People without a joint of the body are left out.
    """
    names = dict(HOLISTIC.groups)["body"]
    other_side = [names.index(mirrored(name)) for name in names]
    trunk = np.isin(names, _TRUNK)
    bodies = []
    for row, joints in enumerate(people[:, HOLISTIC.slice("body")]):
        points, score = joints[:, :2].astype(np.float64), joints[:, 2]
        found = score > 0
        if not found.any():
            continue
        box = np.stack([points[found].min(axis=0), points[found].max(axis=0)])
        size = float(np.linalg.norm(box[1] - box[0]))
        bodies.append(
            Body(
                row=row,
                points=np.stack([points, points[other_side]]),
                found=np.stack([found, found[other_side]]),
                box=box,
                center=(points[found & trunk] if (found & trunk).any() else box).mean(axis=0),
                size=max(size, _MIN_SIZE * float(np.hypot(*image_size))),
                mean_score=float(np.ascontiguousarray(score).mean()),
            )
        )
    return sorted(bodies, key=lambda body: (*body.center, body.mean_score, *body.points[0].flat))


def pose_distance(a: Body, b: Body) -> float:
    """Mean distance of corresponding joints, in sizes of the larger body, left/right invariant."""
    steps, shared = _steps(a, b)
    return float(_mean_length(steps, shared).min()) / max(a.size, b.size)


def displacement(before: Body, after: Body) -> Vector:
    """Motion of a body, px: the median over the joints."""
    steps, shared = _steps(before, after)
    side = int(_mean_length(steps, shared).argmin())
    return np.median(steps[side, shared[side]], axis=0)


def coincident_share(a: Body, b: Body) -> float:
    """Share of the joints that both have which coincide."""
    steps, shared = _steps(a, b)
    near = np.linalg.norm(steps, axis=2) < _COINCIDENT * min(a.size, b.size)
    return float(((near & shared).sum(axis=1) / shared.sum(axis=1)).max())


def _steps(
    a: Body, b: Body
) -> tuple[Float64[np.ndarray, "2 places 2"], Bool[np.ndarray, "2 places"]]:
    """From a's joints to b's as found and to b's with sides exchanged, and which of them both have.

    Where they share too few, from the corners of a's box to those of b's.
    """
    shared = a.found[0] & b.found
    if shared.sum(axis=1).min() >= _MIN_SHARED_JOINTS:
        return b.points - a.points[0], shared
    return np.tile(b.box - a.box, (2, 1, 1)), np.ones((2, 2), bool)


def _mean_length(
    steps: Float64[np.ndarray, "2 places 2"], shared: Bool[np.ndarray, "2 places"]
) -> Vector:
    return (np.linalg.norm(steps, axis=2) * shared).sum(axis=1) / shared.sum(axis=1)


@dataclass(slots=True, kw_only=True, eq=False)
class Tracklet:
    """One person over consecutive detections; grows while it is followed."""

    frame_indices: list[int] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    frames_in_crowd: int = 0
    """Number of frames in which another person was, or may have been, in the same place."""
    velocity: Vector = field(default_factory=lambda: np.zeros(2))
    """Velocity at the end, smoothed, px per frame."""

    def add(self, frame_index: int, body: Body, *, in_crowd: bool) -> None:
        self.frames_in_crowd += in_crowd
        if self.bodies:
            step = displacement(self.bodies[-1], body) / (frame_index - self.end)
            self.velocity = _VELOCITY_MEMORY * self.velocity + (1 - _VELOCITY_MEMORY) * step
        self.frame_indices.append(frame_index)
        self.bodies.append(body)

    @property
    def start(self) -> int:
        return self.frame_indices[0]

    @property
    def end(self) -> int:
        return self.frame_indices[-1]

    def is_short(self, frame_rate: Fraction) -> bool:
        """True if the tracklet is so short that it may mix several people."""
        frames, alone = len(self.bodies), len(self.bodies) - self.frames_in_crowd
        return alone < _SHORT_SECONDS * frame_rate and frames < _SHORT_IN_CROWD_SECONDS * frame_rate

    def predicted(self, frame_index: int) -> Body:
        """Body in a later frame at constant velocity."""
        return self.bodies[-1].shifted((frame_index - self.end) * self.velocity)


def find_tracklets(frames: Sequence[Sequence[Body]], *, frame_rate: Fraction) -> list[Tracklet]:
    """Frame-to-frame association while it is unambiguous.

    Of duplicate detections only one is in a tracklet. Tracklets are in order of their first frame,
    then of the people in that frame.
    """
    tracklets: list[Tracklet] = []
    active: list[Tracklet] = []
    for frame_index, bodies in enumerate(frames):
        active = [t for t in active if frame_index - t.end - 1 <= _CROWD_SECONDS * frame_rate]
        predicted = [tracklet.predicted(frame_index) for tracklet in active]
        crowded = [_is_crowded(body, bodies, active, predicted) for body in predicted]
        change = np.where(crowded, _MAX_CHANGE_IN_CROWD, _MAX_CHANGE)
        lost = [frame_index - t.end - 1 > _MAX_MISSED_SECONDS * frame_rate for t in active]
        allowed = np.where(lost, -np.inf, _JITTER + change / float(frame_rate))
        matches = _match(predicted, bodies, allowed=allowed)
        in_crowd = [_is_crowded(body, bodies, active, predicted) for body in bodies]
        for index in _without_duplicates(bodies, {i: match[1] for i, match in matches.items()}):
            tracklet = active[matches[index][0]] if index in matches else Tracklet()
            tracklet.add(frame_index, bodies[index], in_crowd=in_crowd[index])
            if tracklet.start == frame_index:
                tracklets.append(tracklet)
                active.append(tracklet)
    return tracklets


def _is_crowded(
    body: Body, bodies: Sequence[Body], active: Sequence[Tracklet], predicted: Sequence[Body]
) -> bool:
    """True if two people are detected, or predicted, where a body is.

    Of those predicted, two who were seen at the same time are not the same person.
    """
    here = [t for t, other in zip(active, predicted, strict=True) if body.overlaps(other)]
    return sum(body.overlaps(other) for other in bodies) > 1 or any(
        a.start <= b.end and b.start <= a.end for a, b in itertools.combinations(here, 2)
    )


def _match(
    predicted: Sequence[Body], bodies: Sequence[Body], *, allowed: Float64[np.ndarray, " predicted"]
) -> dict[int, tuple[int, float]]:
    if not (predicted and bodies):
        return {}
    from scipy.optimize import linear_sum_assignment  # here: workers do without SciPy

    distance = np.array([[pose_distance(a, b) for b in bodies] for a in predicted])
    # What is too far apart gains nothing, so that no match is bent to make another.
    gain = np.where(distance <= allowed[:, None], allowed.max() - distance, 0.0)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return {
        int(column): (int(row), float(distance[row, column]))
        for row, column in zip(rows, columns, strict=True)
        if distance[row, column] <= allowed[row]
    }


def _without_duplicates(bodies: Sequence[Body], distance_of: dict[int, float]) -> list[int]:
    """Pose non-maximum suppression: indices of the bodies that are kept, in order.

    Of two that coincide, the one nearer to a prediction is kept, then the one of higher score.
    """
    ranks = [(distance_of.get(i, math.inf), -body.mean_score, i) for i, body in enumerate(bodies)]
    kept: list[int] = []
    for *_, index in sorted(ranks):
        if all(coincident_share(bodies[index], bodies[i]) <= _MAX_COINCIDENT for i in kept):
            kept.append(index)
    return sorted(kept)


class _Side(NamedTuple):
    """A tracklet on one side of a gap: px, px a frame."""

    frame_index: int
    center: Vector
    velocity: Vector
    size: float


class _Link(NamedTuple):
    """A gap between two tracklets, by index, that may be one person."""

    end: int
    start: int
    cost: float
    seconds: float


def link_tracklets(tracklets: Sequence[Tracklet], *, frame_rate: Fraction) -> list[list[Tracklet]]:
    """Tracks over gaps: the tracklets of each in order of time, tracks in order of their first.

    Short tracklets are linked to nothing: most of them are mixtures.
    """
    before = _unambiguous_links(_candidate_links(tracklets, frame_rate))
    tracks: list[list[Tracklet]] = []
    track_of: dict[int, list[Tracklet]] = {}
    for index, tracklet in enumerate(tracklets):
        if index not in before:
            tracks.append([])
        track_of[index] = track_of[before[index]] if index in before else tracks[-1]
        track_of[index].append(tracklet)
    return tracks


def _candidate_links(tracklets: Sequence[Tracklet], frame_rate: Fraction) -> list[_Link]:
    lasting = [i for i, tracklet in enumerate(tracklets) if not tracklet.is_short(frame_rate)]
    window = max(1, round(_SIDE_SECONDS * frame_rate))
    ends = [_side(tracklets[i], slice(-window, None), at=-1) for i in lasting]
    starts = [_side(tracklets[i], slice(None, window), at=0) for i in lasting]
    first, last = (np.array([side.frame_index for side in sides]) for sides in (starts, ends))
    gaps = (first - last[:, None]) / float(frame_rate)
    links = []
    for end, start in np.argwhere((gaps > 0) & (gaps <= _MAX_GAP_SECONDS)).tolist():
        cost, seconds = _link_cost(ends[end], starts[start]), float(gaps[end, start])
        if cost <= _LINK_JITTER + _DRIFT * seconds:
            links.append(_Link(lasting[end], lasting[start], cost, seconds))
    return links


def _side(tracklet: Tracklet, part: slice, *, at: int) -> _Side:
    bodies, frame_indices = tracklet.bodies[part], np.array(tracklet.frame_indices[part])
    offsets = frame_indices - frame_indices.mean()
    centers = np.stack([body.center for body in bodies])
    return _Side(
        frame_index=tracklet.frame_indices[at],
        center=tracklet.bodies[at].center,
        velocity=offsets @ centers / max(float(offsets @ offsets), 1.0),
        size=float(np.median([body.size for body in bodies])),
    )


def _link_cost(end: _Side, start: _Side) -> float:
    """Distance from the extrapolated place, sizes; inf for another size."""
    size = max(end.size, start.size)
    if size > _MAX_GROWTH * min(end.size, start.size):
        return math.inf
    gap = start.frame_index - end.frame_index
    expected = end.center + gap * (end.velocity + start.velocity) / 2
    turned = gap * (start.velocity - end.velocity) / 4  # turning back is less likely
    return float(np.linalg.norm(start.center - expected) + np.linalg.norm(turned)) / size


def _unambiguous_links(links: Sequence[_Link]) -> dict[int, int]:
    """Index of a tracklet -> index of the one that it continues.

    Links are made in order of cost, and only if those that they exclude cost clearly more. A link
    excludes those from the same end and those to the same start. Tracklets without a candidate
    link between them are two people.
    """
    links_of: dict[tuple[str, int], list[_Link]] = defaultdict(list)
    for link in links:
        links_of["end", link.end].append(link)
        links_of["start", link.start].append(link)
    linked = {frozenset((link.end, link.start)) for link in links}
    before: dict[int, int] = {}
    continued: set[int] = set()
    for link in sorted(links, key=lambda link: link.cost + _GAP_COST * link.seconds):
        if link.end in continued or link.start in before:
            continue
        alternatives = [
            other.cost
            for other in links_of["end", link.end] + links_of["start", link.start]
            if other.end not in continued and other.start not in before
            if other is not link
            and frozenset((other.end, link.end)) not in linked
            and frozenset((other.start, link.start)) not in linked
        ]
        cheapest = min(alternatives, default=math.inf)
        if link.cost <= min(_MARGIN * cheapest, cheapest - _MARGIN_SPEED * link.seconds):
            before[link.start] = link.end
            continued.add(link.end)
    return before


def track_people(
    people: Sequence[People], *, frame_rate: Fraction, image_size: tuple[int, int]
) -> list[Int32[np.ndarray, " people"]]:
    """Track number of each person in each frame, or UNASSIGNED.

    Numbers count from 0 in order of first appearance, in one frame from left to right. A track goes
    on after a gap of up to 1.5 s; no two people of a frame are in one track.
    """
    frames = [measure_bodies(found, image_size=image_size) for found in people]
    tracks = link_tracklets(find_tracklets(frames, frame_rate=frame_rate), frame_rate=frame_rate)
    spans = [(t[0].start, t[-1].end) for t in tracks if not t[0].is_short(frame_rate)]
    tracks = [  # without short tracks between first and last frame of a longer one
        t
        for t in tracks
        if not (t[0].is_short(frame_rate) and any(a <= t[0].start <= b for a, b in spans))
    ]
    numbers = [np.full(len(found), UNASSIGNED, np.int32) for found in people]
    for number, track in enumerate(tracks):
        for tracklet in track:
            for frame_index, body in zip(tracklet.frame_indices, tracklet.bodies, strict=True):
                numbers[frame_index][body.row] = number
    return numbers
