"""The error of a skeleton's motion over a film, with its gradient; docs/body.md has its formulas.

Coordinates come first here, so that NumPy adds over frames and bones at once.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64

from motiontransfer.body.skeleton import LENGTH_OF_BONE, LENGTHS, NEAREST, TREE, USUAL_LENGTHS
from motiontransfer.core.arrays import FrameMask, Series, Vector
from motiontransfer.pose.skeleton import BODY_JOINTS

_JOINT_ERROR = 0.06  # body heights, beyond which an error hardly counts
_LINE = 0.006  # of world landmarks' directions
_LINE_ERROR = 0.8  # of 1 - cos
_SMOOTH = 0.35  # of joints' acceleration
_ACCELERATION = np.where(np.arange(len(BODY_JOINTS)) < BODY_JOINTS.index("left_hip"), 0.05, 0.12)
"""Body heights a frame, squared, beyond which it hardly counts: 5 g of arms, 13 g of legs.

Arms are fast. A detector takes legs for each other for a moment.
"""
_TURN = 0.002  # of directions' acceleration
_SIZE = 300.0  # of the size's acceleration
_LENGTH = 1.0e-4  # of the logarithm of unusual lengths, a frame
_FEW = 100  # frames: fewer tell lengths less than what is usual does
USUAL_DISTANCE = 3.0  # body heights
_DISTANCE = 1.0e-4  # of the logarithm of an unusual distance

Tracks = Float64[np.ndarray, "coordinates _ some"]
"""Along frames, or between them."""


class Bends:
    """Second differences along frames at 25 frames a second; 0 across runs."""

    def __init__(self, starts: FrameMask, frame_rate: float) -> None:
        """Take the first frames of runs."""
        whole = ~(starts[1:-1] | starts[2:]) * (frame_rate / 25) ** 2
        self._whole, self._frames = whole[:, None], len(starts)

    def of(self, values: Tracks) -> Tracks:
        return self._whole * np.diff(values, n=2, axis=1)

    def back(self, slopes: Tracks) -> Tracks:
        """The gradient by values from that by their differences."""
        padded = np.pad(self._whole * slopes, ((0, 0), (2, 2), (0, 0)))
        return np.diff(padded, n=2, axis=1)[:, : self._frames]  # a photo has one


class Observed(NamedTuple):
    """What a skeleton's motion is compared with; of frames in runs, body heights."""

    points: Float64[np.ndarray, "2 frames joints"]
    weight: Float64[np.ndarray, "frames joints"]
    lines: Float64[np.ndarray, "3 frames bones"]
    """Bones' directions in world landmarks."""
    line_weight: Float64[np.ndarray, "frames bones"]
    bends: Bends
    center: Vector
    frame_rate: float
    noise: float
    """Factor of smoothing: joints of a small person tremble more."""

    def part(self, frames: np.ndarray, starts: Bool[np.ndarray, " some"]) -> "Observed":
        return self._replace(
            points=self.points[:, frames],
            weight=self.weight[frames],
            lines=self.lines[:, frames],
            line_weight=self.line_weight[frames],
            bends=Bends(starts, self.frame_rate),
        )


class State(NamedTuple):
    """What is fitted, and gradients by it."""

    directions: Float64[np.ndarray, "3 frames bones"]
    """Of any length."""
    place: Float64[np.ndarray, "2 frames"]
    size: Series
    """Logarithm of body heights in the picture a body height."""
    lengths: Float64[np.ndarray, " lengths"]
    """Their logarithms."""
    distance: Float64[np.ndarray, ""]
    """Logarithm of that of the camera, where the size's is 0."""


