"""Network-based metrics: LPIPS, DISTS, FID and KID, with torchmetrics' networks.

LPIPS (Zhang et al. 2018; AlexNet, as in the paper's tables) and DISTS (Ding et al. 2020; VGG16)
compare a frame with the real one. Images with a side shorter than 64 pixels are enlarged, as the
backbone's last layers need. FID (Heusel et al. 2017) and KID (Binkowski
et al. 2018) compare the Inception features of all frames of a video with those of real frames, so
no frame needs a ground truth of its own. FID is biased upwards by the small number of frames in a
clip: it only compares videos within one table. It has no interval, since resampled frames raise it
further. KID is unbiased, and its interval leaves out pairs of a frame with itself.

The backbones' weights are not part of torchmetrics, whose classes would download and unpickle them.
Here they come from a file of the user's own, or from the checked cache, and are read as plain
tensors.
"""

import inspect
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from torch import Tensor, nn
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

_SMALLEST_SIDE_PX = 64
_DISTS_STAGES = ((0, 4), (4, 9), (9, 16), (16, 23), (23, 30))
"""Layers of VGG16 in each of DISTS' stages; all but the first begin with a pooling."""

_MAX_FRAMES = 500
"""Upper limit of frames of a video whose features are computed; more change little."""

_MIN_FRAMES = 2
_REGIONS = ("frame", "person")

_Real = Float64[np.ndarray, "real features"]
_Generated = Float64[np.ndarray, "generated features"]


class _Network(NamedTuple):
    """Published weights of a backbone, and the metrics that need it."""

    backbone: str
    metrics: tuple[str, ...]
    url: str
    sha256: str


_NETWORKS = {
    "lpips": _Network(
        "AlexNet",
        ("lpips",),
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    ),
    "dists": _Network(
        "VGG16",
        ("dists",),
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    ),
    "inception": _Network(
        "Inception",
        ("fid", "kid"),
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    ),
}


class NetworkParams(Section):
    """Weights of the metrics' networks; part of every section that evaluates images."""

    lpips_weights: PretrainedWeights = "none"  # AlexNet's
    dists_weights: PretrainedWeights = "none"  # VGG16's
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
    distances: dict[str, ImageDistance] = {}
    features, skipped = None, {}
    for name, network in _NETWORKS.items():
        source, asked = getattr(params, f"{name}_weights"), option.format(name)
        if source == "none":
            reason = f"no weights of {network.backbone} were asked for: {asked} is none"
            skipped |= dict.fromkeys(network.metrics, reason)
            continue
        file = source if isinstance(source, Path) else None
        device = torch.device(choose_accelerator())
        if name == "inception":
            features = open_inception(file, option=asked, device=device)
        else:
            distances[name] = open_distance(name, file, option=asked, device=device)
    if distances or features:
        _logger.info("the metrics' networks run on %s, 32-true", describe_device(device.type))
    return Networks(distances=distances, features=features, skipped=skipped)


def not_measured(size: tuple[int, int], networks: Networks) -> dict[str, str]:
    """Metric that other work reports -> reason why it is missing here."""
    skipped = {
        "face_identity": "needs a face-recognition network; identity compares colours instead",
        **networks.skipped,
    }
    if min(size) < SMALLEST_MS_SSIM_PX:
        skipped["ms_ssim"] = f"needs frames of {SMALLEST_MS_SSIM_PX} pixels on each side"
    return skipped


def open_distance(
    metric: str, file: Path | None, *, option: str, device: torch.device = CPU
) -> ImageDistance:
    """`lpips` or `dists`, with the backbone's weights from a file or as they are published."""
    published, path, tensors = _read_weights(metric, file, option)
    # The public class has no argument that leaves out the download; the network inside it has.
    from torchmetrics.functional.image.lpips import _NoTrainLpips

    compare: Callable[[Tensor, Tensor], Tensor]
    if metric == "lpips":
        network = _NoTrainLpips(net="alex", pnet_rand=True)
        backbone, compare = network.net, partial(network, normalize=True)
    else:
        network = backbone = compare = _dists_network()
    try:
        _load_layers(backbone, tensors)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}; {published.remedies}") from error
    network.to(device)

    def distance(first: Frame, second: Frame) -> float:
        with torch.inference_mode():
            return float(compare(_tensor(first, device), _tensor(second, device)))

    return distance


def _dists_network() -> nn.Module:
    """DISTS around a VGG16 without weights; torchmetrics' own constructor downloads them."""
    from torchmetrics.functional.image.dists import DISTSNetwork, L2pooling
    from torchvision.models import vgg16

    class Network(DISTSNetwork):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            with torch.device("meta"):
                layers = vgg16(weights=None).features
            self.chns = [3, *(layers[end - 2].out_channels for _, end in _DISTS_STAGES)]
            for number, (start, end) in enumerate(_DISTS_STAGES):
                stage = nn.Sequential()
                for index in range(start, end):
                    is_pooling = isinstance(layers[index], nn.MaxPool2d)
                    layer = L2pooling(channels=self.chns[number]) if is_pooling else layers[index]
                    stage.add_module(str(index), layer)
                self.add_module(f"stage{number + 1}", stage)
            file = Path(inspect.getfile(DISTSNetwork)).parent / "dists_models/weights.pt"
            buffers = {
                **torch.load(file, weights_only=True),  # alpha and beta
                "mean": torch.tensor((0.485, 0.456, 0.406))[:, None, None],
                "std": torch.tensor((0.229, 0.224, 0.225))[:, None, None],
            }
            for name, value in buffers.items():
                self.register_buffer(name, value.detach())

    return Network()


