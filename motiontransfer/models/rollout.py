"""Pose maps on any device; autoregressive rollout: a frame from its pose and the previous frame."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise, repeat

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motiontransfer.core.parallel import map_ahead
from motiontransfer.models.generators import FrameGenerator, HalfResolutionGenerator, Textures
from motiontransfer.pose.boxes import Boxes, ViewportFollower
from motiontransfer.pose.drawing import (
    TILE_PX,
    Lines,
    PoseMapStyle,
    coverage,
    gaussian_spots,
    num_tiles,
    shown_joints,
    touched_tiles,
    visible_lines,
)
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import Skeleton
from motiontransfer.puppet.retrieval import Excluded
from motiontransfer.puppet.warping import PuppetClip, PuppetFollower, Texture
from motiontransfer.video.tensors import CPU, Images, levels_to_textures, upload, upload_together

Points = Float[Tensor, "batch joints 2"]
Scores = Float[Tensor, "batch joints"]
PoseMaps = Float[Tensor, "batch channels _ _"]

_BATCH_FRAMES = 8  # whose pose maps are drawn at once
_DRAWING_THREADS = 4  # at most
_COARSE_PX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseDrawer:
    """Draws batches of poses, which are on the CPU, on a device.

    Intensities are in [0, 1], zero where nothing is drawn. A limb is drawn only where both its
    joints are present (score above 0), and not at all where the skeleton lacks one of them.

    Lines and tiles are found on the CPU: their numbers depend on the poses, for which a GPU would
    have to be waited for.
    """

    skeleton: Skeleton
    style: PoseMapStyle
    device: torch.device = CPU

    def draw(self, points: Points, score: Scores, *, size: tuple[int, int]) -> PoseMaps:
        """Draw poses of images of a size (height, width)."""
        style, device = self.style, self.device
        if style.encoding != "heatmaps":
            lines = visible_lines(
                points.numpy(), score.numpy(), skeleton=self.skeleton, style=style
            )
            num_planes = len(points) * style.num_channels
            planes = draw_lines(lines, num_planes=num_planes, size=size, device=device)
            return planes.unflatten(0, (-1, style.num_channels))
        drawn, pairs = shown_joints(self.skeleton)
        y, x = (torch.arange(length, dtype=points.dtype, device=device) for length in size)
        on_cpu = points[:, pairs].mean(2), score[:, pairs].amin(2), torch.tensor(drawn)
        center, strength, channels = upload_together(on_cpu, device)
        spots = gaussian_spots(center, strength, x, y, style=style, exp=torch.exp)
        if len(drawn) == style.num_channels:
            return spots
        pose_map = spots.new_zeros((len(points), style.num_channels, *size))
        return pose_map.index_copy(1, channels, spots)

    def draw_coarse(self, points: Points, score: Scores, *, size: tuple[int, int]) -> PoseMaps:
        """Draw whole frames of a size, in pixels, at the low resolution of `coarse_size`."""
        rows, columns = coarse_size(size)
        scale = torch.tensor([columns / size[1], rows / size[0]])
        drawer = replace(self, style=self.style.resized(rows, original=size[0]))
        return drawer.draw((points + 0.5) * scale - 0.5, score, size=(rows, columns))

    def draw_crops(
        self, points: Points, score: Scores, boxes: Int[Tensor, "batch 4"], *, crop_size: int
    ) -> PoseMaps:
        """Draw boxes of frames at the crops' own resolution, instead of resampling."""
        corner = boxes[:, None, :2].to(points)
        scale = crop_size / (boxes[:, None, 2:] - boxes[:, None, :2]).to(points)
        in_crop = (points + 0.5 - corner) * scale - 0.5  # centres of pixels are whole numbers
        return self.draw(in_crop, score, size=(crop_size, crop_size))


def coarse_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of `draw_coarse`'s pose maps for frames of a size: at most 64 pixels."""
    scale = min(1.0, _COARSE_PX / max(size))
    return math.ceil(size[0] * scale), math.ceil(size[1] * scale)


