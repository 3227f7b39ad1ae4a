"""The room of a dancer's film without the dancer; skin and light in its frames."""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from motiontransfer.core.arrays import Frame, Mask, PixelMask
from motiontransfer.plate.masks import mean_around
from motiontransfer.plate.overlays import difference
from motiontransfer.pose.keypoints import Keypoints

DIFFERENT = 24  # levels off the plate, of more than coding and noise
_FEWEST_LANDMARKS = 20  # of a face
_DARK = 0.8  # of a face's pixels, of which a mask and bangs may be more than half


class Scene(NamedTuple):
    """What is the same in all frames, in the part of the film that the dancer's crop shows."""

    picture: Int64[np.ndarray, "4"]
    """x0, y0, x1, y1 of the film's picture in the film, without black bars."""
    plate: Frame
    """The room without the dancer, in pixels of the film; all of it that a camera saw."""
    maps: Float64[np.ndarray, "moving 3 3"]
    """From pixels of the part in each frame to those of the plate; none of a fixed camera, whose
    plate has that part's pixels."""
    before: Mask
    """255 where something is before the dancer all the time; in the size of the levels."""
    skin: Float32[np.ndarray, "3"]
    """Mean L, a and b on the dancer's face; 0 where none was seen."""
    rotate: Int64[np.ndarray, ""] = np.array(0)
    """Clockwise rotation of the film that its file does not know of, degrees."""


def face_pixels(
    keypoints: Keypoints, index: int, image: Frame, is_shown: PixelMask | None = None
) -> UInt8[np.ndarray, "pixels 3"]:
    """Pixels of an image between the landmarks of a face; none without a face."""
    place = np.zeros(image.shape[:2], np.uint8)
    if "face" in dict(keypoints.skeleton.groups):
        face = keypoints.skeleton.slice("face")
        points = keypoints.points[index, face][keypoints.score[index, face] > 0]
        if len(points) >= _FEWEST_LANDMARKS:
            cv2.fillConvexPoly(place, cv2.convexHull(points.round().astype(np.int32)), 1)
    return image[(place > 0) if is_shown is None else (place > 0) & is_shown]


def skin_color(faces: Iterable[UInt8[np.ndarray, "_ 3"]]) -> Float32[np.ndarray, "3"]:
    """Mean L, a and b, as OpenCV has them in 8 bits, of the brightest pixels.

    The others are hair, glasses, masks and what is in their shadow.
    """
    pixels = np.concatenate([np.zeros((0, 3), np.uint8), *faces])
    if not len(pixels):
        return np.zeros(3, np.float32)
    lab = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2LAB)[0].astype(np.float32)
    return lab[lab[:, 0] >= np.quantile(lab[:, 0], _DARK)].mean(axis=0)


def light_of_film(
    frame: Frame, plate: Frame, removed: Mask
) -> Float32[np.ndarray, "height width 3"]:
    """Levels that a frame is brighter than the plate, smoothly, from beside what goes."""
    apart = frame.astype(np.float32) - plate
    weight = ((removed == 0) & (difference(frame, plate) < 2 * DIFFERENT)).astype(np.float32)
    side = len(frame) // 8 * 2 + 1
    return cv2.blur(mean_around(apart, weight, side, least=0.02), (side, side))
