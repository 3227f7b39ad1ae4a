"""Network-based metrics: LPIPS, FID and KID.

LPIPS (Zhang et al. 2018; AlexNet, as in the paper's tables) compares a frame with the real one.
Images with a side shorter than 64 pixels are enlarged, as AlexNet's last layers need. FID (Heusel
et al. 2017) and KID (Binkowski et al. 2018) compare the Inception features of all frames of a video
with those of real frames, so no frame needs a ground truth of its own. FID is biased upwards by the
small number of frames in a clip: it only compares videos within one table. It has no interval,
since resampled frames raise it further. KID is unbiased, and its interval leaves out pairs of a
frame with itself.

The networks' weights come from a file of the user's own, or from the checked cache, and are read as
plain tensors.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from motiontransfer.core.device import choose_accelerator, describe_device
from motiontransfer.core.downloads import Pretrained, pretrained_file, read_tensors
from motiontransfer.core.errors import WeightsError
from motiontransfer.core.params import Section
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import PosedFrames, person_regions, read_frames
from motiontransfer.evaluation.image_metrics import SMALLEST_MS_SSIM_PX, ImageDistance
from motiontransfer.evaluation.measurements import (
    TAILS,
    Measurements,
    MetricKey,
    Value,
    block_length,
    resamples,
)
from motiontransfer.video.color import AnyFrame, Frame
from motiontransfer.video.tensors import CPU

_logger = logging.getLogger(__name__)

PretrainedWeights = Literal["none", "published"] | Path
"""`none`: skipped; `published`: from the cache, or downloaded once; or a file of the user's."""

FrameFeatures = Callable[[AnyFrame], Float32[np.ndarray, " features"]]
"""A network's features of an image of any size."""

_SMALLEST_SIDE_PX = 64  # AlexNet's last layer has nothing left of less
_MAX_FRAMES = 500  # of a video whose features are computed; more change little
_MIN_FRAMES = 2  # that a covariance needs
_REGIONS = ("frame", "person")

# LPIPS as published: layers of AlexNet whose output is compared; mean, deviation of colors.
_COMPARED_LAYERS = (1, 4, 7, 9, 11)
_COLOR_STATISTICS = ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450))
_TINY = 1e-8  # keeps the length of features that are all 0 from dividing by 0

