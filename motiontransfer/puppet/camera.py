"""Path of a camera that moves: a homography from each frame to one image of the room.

Corners of the room are tracked from frame to frame (Lucas and Kanade 1981) as long as most are in
view, and then new ones. Homographies are exact for a camera that turns and zooms, and for a flat
room; RANSAC leaves out what moves otherwise.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from motiontransfer.puppet.masks import LEAST_MASK, Mask, disc_of
from motiontransfer.video.color import Frame

_NUM_CORNERS, _FEWEST = 400, 24
_APART, _QUALITY = 0.012, 0.005  # of the image's height, between corners; of the strongest one
_BESIDE = 0.02  # of the image's height, around a mask
_KEPT = 0.6  # of the corners, below which others are looked for
_WITHIN_PX = 1.5  # of a corner, where the homography puts it
_SURE = 0.5  # of the corners, that move with the camera
_STILL = 0.006  # of the image's height, that corners wander where the camera stands still
_SELDOM = 0.05  # of the frames, in which they may wander farther all the same
_LARGEST = 3.0  # side of the image of the room, of a frame's

Corners = Float32[np.ndarray, "corners 1 2"]


class CameraPath(NamedTuple):
    """The camera in each frame of a film."""

    maps: Float64[np.ndarray, "frames 3 3"]
    """From pixels of the frame to those of the image of the room."""
    size: tuple[int, int]
    """(height, width) of that image, which holds all frames, or most of them."""
    is_sure: Bool[np.ndarray, " frames"]
    """Where most corners move as the homography says."""

    @property
    def moves(self) -> bool:
        return bool((self.maps != np.eye(3)).any())

    def scaled(self, by: Float64[np.ndarray, "2"]) -> "CameraPath":
        """The same for frames of (height, width) so many times as large."""
        (height, width), (down, across) = self.size, by.tolist()
        larger = np.diag((across, down, 1.0))
        maps = larger @ self.maps @ np.linalg.inv(larger) if self.moves else self.maps
        return self._replace(maps=maps, size=(round(height * down), round(width * across)))

    def to_room(self, image: np.ndarray, index: int, *, beyond: int = 0) -> np.ndarray:
        """A frame in the image of the room, with a level where it shows none of it."""
        return _warped(image, self.maps[index], self.size, beyond) if self.moves else image

    def to_frame(self, room: np.ndarray, index: int, size: tuple[int, int]) -> np.ndarray:
        """What a frame of a size shows of the image of the room."""
        return _warped(room, np.linalg.inv(self.maps[index]), size, 0) if self.moves else room


def _warped(
    image: np.ndarray, matrix: Float64[np.ndarray, "3 3"], size: tuple[int, int], beyond: int
) -> np.ndarray:
    color = (beyond,) * 4
    return cv2.warpPerspective(image, matrix, size[::-1], borderValue=color)


def camera_path(frames: Iterable[Frame], masks: Sequence[Mask]) -> CameraPath:
    """Follow the camera; where it stands still, maps are the identity.

    Args:
        frames: of the masks' size.
    """
    maps, sure, wander = [], [], []
    size = masks[0].shape
    before = np.zeros(size, np.uint8)
    key, start, now = np.eye(3), np.zeros((0, 1, 2), np.float32), np.zeros((0, 1, 2), np.float32)
    num_found = 0
    for frame, mask in zip(frames, masks, strict=True):
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        found = key
        if len(now) >= 4:
            now, kept = _tracked(before, gray, now)
            start = start[kept]
            if len(now) >= _FEWEST:
                wander.append(float(np.median(np.linalg.norm(now - start, axis=2))))
            found, inliers = _homography(now, start)
            found, share = key @ found, inliers.mean() if len(inliers) else 0.0
            start, now = start[inliers], now[inliers]
            sure.append(bool(share > _SURE and len(now) >= _FEWEST))
        else:
            sure.append(not maps)
        maps.append(found)
        if len(now) < max(_KEPT * num_found, _FEWEST):
            key, start = found, _corners(gray, mask)
            now, num_found = start, len(start)
        before = gray
    if not wander or np.quantile(wander, 1 - _SELDOM) < _STILL * size[0]:
        still = np.tile(np.eye(3), (len(maps), 1, 1))
        return CameraPath(still, size, np.ones(len(maps), bool))
    return _in_view(np.array(maps), size, np.array(sure))


def _corners(gray: UInt8[np.ndarray, "height width"], mask: Mask) -> Corners:
    height = len(gray)
    person = cv2.dilate((mask >= LEAST_MASK).astype(np.uint8), disc_of(_BESIDE * height))
    place = cv2.copyMakeBorder(1 - person[2:-2, 2:-2], 2, 2, 2, 2, cv2.BORDER_CONSTANT)
    found = cv2.goodFeaturesToTrack(gray, _NUM_CORNERS, _QUALITY, _APART * height, mask=place)
    return np.zeros((0, 1, 2), np.float32) if found is None else found


def _tracked(
    before: UInt8[np.ndarray, "height width"],
    gray: UInt8[np.ndarray, "height width"],
    at: Float32[np.ndarray, "tracked 1 2"],
) -> tuple[Corners, Bool[np.ndarray, " tracked"]]:
    """Where corners went, and which were found again, there and back."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, gray, at, np.empty_like(at))
    back, again, _ = cv2.calcOpticalFlowPyrLK(gray, before, there, np.empty_like(at))
    kept = (found[:, 0] > 0) & (again[:, 0] > 0)
    kept &= np.linalg.norm(back - at, axis=2)[:, 0] < 1
    return there[kept], kept


def _homography(
    now: Corners, start: Corners
) -> tuple[Float64[np.ndarray, "3 3"], Bool[np.ndarray, " corners"]]:
    if len(now) < 4:
        return np.eye(3), np.zeros(len(now), bool)
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.findHomography(now, start, cv2.RANSAC, _WITHIN_PX)
    if matrix is None:
        return np.eye(3), np.zeros(len(now), bool)
    return matrix, inliers[:, 0] > 0


def _in_view(
    maps: Float64[np.ndarray, "frames 3 3"],
    size: tuple[int, int],
    sure: Bool[np.ndarray, " frames"],
) -> CameraPath:
    """The path from the image's corner; that image is as large as it has to be, and not huge."""
    height, width = size
    ends = np.array([[(0, 0), (width, 0), (width, height), (0, height)]], np.float64)
    places = np.stack([cv2.perspectiveTransform(ends, matrix)[0] for matrix in maps])
    whole = np.array((width, height))
    middle = np.median(places, axis=(0, 1))
    low = np.maximum(places.min(axis=(0, 1)), middle - _LARGEST / 2 * whole)
    high = np.minimum(places.max(axis=(0, 1)), middle + _LARGEST / 2 * whole)
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]])
    columns, rows = np.ceil(high - low).astype(int).tolist()
    return CameraPath(shift @ maps, (rows, columns), sure)
