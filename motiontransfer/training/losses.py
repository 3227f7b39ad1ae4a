"""The losses, as free functions of network outputs.

Adversarial, by choice: least squares (Mao et al. 2017), as the released code of Chan et al. has it;
log (Goodfellow et al. 2014), as their paper writes it, though the generator's half in its
non-saturating form, -log D(fake) in place of log(1 - D(fake)); hinge (Lim and Ye 2017). Feature
matching: Wang et al. 2018, sec. 3.3, with pix2pixHD's weights: 4 over the number of compared
layers for each layer, 1 over the number of scales for each scale. Perceptual: Johnson et al. 2016,
with pix2pixHD's slices and weights. Deviation: adversarial losses are means over the scales, not
sums, so that their weight does not depend on how many there are.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.nets.discriminators import Judgement

Scalar = Float[Tensor, ""]
Objective = Literal["least_squares", "log", "hinge"]

_SLICE_WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


def adversarial_generator_loss(
    fake: Sequence[Judgement], *, objective: Objective = "least_squares"
) -> Scalar:
    """How far the fakes are from being taken for real, mean over patches, mean over scales.

    (fake - 1)^2 for least squares, -log sigmoid(fake) for log, -fake for hinge.
    """
    losses = [_loss_of_fooling(judgement.logits.float(), objective) for judgement in fake]
    return torch.stack(losses).mean()


def adversarial_discriminator_loss(
    real: Sequence[Judgement],
    fake: Sequence[Judgement],
    *,
    objective: Objective = "least_squares",
) -> Scalar:
    """How far real and fake are from being told apart, mean over patches, mean over scales.

    Half of (real - 1)^2 + fake^2 for least squares, of -log sigmoid(real) - log sigmoid(-fake) for
    log, of max(0, 1 - real) + max(0, 1 + fake) for hinge.
    """
    losses = [
        0.5 * _loss_of_telling(r.logits.float(), f.logits.float(), objective)
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def _loss_of_fooling(fake: Tensor, objective: Objective) -> Scalar:
    if objective == "log":
        return functional.softplus(-fake).mean()
    if objective == "hinge":
        return -fake.mean()
    return (fake - 1).square().mean()


def _loss_of_telling(real: Tensor, fake: Tensor, objective: Objective) -> Scalar:
    if objective == "log":
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()
    if objective == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
    return (real - 1).square().mean() + fake.square().mean()


def real_gradient_penalty(
    discriminator: nn.Module,
    condition: Float[Tensor, "batch condition_channels height width"],
    real: Float[Tensor, "batch image_channels height width"],
) -> Scalar:
    """How steep a discriminator is at the real images: R1 (Mescheder et al. 2018) for patches.

    The squared gradient of the sum of the logits, over their number: the mean of the patches'
    squared gradients where patches do not overlap, whatever the image's size; mean over samples,
    mean over scales. The caller multiplies by half of R1's gamma and, where the penalty is taken
    only every k steps, by k (Karras et al. 2020); precision should be full.
    """
    images = real.detach().requires_grad_()
    penalties = []
    for judgement in discriminator(condition, images):
        (gradient,) = torch.autograd.grad(judgement.logits.sum(), images, create_graph=True)
        penalties.append(gradient.float().square().sum() / judgement.logits.numel())
    return torch.stack(penalties).mean()


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