# Published weights: what needs them, URL, SHA-256.
_ALEXNET = (
    "LPIPS",
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
_INCEPTION = (
    "FID and KID",
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)

_Real = Float64[np.ndarray, "real features"]
_Generated = Float64[np.ndarray, "generated features"]


class NetworkParams(Section):
    """Weights of the metrics' networks; part of every section that evaluates images."""

    lpips_weights: PretrainedWeights = "none"  # AlexNet's
    inception_weights: PretrainedWeights = "none"  # for FID and KID


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Pretrained networks, as far as there are weights."""

    distances: Mapping[str, ImageDistance]
    """By metric."""
    features: FrameFeatures | None
    """Features that FID and KID compare; None: they are skipped."""
    skipped: Mapping[str, str]
    """Metric -> reason why it is skipped."""


def open_networks(params: NetworkParams, *, option: str) -> Networks:
    """Open the requested networks, on a GPU if there is one; the others are skipped with a reason.

    `option` is what the user writes to ask for one, such as `evaluate.{}_weights`.

    Raises:
        WeightsError: not a file of tensors, or not this network's.
    """
    skipped: dict[str, str] = {}
    lpips, features = None, None
    for name, weights, backbone, metrics in (
        ("lpips", params.lpips_weights, "AlexNet", ("lpips",)),
        ("inception", params.inception_weights, "Inception", ("fid", "kid")),
    ):
        asked = option.format(name)
        if weights == "none":
            reason = f"no weights of {backbone} were asked for: {asked} is none"
            skipped |= dict.fromkeys(metrics, reason)
            continue
        file = weights if isinstance(weights, Path) else None
        device = torch.device(choose_accelerator())
        if name == "lpips":
            lpips = open_lpips(file, option=asked, device=device)
        else:
            features = open_inception(file, option=asked, device=device)
        _logger.info("%s runs on %s, 32-true", backbone, describe_device(device.type))
    return Networks(distances={"lpips": lpips} if lpips else {}, features=features, skipped=skipped)


def not_measured(size: tuple[int, int], networks: Networks) -> dict[str, str]:
    """Metric that other work reports -> reason why it is missing here."""
    skipped = {
        "face_identity": "needs a face-recognition network; identity compares colors instead",
        **networks.skipped,
    }
    if min(size) < SMALLEST_MS_SSIM_PX:
        skipped["ms_ssim"] = f"needs frames of {SMALLEST_MS_SSIM_PX} pixels on each side"
    return skipped


def open_lpips(file: Path | None, *, option: str, device: torch.device = CPU) -> ImageDistance:
    """LPIPS with AlexNet's weights from a file or as published, and torchmetrics' copy of its own.

    Colors are normalized as in the authors' code, and features of each layer to unit length.
    """
    from torchvision.models import alexnet

    published, path, tensors = _read(_ALEXNET, file, option=option)
    backbone = {
        name.removeprefix("features."): value.float()
        for name, value in tensors.items()
        if name.startswith("features.")
    }
    with torch.device("meta"):
        layers = alexnet(weights=None).features
    try:
        layers.load_state_dict(backbone, assign=True)
    except RuntimeError as error:
        raise _of_another_network(path, "AlexNet", error, published) from error
    layers.to(device)
    with (files("torchmetrics.functional.image") / "lpips_models/alex.pth").open("rb") as stored:
        learned = torch.load(stored, map_location=CPU, weights_only=True)
    weights = [learned[f"lin{i}.model.1.weight"].to(device) for i in range(len(_COMPARED_LAYERS))]
    mean, deviation = torch.tensor(_COLOR_STATISTICS, device=device)[..., None, None]

    @torch.inference_mode()
    def distance(first: Frame, second: Frame) -> float:
        pair = torch.cat([_colors(image, device) for image in (first, second)])
        pair = (2 * pair - 1 - mean) / deviation
        total, weight_of = 0.0, dict(zip(_COMPARED_LAYERS, weights, strict=True))
        for index, layer in enumerate(layers):
            pair = layer(pair)
            if index in weight_of:
                unit = pair / torch.sqrt(pair.square().sum(dim=1, keepdim=True) + _TINY)
                difference = (unit[:1] - unit[1:]).square()
                total += float((weight_of[index] * difference).sum(dim=1).mean())
        return total

    return distance


def open_inception(file: Path | None, *, option: str, device: torch.device = CPU) -> FrameFeatures:
    """Inception's last features before its classes, 2048 of them, of an image of any size."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    published, path, tensors = _read(_INCEPTION, file, option=option)
    try:
        # The network reads a file of its own format, whatever that of the given one is.
        with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
            plain = Path(folder) / published.name
            torch.save(dict(tensors), plain)
            network = FrechetInceptionDistance(
                2048, antialias=False, feature_extractor_weights_path=str(plain)
            ).inception
    except RuntimeError as error:
        raise _of_another_network(path, "FID's Inception", error, published) from error
    network.to(device)

    @torch.inference_mode()
    def features(image: Frame) -> Float32[np.ndarray, " features"]:
        return network(_batch_of_one(image).to(device))[0].cpu().numpy()

    return features


def _read(
    weights: tuple[str, str, str], file: Path | None, *, option: str
) -> tuple[Pretrained, Path, Mapping[str, Tensor]]:
    needed_by, url, sha256 = weights
    published = Pretrained(
        name=url.rpartition("/")[2],
        url=url,
        sha256=sha256,
        needed_by=needed_by,
        file_param=option,
        without=f"set {option} to none",
    )
    path = pretrained_file(published, file=file)
    return published, path, read_tensors(path, published)


def _of_another_network(
    path: Path, network: str, error: RuntimeError, published: Pretrained
) -> WeightsError:
    first_fault = (str(error).splitlines()[1:2] or [str(error)])[0]
    return WeightsError(
        f"{path}: not the weights of {network}: {first_fault.strip():.200}; {published.remedies}"
    )


def _batch_of_one(image: Frame) -> UInt8[Tensor, "1 3 height width"]:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]


def _colors(image: Frame, device: torch.device) -> Float32[Tensor, "1 3 _ _"]:
    """The image, colors from 0 to 1, enlarged where a side is too short."""
    pixels = _batch_of_one(image).to(device).float() / 255
    height, width = image.shape[:2]
    scale = _SMALLEST_SIDE_PX / min(height, width)
    if scale <= 1:
        return pixels
    size = (round(height * scale), round(width * scale))
    return interpolate(pixels, size, mode="bilinear", align_corners=False).clamp(0, 1)


