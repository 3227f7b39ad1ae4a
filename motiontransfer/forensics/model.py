"""Detector of rendered video: a frame-pair CNN, Platt scaling, and its weights on disk."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.errors import TrainingError
from motiontransfer.training.weights import read_described, read_network, write_weights

_RESIDUAL_GAIN = 8.0  # the high frequencies of a frame are small
_MOTION_THRESHOLD = 2 / 127.5  # two levels of 255: noise and compression change that much anyway
_MIN_WEIGHT = 1e-6  # matters only where nothing moves anywhere
_BLUR = (1.0, 4.0, 6.0, 4.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePairConfig:
    """All that determines the shapes of a detector."""

    num_filters: int
    """Channels of the first layer."""
    num_downsamplings: int
    """Layers of stride 2; each is followed by one of stride 1."""


class FramePairDetector(nn.Module):
    """CNN on the high frequencies of two consecutive frames of any size."""

    def __init__(self, config: FramePairConfig) -> None:
        super().__init__()
        widths = [config.num_filters * 2**level for level in range(config.num_downsamplings)]
        layers: list[nn.Module] = []  # of both frames' colors
        for in_channels, channels in pairwise((6, *widths)):
            layers += [nn.Conv2d(in_channels, channels, 3, 2, 1), nn.LeakyReLU(0.2)]
            layers += [nn.Conv2d(channels, channels, 3, 1, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 1))
        blur = torch.tensor(_BLUR) / sum(_BLUR)
        self.blur: Tensor
        self.register_buffer("blur", torch.outer(blur, blur).repeat(3, 1, 1, 1), persistent=False)

    def forward(self, pairs: Float[Tensor, "batch 2 3 height width"]) -> Float[Tensor, " batch"]:
        """Logit of each pair: the mean of its logit map, weighted by motion."""
        logits = self.logit_map(pairs)
        weights = motion_map(pairs, (logits.shape[1], logits.shape[2])) + _MIN_WEIGHT
        return (logits.float() * weights).sum((1, 2)) / weights.sum((1, 2))

    def logit_map(
        self, pairs: Float[Tensor, "batch 2 3 height width"]
    ) -> Float[Tensor, "batch rows columns"]:
        """Logits of the receptive fields of each pair."""
        residuals = []  # high frequencies
        for frames in (pairs[:, 0], pairs[:, 1]):
            padded = functional.pad(frames, (2, 2, 2, 2), mode="replicate")
            blurred = functional.conv2d(padded, self.blur, groups=3)
            residuals.append(_RESIDUAL_GAIN * (frames - blurred))
        return self.layers(torch.cat(residuals, dim=1))[:, 0]


@torch.no_grad()
def initialize_detector(module: nn.Module) -> None:
    """Draw convolution weights by He et al. 2015; there are no normalization layers."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, 0.2)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def motion_map(
    pairs: Float[Tensor, "batch 2 3 height width"], size: tuple[int, int]
) -> Float[Tensor, "batch rows columns"]:
    """Mean change of brightness in each of rows x columns cells; 0 below noise."""
    change = (pairs[:, 1] - pairs[:, 0]).mean(1).abs().float()
    return functional.adaptive_avg_pool2d(change, size).sub(_MOTION_THRESHOLD).clamp(min=0)


def has_motion(pairs: Float[Tensor, "batch 2 3 height width"]) -> Bool[Tensor, " batch"]:
    """True if anything moves between the frames of each pair."""
    height, width = pairs.shape[3:]
    return motion_map(pairs, (-(-height // 8), -(-width // 8))).flatten(1).amax(1) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Platt scaling: the probability of a rendered second is expit(slope * logit + offset)."""

    slope: float
    """At least 0; 0 where the logits carry no information, and every probability is a half."""
    offset: float

    @property
    def threshold(self) -> float:
        """The logit of probability one half."""
        return -self.offset / self.slope if self.slope else float("inf")

    def probability(
        self, logits: Float64[np.ndarray, " seconds"]
    ) -> Float64[np.ndarray, " seconds"]:
        """Probability that each second, given by its mean logit, was rendered."""
        return expit(self.slope * logits + self.offset)


def fit_calibration(
    real: Float64[np.ndarray, " real"], fake: Float64[np.ndarray, " fake"], *, num_seconds: int
) -> Calibration:
    """Fit to the mean logits of real and of fake seconds (Platt 1999).

    Args:
        num_seconds: how many different ones of each kind there are, on which Platt's targets
            depend; the corruptions of a second are not independent.

    Raises:
        TrainingError: there are none of one kind.
    """
    if not (len(real) and len(fake)):
        raise TrainingError(
            f"expected seconds of both kinds to calibrate the detector on, got {len(real)} real "
            f"and {len(fake)} rendered in which something moves; use longer clips, or raise "
            "train_forensics.held_out_fraction"
        )
    target = (num_seconds + 1) / (num_seconds + 2)
    center = (np.median(real) + np.median(fake)) / 2
    spread = max(float(np.std([*real, *fake])), 1e-6)

    def loss(curve: np.ndarray) -> float:
        scaled_real, scaled_fake = (
            curve[0] * (logits - center) / spread + curve[1] for logits in (real, fake)
        )
        return float(
            -(target * log_expit(-scaled_real) + (1 - target) * log_expit(scaled_real)).mean()
            - (target * log_expit(scaled_fake) + (1 - target) * log_expit(-scaled_fake)).mean()
        )

    slope, offset = minimize(loss, [1.0, 0.0], bounds=[(0, None), (None, None)]).x.tolist()
    if slope == 0:
        return Calibration(slope=0.0, offset=0.0)
    return Calibration(slope=slope / spread, offset=offset - slope * float(center) / spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedDetector:
    """A detector with its calibration and the size of its input."""

    network: FramePairDetector
    config: FramePairConfig
    calibration: Calibration
    max_height: int
    """Height of the frames that it was trained on, pixels; higher ones are downscaled to it."""


def write_detector(
    path: Path, detector: TrainedDetector, *, trained_on: Mapping[str, object]
) -> None:
    """Write weights with their description.

    Args:
        trained_on: names of its data, for readers of the file.
    """
    description = {
        "detector": asdict(detector.config),
        "calibration": asdict(detector.calibration),
        "max_height": detector.max_height,
        "trained_on": dict(trained_on),
    }
    write_weights(path, detector.network, description=description)


def read_detector(path: Path) -> TrainedDetector:
    """Build the detector that a weights file describes.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written, or not a weights file.
        WeightsError: its tensors do not fit.
    """
    network, config = read_network(path, "detector", FramePairConfig, FramePairDetector)
    return TrainedDetector(
        network=network,
        config=config,
        calibration=read_described(path, "calibration", Calibration),
        max_height=read_described(path, "max_height", int),
    )
