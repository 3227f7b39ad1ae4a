"""Path of a camera that moves: a homography from each frame to one image of the room.

Corners of the room are tracked (Lucas and Kanade 1981) as long as most are in view, and then new
ones. Homographies are exact for a camera that turns and zooms, and for a flat room; RANSAC leaves
out what moves otherwise.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from motiontransfer.core.arrays import Frame, FrameMask, Gray, Mask, Vector
from motiontransfer.plate.masks import LEAST_MASK, disc_of

_NUM_CORNERS, _FEWEST = 400, 24  # tracked at once; fewer tell no homography for sure
_APART, _QUALITY = 0.012, 0.005  # of the image's height, between corners; of the strongest one
_BESIDE = 0.02  # of the image's height, around a mask
_KEPT = 0.6  # of the corners, below which others are looked for
_WITHIN_PX = 1.5  # of a corner, where the homography puts it
_SURE = 0.5  # of the corners, that move with the camera
_REGISTERED = 0.25  # of the frames; of three plain rooms .02 to .07, of a dance in a hand .46
_STILL = 0.006  # of the image's height, that corners wander where the camera stands still
_SELDOM = 0.05  # of the frames, in which they may wander farther all the same
_LARGEST = 3.0  # side of the image of the room, of a frame's


class CameraPath(NamedTuple):
    """The camera in each frame of a film."""

    maps: Float64[np.ndarray, "moving 3 3"]
    """From pixels of each frame to those of the image of the room; none of a camera that stands."""
    size: tuple[int, int]
    """(height, width) of that image, which holds all frames, or most of them."""
    is_sure: FrameMask
    """Where most corners move as the homography says."""

    @property
    def moves(self) -> bool:
        return len(self.maps) > 0

    def scaled(self, by: Vector) -> "CameraPath":
        """The same for frames of (height, width) so many times as large."""
        larger, size = np.diag((*by[::-1], 1.0)), np.rint(self.size * by).astype(int).tolist()
        maps = larger @ self.maps @ np.linalg.inv(larger)
        return self._replace(maps=maps, size=(size[0], size[1]))

    def to_room(self, image: np.ndarray, index: int, *, beyond: int = 0) -> np.ndarray:
        """A frame in the image of the room, with a level where it shows none of it."""
        color = (beyond,) * 4
        return cv2.warpPerspective(image, self.maps[index], self.size[::-1], borderValue=color)

    def to_frame(self, room: np.ndarray, index: int, size: tuple[int, int]) -> np.ndarray:
        """What a frame of a size shows of the image of the room."""
        if not self.moves:
            return room
        return cv2.warpPerspective(room, np.linalg.inv(self.maps[index]), size[::-1])


def camera_path(frames: Iterable[Frame], masks: Sequence[Mask]) -> CameraPath:
    """Follow the camera.

    Args:
        frames: of the masks' size.
    """
    maps, sure, wander, size = [], [], [], masks[0].shape
    key, before, num_found = np.eye(3), np.zeros(size, np.uint8), 0
    start = now = np.zeros((0, 1, 2), np.float32)
    for frame, mask in zip(frames, masks, strict=True):
        gray, found, share = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), None, 0.0
        if len(now):
            now, kept, _ = cv2.calcOpticalFlowPyrLK(before, gray, now, np.empty_like(now))
            start, now = start[kept[:, 0] > 0], now[kept[:, 0] > 0]
        if len(now) >= _FEWEST:
            wander.append(float(np.median(np.linalg.norm(now - start, axis=2))))
            cv2.setRNGSeed(0)
            found, inliers = cv2.findHomography(now, start, cv2.RANSAC, _WITHIN_PX)
        if found is not None:
            share = float(inliers.mean())
            start, now = start[inliers[:, 0] > 0], now[inliers[:, 0] > 0]
        sure.append(share > _SURE or not maps)
        maps.append(key if found is None else key @ found)
        if len(now) < max(_KEPT * num_found, _FEWEST):
            key, start = maps[-1], _corners(gray, mask)
            now, num_found = start, len(start)
        before = gray
    if not wander or np.quantile(wander, 1 - _SELDOM) < _STILL * size[0]:
        return _standing(size, len(maps))
    return _in_view(np.array(maps), size, np.array(sure))


def _standing(size: tuple[int, int], num_frames: int) -> CameraPath:
    return CameraPath(np.zeros((0, 3, 3)), size, np.ones(num_frames, bool))


def _corners(gray: Mask, mask: Mask) -> np.ndarray:
    person = cv2.dilate((mask >= LEAST_MASK).astype(np.uint8), disc_of(_BESIDE * len(gray)))
    place = cv2.copyMakeBorder(1 - person[2:-2, 2:-2], 2, 2, 2, 2, cv2.BORDER_CONSTANT)
    found = cv2.goodFeaturesToTrack(gray, _NUM_CORNERS, _QUALITY, _APART * len(gray), mask=place)
    return np.zeros((0, 1, 2), np.float32) if found is None else found


def _in_view(
    maps: Float64[np.ndarray, "frames 3 3"], size: tuple[int, int], sure: FrameMask
) -> CameraPath:
    """The path from the image's corner; that image is as large as it has to be, and not huge."""
    whole = np.array(size[::-1], np.float64)
    places = _corners_of(size, maps)
    middle = np.median(places, axis=(0, 1))
    low = np.maximum(places.min(axis=(0, 1)), middle - _LARGEST / 2 * whole)
    high = np.minimum(places.max(axis=(0, 1)), middle + _LARGEST / 2 * whole)
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]])
    columns, rows = np.ceil(high - low).astype(int).tolist()
    return CameraPath(shift @ maps, (rows, columns), sure)


