"""Adversarial, feature-matching, perceptual and L1 losses (Chan et al. 2019, sec. 3.3)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.models.discriminators import DiscriminatorOutput

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
        network: returns one tensor per slice, as `VGG19Features` does; slices
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLossSettings:
    """Weights; 0 turns a loss off."""

    l1_weight: float
    foreground_l1_weight: float
    """Weight in L1 of a pixel near the drawn pose; all others have 1."""
    foreground_radius_px: int
    """Distance from a limb up to which a pixel counts as foreground."""
    perceptual_weight: float


def frame_losses(
    fake: Float[Tensor, "batch time 3 height width"],
    real: Float[Tensor, "batch time 3 height width"],
    *,
    poses: Float[Tensor, "batch time channels height width"],
    settings: FrameLossSettings,
    perceptual: nn.Module | None,
    autocast: Callable[[], AbstractContextManager],
) -> dict[str, Scalar]:
    """Weighted losses by name.

    Args:
        perceptual: the network whose activations are compared; needed where its loss has a weight.
    """
    losses = {"l1": settings.l1_weight * _l1_loss(fake, real, poses, settings)}
    if perceptual is not None:
        with autocast():
            loss = perceptual_loss(perceptual, fake.flatten(0, 1), real.flatten(0, 1))
        losses["perceptual"] = settings.perceptual_weight * loss
    return losses


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


def _l1_loss(
    fake: Float[Tensor, "batch time 3 height width"],
    real: Float[Tensor, "batch time 3 height width"],
    poses: Float[Tensor, "batch time channels height width"],
    settings: FrameLossSettings,
) -> Scalar:
    weight = foreground_weight(
        poses.flatten(0, 1),
        radius_px=settings.foreground_radius_px,
        weight=settings.foreground_l1_weight,
    )
    # Each window by itself: a batch that is shared or split up has the same mean as a whole one.
    windows = zip(fake, real, weight.unflatten(0, poses.shape[:2]), strict=True)
    return torch.stack([weighted_l1_loss(*window) for window in windows]).mean()
