"""Reconstruction losses: foreground-weighted L1 and perceptual (Chan et al. 2019, sec. 3.3).

Deviations: L1, with a higher weight near the drawn pose, for runs without VGG19's weights; both are
means over the window's frames, where the paper's code sums the perceptual loss over its two.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.training.losses import Scalar, perceptual_loss, weighted_l1_loss


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