def seen_from_middle(
    path: CameraPath, frames: Sequence[Frame], masks: Sequence[Mask]
) -> CameraPath:
    """A path with the room as it is in the frame in the middle of the views.

    Each frame is registered to that one, so that no error grows along the path. If few can be, the
    path is that of a camera that stands: in a plain room nothing tells how it moves.

    Args:
        path: of a camera that moves.
        frames: those it was followed in, of the masks' size.
    """
    size = masks[0].shape
    places = _corners_of(size, path.maps)
    apart = np.abs(places - np.median(places[path.is_sure], axis=0)).sum(axis=(1, 2))
    middle = int(np.where(path.is_sure, apart, np.inf).argmin())
    path = path._replace(maps=np.linalg.inv(path.maps[middle]) @ path.maps, size=size)
    gray = cv2.cvtColor(frames[middle], cv2.COLOR_RGB2GRAY)
    corners = _corners(gray, masks[middle])
    sure = np.zeros(len(frames), bool)
    for order in (range(middle, len(frames)), range(middle - 1, -1, -1)):
        off = np.eye(3)
        for index in order:
            path.maps[index] = off @ path.maps[index]
            shown = path.to_room(cv2.cvtColor(frames[index], cv2.COLOR_RGB2GRAY), index)
            hidden = path.to_room(masks[index], index, beyond=255) >= LEAST_MASK
            x, y = corners[:, 0].astype(int).T
            found, share = _homography(shown, gray, corners[~hidden[y, x]])
            if found is not None and share > _SURE:
                path.maps[index], off, sure[index] = found @ path.maps[index], found @ off, True
    if sure.mean() < _REGISTERED:
        return _standing(size, len(frames))
    return path._replace(is_sure=sure)


def _homography(
    image: Gray, other: Gray, corners: Float32[np.ndarray, "corners 1 2"]
) -> tuple[Float64[np.ndarray, "3 3"] | None, float]:
    """From an image to another one whose corners are nearly at the same places; how many agree."""
    if len(corners) < _FEWEST:
        return None, 0.0
    now, kept, _ = cv2.calcOpticalFlowPyrLK(other, image, corners, np.empty_like(corners))
    now, corners = now[kept[:, 0] > 0], corners[kept[:, 0] > 0]
    if len(now) < _FEWEST:
        return None, 0.0
    cv2.setRNGSeed(0)
    found, inliers = cv2.findHomography(now, corners, cv2.RANSAC, _WITHIN_PX)
    return found, float(inliers.mean())


def _corners_of(
    size: tuple[int, int], maps: Float64[np.ndarray, "frames 3 3"]
) -> Float64[np.ndarray, "frames 4 2"]:
    """Where the corners of each frame are in the image of the room."""
    ends = np.array(size[::-1], np.float64) * [[[0, 0], [1, 0], [1, 1], [0, 1]]]
    return np.stack([cv2.perspectiveTransform(ends, matrix)[0] for matrix in maps])
