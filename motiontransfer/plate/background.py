"""Background image of a fixed camera: masked temporal median, fused and inpainted.

Per pixel: the median over the frames in which nobody is there. If that median is in a shadow and a
quarter of the frames are brighter, their level is taken. Borders between frames are then fused, and
never uncovered pixels inpainted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from motiontransfer.body.parts import BodyPoses
from motiontransfer.core.arrays import Frame, Mask, PixelMask
from motiontransfer.core.errors import TrainingError
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.plate.camera import CameraPath, camera_path, seen_from_middle
from motiontransfer.plate.full_size import (
    FullSizeFrames,
    ImageOnDisk,
    ImagesOnDisk,
    for_bands,
    nearest,
    resampled,
)
from motiontransfer.plate.fusion import fused
from motiontransfer.plate.inpainting import inpainted
from motiontransfer.plate.masks import LEAST_MASK, MASK_ERROR, and_beside, mean_around
from motiontransfer.plate.overlays import Overlay, find_captions, find_overlays
from motiontransfer.plate.shadow import Light, is_shadow
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.video.frame_store import FrameStore

# Frames.
BACKGROUND_FRAMES = 120  # of all clips; a median of more takes longer and is no nearer to the room
_MOST_FRAMES = 1500  # of a film that is looked through for captions: all are in memory
_FEWEST_FRAMES = 0.05  # share of the frames that have to show a pixel: masks are sometimes wrong
_RIM = 0.01  # of the body's height, beside what none shows, in which the person's edge does

_SHADED = 0.9  # of the upper quartile's brightness: a darker median is in a shadow

# Objects that a mask leaves out.
_AROUND = 0.05  # beside them, of the body's height, where the room's color is
_OTHER_COLOR = 40  # levels from it
_LARGEST_SPECK = 0.03  # their side, of the body's height

_Levels = UInt8[np.ndarray, "rows columns 3"]
View = Float64[np.ndarray, "3 3"]
"""Homography of (x, y, 1), from pixels of a frame to those of the background image."""


class Background(NamedTuple):
    image: Frame
    is_filled: PixelMask
    """Pixels that were never seen uncovered, and are inpainted."""
    overlays: Sequence[Overlay] = ()
    """In the size of the image, which shows those that stay."""
    shadow: Light | None = None
    """Of a photo: what the person leaves of its light; the image is without their shadow."""
    of_photo: bool = False
    """It lies behind a photo: of the references none but their own mattes tells the person."""
    views: Mapping[tuple[int, int], View] = MappingProxyType({})
    """Of a camera that moves, from each frame, (clip, frame_index), to the image."""

    def seen_by(self, view: View | None) -> "Background":
        """As a frame of a camera that moves shows it; its corner is the image's."""
        if view is None:
            return self
        size = self.image.shape[1::-1]
        warp = partial(cv2.warpPerspective, M=np.linalg.inv(view), dsize=size)
        beyond = warp(self.is_filled.astype(np.uint8), borderValue=(1,) * 4) > 0
        return self._replace(image=warp(self.image), is_filled=beyond)


class _Samples(NamedTuple):
    """Frames that a background image is made of, in the size of the masks."""

    keys: Sequence[tuple[int, int]]
    """(clip, frame_index)."""
    frames: list[_Levels]
    is_free: Bool[np.ndarray, "frames height width"]
    """Where nobody is."""
    height_px: float
    poses: BodyPoses
    frame_rate: float


def median_background(
    frames: FullSizeFrames,
    *,
    among: Sequence[tuple[int, int]] = (),
    num_frames: int = BACKGROUND_FRAMES,
    shows_overlays: bool = True,
) -> Background:
    """Median over about `num_frames` training frames of all clips; they are kept.

    The person is where their masks are.

    Args:
        among: (clip, frame_index) of training frames that are among them, as they are read anyway;
            the others are evenly spread.
        shows_overlays: those that stay are in the image; False: what is behind them.
    """
    samples = _read_samples(frames, among, num_frames)
    sizes = {"frame_rate": samples.frame_rate, "height_px": samples.height_px}
    overlays = find_overlays(samples.frames, samples.poses, **sizes)
    is_free = _beside_overlays(samples.is_free, overlays)
    captions = [*_captions(frames, samples)]
    free_of_captions = _beside_overlays(is_free, captions)
    path = _camera(samples.frames, free_of_captions)
    if not path.moves:  # by which all changes at once
        overlays, is_free = overlays + captions, free_of_captions
    height_px, keys = samples.height_px, samples.keys
    del samples, free_of_captions
    images: ImagesOnDisk | list[ImageOnDisk] = frames.kept
    if path.moves:
        is_free = _in_room(is_free, path)
        path = path.scaled(np.divide(frames.size, is_free.shape[1:]))
        images = [
            images.append(path.to_room(images[index].mapped(), index)) for index in range(len(keys))
        ]
    image, is_hidden = room_behind(images, is_free, frames.size, height_px)
    large = [_at_full_size(overlay, frames) for overlay in overlays]
    for overlay in (one for one in large if one.stays and shows_overlays):
        image[overlay.place] = overlay.colors[overlay.place]
        is_hidden &= ~overlay.place
    views = dict(zip(keys, path.maps, strict=True)) if path.moves else {}
    return Background(image, is_filled=is_hidden, overlays=tuple(large), views=views)


