"""Detector of rendered video: a frame-pair CNN, Platt scaling, and its weights on disk."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.errors import TrainingError
from motiontransfer.training.weights import described, load_weights, read_description, write_weights

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The probability that a second was rendered: expit(slope * logit + offset)."""

    slope: float
    """At least 0; 0: the detector knows nothing, and every probability is a half."""

    offset: float

    @property
    def threshold(self) -> float:
        """The logit from which on something is rather rendered than not."""
        return -self.offset / self.slope if self.slope else float("inf")

    def probability(
        self, logits: Float64[np.ndarray, " seconds"]
    ) -> Float64[np.ndarray, " seconds"]:
        """Of each second's mean logit."""
        return expit(self.slope * logits + self.offset)


def fit_calibration(
    real: Float64[np.ndarray, " real"],
    fake: Float64[np.ndarray, " fake"],
    *,
    num_seconds: int,
) -> Calibration:
    """Fit to mean logits of real and of fake seconds.

    Args:
        num_seconds: how many different ones of each kind there are; the same second encoded in
            several ways says little more than once.

    Raises:
        TrainingError: there are none of one kind.
    """
    if not (len(real) and len(fake)):
        raise TrainingError(
            f"expected seconds of both kinds to calibrate the detector on, got {len(real)} real "
            f"and {len(fake)} rendered in which something moves; use longer clips, or raise "
            "train_forensics.held_out_fraction"
        )
    sure = (num_seconds + 1) / (num_seconds + 2)
    centre = (np.median(real) + np.median(fake)) / 2
    spread = max(float(np.std([*real, *fake])), 1e-6)

    def loss(curve: np.ndarray) -> float:
        scaled_real, scaled_fake = (
            curve[0] * (logits - centre) / spread + curve[1] for logits in (real, fake)
        )
        return float(
            -(sure * log_expit(-scaled_real) + (1 - sure) * log_expit(scaled_real)).mean()
            - (sure * log_expit(scaled_fake) + (1 - sure) * log_expit(-scaled_fake)).mean()
        )

    slope, offset = minimize(loss, [1.0, 0.0], bounds=[(0, None), (None, None)]).x.tolist()
    if slope == 0:
        return Calibration(slope=0.0, offset=0.0)
    return Calibration(slope=slope / spread, offset=offset - slope * float(centre) / spread)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedDetector:
    """A detector with what it must be fed and how it is understood."""

    network: SynthesisDetector
    config: DetectorConfig
    calibration: Calibration
    max_height: int
    """Height of the highest frames that it was trained on; higher ones are shrunk to it."""


def write_detector(
    path: Path, detector: TrainedDetector, *, trained_on: Mapping[str, object]
) -> None:
    """Write weights and description.

    Args:
        trained_on: what it knows, for people.
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
    description = read_description(path)
    config = described(path, description, "detector", DetectorConfig)
    network = SynthesisDetector(config)
    load_weights(path, network)
    return TrainedDetector(
        network=network.eval().requires_grad_(False),
        config=config,
        calibration=described(path, description, "calibration", Calibration),
        max_height=described(path, description, "max_height", int),
    )