def draw_lines(
    lines: Lines, *, num_planes: int, size: tuple[int, int], device: torch.device = CPU
) -> Float[Tensor, "planes height width"]:
    """Draw anti-aliased lines with round caps; where they cross, the maximum is taken."""
    height, width = size
    rows, columns = num_tiles(size)
    arrays = map(torch.from_numpy, (*touched_tiles(lines, size), *lines))
    line, row, column, points, radius_px, intensity, plane = upload_together([*arrays], device)
    within = torch.arange(TILE_PX, device=device)
    x, y = ((first[:, None] * TILE_PX + within).to(points) for first in (column, row))
    covered = coverage(points[line], radius_px[line], x, y)
    padded = (num_planes, rows * TILE_PX, columns * TILE_PX)
    first = row * TILE_PX * padded[2] + column * TILE_PX
    pixel = first[:, None, None] + (within[:, None] * padded[2] + within)
    planes = points.new_zeros(padded).view(-1)
    # One channel at a time: all at once would be no faster, and need as many times the memory.
    for channel in range(plane.shape[1]):
        place = pixel + (plane[line, channel] * padded[1] * padded[2])[:, None, None]
        drawn = covered * intensity[line, channel][:, None, None]
        planes.scatter_reduce_(0, place.view(-1), drawn.view(-1), "amax")
    return planes.view(padded)[:, :height, :width]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePose:
    """One frame's pose as the generator reads it; all tensors are batches of one."""

    box: tuple[int, int, int, int]
    """Viewport in the frame: x0, y0, x1, y1; pixels."""
    pose_map: Float[Tensor, "1 channels height width"]
    """Viewport's pose map, after those of the preceding frames that it is conditioned on."""
    coarse_pose: Float[Tensor, "1 _ rows columns"] | None
    """Whole frame's pose map, from `draw_coarse`; None without a viewport."""
    texture: Textures | None


class Rollout:
    """State of a rollout: preceding poses, viewport and puppet.

    With `conditioning_poses` above 1, empty maps stand for the poses before the first.
    """

    def __init__(
        self,
        generator: FrameGenerator | HalfResolutionGenerator,
        *,
        size: tuple[int, int],
        style: PoseMapStyle,
        autocast: Callable[[], AbstractContextManager] = nullcontext,
    ) -> None:
        self._device = next(generator.parameters()).device
        self._generator, self._size, self._autocast = generator, size, autocast
        self._style = style
        self._viewport = self._puppet = self._past = None
        if generator.viewport is not None:
            self._viewport = ViewportFollower(generator.viewport, image_size=size)
        if generator.puppet is not None:
            self._puppet = PuppetFollower(generator.puppet)

    def draw(
        self, keypoints: Keypoints, *, excluded: Excluded | None = None
    ) -> Generator[FramePose]:
        """Draw the next poses, one at a time as they are asked for, their maps in batches.

        Puppets are drawn ahead, in threads, which end with the generator.
        """
        num_frames = keypoints.num_frames
        boxes = np.tile([0, 0, *self._size[::-1]], (num_frames, 1))
        if self._viewport is not None:
            boxes = self._viewport.place(keypoints.points, keypoints.score)
        starts = range(0, num_frames, _BATCH_FRAMES)
        batches = [range(start, min(start + _BATCH_FRAMES, num_frames)) for start in starts]
        textures: Iterator[Texture | None] = repeat(None)
        if self._puppet is not None:
            textures = _draw_puppet(self._puppet, keypoints, batches, boxes, excluded)
        for batch in batches:
            yield from self._draw_batch(keypoints.part(batch), boxes[batch], textures)

    def step(self, pose: FramePose, previous: Images | None) -> Images:
        """Generate one frame in [-1, 1], as a batch of one.

        Outside a viewport, it is the background image with shadows. The previous frame may have
        been corrected.
        """
        if previous is None:
            previous = torch.zeros((1, 3, *self._size), device=self._device)
        x0, y0, x1, y1 = pose.box
        with torch.inference_mode(), self._autocast():
            seen = previous[:, :, y0:y1, x0:x1]
            if pose.coarse_pose is None:
                return self._generator(pose.pose_map, seen, None, pose.texture).frame
            frame = self._generator.scene(pose.coarse_pose)
            background = frame[:, :, y0:y1, x0:x1].clone()
            person = self._generator(pose.pose_map, seen, background, pose.texture).frame
            frame[:, :, y0:y1, x0:x1] = person
            return frame

    def _draw_batch(
        self, keypoints: Keypoints, boxes: Boxes, textures: Iterator[Texture | None]
    ) -> Iterator[FramePose]:
        points, score = keypoints.points, keypoints.score
        past_points, past_score = self._past or (points[:0], score[:0])
        num_past, num_preceding = len(past_points), self._generator.conditioning_poses - 1
        points, score = np.concatenate([past_points, points]), np.concatenate([past_score, score])
        last = slice(max(len(points) - num_preceding, 0), None)
        self._past = points[last], score[last]
        drawer = PoseDrawer(skeleton=keypoints.skeleton, style=self._style, device=self._device)
        for run, (x0, y0, x1, y1) in _same_box(boxes):
            own = slice(num_past + run.start, num_past + run.stop)
            shown = slice(max(own.start - num_preceding, 0), own.stop)
            # No context is held across a yield: it would leak into the caller's code.
            with torch.inference_mode():
                in_box = torch.from_numpy(points[shown] - np.array([x0, y0], np.float32))
                drawn = drawer.draw(in_box, torch.from_numpy(score[shown]), size=(y1 - y0, x1 - x0))
                num_empty = num_preceding - (own.start - shown.start)
                pose_maps = torch.cat([drawn.new_zeros((num_empty, *drawn.shape[1:])), drawn])
                coarse = [None] * len(run)
                if self._viewport is not None:
                    pair = torch.from_numpy(points[own]), torch.from_numpy(score[own])
                    coarse = drawer.draw_coarse(*pair, size=self._size).split(1)
            for index in range(len(run)):
                conditioning, texture = pose_maps[index : index + num_preceding + 1], None
                if (levels := next(textures)) is not None:
                    on_device = upload(torch.from_numpy(levels)[None], self._device)
                    texture = levels_to_textures(on_device)
                yield FramePose(
                    box=(x0, y0, x1, y1),
                    pose_map=conditioning.flatten(0, 1)[None],
                    coarse_pose=coarse[index],
                    texture=texture,
                )