def _beside_overlays(
    is_free: Bool[np.ndarray, "frames height width"], overlays: Iterable[Overlay]
) -> Bool[np.ndarray, "frames height width"]:
    is_free = is_free.copy()
    for overlay in overlays:
        is_free[overlay.is_there[:, None, None] & overlay.place] = False
    return is_free


def _camera(
    frames: Sequence[_Levels], is_free: Bool[np.ndarray, "frames height width"]
) -> CameraPath:
    """The camera's path, with the image of the room in the middle of the views."""
    masks = _as_masks(is_free)
    path = camera_path(frames, masks)
    return seen_from_middle(path, frames, masks) if path.moves else path


def _in_room(
    is_free: Bool[np.ndarray, "frames height width"], path: CameraPath
) -> Bool[np.ndarray, "frames height width"]:
    """Where nobody is, in the image of the room, in frames whose view is sure."""
    masks = enumerate(_as_masks(is_free))
    shown = [path.to_room(mask, index, beyond=255) == 0 for index, mask in masks]
    return np.array(shown) & path.is_sure[:, None, None]


def _as_masks(is_free: Bool[np.ndarray, "frames height width"]) -> list[Mask]:
    return [255 * one.astype(np.uint8) for one in ~is_free]


def room_behind(
    images: ImagesOnDisk | Sequence[ImageOnDisk],
    is_free: Bool[np.ndarray, "frames rows columns"],
    size: tuple[int, int],
    height_px: float,
) -> tuple[Frame, PixelMask]:
    """The room in images of a size, and where no image shows it.

    Args:
        is_free: what is `beside_person` in each image.
        height_px: of the body, in its pixels.
    """
    fewest = max(round(_FEWEST_FRAMES * len(is_free)), 1)
    shows_background = is_free & (np.count_nonzero(is_free, axis=0) >= fewest)
    median, upper = _quartile_images(images, shows_background, size)
    seen = np.where(_shaded(median, upper)[..., None], upper, median)
    hidden = np.asarray(~shows_background.any(axis=0), np.uint8)
    small = resampled(seen, hidden.shape)
    hidden[_specks(small, hidden, height_px)] = 1
    rim = 2 * round(_RIM * height_px) + 1
    is_hidden = resampled(cv2.dilate(hidden, np.ones((rim, rim))), size) > 0
    return inpainted(fused(seen, images, shows_background, is_hidden), is_hidden), is_hidden


def beside_person(mask: Mask, height_px: float) -> PixelMask:
    """Where nobody is: farther from a person's mask than it may be off."""
    is_room = (mask < LEAST_MASK).astype(np.uint8)
    away = cv2.distanceTransform(is_room, cv2.DIST_L2, cv2.DIST_MASK_5)
    return away > MASK_ERROR * height_px


def _at_full_size(overlay: Overlay, frames: FullSizeFrames) -> Overlay:
    shown = overlay.is_there[:, None, None] & overlay.place
    colors = _quartile_images(frames.kept, shown, frames.size)[0]
    return overlay._replace(place=resampled(overlay.place, frames.size), colors=colors)


