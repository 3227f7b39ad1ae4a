"""A pinhole camera that stands still: world points to pixels, pixels to rays."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Where it stands and what it looks at; metres, y up."""

    position: tuple[float, float, float]
    """Its centre."""

    target: tuple[float, float, float]
    """The point in the middle of the image."""

    focal_length: float
    """In heights of the image, so that it does not depend on the number of pixels."""

    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Unit vectors right, up and forward, as rows."""
        forward = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(right, forward), forward])

    def project(
        self, points: Float[np.ndarray, "*shape 3"], size: tuple[int, int]
    ) -> Float[np.ndarray, "*shape 2"]:
        """World points to (x, y) in pixels of an image of that size (height, width)."""
        local = (points - np.array(self.position)) @ self.axes().T
        scale = self.focal_length * size[0] / local[..., 2]
        return np.stack(
            [size[1] / 2 + scale * local[..., 0], size[0] / 2 - scale * local[..., 1]], axis=-1
        )

    def rays(
        self, pixels: Float[np.ndarray, "points 2"], size: tuple[int, int]
    ) -> Float[np.ndarray, "points 3"]:
        """Unit directions of the rays through pixels (x, y)."""
        flat = np.empty((len(pixels), 3))
        flat[:, 0] = (pixels[:, 0] - size[1] / 2) / (self.focal_length * size[0])
        flat[:, 1] = -(pixels[:, 1] - size[0] / 2) / (self.focal_length * size[0])
        flat[:, 2] = 1.0
        directions = flat @ self.axes()
        return directions / np.linalg.norm(directions, axis=1, keepdims=True)
