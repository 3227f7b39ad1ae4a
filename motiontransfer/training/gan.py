"""Main GAN training step (Chan et al. 2019, sec. 3.2 and 3.3).

A window of consecutive frames is generated, each from its pose map and the previous generated frame
(the first one from zeros). A multiscale discriminator scores every two consecutive frames, real and
fake, conditioned on their pose maps; reconstruction losses compare each frame with the real one.
Deviation, optional: a limb is hidden in some windows (`limb_dropout`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from motiontransfer.nets.blocks import downsample_by_2
from motiontransfer.nets.discriminators import split_real_fake
from motiontransfer.pose.rendering import PoseMapStyle, draw_poses
from motiontransfer.skeleton import Skeleton
from motiontransfer.training.adversaries import Adversaries, LossesOf
from motiontransfer.training.batches import RankBatch
from motiontransfer.training.dataset import WindowBatch
from motiontransfer.training.frame_losses import FrameLossSettings, frame_losses
from motiontransfer.training.limb_dropout import hide_limbs
from motiontransfer.training.losses import (
    Objective,
    Scalar,
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
)

Resolution = Literal["full", "half"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GanSettings:
    """Numbers and choices of the step; a weight of 0 turns a loss off."""

    objective: Objective
    adversarial_weight: float
    feature_matching_weight: float
    frame_losses: FrameLossSettings
    detach_previous_frame: bool
    """Whether gradients stop at the previous frame instead of flowing through it."""
    limb_dropout: float
    """Share of windows in whose poses one limb is hidden, from generator and discriminator."""
    ema_decay: float
    """Decay a step of the exponential moving average of the generator's weights."""
    compile: bool
    """Whether `torch.compile` turns the generator into faster code before the first step."""


class GanTask:
    """One step of generator and discriminator on windows of frames."""

    def __init__(
        self,
        fabric: Fabric,
        adversaries: Adversaries,
        *,
        style: PoseMapStyle,
        skeleton: Skeleton,
        settings: GanSettings,
        seed: int,
        perceptual: nn.Module | None = None,
        resolution: Resolution = "full",
    ) -> None:
        """Set up the step.

        Args:
            perceptual: the network of the perceptual loss; None where that has no weight.
            resolution: `half` downsamples frames and pose maps by 2.
        """
        self.adversaries = adversaries
        if settings.compile:
            adversaries.compile()
        self._fabric, self._style, self._skeleton = fabric, style, skeleton
        self._settings, self._seed, self._resolution = settings, seed, resolution
        self._perceptual = None if perceptual is None else perceptual.to(fabric.device)

    def step(
        self, share: RankBatch[WindowBatch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        losses = self._losses(share, step)
        return self.adversaries.update(losses, step=step, learning_rate=learning_rate)

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return self.adversaries.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.adversaries.load_state(state)

    def _losses(self, share: RankBatch[WindowBatch], step: int) -> LossesOf:
        batch = share.batch.to(self._fabric.device)
        pose_maps, real = self._draw(batch, share.indices, step), batch.frames
        if self._resolution == "half":
            pose_maps, real = _downsample_windows(pose_maps), _downsample_windows(real)
        num_frames = real.shape[1]
        with self._fabric.autocast():
            fake = generate_window(
                self.adversaries.generator,
                stack_poses(pose_maps, num_frames=num_frames),
                detach_previous_frame=self._settings.detach_previous_frame,
            )
        poses = pose_maps[:, -num_frames:]
        gan = self._gan_losses(poses, real, fake)
        reconstruction = frame_losses(
            fake,
            real,
            poses=poses,
            settings=self._settings.frame_losses,
            perceptual=self._perceptual,
            autocast=self._fabric.autocast,
        )
        return {**gan, "generator": {**gan["generator"], **reconstruction}}

    def _draw(
        self, batch: WindowBatch, indices: range, step: int
    ) -> Float[Tensor, "batch poses channels height width"]:
        score = hide_limbs(
            batch.score,
            indices,
            skeleton=self._skeleton,
            share=self._settings.limb_dropout,
            seed=self._seed,
            step=step,
        )
        drawn = draw_poses(
            batch.points.flatten(0, 1),
            score.flatten(0, 1),
            skeleton=self._skeleton,
            size=(batch.frames.shape[3], batch.frames.shape[4]),
            style=self._style,
        )
        return drawn.unflatten(0, score.shape[:2])

    def _gan_losses(
        self,
        poses: Float[Tensor, "batch time channels height width"],
        real: Float[Tensor, "batch time 3 height width"],
        fake: Float[Tensor, "batch time 3 height width"],
    ) -> LossesOf:
        """Weighted adversarial and feature matching losses of both networks."""
        settings = self._settings
        # One pass for both networks: instance normalisation treats each sample on its own.
        with self._fabric.autocast():
            outputs = self.adversaries.discriminator(
                consecutive_pairs(poses),
                torch.cat([consecutive_pairs(real), consecutive_pairs(fake)]),
            )
        of_real, of_fake = split_real_fake(outputs)
        adversarial = adversarial_generator_loss(of_fake, objective=settings.objective)
        matching = feature_matching_loss(of_real, of_fake)
        return {
            "generator": {
                "adversarial": settings.adversarial_weight * adversarial,
                "feature_matching": settings.feature_matching_weight * matching,
            },
            "discriminator": {
                "adversarial": adversarial_discriminator_loss(
                    of_real, of_fake, objective=settings.objective
                )
            },
        }


def stack_poses(
    pose_maps: Float[Tensor, "batch poses channels height width"], *, num_frames: int
) -> Float[Tensor, "batch num_frames stacked_channels height width"]:
    """Stack each frame's pose map behind the preceding ones, along the channels."""
    num_preceding = pose_maps.shape[1] - num_frames
    return torch.cat([pose_maps[:, i : i + num_frames] for i in range(num_preceding + 1)], dim=2)


def generate_window(
    generator: nn.Module,
    pose_maps: Float[Tensor, "batch time stacked_channels height width"],
    *,
    detach_previous_frame: bool = False,
) -> Float[Tensor, "batch time 3 height width"]:
    """Generate the frames of each window, each from its pose and the previous generated frame."""
    batch_size, num_frames, _, height, width = pose_maps.shape
    previous = pose_maps.new_zeros((batch_size, 3, height, width))
    frames = []
    for time in range(num_frames):
        frames.append(generator(pose_maps[:, time], previous))
        previous = frames[-1].detach() if detach_previous_frame else frames[-1]
    return torch.stack(frames, dim=1)


def consecutive_pairs(
    frames: Float[Tensor, "batch time channels height width"],
) -> Float[Tensor, "pairs stacked_channels height width"]:
    """Every two consecutive frames, stacked along the channels; windows of one stay single frames.

    Pairs come in the order of their first frame, each for the whole batch.
    """
    num_frames = min(frames.shape[1], 2)
    starts = range(frames.shape[1] - num_frames + 1)
    return torch.cat([frames[:, start : start + num_frames].flatten(1, 2) for start in starts])


def _downsample_windows(
    images: Float[Tensor, "batch time channels height width"],
) -> Float[Tensor, "batch time channels half_height half_width"]:
    return downsample_by_2(images.flatten(0, 1)).unflatten(0, images.shape[:2])