def _draw_puppet(
    follower: PuppetFollower,
    keypoints: Keypoints,
    batches: Sequence[range],
    boxes: Boxes,
    excluded: Excluded | None,
) -> Iterator[Texture]:
    """The puppet in each frame's box, drawn while the frames before are generated."""

    def follow(batch: range) -> PuppetClip:
        out = None if excluded is None else excluded[batch]
        return follower.follow(keypoints.part(batch), excluded=out)

    def draw(pose: tuple[tuple[PuppetClip, int], Sequence[int]]) -> Texture:
        (clip, index), (x0, y0, x1, y1) = pose
        return clip.draw(index, box=(x0, y0, x1, y1))

    # Threads are of no use to a frame that arrives alone.
    num_threads = min(torch.get_num_threads(), _DRAWING_THREADS) if keypoints.num_frames > 1 else 0
    clips = map_ahead(follow, batches, num_threads=min(num_threads, 1))
    places = ((clip, index) for clip in clips for index in range(len(clip.chosen)))
    poses = zip(places, boxes.tolist(), strict=True)
    return map_ahead(draw, poses, num_threads=num_threads)


def generate_clip(
    generator: FrameGenerator | HalfResolutionGenerator,
    keypoints: Keypoints,
    *,
    style: PoseMapStyle,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
    excluded: Excluded | None = None,
) -> Iterator[Images]:
    """Yield the frames of a clip in [-1, 1], each as a batch of one; see `Rollout`."""
    rollout = Rollout(generator, size=keypoints.image_size, style=style, autocast=autocast)
    frame = None
    for pose in rollout.draw(keypoints, excluded=excluded):
        frame = rollout.step(pose, frame)
        yield frame


def _same_box(boxes: Boxes) -> Iterator[tuple[range, tuple[int, int, int, int]]]:
    changes = np.flatnonzero(np.any(np.diff(boxes, axis=0), axis=1)) + 1
    for start, stop in pairwise([0, *changes.tolist(), len(boxes)]):
        if stop > start:
            yield range(start, stop), tuple(boxes[start].tolist())