def _load_layers(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load convolutions, which both packages number alike: `features.3`, and 3 in some slice."""
    state: dict[str, Tensor] = {}
    for name, value in network.named_parameters():
        source = f"features.{name.partition('.')[2]}"
        given = tensors.get(source)
        if given is None or given.shape != value.shape:
            got = "none" if given is None else tuple(given.shape)
            raise ValueError(f"expected {source} of {tuple(value.shape)}, got {got}")
        state[name] = given.to(value.dtype)
    network.load_state_dict(state, strict=False, assign=True)


def open_inception(file: Path | None, *, option: str, device: torch.device = CPU) -> FrameFeatures:
    """Inception's last features before its classes, 2048 of them, of an image of any size."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    published, path, tensors = _read_weights("inception", file, option)
    try:
        with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
            plain = Path(folder) / published.name
            torch.save(dict(tensors), plain)
            network = FrechetInceptionDistance(
                2048, antialias=False, feature_extractor_weights_path=str(plain)
            )
    except RuntimeError as error:
        first_fault = str(error).splitlines()[1:2] or [str(error)]
        raise WeightsError(
            f"{path}: not the weights of FID's Inception: {first_fault[0].strip():.200}; "
            f"{published.remedies}"
        ) from error
    network.to(device)

    def features(image: Frame) -> Float32[np.ndarray, " features"]:
        with torch.inference_mode():
            return network.inception(_batch_of_one(image).to(device))[0].cpu().numpy()

    return features


def _read_weights(
    name: str, file: Path | None, option: str
) -> tuple[Pretrained, Path, Mapping[str, Tensor]]:
    network = _NETWORKS[name]
    published = Pretrained(
        name=network.url.rpartition("/")[2],
        url=network.url,
        sha256=network.sha256,
        needed_by=" and ".join(metric.upper() for metric in network.metrics),
        file_param=option,
        without=f"set {option} to none",
    )
    path = pretrained_file(published, file=file)
    return published, path, read_tensors(path, published)


def _batch_of_one(image: Frame) -> UInt8[Tensor, "1 3 height width"]:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]


def _tensor(image: Frame, device: torch.device) -> Float32[Tensor, "1 3 _ _"]:
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

    def value(metric: str, region: str, name: str) -> Value:
        features, block = of_videos[name]
        pair = of_real[region], features[region]
        if min(map(len, pair)) < _MIN_FRAMES:
            return None, None
        if metric == "fid":
            return fid(*pair), None
        return kid(*pair), kid_interval(*pair, (real_block, block))

    values = {
        MetricKey(metric, region, name, "realism"): value(metric, region, name)
        for metric, region, name in product(("fid", "kid"), _REGIONS, videos)
    }
    skipped = {
        MetricKey("skipped_frames", "", name, "realism"): len(of["frame"]) - len(of["person"])
        for name, (of, _) in of_videos.items()
    }
    return Measurements.from_values(values) + Measurements.from_counts(skipped)


def fid(real: _Real, generated: _Generated) -> float:
    """Fréchet distance of the Gaussians that have the features' means and covariances.

    With C = AᵀA and D = BᵀB the trace of (CD)^½ is the sum of the singular values of ABᵀ, which has
    a row for each real frame and a column for each generated one: the root of a 2048 x 2048 matrix,
    as torchmetrics' FID takes it, is not needed, and a clip's few frames would not determine it.
    """
    means = np.square(real.mean(axis=0) - generated.mean(axis=0)).sum()
    a, b = ((one - one.mean(axis=0)) / np.sqrt(len(one) - 1) for one in (real, generated))
    common = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(means + np.square(a).sum() + np.square(b).sum() - 2 * common)


def kid(real: _Real, generated: _Generated) -> float:
    """Maximum mean discrepancy under the cubic kernel of the paper, squared; unbiased.

    Over all frames at once, where torchmetrics' KID averages random subsets of them.
    """
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
    from torchmetrics.image.kid import poly_kernel

    first, second = torch.from_numpy(real), torch.from_numpy(generated)
    across = ((of_real @ poly_kernel(first, second).numpy()) * of_generated).sum(axis=1)
    across /= of_real.sum(axis=1) * of_generated.sum(axis=1)
    within = _mean_of_pairs(poly_kernel(first, first).numpy(), of_real)
    return within + _mean_of_pairs(poly_kernel(second, second).numpy(), of_generated) - 2 * across


def _mean_of_pairs(
    kernel: Float64[np.ndarray, "frames frames"], counts: Float64[np.ndarray, "resamples frames"]
) -> Float64[np.ndarray, " resamples"]:
    """Mean over pairs of different frames; NaN where a resample has only one."""
    squares = np.square(counts)
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
