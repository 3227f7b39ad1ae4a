"""Autoregressive rollout: each frame from its pose map and the previous frame."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise, repeat

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.core.parallel import map_ahead
from motiontransfer.models.generators import FrameGenerator, HalfResolutionGenerator, Textures
from motiontransfer.pose.boxes import Boxes, ViewportFollower
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.puppet.retrieval import Excluded
from motiontransfer.puppet.warping import PuppetClip, PuppetFollower, Texture
from motiontransfer.video.tensors import Images, levels_to_textures, upload

_BATCH_FRAMES = 8  # whose pose maps are drawn at once
_DRAWING_THREADS = 4  # at most


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
