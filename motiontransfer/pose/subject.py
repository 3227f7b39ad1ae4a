"""Choice of the subject's track, with re-entry after an absence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int64

from motiontransfer.core.arrays import Vector
from motiontransfer.core.errors import KeypointsError
from motiontransfer.pose.boxes import joint_boxes
from motiontransfer.pose.keypoints import Detections
from motiontransfer.pose.time_series import longest_segment

_MAX_GROWTH = 1.6  # ratio of sizes before and after an absence
_REACH = 0.3  # sizes of the person: distance that takes no time
_SPEED = 2.5  # sizes of the person a second: the largest speed
_SHORT_SECONDS = 0.2  # a shorter track in between is no person
_NEAR_SECONDS, _NEAR_SIZES = 1.0, 1.0  # within which tracks may have been exchanged

_RuleName = Literal["largest", "second_largest", "most_central", "longest"]
PersonRule = _RuleName | int | tuple[int, ...]
"""Criterion, summed over the clip: size (squared diagonal of the box), nearness to the image's
middle or number of frames. Or track numbers, several for one person with a broken track. The second
largest is the largest where the largest is left out."""


def track_at(detections: Detections, frame_index: int, place: Vector) -> int:
    """Number of the track of whom a place in a frame shows, or is nearest.

    Where nobody is in that frame, the nearest frame with somebody counts.

    Args:
        place: x, y, pixels.

    Raises:
        KeypointsError: no person was detected.
    """
    if not detections.people:
        raise KeypointsError("person: nobody was detected; expected somebody at the place")
    away = np.abs(detections.frame_index - frame_index)
    rows = np.flatnonzero(away == away.min())
    boxes = joint_boxes(detections.points[rows], detections.score[rows]).astype(np.float64)
    outside = np.maximum(np.maximum(boxes[:, :2] - place, place - boxes[:, 2:]), 0)
    from_middle = np.linalg.norm(_middles(boxes) - place, axis=1)
    return int(detections.person[rows[np.lexsort((from_middle, np.hypot(*outside.T)))[0]]])


def choose_person(detections: Detections, rule: PersonRule) -> tuple[int, ...]:
    """Track numbers of the subject, in order.

    A rule's name chooses one track and its re-entries.

    Raises:
        KeypointsError: no person was detected, there is no such track, or two are in view at once.
    """
    if not detections.people:
        raise KeypointsError(
            f"no person detected in any of {detections.num_frames} frames; expected one whole "
            "person"
        )
    if rule == "second_largest":
        first = choose_person(detections, "largest")
        others = detections.without(*first)
        if not others.people:
            raise KeypointsError(f"person: {rule}: expected two people, got one")
        return choose_person(others, "largest")
    if isinstance(rule, str):
        totals = np.bincount(detections.person, weights=_values(detections, rule))
        return with_re_entries(detections, int(totals.argmax()))
    tracks = (rule,) if isinstance(rule, int) else tuple(sorted(set(rule)))
    missing = sorted(set(tracks) - set(detections.people))
    if missing or not tracks:
        numbers, counts = np.unique(detections.person, return_counts=True)
        shares = ", ".join(
            f"{number} ({100 * count / detections.num_frames:.0f} % of frames)"
            for number, count in zip(numbers, counts, strict=True)
        )
        raise KeypointsError(
            f"person: {rule}: expected track numbers of this clip, which are {shares};"
            " the preview next to the detections shows the numbers"
        )
    frames = detections.frame_index[np.isin(detections.person, tracks)]
    if len(np.unique(frames)) < len(frames):
        frame_index = int(frames[1:][frames[1:] == frames[:-1]][0])
        raise KeypointsError(
            f"person: {rule}: expected tracks of one person, but two of them are in view in frame "
            f"{frame_index}; see the preview next to the detections"
        )
    return tracks


def choice_metrics(
    detections: Detections, chosen: Sequence[int], *, rule: PersonRule
) -> dict[str, object]:
    """Confidence of the subject's choice.

    `frames_rule_prefers_others`: where the rule, applied to that frame alone, names someone else.
    `possible_switches`: where the person was lost as someone appeared next to them, or came back as
    someone next to them was lost.
    """
    num_frames = detections.num_frames
    is_chosen = np.isin(detections.person, chosen)
    in_view = np.zeros(num_frames, bool)
    in_view[detections.frame_index[is_chosen]] = True
    with_others = np.unique(detections.frame_index[~is_chosen])
    best = np.full((2, num_frames), -np.inf)  # of the others, and of the subject, in each frame
    np.maximum.at(best, (is_chosen.astype(int), detections.frame_index), _values(detections, rule))
    return {
        "person": ", ".join(str(track) for track in chosen),
        "people": len(detections.people),
        "frames_of_each": {
            str(track): int((detections.person == track).sum()) for track in detections.people
        },
        "frames_without_person": int((~in_view).sum()),
        "longest_gap_person_frames": longest_segment(~in_view),
        "frames_with_others": len(with_others),
        "frames_rule_prefers_others": int((best[0] > best[1]).sum()),
        "possible_switches": _possible_switches(detections, chosen),
    }


def _values(detections: Detections, rule: PersonRule) -> Float64[np.ndarray, " rows"]:
    """Score of each row under a rule, summed over the clip; more is better."""
    boxes = joint_boxes(detections.points, detections.score)
    height, width = detections.image_size
    sizes = ((boxes[:, 2:] - boxes[:, :2]) ** 2).sum(axis=1)  # an arm held out adds little
    if rule == "largest":
        return sizes
    if rule == "second_largest":
        largest = np.zeros(detections.num_frames)
        np.maximum.at(largest, detections.frame_index, sizes)
        return np.where(sizes < largest[detections.frame_index], sizes, 0)
    if rule == "most_central":
        off_center = np.linalg.norm(_middles(boxes) - np.array([width, height]) / 2, axis=1)
        return 1 - off_center / (np.hypot(width, height) / 2)
    if rule == "longest":
        return np.bincount(detections.person)[detections.person].astype(np.float64)
    return np.isin(detections.person, rule).astype(np.float64)


def _middles(boxes: Float64[np.ndarray, "rows 4"]) -> Float64[np.ndarray, "rows 2"]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _possible_switches(detections: Detections, chosen: Sequence[int]) -> int:
    boxes = joint_boxes(detections.points, detections.score)
    rows_of_chosen = np.flatnonzero(np.isin(detections.person, chosen))
    seen = detections.frame_index[rows_of_chosen]
    switches = 0
    for track in set(detections.people) - set(chosen):
        rows = np.flatnonzero(detections.person == track)
        for row, direction in ((rows[0], -1), (rows[-1], 1)):
            frame_index = detections.frame_index[row]
            position = np.searchsorted(seen, frame_index) + min(direction, 0)
            if frame_index in seen or not 0 <= position < len(seen):
                continue
            seconds = abs(int(seen[position]) - int(frame_index)) / float(detections.frame_rate)
            box = boxes[rows_of_chosen[position]]
            size = float(np.hypot(*(box[2:] - box[:2])))
            apart = float(
                np.linalg.norm(np.subtract(*_middles(boxes[[row, rows_of_chosen[position]]])))
            )
            switches += seconds <= _NEAR_SECONDS and apart <= _NEAR_SIZES * size
    return switches


@dataclass(frozen=True, slots=True, eq=False)
class _Track:
    """A track in order of a walk through the clip, forwards or backwards."""

    number: int
    frame_index: Int64[np.ndarray, " frames"]
    boxes: Float64[np.ndarray, "frames 4"]

    def is_seen(self, first: int, last: int) -> bool:
        return bool(((self.frame_index >= first) & (self.frame_index <= last)).any())


def with_re_entries(detections: Detections, track: int) -> tuple[int, ...]:
    """The track, and its unambiguous re-entries before and after, in order."""
    boxes = joint_boxes(detections.points, detections.score)
    tracks = []
    for number in detections.people:
        rows = detections.person == number
        frame_index = detections.frame_index[rows].astype(np.int64)
        tracks.append(_Track(number, frame_index, boxes[rows]))
    rate = float(detections.frame_rate)
    after = _re_entries(track, tracks, rate)
    backwards = [_Track(t.number, -t.frame_index[::-1], t.boxes[::-1]) for t in tracks]
    before = _re_entries(track, backwards, rate)
    return tuple(sorted({track, *before, *after}))


def _re_entries(number: int, tracks: Sequence[_Track], frame_rate: float) -> list[int]:
    """Numbers of the tracks that continue one, in order."""
    short = [t for t in tracks if len(t.frame_index) < _SHORT_SECONDS * frame_rate]
    (current,) = (t for t in tracks if t.number == number)
    re_entries: list[int] = []
    for track in sorted(tracks, key=lambda track: int(track.frame_index[0])):
        exit_frame, entry_frame = int(current.frame_index[-1]), int(track.frame_index[0])
        if entry_frame <= exit_frame:
            continue
        others = [t for t in tracks if t not in (current, track, *short)]
        if any(other.is_seen(exit_frame, int(track.frame_index[-1])) for other in others):
            break
        if _is_plausible(current, track, seconds=(entry_frame - exit_frame) / frame_rate):
            re_entries.append(track.number)
            current = track
        elif track not in short:
            break
    return re_entries


def _is_plausible(before: _Track, after: _Track, *, seconds: float) -> bool:
    """True if sizes agree and the distance can be covered in the time."""
    sizes = [
        float(np.median(np.hypot(*(t.boxes[:, 2:] - t.boxes[:, :2]).T))) for t in (before, after)
    ]
    way = float(np.linalg.norm((after.boxes[0] - before.boxes[-1]).reshape(2, 2).mean(axis=0)))
    return max(sizes) <= _MAX_GROWTH * min(sizes) and way <= max(sizes) * (
        _REACH + _SPEED * seconds
    )
