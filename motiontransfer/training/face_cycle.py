"""CycleGAN training step between aligned faces of source and target (Zhu et al. 2017).

Least-squares, cycle and identity losses and an image pool, as there. Deviations: no random flips
and crops, since the faces are aligned; an exponential moving average of the weights is kept, as for
the other networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.nets.discriminators import DiscriminatorOutput, split_real_fake
from motiontransfer.nets.face_translation import FaceDiscriminators, FaceTranslators, Translations
from motiontransfer.training.adversaries import Adversaries
from motiontransfer.training.batches import RankBatch
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
    """Translations kept for each discriminator; 0: it is trained on the latest only."""
    ema_decay: float
    """Decay a step of the exponential moving average of the translators' weights."""
    compile: bool
    """Whether `torch.compile` turns the networks into faster code before the first step."""


class FaceCycleTask:
    """One step of both translators and both discriminators."""

    def __init__(
        self,
        fabric: Fabric,
        translators: FaceTranslators,
        discriminators: FaceDiscriminators,
        *,
        settings: FaceCycleSettings,
        batch_size: int,
        crop_size: int,
        seed: int,
    ) -> None:
        self.adversaries = Adversaries(
            fabric, translators, discriminators, ema_decay=settings.ema_decay
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
                seed=2 * seed + number,  # the two pools are independent
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
        self, share: RankBatch[FaceCycleBatch], *, step: int, learning_rate: float
    ) -> dict[str, Scalar]:
        """Train all four networks on one batch; return every weighted loss by name."""
        batch = share.batch.to(self._fabric.device)
        with self._fabric.autocast():
            fake: Translations = self.adversaries.generator(batch.source, batch.target)
        losses_of = {
            "generator": self._generator_losses(batch, fake),
            "discriminator": self._discriminator_losses(batch, fake, share.indices, step),
        }
        losses = self.adversaries.update(losses_of, step=step, learning_rate=learning_rate)
        for name, pool in self._pools.items():
            pool.keep(self._all_gather(getattr(fake, name)), step=step)
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

    def _generator_losses(self, batch: FaceCycleBatch, fake: Translations) -> dict[str, Scalar]:
        settings = self._settings
        with self._fabric.autocast():
            source_outputs, target_outputs = self._discriminate(fake.to_source, fake.to_target)
        losses = {
            "adversarial_source": adversarial_generator_loss(source_outputs),
            "adversarial_target": adversarial_generator_loss(target_outputs),
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
        self, batch: FaceCycleBatch, fake: Translations, indices: range, step: int
    ) -> dict[str, Scalar]:
        fakes = {
            name: pool.sample(getattr(fake, name), indices, step=step)
            for name, pool in self._pools.items()
        }
        with self._fabric.autocast():
            source_outputs, target_outputs = self._discriminate(
                torch.cat([batch.source, fakes["to_source"]]),
                torch.cat([batch.target, fakes["to_target"]]),
            )
        return {
            "adversarial_source": adversarial_discriminator_loss(*split_real_fake(source_outputs)),
            "adversarial_target": adversarial_discriminator_loss(*split_real_fake(target_outputs)),
        }

    def _discriminate(
        self,
        source: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> tuple[list[DiscriminatorOutput], list[DiscriminatorOutput]]:
        return self.adversaries.discriminator(source, target)

    def _all_gather(
        self, images: Float[Tensor, "share 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        """Translations of all ranks, so that their pools stay the same."""
        gathered = self._fabric.all_gather(images.detach())
        assert isinstance(gathered, Tensor)
        return gathered.reshape(-1, *images.shape[1:])


def _l1(faces: Tensor, wanted: Tensor) -> Scalar:
    return (faces - wanted).abs().mean()
