"""Adversarial, feature-matching, perceptual and L1 losses (Chan et al. 2019, sec. 3.3)."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.models.discriminators import DiscriminatorOutput
from motiontransfer.params import Section

Scalar = Float[Tensor, ""]
Objective = Literal["least_squares", "log"]

_SLICE_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


class GanLossConfig(Section):
    """Weights of the losses of generator and discriminator; 0 turns a loss off."""

    adversarial_weight: float = Field(ge=0)
    feature_matching_weight: float = Field(ge=0)
    l1_weight: float = Field(ge=0)
    perceptual_weight: float = Field(ge=0)


def gan_losses(
    real: Sequence[DiscriminatorOutput],
    fake: Sequence[DiscriminatorOutput],
    *,
    config: GanLossConfig,
    objective: Objective = "least_squares",
) -> dict[str, dict[str, Scalar]]:
    """Weighted adversarial and feature-matching losses of `generator` and `discriminator`."""
    adversarial = adversarial_generator_loss(fake, objective=objective)
    matching = feature_matching_loss(real, fake)
    return {
        "generator": {
            "adversarial": config.adversarial_weight * adversarial,
            "feature_matching": config.feature_matching_weight * matching,
        },
        "discriminator": {
            "adversarial": adversarial_discriminator_loss(real, fake, objective=objective)
        },
    }


def adversarial_generator_loss(
    fake: Sequence[DiscriminatorOutput], *, objective: Objective = "least_squares"
) -> Scalar:
    """Mean over patches and scales.

    (fake - 1)^2 for least squares, -log sigmoid(fake) for log.
    """
    return torch.stack(_errors(fake, is_real=True, objective=objective)).mean()


def adversarial_discriminator_loss(
    real: Sequence[DiscriminatorOutput],
    fake: Sequence[DiscriminatorOutput],
    *,
    objective: Objective = "least_squares",
) -> Scalar:
    """Mean over patches and scales.

    Half of (real - 1)^2 + fake^2 for least squares, of -log sigmoid(real) - log sigmoid(-fake) for
    log.
    """
    of_real = _errors(real, is_real=True, objective=objective)
    of_fake = _errors(fake, is_real=False, objective=objective)
    return torch.stack([0.5 * (r + f) for r, f in zip(of_real, of_fake, strict=True)]).mean()


def _errors(
    outputs: Sequence[DiscriminatorOutput], *, is_real: bool, objective: Objective
) -> list[Scalar]:
    """Mean loss of each scale's patches, if they were to be scored as real or as fake."""
    scales = [output.logits.float() for output in outputs]
    if objective == "log":
        return [functional.softplus(-logits if is_real else logits).mean() for logits in scales]
    return [(logits - 1 if is_real else logits).square().mean() for logits in scales]


def feature_matching_loss(
    real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]
) -> Scalar:
    """L1 between the discriminator's activations of real (not differentiated) and fake."""
    total = fake[0].logits.new_zeros((), dtype=torch.float32)
    for r, f in zip(real, fake, strict=True):
        weight = 4 / len(f.features) / len(fake)
        for real_features, fake_features in zip(r.features, f.features, strict=True):
            total = total + weight * functional.l1_loss(
                fake_features.float(), real_features.detach().float()
            )
    return total


def perceptual_loss(
    network: nn.Module,
    fake: Float[Tensor, "batch 3 height width"],
    real: Float[Tensor, "batch 3 height width"],
) -> Scalar:
    """L1 between activations of fake and real (not differentiated), weighted slice by slice.

    Args:
        network: returns one tensor per slice, as `VGG19Features` does; slices that it lacks are
            left out, and the weights of the others stay what they are.
    """
    with torch.no_grad():
        real_slices = network(real)
    losses = [
        weight * functional.l1_loss(fake_features.float(), real_features.float())
        for weight, fake_features, real_features in zip(
            _SLICE_WEIGHTS, network(fake), real_slices, strict=False
        )
    ]
    return torch.stack(losses).sum()


def weighted_l1_loss(
    fake: Float[Tensor, "batch channels height width"],
    real: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, "batch 1 height width"],
) -> Scalar:
    """L1 with a weight a pixel, divided by the mean weight, so that its scale stays that of L1."""
    return ((fake - real).abs() * weight).mean() / weight.mean()


def relative_sharpness(
    fake: Float[Tensor, "batch 3 height width"], real: Float[Tensor, "batch 3 height width"]
) -> Scalar:
    """Mean gradient magnitude of each fake image over its real one's; mean over the batch."""
    of_fake, of_real = (
        torch.hypot(*torch.gradient(images.float().mean(1), dim=(1, 2))).mean((1, 2))
        for images in (fake, real)
    )
    return (of_fake / of_real.clamp(min=1e-6)).mean()


def foreground_weight(
    poses: Float[Tensor, "batch channels height width"], *, radius_px: int, weight: float
) -> Float[Tensor, "batch 1 height width"]:
    """`weight` within about `radius_px` of any limb, 1 elsewhere.

    Computed at a quarter of the size: its border need not be sharp.
    """
    height, width = poses.shape[2:]
    coarse = functional.max_pool2d(poses.amax(1, keepdim=True), 4, ceil_mode=True)
    reach = 2 * max(round(radius_px / 4), 0) + 1
    coarse = functional.max_pool2d((coarse > 0).to(poses), reach, stride=1, padding=reach // 2)
    near = functional.interpolate(coarse, scale_factor=4, mode="nearest")[:, :, :height, :width]
    return 1 + (weight - 1) * near
