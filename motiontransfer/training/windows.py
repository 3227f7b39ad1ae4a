"""Windows of consecutive training frames with their poses, whole or in the viewport."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from motiontransfer.errors import TrainingError
from motiontransfer.models.rollout import coarse_size
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.pose.rendering import draw_poses
from motiontransfer.pose.viewport import Viewport, hold_people, person_boxes
from motiontransfer.puppet.warping import Puppet, PuppetClip
from motiontransfer.skeleton import Skeleton
from motiontransfer.target_clips import TargetClip
from motiontransfer.training.data import FrameCache, TensorBatch
from motiontransfer.video.tensors import levels_to_textures, upload

_APART_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFrames:
    """The frames of which the viewport of each window shows a part."""

    corners: Int64[np.ndarray, "batch 2"]
    """(x, y) of the viewports, pixels."""
    size: tuple[int, int]
    """(height, width) of the frames, pixels."""
    coarse: UInt8[Tensor, "batch time rows columns 3"]
    """The frames at the size of `draw_coarse`."""
    is_outside: Bool[Tensor, "batch rows columns"]
    """True at pixels of `coarse` outside the viewport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBatch(TensorBatch):
    """Consecutive frames, or their part in a viewport, with its poses; axis 1 is time.

    There may be poses before the first frame.
    """

    points: Float[Tensor, "batch poses joints 2"]
    score: Float[Tensor, "batch poses joints"]
    frames: UInt8[Tensor, "batch time height width 3"]
    whole: WholeFrames | None = None
    """None where `frames` are whole."""
    textures: UInt8[Tensor, "batch time height width 6"] | None = None
    """The puppet in each frame; None without one."""

    def draw(
        self, *, skeleton: Skeleton, style: PoseMapStyle, device: torch.device
    ) -> Float[Tensor, "batch poses channels height width"]:
        """Draw the pose maps of a batch that is on the CPU."""
        drawn = draw_poses(
            self.points.flatten(0, 1),
            self.score.flatten(0, 1),
            skeleton=skeleton,
            size=(self.frames.shape[2], self.frames.shape[3]),
            style=style,
            device=device,
        )
        return drawn.unflatten(0, self.score.shape[:2])

    def upload_textures(
        self, device: torch.device
    ) -> Float[Tensor, "batch time 6 height width"] | None:
        """The textures as the generator reads them; None without a puppet."""
        return None if self.textures is None else levels_to_textures(upload(self.textures, device))


