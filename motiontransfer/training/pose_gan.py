"""Pose-to-frame GAN: conditioning and training step (Chan et al. 2019, sec. 3.2, 3.3)."""

from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import (
    DiscriminatorOutput,
    MultiscaleDiscriminator,
    split_real_fake,
)
from motiontransfer.models.generators import FrameGenerator, Generated, HalfResolutionGenerator
from motiontransfer.models.layers import downsample_by_2
from motiontransfer.models.rollout import draw_coarse, generate_clip
from motiontransfer.pose.drawing import PoseMapStyle, draw_rgb
from motiontransfer.skeleton import Skeleton
from motiontransfer.target_clips import spread
from motiontransfer.training.config import GanConfig
from motiontransfer.training.data import RankBatch, make_generator
from motiontransfer.training.losses import (
    GanLossConfig,
    Objective,
    Scalar,
    foreground_weight,
    gan_losses,
    weighted_l1_loss,
)
from motiontransfer.training.optimization import GanTask
from motiontransfer.training.windows import (
    WholeFrames,
    WindowBatch,
    WindowDataset,
    excluded_references,
)
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.tensors import levels_to_images, tensor_to_frames, upload

Windows = Float[Tensor, "batch time channels height width"]
Frames = Float[Tensor, "batch time 3 height width"]

_NUM_SAMPLES = 6
_SHADOWS_WEIGHT = 30.0
_SHADOW_FOCUS = 8.0  # more weight per difference from the background image, of images from -1 to 1
_PAINTED_SHARE = 0.5  # of the L1 weight, for what is painted before the puppet is taken from

_JOINTS_OF_LIMB = {"arm": ("elbow", "wrist", "pinky", "index", "thumb")} | {
    "leg": ("knee", "ankle", "heel", "foot_index")
}


def limb_groups(skeleton: Skeleton) -> list[list[int]]:
    """Joints of each limb that is hidden as a whole: arms (with hands), legs, hands, face."""
    joints, groups = skeleton.joints, []
    for side in ("left", "right"):
        hand = f"{side}_hand"
        hand_joints = [joint for name, names in skeleton.groups if name == hand for joint in names]
        for limb, parts in _JOINTS_OF_LIMB.items():
            groups.append([f"{side}_{part}" for part in parts])
            if limb == "arm":
                groups[-1] += hand_joints
        groups.append(hand_joints)
    groups.append([j for name, names in skeleton.groups if name.startswith("face") for j in names])
    known = [[joints.index(joint) for joint in group if joint in joints] for group in groups]
    return [group for group in known if group]


def hide_limbs(
    score: Float[Tensor, "batch time joints"],
    indices: range,
    *,
    skeleton: Skeleton,
    share: float,
    seed: int,
    step: int,
) -> Float[Tensor, "batch time joints"]:
    """Set one limb's scores to 0, in all poses of a window alike, in a share of the windows."""
    if share == 0:
        return score
    groups, hidden = limb_groups(skeleton), score.clone()
    generator = make_generator(seed, step)
    # All from index 0 on: how many of them are drawn does not change any.
    numbers = torch.rand((indices.stop, 2), generator=generator)[indices.start :]
    for sample, (drawn, which) in enumerate(numbers.tolist()):
        if drawn < share:
            hidden[sample][:, groups[int(which * len(groups))]] = 0
    return hidden


Resolution = Literal["full", "half"]


class PoseGanConfig(GanLossConfig, GanConfig):
    """Windows, losses and optimisation of the main generator's training."""

    window_frames: int = Field(ge=1)
    """Consecutive frames of which each is generated from the one before."""
    global_only_fraction: float = Field(ge=0, lt=1)
    """Share of the steps that first train a local enhancer's global generator alone; 0: none."""
    detach_previous_frame: bool
    """True if gradients stop at the previous frame instead of flowing through it."""
    limb_dropout: float = Field(ge=0, le=1)
    """Share of windows in whose poses one limb is hidden, from generator and discriminator."""
    part_dropout: float = Field(ge=0, lt=1)
    """Share of the puppet's parts that are left out, by window."""
    objective: Objective
    foreground_l1_weight: float = Field(ge=1)
    """Weight in L1 of a pixel near the drawn pose; all others have 1."""
    foreground_radius_px: int = Field(ge=0)
    """Distance from a limb up to which a pixel counts as foreground."""


