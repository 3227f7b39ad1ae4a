"""Joining the pieces of a track: who was lost has been found again.

Hides what makes that sure. The person must be where they can have got to as they went before the
gap and go after it: the whole clip is known, so both sides are looked at. Who passes behind another
is expected to keep their way. And nobody else may be nearly as likely: two people are never made
one where that is in doubt.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from jaxtyping import Float64

from motiontransfer.pose.tracklets import Tracklet

_MAX_GAP_SECONDS = 1.5
_SIDE_SECONDS = 0.4  # over which velocity and size on a side of a gap are measured
_JITTER = 0.1  # sizes of the person: how exact an expected place is
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
        if departure <= _JITTER + _DRIFT * seconds:
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