class _Body:
    """The skeleton in the picture, and the gradient that is gathered at it."""

    def __init__(self, film: Observed, state: State) -> None:
        self.film, self.state = film, state
        self.norm = np.sqrt((state.directions**2).sum(axis=0))
        self.units = state.directions / self.norm
        self.lengths = np.exp(state.lengths)[LENGTH_OF_BONE]
        self.joints = (self.lengths * self.units) @ TREE.T
        self.scale = np.exp(state.size)[:, None]
        self.focus = np.exp(state.size - state.distance)[:, None]
        away = 1 + self.joints[2] * self.focus
        self.near = 1 / np.maximum(away, NEAREST)
        self.bends = self.near**2 * (away > NEAREST)
        self.flat = self.joints[:2] * self.scale + (state.place - film.center[:, None])[..., None]
        seen = film.center[:, None, None] + self.flat * self.near
        self.seen = np.concatenate([seen, (self.joints[2] * self.scale)[None]])
        """In the picture, and depth in its unit."""
        self.by_seen = np.zeros_like(self.seen)
        self.by_units = np.zeros_like(self.units)
        self.by_size = np.zeros_like(state.size)

    def gradient(self) -> State:
        by_xy, by_depth = self.by_seen[:2], self.by_seen[2]
        by_near = (by_xy * self.flat).sum(axis=0) * self.bends
        by_joints = np.concatenate(
            [by_xy * (self.near * self.scale), (by_depth * self.scale - by_near * self.focus)[None]]
        )
        by_focus = -(by_near * self.joints[2] * self.focus).sum(axis=1)
        by_scale = (by_xy * self.joints[:2]).sum(axis=0) * self.near + by_depth * self.joints[2]
        by_bones = by_joints @ TREE * self.lengths
        by_units = self.by_units + by_bones
        radial = (by_units * self.units).sum(axis=0)
        return State(
            directions=(by_units - radial * self.units) / self.norm,
            place=(by_xy * self.near).sum(axis=2),
            size=self.by_size + by_focus + (by_scale * self.scale).sum(axis=1),
            lengths=np.bincount(
                LENGTH_OF_BONE, (by_bones * self.units).sum(axis=(0, 1)), len(LENGTHS)
            ),
            distance=np.array(-by_focus.sum()),
        )


def _bounded(squares: np.ndarray, width: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Geman and McClure's error of squares, at most the square of the width; its slope."""
    share = width**2 / (width**2 + squares)
    return squares * share, share**2


def error(film: Observed, state: State, *, width: float = 1.0) -> tuple[float, State]:
    """Mean error over frames, times 100, and its gradient.

    Args:
        width: factor of the joints' error beyond which it hardly counts.
    """
    body = _Body(film, state)
    total = _joints(body, width * _JOINT_ERROR) + _lines(body) + _smoothness(body)
    frames = len(film.weight)
    unusual = state.lengths - np.log(USUAL_LENGTHS)
    far = float(state.distance) - np.log(USUAL_DISTANCE)
    usual = _LENGTH * max(frames, _FEW)
    total += usual * float((unusual**2).sum()) + frames * _DISTANCE * far**2
    by = body.gradient()
    by = by._replace(
        lengths=by.lengths + 2 * usual * unusual,
        distance=by.distance + 2 * frames * _DISTANCE * far,
    )
    factor = 100 / frames
    return factor * total, State(*(factor * values for values in by))


def _joints(body: _Body, width: float) -> float:
    """Joints where they were detected."""
    off, weight = body.seen[:2] - body.film.points, body.film.weight
    value, slope = _bounded((off**2).sum(axis=0), width)
    body.by_seen[:2] += 2 * weight * slope * off
    return float((weight * value).sum())


def _lines(body: _Body) -> float:
    film = body.film
    value, slope = _bounded(1 - (body.units * film.lines).sum(axis=0), _LINE_ERROR)
    body.by_units -= _LINE * film.line_weight * slope * film.lines
    return _LINE * float((film.line_weight * value).sum())


def _smoothness(body: _Body) -> float:
    """Joints and bones move smoothly, and the size changes slowly."""
    noise, bends = body.film.noise, body.film.bends
    bent, turned = bends.of(body.seen), bends.of(body.units)
    grown = bends.of(body.state.size[None, :, None])
    value, slope = _bounded((bent**2).sum(axis=0), _ACCELERATION)
    body.by_seen += 2 * noise * _SMOOTH * bends.back(slope * bent)
    body.by_units += 2 * noise * _TURN * bends.back(turned)
    body.by_size += 2 * noise * _SIZE * bends.back(grown)[0, :, 0]
    squares = _TURN * (turned**2).sum() + _SIZE * (grown**2).sum()
    return noise * float(_SMOOTH * value.sum() + squares)
