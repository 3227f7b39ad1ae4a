"""Which tracks are one person who went and came back.

Hides when that is beyond doubt though the tracker could not follow them: they were alone in view
when they were lost, and nobody was in view until someone who can be them came, alone too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from motiontransfer.keypoints import Detections
from motiontransfer.pose.person_box import joint_boxes

_MAX_GROWTH = 1.6
_REACH, _SPEED = 0.3, 2.5  # sizes of the person, and sizes a second: how far they can have got
_MOMENT_SECONDS = 0.2  # what is seen for a shorter time in between is no person


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stay:
    """A track, as it is met on a walk through the clip."""

    track: int

    frame_index: Int64[np.ndarray, " frames"]

    boxes: Float64[np.ndarray, "frames 4"]

    def backwards(self) -> "_Stay":
        """As it is met on the way back."""
        return replace(self, frame_index=-self.frame_index[::-1], boxes=self.boxes[::-1])

    def is_seen(self, first: int, last: int) -> bool:
        """Whether it has one of these frames."""
        return bool(((self.frame_index >= first) & (self.frame_index <= last)).any())


def with_returns(detections: Detections, track: int) -> tuple[int, ...]:
    """The track, and those before and after that can only be the same person, in order."""
    boxes = joint_boxes(detections.points, detections.score)
    stays = []
    for number in detections.people:
        rows = detections.person == number
        frame_index = detections.frame_index[rows].astype(np.int64)
        stays.append(_Stay(track=number, frame_index=frame_index, boxes=boxes[rows]))
    rate = float(detections.frame_rate)
    after = _returns(track, stays, rate)
    before = _returns(track, [stay.backwards() for stay in stays], rate)
    return tuple(sorted({track, *before, *after}))


def _returns(track: int, stays: Sequence[_Stay], frame_rate: float) -> list[int]:
    """Tracks as which someone comes back, one after the other."""
    moments = [s for s in stays if len(s.frame_index) < _MOMENT_SECONDS * frame_rate]
    (current,) = (stay for stay in stays if stay.track == track)
    returns: list[int] = []
    for stay in sorted(stays, key=lambda stay: int(stay.frame_index[0])):
        gone, back = int(current.frame_index[-1]), int(stay.frame_index[0])
        if back <= gone:
            continue
        others = [s for s in stays if s not in (current, stay) and s not in moments]
        if any(other.is_seen(gone, int(stay.frame_index[-1])) for other in others):
            break
        if _can_be(current, stay, seconds=(back - gone) / frame_rate):
            returns.append(stay.track)
            current = stay
        elif stay not in moments:
            break
    return returns


def _can_be(gone: _Stay, back: _Stay, *, seconds: float) -> bool:
    """Whether one is as tall as the other and could get there."""
    sizes = [float(np.median(_diagonals(stay.boxes))) for stay in (gone, back)]
    way = float(np.linalg.norm((back.boxes[0] - gone.boxes[-1]).reshape(2, 2).mean(axis=0)))
    return max(sizes) <= _MAX_GROWTH * min(sizes) and way <= max(sizes) * (
        _REACH + _SPEED * seconds
    )


def _diagonals(boxes: Float64[np.ndarray, "frames 4"]) -> Float64[np.ndarray, " frames"]:
    return np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
