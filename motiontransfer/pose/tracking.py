"""Multi-person tracking by pose distance: tracklets, then track linking (Hungarian assignment)."""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float64, Int32
from scipy.optimize import linear_sum_assignment

from motiontransfer.keypoints import People
from motiontransfer.skeleton import HOLISTIC, Skeleton, mirrored

_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_MIN_SIZE = 0.02  # of the image's diagonal: two joints side by side do not make a tiny person
_MIN_SHARED_JOINTS = 3  # with fewer, people are compared by their boxes
_SAME_PLACE = 0.05  # sizes of the person: two people's joints are rarely as near as that


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Body:
    """One person in one frame."""

    row: int
    """Where they stand in the frame's `People`."""

    points: Float64[np.ndarray, "2 joints 2"]
    """The body's joints, px; as found, and with left and right swapped."""

    found: Bool[np.ndarray, "2 joints"]
    """Which joints were found."""

    box: Float64[np.ndarray, "2 2"]
    """Upper left and lower right corner around the joints, px."""

    centre: Float64[np.ndarray, " 2"]
    """Middle of those joints of the trunk that were found, else of the box, px."""

    size: float
    """Diagonal of the box, px."""

    mean_score: float
    """Over all joints of the body, missing ones too."""


def measure_bodies(
    people: People, *, skeleton: Skeleton, image_size: tuple[int, int]
) -> list[Body]:
    """Measure everyone in a frame, from left to right in whatever order they were found.

    Whoever has no joint of the body is left out.
    """
    names = dict(skeleton.groups)["body"]
    other_side = [names.index(mirrored(name)) for name in names]
    trunk = np.isin(names, _TRUNK)
    bodies = []
    for row in range(len(people)):
        points = people.points[row, skeleton.slice("body")].astype(np.float64)
        score = people.score[row, skeleton.slice("body")]
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
                centre=(points[found & trunk] if (found & trunk).any() else box).mean(axis=0),
                size=max(size, _MIN_SIZE * float(np.hypot(*image_size))),
                mean_score=float(score.mean()),
            )
        )
    return sorted(bodies, key=_from_left)


def _from_left(body: Body) -> tuple[float, ...]:
    return (*body.centre.tolist(), body.mean_score, *body.points[0].reshape(-1).tolist())


def moved(body: Body, by: Float64[np.ndarray, " 2"]) -> Body:
    """The same person elsewhere."""
    return replace(body, points=body.points + by, box=body.box + by, centre=body.centre + by)


def difference(expected: Body, found: Body) -> float:
    """How far the joints of two people are from each other on average, in sizes of the larger."""
    steps, shared = _steps(expected, found)
    return float(_mean_length(steps, shared).min()) / max(expected.size, found.size)


def displacement(before: Body, after: Body) -> Float64[np.ndarray, " 2"]:
    """How far a person moved, px: the median over the joints."""
    steps, shared = _steps(before, after)
    side = int(_mean_length(steps, shared).argmin())
    return np.median(steps[side, shared[side]], axis=0)


def overlap(a: Body, b: Body) -> bool:
    """Whether the boxes of two people overlap."""
    low, high = np.maximum(a.box[0], b.box[0]), np.minimum(a.box[1], b.box[1])
    return bool((low < high).all())


def share_in_place(a: Body, b: Body) -> float:
    """Which share of the joints that both have is in the same places."""
    steps, shared = _steps(a, b)
    near = np.linalg.norm(steps, axis=2) < _SAME_PLACE * min(a.size, b.size)
    return float(((near & shared).sum(axis=1) / shared.sum(axis=1)).max())


def _steps(
    a: Body, b: Body
) -> tuple[Float64[np.ndarray, "2 places 2"], Bool[np.ndarray, "2 places"]]:
    """From a's joints to b's as found and to b's with sides swapped, and which of them both have.

    Where they share too few, from the corners of a's box to those of b's.
    """
    shared = a.found[0] & b.found
    if shared.sum(axis=1).min() >= _MIN_SHARED_JOINTS:
        return b.points - a.points[0], shared
    return np.tile(b.box - a.box, (2, 1, 1)), np.ones((2, 2), bool)


def _mean_length(
    steps: Float64[np.ndarray, "2 places 2"], shared: Bool[np.ndarray, "2 places"]
) -> Float64[np.ndarray, " 2"]:
    return (np.linalg.norm(steps, axis=2) * shared).sum(axis=1) / shared.sum(axis=1)


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


_MAX_GAP_SECONDS = 1.5
_SIDE_SECONDS = 0.4  # over which velocity and size on a side of a gap are measured
_JITTER_OF_LINK = 0.1  # sizes of the person: how exact an expected place is
_DRIFT = 0.6  # sizes a second: how fast an expected place gets inexact
_MAX_GROWTH = 1.6
_MARGIN = 0.5  # any other way to join must depart at least twice as far,
_MARGIN_SPEED = 0.1  # and, for each second of the gap, at least so many sizes farther
_WAITING = 0.3  # sizes a second: what a longer gap costs, so that no piece is left out in between


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A piece on one side of a gap."""

    frame_index: int
    centre: Float64[np.ndarray, " 2"]
    """px."""

    velocity: Float64[np.ndarray, " 2"]
    """px a frame."""

    size: float
    """px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """A gap over which someone may have gone."""

    end: int
    """The piece before it."""

    start: int
    """The piece after it."""

    departure: float
    """How far from where they were expected the person is found again, sizes."""

    seconds: float
    """How long the gap is."""