class WindowDataset:
    """Every window of consecutive training frames in all of which a body was found."""

    def __init__(
        self,
        clips: Sequence[TargetClip],
        *,
        window_frames: int = 2,
        conditioning_poses: int = 1,
        viewport: Viewport | None = None,
        puppet: Puppet | None = None,
        part_dropout: float = 0.0,
    ) -> None:
        """Find the windows.

        Args:
            viewport: reads the part of the frames that holds the person in a whole window.
            part_dropout: probability that a part of the puppet is left out of a window.
            conditioning_poses: pose maps that the generator reads for one frame, its own last;
                those before the first training frame come as missing.
        """
        self.clips = list(clips)
        self._window_frames, self._poses_before = window_frames, conditioning_poses - 1
        self._viewport = viewport
        self.windows: list[tuple[int, int]] = []
        """(clip, frame_index of the window's first frame)."""
        self.num_windows_without_body = 0
        """Windows left out because no body was found in one of their frames."""
        for index, clip in enumerate(self.clips):
            body = clip.keypoints.score[:, clip.keypoints.skeleton.slice("body")]
            found: np.ndarray = np.any(body > 0, axis=1)
            for first in clip.training[: max(len(clip.training) - window_frames + 1, 0)]:
                if found[first : first + window_frames].all():
                    self.windows.append((index, first))
                else:
                    self.num_windows_without_body += 1
        if not self.windows:
            raise TrainingError(
                f"no {window_frames} consecutive frames with a body among {len(self.clips)} clips; "
                "see the coverage in artifacts/metrics/detect_keypoints"
            )
        self._frames = FrameCache([clip.frames for clip in self.clips])
        self._puppets, self._part_dropout = [], part_dropout
        if puppet is not None:
            self._puppets = puppets_of_clips(puppet, self.clips)
        self._people = []
        if viewport is not None:
            self._people = [
                person_boxes(viewport, of.points, of.score, image_size=of.image_size)
                for of in (clip.keypoints for clip in self.clips)
            ]

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, indices: Iterable[int]) -> WindowBatch:
        """Read the windows with these indices."""
        chosen = [self.windows[index] for index in indices]
        poses = [self._poses(clip, first) for clip, first in chosen]
        windows = [
            np.stack([self._frames[clip, first + t] for t in range(self._window_frames)])
            for clip, first in chosen
        ]
        points = np.stack([points for points, _ in poses])
        height, width = windows[0].shape[1:3]
        boxes = np.tile([0, 0, width, height], (len(chosen), 1))
        whole = None
        if self._viewport is not None:
            boxes = self._boxes(chosen)
            whole = _whole_frames(windows, boxes)
            points = points - boxes[:, None, None, :2].astype(np.float32)
            pairs = zip(windows, boxes.tolist(), strict=True)
            windows = [window[:, y0:y1, x0:x1] for window, (x0, y0, x1, y1) in pairs]
        return WindowBatch(
            points=torch.from_numpy(points),
            score=torch.from_numpy(np.stack([score for _, score in poses])),
            frames=torch.from_numpy(np.stack(windows)),
            whole=whole,
            textures=self._textures(chosen, boxes) if self._puppets else None,
        )

    def _textures(
        self, windows: Sequence[tuple[int, int]], boxes: Int64[np.ndarray, "windows 4"]
    ) -> UInt8[Tensor, "windows time height width 6"]:
        """The puppet in each frame of the windows, some of its parts left out."""
        textures = []
        for (clip, first), box in zip(windows, boxes.tolist(), strict=True):
            puppet = self._puppets[clip]
            # By window, not by step: a window is seen once or twice in a short training.
            drawn = np.random.default_rng((clip, first)).random(len(puppet.puppet.parts))
            without = np.flatnonzero(drawn < self._part_dropout).tolist()
            textures += [
                puppet.draw(first + t, box=tuple(box), without=without)
                for t in range(self._window_frames)
            ]
        stacked = torch.from_numpy(np.stack(textures))
        return stacked.unflatten(0, (len(windows), self._window_frames))

    def _boxes(self, windows: Iterable[tuple[int, int]]) -> Int64[np.ndarray, "windows 4"]:
        """Viewports of one size, each around the person in all frames of a window."""
        assert self._viewport is not None
        people = []
        for clip, first in windows:
            boxes = self._people[clip][first : first + self._window_frames]
            people.append(np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]))
        image_size = self.clips[0].keypoints.image_size
        return hold_people(self._viewport, np.stack(people), image_size=image_size)

    def _poses(self, clip_index: int, first: int) -> tuple[np.ndarray, np.ndarray]:
        clip = self.clips[clip_index]
        start = max(first - self._poses_before, clip.training.start)
        lacking = self._poses_before - (first - start)
        poses = slice(start, first + self._window_frames)
        padded = [
            np.concatenate([np.zeros((lacking, *values.shape[1:]), values.dtype), values[poses]])
            for values in (clip.keypoints.points, clip.keypoints.score)
        ]
        return padded[0], padded[1]


def puppets_of_clips(puppet: Puppet, clips: Sequence[TargetClip]) -> list[PuppetClip]:
    """The puppet in each clip's poses, not from frames that are less than a second away.

    A network would learn to copy the puppet if that were the frame itself.
    """
    return [
        puppet.follow(
            clip.keypoints.points,
            clip.keypoints.score,
            skeleton=clip.keypoints.skeleton,
            excluded=excluded_references(puppet, clips, index),
        )
        for index, clip in enumerate(clips)
    ]


def excluded_references(
    puppet: Puppet, clips: Sequence[TargetClip], index: int
) -> Bool[np.ndarray, "frames references"]:
    """The references that are less than a second away from each frame of a clip."""
    keypoints = clips[index].keypoints
    within = math.ceil(_APART_SECONDS * keypoints.frame_rate)
    return puppet.references.excluded(index, keypoints.num_frames, within=within)


def _whole_frames(
    windows: Sequence[UInt8[np.ndarray, "time height width 3"]],
    boxes: Int64[np.ndarray, "windows 4"],
) -> WholeFrames:
    height, width = windows[0].shape[1:3]
    rows, columns = coarse_size((height, width))
    y, x = (np.arange(rows) + 0.5) * height / rows, (np.arange(columns) + 0.5) * width / columns
    x0, y0, x1, y1 = boxes.T[..., None]
    inside = ((y0 < y) & (y < y1))[:, :, None] & ((x0 < x) & (x < x1))[:, None]
    coarse = [
        np.stack([cv2.resize(frame, (columns, rows), interpolation=cv2.INTER_AREA) for frame in w])
        for w in windows
    ]
    return WholeFrames(
        corners=boxes[:, :2],
        size=(height, width),
        coarse=torch.from_numpy(np.stack(coarse)),
        is_outside=torch.from_numpy(~inside),
    )
