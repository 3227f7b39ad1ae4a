"""The face cycle's step: a CycleGAN between aligned faces of the source and the target.

Zhu et al. 2017: each person's faces are translated into the other's and back; a judge of each
person tells translations, of this step or an earlier one, from real faces. Least squares, cycle and
identity loss as there. Deviations: no random flips and crops, since the faces are aligned; a moving
average of the weights is kept, as for the other networks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.nets.discriminators import Judgement, halves
from motiontransfer.nets.face_translation import FaceJudges, FaceTranslators, Translations
from motiontransfer.training.adversaries import Adversaries, LossesOf
from motiontransfer.training.batches import Part
from motiontransfer.training.face_cycle_dataset import FaceCycleBatch
from motiontransfer.training.face_cycle_pool import ImagePool
from motiontransfer.training.losses import (
    Scalar,
    adversarial_discriminator_loss,
    adversarial_generator_loss,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceCycleSettings:
    """Numbers of the step; a weight of 0 turns a loss off."""

    cycle_weight: float
    """Of L1 between a face and its translation translated back."""
    identity_weight: float
    """Of L1 between a face and what the translator into faces of the same person makes of it."""
    pool_size: int
    """Translations of each kind that are kept for the judges; 0: they see the latest only."""
    average_decay: float
    """Decay a step of the moving average of the translators' weights."""
    compile: bool
    """Whether `torch.compile` turns the networks into faster code before the first step."""


class FaceCycleTask:
    """One step of both translators and both judges."""

    def __init__(
        self,
        fabric: Fabric,
        translators: FaceTranslators,
        judges: FaceJudges,
        *,
        settings: FaceCycleSettings,
        batch_size: int,
        crop_size: int,
        seed: int,
    ) -> None:
        self.adversaries = Adversaries(
            fabric, translators, judges, average_decay=settings.average_decay
        )
        if settings.compile:
            self.adversaries.compile()
        self._fabric, self._settings = fabric, settings
        self._translators = translators
        self._pools = {
            name: ImagePool(
                pool_size=settings.pool_size,
                batch_size=batch_size,
                crop_size=crop_size,
                seed=2 * seed + number,  # what one judge sees again is not what the other does
                device=fabric.device,
            )
            for number, name in enumerate(("to_source", "to_target"))
        }

    @property
    def average(self) -> FaceTranslators:
        """The moving average of the translators' weights."""
        average = self.adversaries.generator_average
        assert isinstance(average, FaceTranslators)
        return average

    def step(
        self, parts: Iterable[Part[FaceCycleBatch]], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train all four networks on one batch; return every weighted loss by name."""
        made: list[Translations] = []
        losses = self.adversaries.update(
            (self._losses(part, step, made) for part in parts),
            step=step,
            learning_rate=learning_rate,
        )
        for name, pool in self._pools.items():
            pool.keep(self._of_all([getattr(each, name) for each in made]), step=step)
        return losses

    def state(self) -> dict[str, Tensor]:
        """Everything that changes from step to step."""
        state = self.adversaries.state()
        for name, pool in self._pools.items():
            state |= {f"{name}_pool.{key}": value for key, value in pool.state().items()}
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.adversaries.load_state(state)
        for name, pool in self._pools.items():
            pool.load_state({key: state[f"{name}_pool.{key}"] for key in pool.state()})

    def _losses(self, part: Part[FaceCycleBatch], step: int, made: list[Translations]) -> LossesOf:
        batch = part.batch.to(self._fabric.device)
        with self._fabric.autocast():
            fake: Translations = self.adversaries.generator(batch.source, batch.target)
        made.append(fake)
        return {
            "generator": self._generator_losses(batch, fake),
            "discriminator": self._discriminator_losses(batch, fake, part.places, step),
        }

    def _generator_losses(self, batch: FaceCycleBatch, fake: Translations) -> dict[str, Scalar]:
        settings = self._settings
        with self._fabric.autocast():
            judged_source, judged_target = self._judge(fake.to_source, fake.to_target)
        losses = {
            "adversarial_source": adversarial_generator_loss(judged_source),
            "adversarial_target": adversarial_generator_loss(judged_target),
            "cycle_source": settings.cycle_weight * _l1(fake.back_to_source, batch.source),
            "cycle_target": settings.cycle_weight * _l1(fake.back_to_target, batch.target),
        }
        if settings.identity_weight:
            with self._fabric.autocast():
                same_source = self._translators.to_source(batch.source)
                same_target = self._translators.to_target(batch.target)
            losses |= {
                "identity_source": settings.identity_weight * _l1(same_source, batch.source),
                "identity_target": settings.identity_weight * _l1(same_target, batch.target),
            }
        return losses

    def _discriminator_losses(
        self, batch: FaceCycleBatch, fake: Translations, places: range, step: int
    ) -> dict[str, Scalar]:
        shown = {
            name: pool.shown(getattr(fake, name), places, step=step)
            for name, pool in self._pools.items()
        }
        with self._fabric.autocast():
            judged_source, judged_target = self._judge(
                torch.cat([batch.source, shown["to_source"]]),
                torch.cat([batch.target, shown["to_target"]]),
            )
        return {
            "adversarial_source": adversarial_discriminator_loss(*halves(judged_source)),
            "adversarial_target": adversarial_discriminator_loss(*halves(judged_target)),
        }

    def _judge(
        self,
        source: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> tuple[list[Judgement], list[Judgement]]:
        return self.adversaries.discriminator(source, target)

    def _of_all(self, images: list[Tensor]) -> Float[Tensor, "batch 3 height width"]:
        """What all processes made in this step, so that each knows everything it must keep."""
        own = torch.cat(images).detach()
        everyones = self._fabric.all_gather(own)
        assert isinstance(everyones, Tensor)
        return everyones.reshape(-1, *own.shape[1:])


def _l1(faces: Tensor, wanted: Tensor) -> Scalar:
    return (faces - wanted).abs().mean()
