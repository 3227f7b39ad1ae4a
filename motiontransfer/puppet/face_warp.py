"""Warp of a head by the points of its face: eyes and mouth follow the pose, hair stays.

A thin-plate spline (Bookstein 1989) of the points' offsets from the head's similarity, which is
held on a ring around the face and fades out there. A sharp reference of another turn or expression
then serves as well as a blurred one in place.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64

from motiontransfer.puppet.parts import Map

# Distances from the face's middle are shares of the diagonal of the box around its points.
_RING = 0.85  # of the points that are held; the face's own are within 0.5
_NUM_HELD = 16
_FADING = (0.75, 0.95)  # from all of the warp to none of it
# Mean square root of the points' offsets. Smaller ones are the detector's noise. Larger ones are of
# a face seen from another side, whose nose is elsewhere: it would fold.
_SMALLEST_OFFSET = (0.03, 0.045)  # from none of the warp to all of it
_LARGEST_OFFSET = (0.06, 0.1)  # from all to none
_SMOOTHING = 0.02  # of the spline: points are wrong by a pixel or so
_CELLS = 12  # of the grid along the diagonal; between them places are interpolated
_LARGEST_EXTENT = 0.1  # of the diagonal, by which a head may reach farther


@dataclass(frozen=True, kw_only=True)
class FaceWarp:
    """A map from an image to the reference that the points of a face bend."""

    own: Map
    """Similarity of the head."""
    reference: Float[np.ndarray, "points 2"]
    """Points of the face, (x, y), in the reference and in the image."""
    drawn: Float[np.ndarray, "points 2"]

    @property
    def _diagonal(self) -> float:
        return max(math.hypot(*np.ptp(self.drawn, axis=0)), 1.0)

    @property
    def margin_px(self) -> float:
        return _LARGEST_EXTENT * self._diagonal

    def sampling_grid(
        self,
        *,
        corner: tuple[int, int],
        size: tuple[int, int],
        origin: complex = 0j,
        shrink: int = 1,
    ) -> Float32[np.ndarray, "height width 2"]:
        """Where each pixel of a box is sampled; arguments as of `bending.sampling_grid`."""
        step = max(int(self._diagonal / _CELLS), 1)
        columns, rows = (math.ceil(side / step) + 2 for side in size)
        x, y = (
            (np.arange(number) - 0.5) * step + (first - 0.5)
            for number, first in zip((columns, rows), corner, strict=True)
        )
        pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        places = pixels @ self.own[:, :2].T + self.own[:, 2] + self._shift(pixels)
        places = (places - (origin.real, origin.imag)) / shrink
        grid = places.astype(np.float32).reshape(rows, columns, 2)
        enlarged = cv2.resize(grid, (step * columns, step * rows))
        return enlarged[step : step + size[1], step : step + size[0]]

    @cached_property
    def _offsets(self) -> Float64[np.ndarray, "points 2"]:
        """Offsets of the reference's points from where the similarity has them."""
        offsets = self.reference - self.drawn @ self.own[:, :2].T - self.own[:, 2]
        size = self._diagonal * math.sqrt(abs(float(np.linalg.det(self.own[:, :2]))))
        rms = np.sqrt(np.square(offsets).sum(axis=1).mean(keepdims=True)) / size
        share = (1 - _falling(rms, _SMALLEST_OFFSET)) * _falling(rms, _LARGEST_OFFSET)
        return offsets * share[:, None]

    def _shift(self, pixels: Float64[np.ndarray, "pixels 2"]) -> Float64[np.ndarray, "pixels 2"]:
        """Shift of the pixels' places in the reference from those of the similarity."""
        diagonal = self._diagonal
        middle = (self.drawn.max(axis=0) + self.drawn.min(axis=0)) / 2
        angles = np.linspace(0, 2 * np.pi, _NUM_HELD, endpoint=False)
        held = _RING * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        places = np.concatenate([(self.drawn - middle) / diagonal, held])
        weights = _spline_weights(places, np.concatenate([self._offsets, np.zeros_like(held)]))
        away = (pixels - middle) / diagonal
        distance = np.linalg.norm(away, axis=1)
        near = distance < _FADING[1]
        shift = np.zeros_like(pixels)
        if near.any():
            share = _falling(distance[near], _FADING)
            shift[near] = share[:, None] * (_spline_terms(away[near], places) @ weights)
        return shift


def _falling(
    values: Float64[np.ndarray, "*_"], limits: tuple[float, float]
) -> Float64[np.ndarray, "*_"]:
    """1 up to the first limit, falling to 0 at the second."""
    full, none = limits
    return np.clip((none - values) / (none - full), 0, 1)


_Points = Float64[np.ndarray, "_ 2"]


def _spline_terms(points: _Points, places: _Points) -> Float64[np.ndarray, "_ _"]:
    """Terms of a thin-plate spline at some points: r² log r of each place, 1, x and y."""
    square = np.square(points[:, None] - places).sum(axis=2)
    bent = square * np.log(np.maximum(square, 1e-12)) / 2
    return np.column_stack([bent, np.ones(len(points)), points])


def _spline_weights(places: _Points, values: _Points) -> _Points:
    """Weights of the terms, for the smoothing spline of values at some places (Wahba 1990)."""
    terms = _spline_terms(places, places)
    number, size = terms.shape
    system = np.zeros((size, size))
    system[:number], system[number:, :number] = terms, terms[:, number:].T
    system[:number, :number] += _SMOOTHING * np.eye(number)
    return np.linalg.solve(system, np.pad(values, ((0, size - number), (0, 0))))