def join_tracklets(tracklets: Sequence[Tracklet], *, frame_rate: Fraction) -> list[list[Tracklet]]:
    """The pieces of each track in order of time; tracks are in the order of their first pieces.

    What is seen for a moment only is joined to nothing: most of it is nobody.
    """
    before = _clear_links(_possible_links(tracklets, frame_rate))
    tracks: list[list[Tracklet]] = []
    track_of: dict[int, list[Tracklet]] = {}
    for index, tracklet in enumerate(tracklets):
        if index in before:
            track_of[index] = track_of[before[index]]
        else:
            track_of[index] = []
            tracks.append(track_of[index])
        track_of[index].append(tracklet)
    return tracks


def _possible_links(tracklets: Sequence[Tracklet], frame_rate: Fraction) -> list[_Link]:
    lasting = [i for i, piece in enumerate(tracklets) if not piece.is_moment(frame_rate)]
    window = max(1, round(_SIDE_SECONDS * frame_rate))
    ends = [_side(tracklets[i], slice(-window, None), at=-1) for i in lasting]
    starts = [_side(tracklets[i], slice(None, window), at=0) for i in lasting]
    first, last = (np.array([side.frame_index for side in sides]) for sides in (starts, ends))
    gaps = (first - last[:, None]) / float(frame_rate)
    links = []
    for end, start in np.argwhere((gaps > 0) & (gaps <= _MAX_GAP_SECONDS)).tolist():
        departure, seconds = _departure(ends[end], starts[start]), float(gaps[end, start])
        if departure <= _JITTER_OF_LINK + _DRIFT * seconds:
            indices = {"end": lasting[end], "start": lasting[start]}
            links.append(_Link(**indices, departure=departure, seconds=seconds))
    return links


def _side(tracklet: Tracklet, part: slice, *, at: int) -> _Side:
    bodies, frame_indices = tracklet.bodies[part], np.array(tracklet.frame_indices[part])
    offsets = frame_indices - frame_indices.mean()
    centres = np.stack([body.centre for body in bodies])
    return _Side(
        frame_index=tracklet.frame_indices[at],
        centre=tracklet.bodies[at].centre,
        velocity=offsets @ centres / max(float(offsets @ offsets), 1.0),
        size=float(np.median([body.size for body in bodies])),
    )


def _departure(end: _Side, start: _Side) -> float:
    """How far from where they were expected someone is found again, sizes; inf: another person."""
    size = max(end.size, start.size)
    if size > _MAX_GROWTH * min(end.size, start.size):
        return math.inf
    gap = start.frame_index - end.frame_index
    expected = end.centre + gap * (end.velocity + start.velocity) / 2
    turned = gap * (start.velocity - end.velocity) / 4  # who turned back was expected less
    return float(np.linalg.norm(start.centre - expected) + np.linalg.norm(turned)) / size


def _clear_links(links: Sequence[_Link]) -> dict[int, int]:
    """For each piece that goes on an earlier one, which one that is.

    The likeliest link is made first, and only if those that it excludes depart clearly more: from
    the same end to another person's start, or to the same start from another person's end. Pieces
    without a possible link between them are two people.
    """
    links_of: dict[tuple[str, int], list[_Link]] = defaultdict(list)
    for link in links:
        links_of["end", link.end].append(link)
        links_of["start", link.start].append(link)
    linked = {frozenset((link.end, link.start)) for link in links}
    before: dict[int, int] = {}
    continued: set[int] = set()
    for link in sorted(links, key=lambda link: link.departure + _WAITING * link.seconds):
        if link.end in continued or link.start in before:
            continue
        rivals = [
            rival.departure
            for rival in links_of["end", link.end] + links_of["start", link.start]
            if rival.end not in continued and rival.start not in before
            if rival is not link
            and frozenset((rival.end, link.end)) not in linked
            and frozenset((rival.start, link.start)) not in linked
        ]
        nearest = min(rivals, default=math.inf)
        if link.departure <= min(_MARGIN * nearest, nearest - _MARGIN_SPEED * link.seconds):
            before[link.start] = link.end
            continued.add(link.end)
    return before


NOBODY = -1
"""Track number of a detection that is no person: a double or a mixture of others, or no body."""


def track_people(
    people: Sequence[People],
    *,
    frame_rate: Fraction,
    image_size: tuple[int, int],
    skeleton: Skeleton = HOLISTIC,
) -> list[Int32[np.ndarray, " people"]]:
    """The track number of everyone in each frame, or NOBODY.

    Numbers count from 0 in order of first appearance, in one frame from left to right. A track goes
    on after a gap of up to 1.5 s; no two people of a frame are in one track.

    Args:
        people: everyone found in each frame of a clip, in any order.
    """
    frames = [measure_bodies(found, skeleton=skeleton, image_size=image_size) for found in people]
    tracks = join_tracklets(find_tracklets(frames, frame_rate=frame_rate), frame_rate=frame_rate)
    numbers = [np.full(len(found), NOBODY, np.int32) for found in people]
    tracks = _without_moments(tracks, frame_rate)
    for number, track in enumerate(tracks):
        for tracklet in track:
            for frame_index, body in zip(tracklet.frame_indices, tracklet.bodies, strict=True):
                numbers[frame_index][body.row] = number
    return numbers


def _without_moments(
    tracks: Sequence[Sequence[Tracklet]], frame_rate: Fraction
) -> list[Sequence[Tracklet]]:
    """Leave out what is seen for a moment only, between first and last frame of a longer track."""
    spans = [
        (track[0].start, track[-1].end) for track in tracks if not track[0].is_moment(frame_rate)
    ]
    return [
        track
        for track in tracks
        if not track[0].is_moment(frame_rate)
        or not any(start <= track[0].start <= end for start, end in spans)
    ]
