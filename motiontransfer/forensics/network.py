"""The detector: two consecutive frames in, one logit out; above 0 speaks for rendered.

Chan et al. 2019 train a convolutional network on pairs of consecutive frames. Hides what it looks
at: of each frame only what a blur takes away, so that it learns how people are drawn and not who
they are and where; a small receptive field for the same reason (Chai et al. 2020, "What makes fake
images detectable?"); and only places that move, since a still background may be a copy of a real
one. The plain difference of the two frames brings back what the blur leaves, and was left out:
trained on one subject and tried on another, AUC was 0.84 with it, 1.00 without, and 0.85 on plain
colours (one short training each).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

Judged = Literal["pair", "frame"]

_RESIDUAL_GAIN = 8.0  # of what a blur takes away, which is small
_STILL = 2 / 127.5  # two levels of 255: noise and compression change that much anyway
_STILL_WEIGHT = 1e-6  # only where nothing moves anywhere does it count
_BLUR = (1.0, 4.0, 6.0, 4.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorConfig:
    """All that decides the shapes of a detector."""

    judged: Judged
    """Both frames of a pair, or, as a baseline, only the second."""

    num_filters: int
    """Channels of the first layer."""

    num_downsamplings: int
    """Layers of stride 2; each is followed by one of stride 1."""


class SynthesisDetector(nn.Module):
    """Judges pairs of consecutive frames of any size."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.judged = config.judged
        widths = [config.num_filters * 2**level for level in range(config.num_downsamplings)]
        in_channels = {"pair": 6, "frame": 3}[config.judged]
        layers: list[nn.Module] = []
        for narrow, wide in pairwise((in_channels, *widths)):
            layers += [nn.Conv2d(narrow, wide, 3, 2, 1), nn.LeakyReLU(0.2)]
            layers += [nn.Conv2d(wide, wide, 3, 1, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))
        blur = torch.tensor(_BLUR) / sum(_BLUR)
        self.blur: Tensor
        self.register_buffer("blur", torch.outer(blur, blur).repeat(3, 1, 1, 1), persistent=False)

    def forward(self, pairs: Float[Tensor, "batch 2 3 height width"]) -> Float[Tensor, " batch"]:
        """Score each pair: the mean over its places, weighted by how much they move."""
        logits = self.places(pairs)
        weights = movement(pairs, (logits.shape[1], logits.shape[2])) + _STILL_WEIGHT
        return (logits.float() * weights).sum((1, 2)) / weights.sum((1, 2))

    def places(
        self, pairs: Float[Tensor, "batch 2 3 height width"]
    ) -> Float[Tensor, "batch rows columns"]:
        """Score each place of each pair."""
        times = {"pair": (0, 1), "frame": (1,)}[self.judged]
        seen = torch.cat([self._residual(pairs[:, time]) for time in times], dim=1)
        return self.layers(seen)[:, 0]

    def _residual(
        self, frames: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 height width"]:
        padded = functional.pad(frames, (2, 2, 2, 2), mode="replicate")
        return _RESIDUAL_GAIN * (frames - functional.conv2d(padded, self.blur, groups=3))


@torch.no_grad()
def initialise_detector(module: nn.Module) -> None:
    """Draw convolution weights by He et al. 2015; nothing in between normalises."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, 0.2)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def movement(
    pairs: Float[Tensor, "batch 2 3 height width"], size: tuple[int, int]
) -> Float[Tensor, "batch rows columns"]:
    """How much each of rows x columns places changes from frame to frame; 0 where it is still."""
    change = (pairs[:, 1] - pairs[:, 0]).mean(1).abs().float()
    return functional.adaptive_avg_pool2d(change, size).sub(_STILL).clamp(min=0)


def moves(pairs: Float[Tensor, "batch 2 3 height width"]) -> Bool[Tensor, " batch"]:
    """Whether anything moves between the frames of each pair."""
    height, width = pairs.shape[3:]
    places = movement(pairs, (-(-height // 8), -(-width // 8)))
    return places.flatten(1).amax(1) > 0
