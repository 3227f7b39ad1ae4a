"""Adversarial, feature matching, perceptual and weighted L1 losses.

Adversarial: least squares (Mao et al. 2017), as in the released code of Chan et al., or log
(Goodfellow et al. 2014), as in their paper, though the generator's in its non-saturating form,
-log D(fake) in place of log(1 - D(fake)). Feature matching: Wang et al. 2018, sec. 3.3, with
pix2pixHD's weights: 4 over the number of compared layers for each layer, 1 over the number of
scales for each scale. Perceptual: Johnson et al. 2016, with pix2pixHD's slices and weights.
Deviation: adversarial losses are means over the scales, not sums, so that their weight does not
depend on how many there are.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.nets.discriminators import DiscriminatorOutput

Scalar = Float[Tensor, ""]
Objective = Literal["least_squares", "log"]

_SLICE_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def adversarial_generator_loss(
    fake: Sequence[DiscriminatorOutput], *, objective: Objective = "least_squares"
) -> Scalar:
    """Mean over patches and scales.

    (fake - 1)^2 for least squares, -log sigmoid(fake) for log.
    """
    losses = [_generator_term(output.logits.float(), objective) for output in fake]
    return torch.stack(losses).mean()


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
    losses = [
        0.5 * _discriminator_term(r.logits.float(), f.logits.float(), objective)
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def _generator_term(fake: Tensor, objective: Objective) -> Scalar:
    if objective == "log":
        return functional.softplus(-fake).mean()
    return (fake - 1).square().mean()


def _discriminator_term(real: Tensor, fake: Tensor, objective: Objective) -> Scalar:
    if objective == "log":
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()
    return (real - 1).square().mean() + fake.square().mean()


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
        network: gives one tensor a slice, first slices first, as `nets.perceptual` does; slices
            that it lacks are left out, and the weights of the others stay what they are.
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