class PoseGanTask(GanTask):
    """Training step of generator and discriminator on windows of frames."""

    generator: FrameGenerator
    ema: FrameGenerator
    discriminator: MultiscaleDiscriminator

    def __init__(
        self,
        fabric: Fabric,
        networks: tuple[nn.Module, nn.Module],
        *,
        style: PoseMapStyle,
        skeleton: Skeleton,
        config: PoseGanConfig,
        seed: int,
        perceptual: nn.Module | None = None,
        resolution: Resolution = "full",
    ) -> None:
        """Set up; at resolution `half`, frames and pose maps are downsampled by 2."""
        super().__init__(fabric, *networks, config=config, perceptual=perceptual)
        self.description = "train generator" if resolution == "full" else "train global generator"
        self._style, self._skeleton, self._config, self._seed = style, skeleton, config, seed
        self._resolution: Resolution = resolution

    def step(
        self, share: RankBatch[WindowBatch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        config, device = self._config, self.fabric.device
        score = hide_limbs(
            share.batch.score,
            share.indices,
            skeleton=self._skeleton,
            share=config.limb_dropout,
            seed=self._seed,
            step=step,
        )
        batch = replace(share.batch, score=score)
        pose_maps = batch.draw(skeleton=self._skeleton, style=self._style, device=device)
        real = levels_to_images(upload(batch.frames, device))
        if self._resolution == "half":
            pose_maps, real = _downsample_windows(pose_maps), _downsample_windows(real)
        num_frames = real.shape[1]
        textures = batch.upload_textures(device)
        if textures is not None and self._resolution == "half":
            textures = _downsample_windows(textures)
        poses = pose_maps[:, -num_frames:]
        with self.fabric.autocast():
            scenes = background = None
            if batch.whole is not None:
                scenes = self._scenes(batch, batch.whole)
                # What is in the viewport would teach the shadows' network the person's colours.
                behind = scenes.detach()
                background = self._crop(behind, batch.whole, (real.shape[3], real.shape[4]))
            fake, painted = generate_window(
                self.generator,
                stack_poses(pose_maps, num_frames=num_frames),
                background,
                textures,
                detach_previous_frame=config.detach_previous_frame,
            )
            outputs = discriminate_pairs(self.discriminator, poses, real, fake)
        losses = gan_losses(*outputs, config=config, objective=config.objective)
        losses["generator"]["l1"] = config.l1_weight * self._foreground_l1(fake, real, poses)
        if textures is not None:
            of_painted = self._foreground_l1(painted, real, poses)
            losses["generator"]["painted_l1"] = _PAINTED_SHARE * config.l1_weight * of_painted
        if batch.whole is not None and scenes is not None:
            losses["generator"]["shadows"] = _SHADOWS_WEIGHT * self._shadows_l1(scenes, batch.whole)
        losses["generator"] |= self.perceptual_loss(
            fake.flatten(0, 1), real.flatten(0, 1), weight=config.perceptual_weight
        )
        return self.update(losses, step=step, learning_rate=learning_rate)

    def sample(self, dataset: WindowDataset) -> Frame:
        """One column a frame: its pose, the real frame, the EMA's output after one of lead-in."""
        clip, ema = dataset.clips[0], self.ema
        keypoints, columns = clip.keypoints, []
        excluded = None
        if ema.puppet is not None:
            excluded = excluded_references(ema.puppet, dataset.clips, 0)
        with FrameStore(clip.frames) as store:
            for index in spread(clip.training, count=_NUM_SAMPLES):
                lead_in = slice(max(index - 1, 0), index + 1)
                *_, generated = generate_clip(
                    HalfResolutionGenerator(ema) if self._resolution == "half" else ema,
                    keypoints.points[lead_in],
                    keypoints.score[lead_in],
                    skeleton=keypoints.skeleton,
                    size=keypoints.image_size,
                    style=self._style,
                    excluded=None if excluded is None else excluded[lead_in],
                )
                pose = draw_rgb(
                    keypoints.points[index],
                    keypoints.score[index],
                    skeleton=keypoints.skeleton,
                    size=keypoints.image_size,
                    line_width_px=self._style.line_width_px,
                )
                rows = (pose, store[index], *tensor_to_frames(generated))
                columns.append(np.concatenate(rows))
        return np.concatenate(columns, axis=1)

    def _scenes(self, batch: WindowBatch, whole: WholeFrames) -> Frames:
        """The background image with shadows, for each frame."""
        num_frames = batch.frames.shape[1]
        points = batch.points + torch.from_numpy(whole.corners).to(batch.points)[:, None, None]
        coarse_poses = draw_coarse(
            points[:, -num_frames:].flatten(0, 1),
            batch.score[:, -num_frames:].flatten(0, 1),
            skeleton=self._skeleton,
            size=whole.size,
            style=self._style,
            device=self.fabric.device,
        )
        if self._resolution == "half":
            coarse_poses = downsample_by_2(coarse_poses)
        return self.generator.scene(coarse_poses).unflatten(0, (-1, num_frames))

    def _crop(
        self, scenes: Frames, whole: WholeFrames, size: tuple[int, int]
    ) -> Float[Tensor, "batch time 3 viewport_height viewport_width"]:
        """The viewport's part of each scene."""
        corners = whole.corners if self._resolution == "full" else whole.corners // 2
        height, width = size
        places = zip(scenes, corners.tolist(), strict=True)
        return torch.stack([scene[..., y : y + height, x : x + width] for scene, (x, y) in places])

    def _shadows_l1(self, scenes: Frames, whole: WholeFrames) -> Scalar:
        """L1 of the scenes outside the viewport, at the low resolution of `draw_coarse`.

        Weighted by the real shadow: of most pixels there is none, and their mean favours none.
        """
        real = levels_to_images(upload(whole.coarse, self.fabric.device))
        size = (real.shape[3], real.shape[4])
        coarse = functional.interpolate(scenes.flatten(0, 1), size=size, mode="area")
        assert self.generator.plate is not None
        plate = functional.interpolate(self.generator.plate[None], size=size, mode="area")
        weight = 1 + _SHADOW_FOCUS * (real - plate).abs()
        weight = weight * upload(whole.is_outside, self.fabric.device)[:, None, None]
        return ((coarse.unflatten(0, real.shape[:2]) - real).abs() * weight).mean()

    def _foreground_l1(self, fake: Frames, real: Frames, poses: Windows) -> Scalar:
        weight = foreground_weight(
            poses.flatten(0, 1),
            radius_px=self._config.foreground_radius_px,
            weight=self._config.foreground_l1_weight,
        )
        # Each window by itself: the ranks' shares of a batch have the same mean as all of it.
        windows = zip(fake, real, weight.unflatten(0, poses.shape[:2]), strict=True)
        return torch.stack([weighted_l1_loss(*window) for window in windows]).mean()


def stack_poses(pose_maps: Windows, *, num_frames: int) -> Float[Tensor, "batch _ _ height width"]:
    """Stack each frame's pose map behind the preceding ones, along the channels."""
    num_preceding = pose_maps.shape[1] - num_frames
    return torch.cat([pose_maps[:, i : i + num_frames] for i in range(num_preceding + 1)], dim=2)


def generate_window(
    generator: nn.Module,
    pose_maps: Windows,
    background: Frames | None,
    textures: Float[Tensor, "batch time 6 height width"] | None,
    *,
    detach_previous_frame: bool,
) -> tuple[Frames, Frames]:
    """Generate the frames of each window, each from its pose and the previous generated frame.

    Also returns what was painted before the puppet was taken from.
    """
    batch_size, num_frames, _, height, width = pose_maps.shape
    previous = pose_maps.new_zeros((batch_size, 3, height, width))
    generated: list[Generated] = []
    for time in range(num_frames):
        behind = None if background is None else background[:, time]
        texture = None if textures is None else textures[:, time]
        generated.append(generator(pose_maps[:, time], previous, behind, texture))
        previous = generated[-1].frame
        previous = previous.detach() if detach_previous_frame else previous
    frames, painted = zip(*generated, strict=True)
    return torch.stack(frames, dim=1), torch.stack(painted, dim=1)


def consecutive_pairs(frames: Windows) -> Float[Tensor, "pairs stacked_channels height width"]:
    """Every two consecutive frames, stacked along the channels; windows of one stay single frames.

    Pairs come in the order of their first frame, each for the whole batch.
    """
    num_frames = min(frames.shape[1], 2)
    starts = range(frames.shape[1] - num_frames + 1)
    return torch.cat([frames[:, start : start + num_frames].flatten(1, 2) for start in starts])


def discriminate_pairs(
    discriminator: nn.Module, poses: Windows, real: Frames, fake: Frames
) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
    """A discriminator's outputs for every two consecutive frames, of the real and of the fake."""
    # One pass for both: instance normalisation treats each sample on its own.
    images = torch.cat([consecutive_pairs(real), consecutive_pairs(fake)])
    return split_real_fake(discriminator(consecutive_pairs(poses), images))


def _downsample_windows(
    images: Windows,
) -> Float[Tensor, "batch time channels half_height half_width"]:
    return downsample_by_2(images.flatten(0, 1)).unflatten(0, images.shape[:2])