def _read_samples(
    frames: FullSizeFrames, among: Sequence[tuple[int, int]], num_frames: int
) -> _Samples:
    """Read and keep the frames."""
    clips = frames.clips
    keys, heights, poses, rates = [], [], [], []
    for number, (clip, masks) in enumerate(zip(clips, frames.masks, strict=True)):
        keypoints = clip.keypoints.resized(masks.masks.shape[1:])
        heights.append(body_height_px(keypoints))
        own = {index for of_clip, index in among if of_clip == number}
        others = [index for index in masks.frames_of(clip.training) if index not in own]
        left = max(num_frames // len(clips), 1) - len(own)
        indices = sorted([*own, *evenly_spaced(others, count=max(left, 0))])
        poses.append((keypoints.points[indices], keypoints.score[indices]))
        rates.append(
            float(clip.keypoints.frame_rate) / max(np.diff(indices).mean(), 1)
            if len(indices) > 1
            else 1.0
        )
        keys += [(number, index) for index in indices]
    if not keys:
        raise TrainingError(
            f"{clips[0].keypoints_file.parent}: no training frame of these films shows a person at "
            "their usual brightness; film again, longer and in even light"
        )
    size = frames.masks[0].masks.shape[1:]
    # Made before frames are read: small arrays between those leave holes in memory.
    samples = np.empty((len(keys), *size, 3), np.uint8)
    is_free = np.empty((len(keys), *size), np.bool_)
    read = track(frames.read(keys), "reading frames for the background", total=len(keys))
    for row, ((number, index), frame) in enumerate(zip(keys, read, strict=True)):
        samples[row] = resampled(frame, size)
        is_free[row] = beside_person(frames.masks[number][index], heights[number])
    points, score = (np.concatenate(of_clips) for of_clips in zip(*poses, strict=True))
    return _Samples(
        keys,
        [*samples],
        is_free,
        float(np.median(heights)),
        BodyPoses(clips[0].keypoints.skeleton, points, score),
        min(rates),
    )


def _captions(frames: FullSizeFrames, samples: _Samples) -> Iterator[Overlay]:
    """Those that change at once, told in all frames of each clip, as they are in the samples."""
    for number, (clip, masks) in enumerate(zip(frames.clips, frames.masks, strict=True)):
        if clip.keypoints.num_frames > _MOST_FRAMES:
            continue
        with FrameStore(clip.frames) as store:
            film = [*store.frames()]
        known = {index: masks[index] for index in masks.frames_of(clip.training)}
        for caption in find_captions(film, known, clip.keypoints):
            is_there = [of == number and caption.is_there[index] for of, index in samples.keys]
            yield caption.resized(samples.is_free.shape[1:])._replace(is_there=np.array(is_there))


def _specks(image: Frame, hidden: UInt8[np.ndarray, "height width"], height_px: float) -> PixelMask:
    """Small objects of another color at the edge of what was hidden: straps, what hands hold.

    No mask shows them as the person, and inpainting would spread their color.
    """
    side = 2 * round(_AROUND * height_px) + 1
    around = mean_around(image, 1 - hidden.astype(np.float32), side, least=1e-6)
    differs = (np.abs(image - around).max(axis=2) > _OTHER_COLOR) & (hidden == 0)
    _, pieces, boxes, _ = cv2.connectedComponentsWithStats(differs.astype(np.uint8))
    at_edge = np.unique(pieces[differs & (and_beside(hidden) > 0)])
    is_small = boxes[at_edge, cv2.CC_STAT_AREA] <= max((_LARGEST_SPECK * height_px) ** 2, 1)
    return np.isin(pieces, at_edge[is_small])


def _shaded(median: Frame, upper: Frame) -> PixelMask:
    """Where a median lies in a shadow that the upper quartile does not."""
    brightness = (median.mean(axis=2) + 1) / (upper.mean(axis=2) + 1)
    return is_shadow(median, upper) & (brightness < _SHADED)


def _quartile_images(
    frames: ImagesOnDisk | Sequence[ImageOnDisk],
    is_used: Bool[np.ndarray, "frames rows columns"],
    size: tuple[int, ...],
) -> tuple[Frame, Frame]:
    """Median and upper quartile over the frames that are used at a pixel; 0 without any.

    Args:
        size: of the frames.
    """
    height, width = size
    images = np.zeros((2, height, width, 3), np.uint8)
    y, x = map(nearest, (height, width), is_used.shape[1:])

    def fill(rows: slice) -> None:
        used = np.take(is_used[:, y[rows]], x, axis=2)
        some = np.flatnonzero(used.any(axis=(1, 2)))
        if not len(some):
            return
        seen = np.flatnonzero(used.any(axis=(0, 1)))
        columns = slice(seen[0], seen[-1] + 1)
        used = used[some, :, columns]
        unused = np.where(used, np.uint8(0), np.uint8(255))
        levels = np.empty((*used.shape, 3), np.uint8)
        for number, mask, level in zip(some.tolist(), unused, levels, strict=True):
            mask = cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB)
            cv2.bitwise_or(frames[number][rows][:, columns], mask, dst=level)
        count = used.sum(axis=0)[..., None]
        images[:, rows, columns] = np.where(count > 0, _quartiles(levels, count), 0)

    for_bands(fill, height)
    median, upper = images
    return median, upper


def _quartiles(
    levels: UInt8[np.ndarray, "frames rows columns 3"], count: Int64[np.ndarray, "rows columns 1"]
) -> UInt8[np.ndarray, "2 rows columns 3"]:
    """Median and upper quartile.

    Args:
        levels: 255 in frames that do not count.
        count: number of the others.
    """
    shape = levels.shape[1:]
    # NumPy sorts 16 bits by SIMD instructions, and 8 bits not.
    ordered = cv2.transpose(levels.reshape(len(levels), -1)).astype(np.uint16)
    ordered.sort(axis=1)
    ordered = ordered.reshape(*shape, -1)
    last = np.maximum(np.broadcast_to(count, shape) - 1, 0)
    places = np.stack([last // 2, 3 * last // 4], axis=-1)
    return np.moveaxis(np.take_along_axis(ordered, places, axis=-1), -1, 0).astype(np.uint8)
