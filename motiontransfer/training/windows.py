"""Windows of consecutive training frames with their poses, whole or in the viewport."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import TrainingError
from motiontransfer.models.discriminators import split_real_fake
from motiontransfer.models.layers import downsample_by_2
from motiontransfer.plate.masks import LEAST_MASK, PersonMasks, read_masks
from motiontransfer.plate.shadow import is_shadow
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.boxes import Viewport, equal_viewports, person_boxes
from motiontransfer.pose.drawing import coarse_size
from motiontransfer.pose.torch_drawing import PoseDrawer
from motiontransfer.training.data import FrameCache, TensorBatch
from motiontransfer.training.gan import (
    PosedGanTask,
    Scalar,
    adversarial_loss,
    feature_matching_loss,
    perceptual_loss,
)
from motiontransfer.training.params import GanLossConfig
from motiontransfer.video.tensors import levels_to_images, upload

Windows = Float[Tensor, "batch time channels height width"]
Frames = Float[Tensor, "batch time 3 height width"]
Resolution = Literal["full", "half"]
WindowBoxes = Int64[np.ndarray, "windows 4"]
_BackgroundMask = Bool[np.ndarray, "rows columns"]
"""True at coarse pixels that surely show no part of the person."""

_UNLIKE_LEVELS = 20  # of 255: noise and compression change less
_CLOSE_SECONDS = 0.125  # between two masks: nobody moves far


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneInputs:
    """The whole frames around the viewports, on the training's device."""

    corners: list[tuple[int, int]]
    pose_maps: Float[Tensor, "batch time channels rows columns"]
    """Pose maps of whole frames, from `draw_coarse`."""
    real: Float[Tensor, "batch time 3 coarse_rows coarse_columns"]
    """The frames at low resolution."""
    is_background: Bool[Tensor, "batch time coarse_rows coarse_columns"]
    """True at pixels of `real` that surely do not show the person."""

    def crop(
        self, scenes: Frames, size: tuple[int, int]
    ) -> Float[Tensor, "batch time 3 viewport_height viewport_width"]:
        height, width = size
        places = zip(scenes, self.corners, strict=True)
        return torch.stack([scene[..., y : y + height, x : x + width] for scene, (x, y) in places])


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowInputs:
    """A batch as the networks read it: on the training's device, at the trained resolution."""

    pose_maps: Windows
    conditioning: Float[Tensor, "batch time stacked_channels height width"]
    """Pose map of each frame, behind the preceding ones."""
    real: Frames
    scene: SceneInputs | None
    """None where the frames are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFrames:
    """The frames of which the viewport of each window shows a part."""

    corners: Int64[np.ndarray, "batch 2"]
    size: tuple[int, int]
    """(height, width) of the frames, pixels."""
    coarse: UInt8[Tensor, "batch time rows columns 3"]
    """The frames at the size of `draw_coarse`."""
    is_background: Bool[Tensor, "batch time rows columns"]
    """True at pixels of `coarse` outside the viewport, or away from the person's mask."""


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
    face_boxes: Int[Tensor, "batch time 4"] | None = None
    """The face's box in each frame, pixels; None where only windows are trained on."""

    def inputs(self, drawer: PoseDrawer, *, resolution: Resolution = "full") -> WindowInputs:
        """Draw the poses of a batch that is on the CPU, and copy the rest to the device."""
        _, num_frames, height, width, _ = self.frames.shape
        drawn = drawer.draw(
            self.points.flatten(0, 1), self.score.flatten(0, 1), size=(height, width)
        )
        pose_maps = _sized(drawn.unflatten(0, self.score.shape[:2]), resolution)
        num_preceding = pose_maps.shape[1] - num_frames
        stacked = [pose_maps[:, i : i + num_frames] for i in range(num_preceding + 1)]
        return WindowInputs(
            pose_maps=pose_maps[:, num_preceding:],
            conditioning=torch.cat(stacked, dim=2),
            real=_sized(levels_to_images(upload(self.frames, drawer.device)), resolution),
            scene=None if self.whole is None else self.scene(drawer, resolution=resolution),
        )

    def scene(self, drawer: PoseDrawer, *, resolution: Resolution = "full") -> SceneInputs:
        """The same of the whole frames, of which `frames` are a part."""
        assert self.whole is not None
        whole, num_frames = self.whole, self.frames.shape[1]
        corners = torch.from_numpy(whole.corners)
        points = self.points[:, -num_frames:] + corners.to(self.points)[:, None, None]
        score = self.score[:, -num_frames:]
        coarse_maps = drawer.draw_coarse(points.flatten(0, 1), score.flatten(0, 1), size=whole.size)
        places = corners if resolution == "full" else corners // 2
        return SceneInputs(
            corners=[(x, y) for x, y in places.tolist()],
            pose_maps=_sized(coarse_maps.unflatten(0, self.frames.shape[:2]), resolution),
            real=levels_to_images(upload(whole.coarse, drawer.device)),
            is_background=upload(whole.is_background, drawer.device),
        )


