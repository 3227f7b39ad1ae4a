"""The main GAN's step (Chan et al. 2019, sec. 3.2 and 3.3).

A window of consecutive frames is generated, each from the one before; discriminators judge it with
its poses; each frame is compared with the real one. What the generator is shown is decided in
`conditioning`, how frames are judged in `judging`, how they are compared in `frame_losses`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from motiontransfer.nets.augmentation import draw_augmentation
from motiontransfer.nets.blocks import halve
from motiontransfer.nets.frame_generator import global_part
from motiontransfer.nets.window_discriminators import WindowDiscriminators
from motiontransfer.pose.rendering import PoseMapStyle, draw_poses
from motiontransfer.skeleton import Skeleton
from motiontransfer.training.adversaries import Adversaries, LossesOf
from motiontransfer.training.batches import Part
from motiontransfer.training.chance import draws_for
from motiontransfer.training.conditioning import (
    ConditioningSettings,
    draw_previous_frames,
    generate_window,
    stack_poses,
)
from motiontransfer.training.dataset import WindowBatch
from motiontransfer.training.frame_losses import FrameLossSettings, frame_losses
from motiontransfer.training.judging import (
    JudgingSettings,
    augment,
    gradient_penalties,
    judge,
)
from motiontransfer.training.limb_dropout import hide_limbs
from motiontransfer.training.losses import Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class GanSettings:
    """Numbers and choices of the step."""

    conditioning: ConditioningSettings
    judging: JudgingSettings
    frame_losses: FrameLossSettings
    average_decay: float
    """Decay a step of the moving average of the generator's weights."""
    compile: bool
    """Whether `torch.compile` turns the networks into faster code before the first step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What is special about one part of a training."""

    pictures: Literal["whole", "half"] = "whole"
    """Whether frames and pose maps are taken as they are, or at half the size."""
    fixed_global_steps: int = 0
    """For how many steps the global generator inside a local enhancer stays as it is."""


WHOLE = Phase()


class GanTask:
    """One step of generator and discriminators on windows of frames, whole or of half the size."""

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
        phase: Phase = WHOLE,
    ) -> None:
        """Take over what is trained, and how.

        Args:
            perceptual: the network of the perceptual loss; None where that has no weight.
        """
        self.adversaries = adversaries
        if settings.compile:
            adversaries.compile()
        self._fabric, self._style, self._skeleton = fabric, style, skeleton
        self._settings, self._seed, self._phase = settings, seed, phase
        self._perceptual = None if perceptual is None else perceptual.to(fabric.device)

    def step(
        self, parts: Iterable[Part[WindowBatch]], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train all networks on one batch; return every weighted loss by name."""
        if self._phase.fixed_global_steps:
            trained = step >= self._phase.fixed_global_steps
            global_part(self.adversaries.generator).requires_grad_(trained)
        return self.adversaries.update(
            (self._losses(part, step) for part in parts), step=step, learning_rate=learning_rate
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        return self.adversaries.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.adversaries.load_state(state)

    def _losses(self, part: Part[WindowBatch], step: int) -> LossesOf:
        batch = part.batch.to(self._fabric.device)
        pose_maps, real = self._draw(batch, part.places, step), batch.frames
        if self._phase.pictures == "half":
            pose_maps, real = _halved(pose_maps), _halved(real)
        fake = self._generate(pose_maps, real, part.places, step)
        poses = pose_maps[:, -real.shape[1] :]
        judged = self._judge(poses, real, fake, part.places, step)
        compared = frame_losses(
            fake,
            real,
            poses=poses,
            settings=self._settings.frame_losses,
            perceptual=self._perceptual,
            autocast=self._fabric.autocast,
        )
        return {**judged, "generator": {**judged["generator"], **compared}}

    def _draw(
        self, batch: WindowBatch, places: range, step: int
    ) -> Float[Tensor, "batch poses channels height width"]:
        score = hide_limbs(
            batch.score,
            places,
            skeleton=self._skeleton,
            share=self._settings.conditioning.limb_dropout,
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

    def _generate(
        self,
        pose_maps: Float[Tensor, "batch poses channels height width"],
        real: Float[Tensor, "batch time 3 height width"],
        places: range,
        step: int,
    ) -> Float[Tensor, "batch time 3 height width"]:
        previous_frames = draw_previous_frames(
            places,
            real.shape,
            settings=self._settings.conditioning,
            seed=self._seed,
            step=step,
        )
        shown = stack_poses(pose_maps, num_frames=real.shape[1])
        with self._fabric.autocast():
            return generate_window(self.adversaries.generator, shown, previous_frames)

    def _judge(
        self,
        poses: Float[Tensor, "batch time channels height width"],
        real: Float[Tensor, "batch time 3 height width"],
        fake: Float[Tensor, "batch time 3 height width"],
        places: range,
        step: int,
    ) -> LossesOf:
        settings, discriminators = self._settings.judging, self.adversaries.discriminator
        assert isinstance(discriminators, WindowDiscriminators)
        if settings.augmentation == "diff":
            size = (real.shape[3], real.shape[4])
            draws = draws_for("augmentation", seed=self._seed, step=step)
            drawn = draw_augmentation(places, size, draws=draws)
            poses, real, fake = augment(poses, real, fake, drawn)
        losses_of = judge(
            discriminators, poses, real, fake, settings=settings, autocast=self._fabric.autocast
        )
        penalties = gradient_penalties(discriminators, poses, real, step=step, settings=settings)
        return {**losses_of, "discriminator": {**losses_of["discriminator"], **penalties}}


def _halved(
    pictures: Float[Tensor, "batch time channels height width"],
) -> Float[Tensor, "batch time channels half_height half_width"]:
    return halve(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
