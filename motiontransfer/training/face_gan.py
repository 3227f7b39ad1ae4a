"""Face GAN training step (Chan et al. 2019, sec. 3.4).

A residual is predicted for the face crop of the main generator's frame, which is frozen: its crops
are precomputed. The losses of the paper are the adversarial and the perceptual one. Deviations:
each frame has its own box; optional L1 and feature matching, for runs without perceptual weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from motiontransfer.nets.discriminators import split_real_fake
from motiontransfer.nets.face_crops import draw_crops
from motiontransfer.pose.rendering import PoseMapStyle
from motiontransfer.skeleton import Skeleton
from motiontransfer.training.adversaries import Adversaries, LossesOf
from motiontransfer.training.batches import RankBatch
from motiontransfer.training.face_dataset import FaceBatch
from motiontransfer.training.losses import (
    Scalar,
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
    perceptual_loss,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceGanSettings:
    """Numbers of the step; a weight of 0 turns a loss off."""

    adversarial_weight: float
    feature_matching_weight: float
    l1_weight: float
    perceptual_weight: float
    ema_decay: float
    """Decay a step of the exponential moving average of the generator's weights."""
    compile: bool
    """Whether `torch.compile` turns the networks into faster code before the first step."""


class FaceGanTask:
    """One step of face generator and face discriminator."""

    def __init__(
        self,
        fabric: Fabric,
        adversaries: Adversaries,
        *,
        style: PoseMapStyle,
        skeleton: Skeleton,
        settings: FaceGanSettings,
        perceptual: nn.Module | None = None,
    ) -> None:
        """Take over what is trained, and how.

        Args:
            perceptual: the network of the perceptual loss; None where that has no weight.
        """
        self.adversaries = adversaries
        if settings.compile:
            adversaries.compile()
        self._fabric, self._style, self._skeleton = fabric, style, skeleton
        self._settings = settings
        self._perceptual = None if perceptual is None else perceptual.to(fabric.device)

    def step(
        self, share: RankBatch[FaceBatch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        losses = self._losses(share)
        return self.adversaries.update(losses, step=step, learning_rate=learning_rate)

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return self.adversaries.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.adversaries.load_state(state)

    def _losses(self, share: RankBatch[FaceBatch]) -> LossesOf:
        batch = share.batch.to(self._fabric.device)
        poses = draw_crops(
            batch.points,
            batch.score,
            batch.boxes,
            skeleton=self._skeleton,
            style=self._style,
            crop_size=batch.real.shape[-1],
        )
        with self._fabric.autocast():
            fake = batch.generated + self.adversaries.generator(poses, batch.generated)
            outputs = self.adversaries.discriminator(poses, torch.cat([batch.real, fake]))
        of_real, of_fake = split_real_fake(outputs)
        settings = self._settings
        matching = feature_matching_loss(of_real, of_fake)
        adversarial = adversarial_generator_loss(of_fake)
        return {
            "generator": {
                "adversarial": settings.adversarial_weight * adversarial,
                "feature_matching": settings.feature_matching_weight * matching,
                "l1": settings.l1_weight * (fake - batch.real).abs().mean(),
                **self._perceptual_loss(fake, batch.real),
            },
            "discriminator": {"adversarial": adversarial_discriminator_loss(of_real, of_fake)},
        }

    def _perceptual_loss(
        self,
        fake: Float[Tensor, "batch 3 height width"],
        real: Float[Tensor, "batch 3 height width"],
    ) -> dict[str, Scalar]:
        if self._perceptual is None:
            return {}
        with self._fabric.autocast():
            loss = perceptual_loss(self._perceptual, fake, real)
        return {"perceptual": self._settings.perceptual_weight * loss}
