"""The losses, as free functions of network outputs.

Adversarial: least squares (Mao et al. 2017), as the released code of Chan et al. has it. Feature
matching: Wang et al. 2018, sec. 3.3, with pix2pixHD's weights: 4 over the number of compared
layers for each layer, 1 over the number of scales for each scale.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from motiontransfer.nets.discriminators import Judgement

Scalar = Float[Tensor, ""]


def adversarial_generator_loss(fake: Sequence[Judgement]) -> Scalar:
    """How far the fakes' logits are from 1, mean over patches, mean over scales."""
    losses = [(judgement.logits.float() - 1).square().mean() for judgement in fake]
    return torch.stack(losses).mean()


def adversarial_discriminator_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Scalar:
    """Half of (real - 1)^2 + fake^2, mean over patches, mean over scales."""
    losses = [
        0.5 * ((r.logits.float() - 1).square().mean() + f.logits.float().square().mean())
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def feature_matching_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Scalar:
    """L1 between the discriminator's activations of real (not differentiated) and fake."""
    total = fake[0].logits.new_zeros((), dtype=torch.float32)
    for r, f in zip(real, fake, strict=True):
        weight = 4 / len(f.features) / len(fake)
        for real_features, fake_features in zip(r.features, f.features, strict=True):
            total = total + weight * functional.l1_loss(
                fake_features.float(), real_features.detach().float()
            )
    return total


def weighted_l1_loss(
    fake: Float[Tensor, "batch channels height width"],
    real: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, "batch 1 height width"],
) -> Scalar:
    """L1 with a weight a pixel, divided by the mean weight, so that its scale stays that of L1."""
    return ((fake - real).abs() * weight).mean() / weight.mean()
