"""Detector of rendered video: a frame-pair CNN, Platt scaling, weights on disk, predictions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, UInt8
from scipy.optimize import minimize
from scipy.special import expit, log_expit
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer.core.arrays import AnyFrame
from motiontransfer.core.errors import TrainingError, VideoError
from motiontransfer.core.progress import track
from motiontransfer.core.tensor_files import read_described
from motiontransfer.models.weights import read_network, write_weights
from motiontransfer.video.geometry import resize
from motiontransfer.video.reader import VideoMetadata, read_frames, read_metadata, upright
from motiontransfer.video.tensors import frames_to_tensor

Logits = Float64[np.ndarray, " _"]
"""Logits of frame pairs."""

AnyFrames = UInt8[np.ndarray, "_ _ _ 3"]
"""Time, height, width, RGB."""

_NUM_RESAMPLES = 1000
_QUANTILES = (0.025, 0.975)
_BATCH_SIZE = 8
_MIN_SIDE_PX = 32
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
        """Logit of each pair: the mean over its receptive fields, weighted by motion."""
        residuals = []  # high frequencies
        for frames in (pairs[:, 0], pairs[:, 1]):
            padded = functional.pad(frames, (2, 2, 2, 2), mode="replicate")
            blurred = functional.conv2d(padded, self.blur, groups=3)
            residuals.append(_RESIDUAL_GAIN * (frames - blurred))
        logits = self.layers(torch.cat(residuals, dim=1))[:, 0]
        weights = motion_map(pairs, (logits.shape[1], logits.shape[2])) + _MIN_WEIGHT
        return (logits.float() * weights).sum((1, 2)) / weights.sum((1, 2))


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

    Platt's targets depend on the number of different seconds of each kind: corruptions of one are
    not independent.

    Raises:
        TrainingError: there are none of one kind.
    """
    if not (len(real) and len(fake)):
        raise TrainingError(
            f"expected moving seconds of both kinds to calibrate the detector, got {len(real)} "
            f"real and {len(fake)} rendered; use longer clips, or raise "
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
    network: FramePairDetector
    config: FramePairConfig
    calibration: Calibration
    max_height: int
    """Height of the frames that it was trained on, pixels; higher ones are downscaled to it."""


def write_detector(
    path: Path, detector: TrainedDetector, *, trained_on: Mapping[str, object]
) -> None:
    """Write weights with their description, and the names of its data for readers of the file."""
    description = {
        "detector": asdict(detector.config),
        "calibration": asdict(detector.calibration),
        "max_height": detector.max_height,
        "trained_on": dict(trained_on),
    }
    write_weights(path, detector.network, description=description)


def read_detector(path: Path) -> TrainedDetector:
    """Build the detector that a weights file describes."""
    network, config = read_network(path, "detector", FramePairConfig, FramePairDetector)
    return TrainedDetector(
        network=network,
        config=config,
        calibration=read_described(path, "calibration", Calibration),
        max_height=read_described(path, "max_height", int),
    )


def bootstrap_interval(
    statistic: Callable[..., float], *samples: Sequence[Logits]
) -> tuple[float, float]:
    """95 % interval of a statistic of pooled logits by resampling segments; (0, 1) of only one."""
    if min(len(segments) for segments in samples) < 2:
        return 0.0, 1.0
    rng = np.random.default_rng(0)

    def resampled(segments: Sequence[Logits]) -> Logits:
        return np.concatenate(
            [segments[i] for i in rng.integers(len(segments), size=len(segments))]
        )

    values = [statistic(*map(resampled, samples)) for _ in range(_NUM_RESAMPLES)]
    low, high = np.quantile(values, _QUANTILES).tolist()
    return low, high


def score_frames(network: nn.Module, frames: AnyFrames, *, max_height: int) -> Logits:
    """Return the logits of all pairs of consecutive frames in which something moves."""
    device = next(network.parameters()).device
    frames = np.stack([limit_height(frame, max_height=max_height) for frame in frames])
    logits = [np.zeros(0)]
    for start in range(0, len(frames) - 1, _BATCH_SIZE):
        tensor = frames_to_tensor(list(frames[start : start + _BATCH_SIZE + 1])).to(device)
        pairs = torch.stack([tensor[:-1], tensor[1:]], dim=1)
        pairs = pairs[has_motion(pairs)]
        if len(pairs):
            with torch.inference_mode():
                logits.append(network(pairs).double().cpu().numpy())
    return np.concatenate(logits)


def limit_height(frame: AnyFrame, *, max_height: int) -> AnyFrame:
    """Downscale a frame that is higher than those of the training.

    Real people then have the size that the detector knows, and renders that were enlarged lose
    nothing.
    """
    height, width = frame.shape[:2]
    if height <= max_height:
        return frame
    return resize(frame, (max_height, max(1, round(width * max_height / height))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The detector's output for a video."""

    synthesized: float
    """Probability that it was rendered, where real and rendered videos are equally likely."""
    interval: tuple[float, float]
    """95 % interval over the seconds of this video; (0, 1) where there is only one.

    Errors of the detector on unknown people and cameras are not in it."""
    per_second: list[tuple[float, float]]
    """(start in seconds, probability) of each second in which something moves."""
    frames: int
    """Number of frames of the video."""


def predict_video(path: Path, weights: Path) -> Prediction:
    """Predict from the frames of a video file alone.

    Raises:
        VideoError: the video cannot be read, is too small or short, or nothing moves in it.
    """
    detector = read_detector(weights)
    metadata = read_metadata(path)
    if min(metadata.size) < _MIN_SIDE_PX:
        raise VideoError(
            f"{path}: expected frames of at least {_MIN_SIDE_PX} pixels a side, got "
            f"{metadata.size[1]}x{metadata.size[0]}; the detector needs that many"
        )
    num_frames = 1
    starts: list[float] = []
    means: list[np.ndarray] = []
    for start, frames in _seconds(metadata, max_height=detector.max_height):
        num_frames += len(frames) - 1
        logits = score_frames(detector.network, frames, max_height=detector.max_height)
        if len(logits):
            starts.append(start)
            means.append(logits.mean(keepdims=True))
    if not means:
        raise VideoError(
            f"{path}: expected a video with motion, got {num_frames} frames without "
            "any; the detector classifies only moving parts"
        )
    probability = detector.calibration.probability
    logits = np.concatenate(means)
    low, high = 0.0, 1.0
    if len(means) > 1:
        bounds = bootstrap_interval(lambda drawn: float(drawn.mean()), means)
        low, high = probability(np.array(bounds)).tolist()
    return Prediction(
        synthesized=float(probability(logits.mean(keepdims=True))[0]),
        interval=(low, high),
        per_second=list(zip(starts, probability(logits).tolist(), strict=True)),
        frames=num_frames,
    )


def _seconds(metadata: VideoMetadata, *, max_height: int) -> Iterator[tuple[float, AnyFrames]]:
    """Yield each second's start and frames, and with them the first frame of the next."""
    frames: list[np.ndarray] = []
    origin, second = 0.0, 0
    decoded = track(
        read_frames(metadata), f"detect {metadata.path.name}", total=metadata.num_frames or 0
    )
    for timed in decoded:
        if not frames:
            origin = timed.start_seconds
        now = int(timed.start_seconds - origin + 1e-6)
        frames.append(limit_height(upright(timed.item, metadata), max_height=max_height))
        if now != second:
            yield float(second), np.stack(frames)
            second, frames = now, frames[-1:]
    if len(frames) > 1:
        yield float(second), np.stack(frames)
