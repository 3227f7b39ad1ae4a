"""The main GAN's step (Chan et al. 2019, sec. 3.2).

Two consecutive frames are generated, the second from the first; the discriminator judges the pair
of poses with the pair of frames. Deviations: L1, weighted near the drawn pose, for runs without
perceptual weights; the second frame is sometimes generated without the first, so that a roll-out
can start and recover.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional

from motiontransfer.nets.discriminators import halves
from motiontransfer.pose.drawing import PoseMapStyle, draw_poses
from motiontransfer.skeleton import Skeleton
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.dataset import PairBatch
from motiontransfer.training.losses import (
    Scalar,
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
    weighted_l1_loss,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GanSettings:
    """Numbers of the step; a weight of 0 turns a loss off."""

    adversarial_weight: float
    feature_matching_weight: float
    l1_weight: float
    near_pose_weight: float
    """How many times more a pixel near the drawn pose counts in L1."""
    near_pose_radius_px: int
    """How far from a stick a pixel still is near it."""
    previous_frame_dropout: float
    """Share of pairs whose second frame is generated without the first."""
    average_decay: float
    """Decay a step of the moving average of the generator's weights."""


class GanTask:
    """One step of generator and discriminator on pairs of frames."""

    def __init__(
        self,
        fabric: Fabric,
        adversaries: Adversaries,
        *,
        style: PoseMapStyle,
        skeleton: Skeleton,
        settings: GanSettings,
        seed: int,
    ) -> None:
        self.adversaries = adversaries
        self._fabric, self._style, self._skeleton = fabric, style, skeleton
        self._settings, self._seed = settings, seed

    def step(self, batch: PairBatch, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        """Train both networks on one batch; return every weighted loss by name."""
        batch = batch.to(self._fabric.device)
        poses, real = self._draw(batch), batch.frames
        fake = self._generate_pair(poses, step)
        # One pass judges real and fake for both networks: each sample is normalised on its own.
        shown = torch.cat([real, fake]).flatten(1, 2)
        with self._fabric.autocast():
            judgements = self.adversaries.discriminator(poses.flatten(1, 2), shown)
        judged_real, judged_fake = halves(judgements)
        weight = near_pose_weight(
            poses.flatten(0, 1),
            radius_px=self._settings.near_pose_radius_px,
            weight=self._settings.near_pose_weight,
        )
        settings = self._settings
        l1 = weighted_l1_loss(fake.flatten(0, 1), real.flatten(0, 1), weight)
        adversarial = adversarial_generator_loss(judged_fake)
        matching = feature_matching_loss(judged_real, judged_fake)
        return self.adversaries.update(
            {
                "adversarial": settings.adversarial_weight * adversarial,
                "feature_matching": settings.feature_matching_weight * matching,
                "l1": settings.l1_weight * l1,
            },
            {"adversarial": adversarial_discriminator_loss(judged_real, judged_fake)},
            step=step,
            learning_rate=learning_rate,
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return self.adversaries.state()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.adversaries.load_state(state)

    def _draw(self, batch: PairBatch) -> Float[Tensor, "batch 2 channels height width"]:
        drawn = draw_poses(
            batch.points.flatten(0, 1),
            batch.score.flatten(0, 1),
            skeleton=self._skeleton,
            size=(batch.frames.shape[3], batch.frames.shape[4]),
            style=self._style,
        )
        return drawn.unflatten(0, (-1, 2))

    def _generate_pair(
        self, poses: Float[Tensor, "batch 2 channels height width"], step: int
    ) -> Float[Tensor, "batch 2 3 height width"]:
        batch_size, _, _, height, width = poses.shape
        # Drawn from (seed, step), so that a resumed run draws what an uninterrupted one would.
        draws = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        kept = torch.rand((batch_size, 1, 1, 1), generator=draws)
        kept = (kept >= self._settings.previous_frame_dropout).to(poses)
        generator = self.adversaries.generator
        with self._fabric.autocast():
            first = generator(poses[:, 0], poses.new_zeros((batch_size, 3, height, width)))
            second = generator(poses[:, 1], first * kept)
        return torch.stack([first, second], dim=1)


def near_pose_weight(
    poses: Float[Tensor, "batch channels height width"], *, radius_px: int, weight: float
) -> Float[Tensor, "batch 1 height width"]:
    """`weight` within about `radius_px` of any stick, 1 elsewhere.

    Computed at a quarter of the size: its border need not be sharp.
    """
    height, width = poses.shape[2:]
    coarse = functional.max_pool2d(poses.amax(1, keepdim=True), 4, ceil_mode=True)
    reach = 2 * max(round(radius_px / 4), 0) + 1
    coarse = functional.max_pool2d((coarse > 0).to(poses), reach, stride=1, padding=reach // 2)
    near = functional.interpolate(coarse, scale_factor=4, mode="nearest")[:, :, :height, :width]
    return 1 + (weight - 1) * near
