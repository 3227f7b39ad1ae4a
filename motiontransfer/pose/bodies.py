"""One found person, measured for telling people apart, and how far one is from another.

Hides which joints tell: those of the body, as hands and faces come and go. Distances are in sizes
of the person, so that near and far people are treated alike, and a detector that takes left for
right changes nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.pose.people import People
from motiontransfer.skeleton import Skeleton, mirrored

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