def _sized(images: Windows, resolution: Resolution) -> Float[Tensor, "batch time channels _ _"]:
    if resolution == "full":
        return images
    return downsample_by_2(images.flatten(0, 1)).unflatten(0, images.shape[:2])


class WindowDataset:
    """Every window of consecutive training frames in all of which a body was found."""

    def __init__(
        self,
        clips: Sequence[TargetClip],
        *,
        window_frames: int,
        conditioning_poses: int = 1,
        viewport: Viewport | None = None,
        background: Frame | None = None,
    ) -> None:
        """Find the windows.

        Args:
            viewport: reads the part of the frames that holds the person in a whole window.
            background: in the frames' size, replaces what else moves; needs a viewport.
            conditioning_poses: pose maps that the generator reads for one frame, its own last;
                those before the first training frame come as missing.
        """
        self.clips, self._window_frames = list(clips), window_frames
        self._poses_before = conditioning_poses - 1
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
                "see the coverage in artifacts/quality"
            )
        self._frames = FrameCache([clip.frames for clip in self.clips])
        self._background = background
        self._people, self._masks, self._all_masks = [], [], []
        if viewport is not None:
            size = coarse_size(self.clips[0].keypoints.image_size)
            self._masks = [
                _background_masks(read_masks(clip.masks_file), size) for clip in self.clips
            ]
            self._all_masks = [
                _interpolated_masks(masks, clip.training, clip.keypoints.frame_rate)
                for masks, clip in zip(self._masks, self.clips, strict=True)
            ]
            self._people = [
                person_boxes(viewport, of.points, of.score, image_size=of.image_size)
                for of in (clip.keypoints for clip in self.clips)
            ]

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, indices: Iterable[int]) -> WindowBatch:
        chosen = [self.windows[index] for index in indices]
        poses = [self._poses(clip, first) for clip, first in chosen]
        windows = [
            np.stack([self._frame(clip, first + t) for t in range(self._window_frames)])
            for clip, first in chosen
        ]
        points = np.stack([points for points, _ in poses])
        whole = None
        if self._viewport is not None:
            boxes = self._boxes(chosen)
            masks = [
                [self._masks[clip].get(first + t) for t in range(self._window_frames)]
                for clip, first in chosen
            ]
            whole = _whole_frames(windows, boxes, masks)
            points = points - boxes[:, None, None, :2].astype(np.float32)
            pairs = zip(windows, boxes.tolist(), strict=True)
            windows = [window[:, y0:y1, x0:x1] for window, (x0, y0, x1, y1) in pairs]
        return WindowBatch(
            points=torch.from_numpy(points),
            score=torch.from_numpy(np.stack([score for _, score in poses])),
            frames=torch.from_numpy(np.stack(windows)),
            whole=whole,
        )

    def _frame(self, clip: int, index: int) -> Frame:
        """A training frame; what moves beside the person, but shadows, is the background there.

        A network would learn to generate it near the person.
        """
        frame = self._frames[clip, index]
        if self._background is None:
            return frame
        mask = self._all_masks[clip].get(index)
        if mask is None:
            return frame
        difference = cv2.absdiff(frame, self._background).max(axis=2)
        beside = cv2.resize(
            mask.astype(np.uint8), frame.shape[1::-1], interpolation=cv2.INTER_NEAREST
        )
        is_other = (difference > _UNLIKE_LEVELS) & (beside > 0)
        real, behind = frame[is_other][None], self._background[is_other][None]
        cleaned = frame.copy()
        cleaned[is_other] = np.where(is_shadow(real, behind)[..., None], real, behind)[0]
        return cleaned

    def _boxes(self, windows: Iterable[tuple[int, int]]) -> WindowBoxes:
        """Viewports of one size, each around the person in all frames of a window."""
        assert self._viewport is not None
        people = []
        for clip, first in windows:
            boxes = self._people[clip][first : first + self._window_frames]
            people.append(np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]))
        image_size = self.clips[0].keypoints.image_size
        return equal_viewports(self._viewport, np.stack(people), image_size=image_size)

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


