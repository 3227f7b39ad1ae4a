"""Person masks of some frames of a clip, and their file."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, Num, Shaped, UInt8

from motiontransfer.core.arrays import Mask, PixelMask, Plane
from motiontransfer.core.errors import MissingFileError
from motiontransfer.core.storage import read_table, write_table

MOST_MASKS = 320
"""Masks of a clip, at most: twice as many as the background image is made of."""

# Levels of 255.
LEAST_MASK = 26
"""From it a pixel may show the person: a tenth."""
HALF = 127
"""Above it most of a pixel is a part's, or something else's."""
GRAY = 127
"""In place of colors where nothing is covered."""
SOLID = 200
"""Above it a pixel's color is the part's alone; less is mixed with what is beside."""
NOISE = 14
"""By which coding and light may change a pixel's color."""

MASK_ERROR = 0.012
"""By which a mask's edge is off, share of the body's height."""
CORE = 0.55
"""Share of a limb's radius, within which it surely is."""

_METADATA_KEY = "motiontransfer.masks"


def covered_box(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns from the first to the last that is not 0 everywhere."""
    x, y, width, height = cv2.boundingRect(mask)
    return np.s_[y : y + height, x : x + width]


def disc_of(radius_px: float) -> UInt8[np.ndarray, "side side"]:
    """Structuring element by which masks grow and shrink; its radius is at least a pixel."""
    side = 2 * max(round(radius_px), 1) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)).astype(np.uint8)


def and_beside(covered: Shaped[np.ndarray, "rows columns"]) -> Num[np.ndarray, "rows columns"]:
    """What is covered, and a pixel around it."""
    numbers = covered.view(np.uint8) if covered.dtype == np.bool_ else covered
    return cv2.dilate(numbers, np.ones((3, 3), np.uint8))


def opened(
    coverage: Num[np.ndarray, "rows columns"], disc: UInt8[np.ndarray, "side side"]
) -> Num[np.ndarray, "rows columns"]:
    """What a disc fits in, and a pixel around it: smooth edges stay."""
    return and_beside(cv2.morphologyEx(coverage, cv2.MORPH_OPEN, disc))


def touching(place: PixelMask, core: PixelMask) -> PixelMask:
    """Pieces of a place that touch its core, and the core."""
    _, pieces = cv2.connectedComponents((place | core).astype(np.uint8))
    return np.isin(pieces, np.unique(pieces[core]))


def mean_around(
    colors: Num[np.ndarray, "height width channels"], weight: Plane, side: int, *, least: float
) -> Float32[np.ndarray, "height width channels"]:
    """Weighted mean of the square around each pixel.

    Args:
        side: of the square, pixels.
        least: share of it by which the sum is divided at least: with less weight it goes to 0.
    """
    total = np.maximum(cv2.blur(weight, (side, side)), np.float32(least))
    return cv2.blur(colors * weight[..., None], (side, side)) / total[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMasks:
    frame_index: Int32[np.ndarray, " masks"]
    """In order."""
    masks: UInt8[np.ndarray, "masks height width"]
    is_drawn: Bool[np.ndarray, " masks"]
    """Masks that are drawn around the joints: the network found nobody."""

    def __getitem__(self, frame_index: int) -> Mask:
        """The mask of a frame that has one."""
        return self.masks[np.searchsorted(self.frame_index, frame_index)]

    def frames_of(self, frames: range) -> list[int]:
        return [index for index in self.frame_index.tolist() if index in frames]


def write_masks(path: Path, masks: PersonMasks) -> None:
    """Write masks as Parquet; the same masks are the same bytes."""
    columns = {
        "frame_index": masks.frame_index,
        "is_drawn": masks.is_drawn,
        "mask": masks.masks.reshape(len(masks.masks), math.prod(masks.masks.shape[1:])),
    }
    description = {"image_size": masks.masks.shape[1:]}
    write_table(path, columns, key=_METADATA_KEY, description=description)


def read_masks(path: Path) -> PersonMasks:
    """Read masks.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file of masks; `dvc repro` makes it")
    columns, description = read_table(path, key=_METADATA_KEY)
    image_size: Any = description["image_size"]
    return PersonMasks(
        frame_index=columns["frame_index"],
        is_drawn=columns["is_drawn"],
        masks=columns["mask"].reshape(-1, *image_size),
    )