def fid_and_kid(
    real: PosedFrames, videos: Mapping[str, PosedFrames], network: FrameFeatures | None
) -> Measurements:
    """FID and KID of videos against real frames, which need not show the same motion.

    Also counts frames without a person. Nothing is measured without a network.
    """
    if network is None:
        return Measurements(summary=())
    of_real, real_block = _features(real, network, "real frames")
    of_videos = {name: _features(one, network, name) for name, one in videos.items()}
    values: dict[MetricKey, Value] = {}
    for metric, region, name in product(("fid", "kid"), _REGIONS, videos):
        features, block = of_videos[name]
        pair = of_real[region], features[region]
        value: Value = (None, None)
        if min(map(len, pair)) >= _MIN_FRAMES and metric == "fid":
            value = (fid(*pair), None)
        elif min(map(len, pair)) >= _MIN_FRAMES:
            value = (kid(*pair), kid_interval(*pair, (real_block, block)))
        values[MetricKey(metric, region, name, "realism")] = value
    skipped = {
        MetricKey("skipped_frames", "", name, "realism"): len(of["frame"]) - len(of["person"])
        for name, (of, _) in of_videos.items()
    }
    return Measurements.from_values(values) + Measurements.from_counts(skipped)


def fid(real: _Real, generated: _Generated) -> float:
    """Fréchet distance of the Gaussians that have the features' means and covariances.

    With C = AᵀA and D = BᵀB the trace of (CD)^½ is the sum of the singular values of ABᵀ, which has
    a row for each real frame and a column for each generated one.
    """
    means = np.square(real.mean(axis=0) - generated.mean(axis=0)).sum()
    a, b = ((one - one.mean(axis=0)) / np.sqrt(len(one) - 1) for one in (real, generated))
    common = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(means + np.square(a).sum() + np.square(b).sum() - 2 * common)


def kid(real: _Real, generated: _Generated) -> float:
    """Maximum mean discrepancy under the paper's cubic kernel, squared; unbiased."""
    ones = np.ones((1, len(real))), np.ones((1, len(generated)))
    return float(_discrepancies(real, generated, *ones)[0])


def kid_interval(
    real: _Real, generated: _Generated, block_frames: tuple[int, int]
) -> tuple[float, float]:
    """95 % interval of KID by the moving-block bootstrap; a block of either lasts a second."""
    counts = [
        np.concatenate(list(resamples(len(video), min(block, len(video)), seed)))
        for seed, (video, block) in enumerate(zip((real, generated), block_frames, strict=True))
    ]
    low, high = np.nanpercentile(_discrepancies(real, generated, *counts), TAILS)
    return float(low), float(high)


def _discrepancies(
    real: _Real,
    generated: _Generated,
    of_real: Float64[np.ndarray, "resamples real"],
    of_generated: Float64[np.ndarray, "resamples generated"],
) -> Float64[np.ndarray, " resamples"]:
    """KID of each resample, given its frame counts."""
    across = ((of_real @ _kernel(real, generated)) * of_generated).sum(axis=1)
    across /= of_real.sum(axis=1) * of_generated.sum(axis=1)
    within = (_mean_of_pairs(one, of) for one, of in ((real, of_real), (generated, of_generated)))
    return sum(within) - 2 * across


def _kernel(
    first: Float64[np.ndarray, "first features"], second: Float64[np.ndarray, "second features"]
) -> Float64[np.ndarray, "first second"]:
    return (first @ second.T / first.shape[1] + 1) ** 3


def _mean_of_pairs(
    video: Float64[np.ndarray, "frames features"], counts: Float64[np.ndarray, "resamples frames"]
) -> Float64[np.ndarray, " resamples"]:
    """Mean kernel over pairs of different frames; NaN where a resample has only one."""
    kernel, squares = _kernel(video, video), np.square(counts)
    total = ((counts @ kernel) * counts).sum(axis=1) - squares @ np.diagonal(kernel)
    pairs = np.square(counts.sum(axis=1)) - squares.sum(axis=1)
    return np.divide(total, pairs, out=np.full(len(total), np.nan), where=pairs > 0)


def _features(
    posed: PosedFrames, network: FrameFeatures, label: str
) -> tuple[dict[str, Float64[np.ndarray, "_ features"]], int]:
    """Features of each region in the frames that have it; number of frames in about a second."""
    chosen = posed.part(evenly_spaced(range(len(posed.frames)), count=_MAX_FRAMES))
    persons = person_regions(chosen.keypoints)
    found: dict[str, list[np.ndarray]] = {region: [] for region in _REGIONS}
    frames = read_frames(chosen.frames, chosen.keypoints.image_size)
    shown = track(frames, f"Inception features of {label}", total=len(persons))
    for frame, box in zip(shown, persons, strict=True):
        found["frame"].append(network(frame))
        if box:
            x0, y0, x1, y1 = box
            found["person"].append(network(frame[y0:y1, x0:x1]))
    rate = chosen.keypoints.frame_rate * len(persons) / len(posed.frames)
    num_features = len(found["frame"][0])
    of_region = {
        region: np.array(features, np.float64).reshape(-1, num_features)
        for region, features in found.items()
    }
    return of_region, block_length(len(persons), rate)