def window_losses(
    task: PosedGanTask,
    discriminator: nn.Module,
    pose_maps: Windows,
    real: Frames,
    fake: Frames,
    *,
    config: GanLossConfig,
    others: Mapping[str, Scalar] = MappingProxyType({}),
) -> dict[str, dict[str, Scalar]]:
    """Weighted losses of windows, whose frames a discriminator reads stacked along the channels.

    Args:
        others: of the generator, too.

    Returns:
        The losses, by name, of `generator` and of `discriminator`.
    """
    # One pass for real and fake: instance normalization treats each sample on its own.
    images = torch.cat([real.flatten(1, 2), fake.flatten(1, 2)])
    with task.runtime.autocast():
        outputs = discriminator(pose_maps.flatten(1, 2), images)
    of_real, of_fake = split_real_fake(outputs)
    deceived, on_real, on_fake = (
        adversarial_loss(scores, is_real=is_real, objective=config.objective)
        for scores, is_real in ((of_fake, True), (of_real, True), (of_fake, False))
    )
    losses = {
        "adversarial": config.adversarial_weight * deceived,
        "feature_matching": config.feature_matching_weight
        * feature_matching_loss(of_real, of_fake),
        **others,
    }
    if task.perceptual is not None:
        with task.runtime.autocast():
            loss = perceptual_loss(task.perceptual, fake.flatten(0, 1), real.flatten(0, 1))
        losses["perceptual"] = config.perceptual_weight * loss
    return {"generator": losses, "discriminator": {"adversarial": 0.5 * (on_real + on_fake)}}


def _background_masks(masks: PersonMasks, size: tuple[int, int]) -> dict[int, _BackgroundMask]:
    """Frame -> its background mask, from the person's mask enlarged by a coarse pixel.

    Frames in which the network found nobody are left out: hair and clothes are in no drawn mask.
    """
    found = {}
    for index, mask, is_drawn in zip(
        masks.frame_index.tolist(), masks.masks, masks.is_drawn, strict=True
    ):
        if not is_drawn:
            level = torch.from_numpy(mask)[None].float()
            near = functional.adaptive_max_pool2d(level, size)
            near = functional.max_pool2d(near, 3, stride=1, padding=1)
            found[index] = (near[0] < LEAST_MASK).numpy()
    return found


def _interpolated_masks(
    masks: Mapping[int, _BackgroundMask], frames: range, frame_rate: Fraction
) -> dict[int, _BackgroundMask]:
    """Background masks of all frames; empty if no frame has one.

    Between two close masks it is what both show, elsewhere what all masks of the clip show.
    """
    if not masks:
        return {}
    known, always = sorted(masks), np.logical_and.reduce([*masks.values()])
    found = {}
    for frame, place in zip(frames, np.searchsorted(known, frames).tolist(), strict=True):
        before, after = known[max(place - 1, 0)], known[min(place, len(known) - 1)]
        if after == frame:
            found[frame] = masks[frame]
        elif before < frame < after and after - before <= _CLOSE_SECONDS * frame_rate:
            found[frame] = masks[before] & masks[after]
        else:
            found[frame] = always
    return found


def _whole_frames(
    windows: Sequence[UInt8[np.ndarray, "time height width 3"]],
    boxes: WindowBoxes,
    masks: Sequence[Sequence[_BackgroundMask | None]],
) -> WholeFrames:
    height, width = windows[0].shape[1:3]
    rows, columns = coarse_size((height, width))
    y, x = (np.arange(rows) + 0.5) * height / rows, (np.arange(columns) + 0.5) * width / columns
    x0, y0, x1, y1 = boxes.T[..., None]
    inside = ((y0 < y) & (y < y1))[:, :, None] & ((x0 < x) & (x < x1))[:, None]
    is_background = [
        np.stack([~box if mask is None else ~box | mask for mask in of_window])
        for box, of_window in zip(inside, masks, strict=True)
    ]
    return WholeFrames(
        corners=boxes[:, :2],
        size=(height, width),
        coarse=_reduced(torch.from_numpy(np.stack(windows)), (rows, columns)),
        is_background=torch.from_numpy(np.stack(is_background)),
    )


def _reduced(
    frames: UInt8[Tensor, "batch time height width 3"], size: tuple[int, int]
) -> UInt8[Tensor, "batch time rows columns 3"]:
    """Frames averaged over areas as generated scenes are, or edges would be learned as shadows."""
    images = frames.flatten(0, 1).permute(0, 3, 1, 2).float()
    coarse = functional.interpolate(images, size=size, mode="area").round().byte()
    return coarse.permute(0, 2, 3, 1).unflatten(0, frames.shape[:2])
