"""What the discriminators are shown, and what both networks lose by what they say.

Hides how real and fake are judged: by several discriminators, in one pass, changed alike before
(`nets.augmentation`), with the slope at the real frames held down now and then. Chan et al. 2019,
sec. 3.2 and 3.3, have one discriminator and neither of the two.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.nets.augmentation import Augmentation
from motiontransfer.nets.discriminators import halves
from motiontransfer.nets.window_discriminators import CONSECUTIVE, WindowDiscriminators
from motiontransfer.training.adversaries import LossesOf
from motiontransfer.training.losses import (
    Objective,
    Scalar,
    adversarial_discriminator_loss,
    adversarial_generator_loss,
    feature_matching_loss,
    real_gradient_penalty,
)

AugmentationChoice = Literal["none", "diff"]
Poses = Float[Tensor, "batch time channels height width"]
Frames = Float[Tensor, "batch time 3 height width"]

_PENALTY_EVERY_STEPS = 16  # Karras et al. 2020, sec. 3.1


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingSettings:
    """How frames are judged; a weight of 0 turns a loss off."""

    objective: Objective
    adversarial_weight: float
    feature_matching_weight: float
    r1_weight: float
    """R1's gamma, as if the penalty were taken at every step."""
    augmentation: AugmentationChoice
    """`diff`: DiffAugment, in frames and pose maps alike."""


def judge(
    discriminators: WindowDiscriminators,
    poses: Poses,
    real: Frames,
    fake: Frames,
    *,
    settings: JudgingSettings,
    autocast: Callable[[], AbstractContextManager],
) -> LossesOf:
    """Weighted losses of both networks; those of further discriminators bear their names."""
    # One pass judges real and fake for both networks: each sample is normalised on its own.
    with autocast():
        judgements = discriminators(poses, torch.cat([real, fake]))
    generator: dict[str, Scalar] = {}
    discriminator: dict[str, Scalar] = {}
    for name, judged in judgements.items():
        judged_real, judged_fake = halves(judged)
        fooling = adversarial_generator_loss(judged_fake, objective=settings.objective)
        telling = adversarial_discriminator_loss(
            judged_real, judged_fake, objective=settings.objective
        )
        matching = feature_matching_loss(judged_real, judged_fake)
        generator[_full_name("adversarial", name)] = settings.adversarial_weight * fooling
        generator[_full_name("feature_matching", name)] = (
            settings.feature_matching_weight * matching
        )
        discriminator[_full_name("adversarial", name)] = telling
    return {"generator": generator, "discriminator": discriminator}


def gradient_penalties(
    discriminators: WindowDiscriminators,
    poses: Poses,
    real: Frames,
    *,
    step: int,
    settings: JudgingSettings,
) -> dict[str, Scalar]:
    """Weighted R1 of each discriminator, every 16 steps; none in between."""
    if settings.r1_weight == 0 or step % _PENALTY_EVERY_STEPS:
        return {}
    factor = settings.r1_weight / 2 * _PENALTY_EVERY_STEPS
    return {
        _full_name("r1", name): factor
        * real_gradient_penalty(each.discriminator, each.stacked(poses), each.stacked(real))
        for name, each in discriminators.by_name.items()
    }


def augment(
    poses: Poses, real: Frames, fake: Frames, augmentation: Augmentation
) -> tuple[Poses, Frames, Frames]:
    """Change all frames of a window, and its pose maps, alike."""
    time = poses.shape[1]
    frames = augmentation.frames(torch.cat([real, fake]).flatten(1, 2)).unflatten(1, (time, 3))
    poses = augmentation.poses(poses.flatten(1, 2)).unflatten(1, (time, -1))
    return poses, *frames.chunk(2)


def _full_name(loss: str, discriminator: str) -> str:
    return loss if discriminator == CONSECUTIVE else f"{loss}_{discriminator}"
