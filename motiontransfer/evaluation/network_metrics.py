"""Network-based metrics: LPIPS, FID and KID, of the networks in `evaluation.pretrained`.

LPIPS (Zhang et al. 2018; AlexNet, as in the paper's tables) compares a frame with the real one.
FID (Heusel et al. 2017) and KID (Binkowski et al. 2018) compare the Inception features of all
frames of a video with those of real frames, so no frame needs a ground truth of its own. FID is
biased upwards by the small number of frames in a clip: it only compares videos within one table. It
has no interval, since resampled frames raise it further. KID is unbiased, and its interval leaves
out pairs of a frame with itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from motiontransfer.core.downloads import Pretrained
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import PosedFrames, person_regions, read_frames
from motiontransfer.evaluation.image_metrics import (
    SMALLEST_MS_SSIM_PX,
    FrameFeatures,
    ImageDistance,
)
from motiontransfer.evaluation.measurements import (
    TAILS,
    Measurements,
    MetricKey,
    Value,
    block_length,
    resamples,
)
from motiontransfer.evaluation.params import NetworkParams

_MAX_FRAMES = 500  # of a video whose features are computed; more change little
_MIN_FRAMES = 2  # that a covariance needs

_ALEXNET = partial(
    Pretrained,
    name="alexnet-owt-7be5be79.pth",
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    needed_by="LPIPS",
)
_INCEPTION = partial(
    Pretrained,
    name="weights-inception-2015-12-05-6726825d.pth",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    needed_by="FID and KID",
)

_Real = Float64[np.ndarray, "real features"]
_Generated = Float64[np.ndarray, "generated features"]


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
        MissingFileError: no such file, or it could not be downloaded.
        WeightsError: not a file of tensors, or not this network's.
    """
    opened: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    asked = {"lpips": (_ALEXNET, params.lpips_weights)}
    asked["inception"] = _INCEPTION, params.inception_weights
    for name, (publish, weights) in asked.items():
        param = option.format(name)
        published = publish(file_param=param, without=f"set {param} to none")
        if weights == "none":
            skipped[name] = f"no weights for {published.needed_by} were asked for: {param} is none"
            continue
        from motiontransfer.evaluation.pretrained import open_network  # PyTorch takes seconds

        file = weights if isinstance(weights, Path) else None
        opened[name] = open_network(name, published, file=file)
    if reason := skipped.pop("inception", None):
        skipped |= {"fid": reason, "kid": reason}
    distances = {"lpips": opened["lpips"]} if "lpips" in opened else {}
    return Networks(distances=distances, features=opened.get("inception"), skipped=skipped)


def not_measured(size: tuple[int, int], networks: Networks) -> dict[str, str]:
    """Metric that other work reports -> reason why it is missing here."""
    skipped = {
        "face_identity": "needs a face-recognition network; identity compares colors instead",
        **networks.skipped,
    }
    if min(size) < SMALLEST_MS_SSIM_PX:
        skipped["ms_ssim"] = f"needs frames of {SMALLEST_MS_SSIM_PX} pixels on each side"
    return skipped


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
    for metric, region, name in product(("fid", "kid"), of_real, videos):
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


def _features(
    posed: PosedFrames, network: FrameFeatures, label: str
) -> tuple[dict[str, Float64[np.ndarray, "_ features"]], int]:
    """Features of each region in the frames that have it; number of frames in about a second."""
    chosen = posed.part(evenly_spaced(range(len(posed.frames)), count=_MAX_FRAMES))
    persons = person_regions(chosen.keypoints)
    frames = read_frames(chosen.frames, chosen.keypoints.image_size)
    shown = track(frames, f"Inception features of {label}", total=len(persons))
    whole, person = [], []
    for frame, box in zip(shown, persons, strict=True):
        whole.append(network(frame))
        if box:
            x0, y0, x1, y1 = box
            person.append(network(frame[y0:y1, x0:x1]))
    rate = chosen.keypoints.frame_rate * len(persons) / len(posed.frames)
    return {
        region: np.array(features, np.float64).reshape(-1, len(whole[0]))
        for region, features in (("frame", whole), ("person", person))
    }, block_length(len(persons), rate)


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
    """KID of each resample, given its frame counts; NaN where one has only one frame, repeated."""

    def kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return (first @ second.T / first.shape[1] + 1) ** 3

    across = ((of_real @ kernel(real, generated)) * of_generated).sum(axis=1)
    across /= of_real.sum(axis=1) * of_generated.sum(axis=1)
    within = []
    for video, counts in ((real, of_real), (generated, of_generated)):
        own, squares = kernel(video, video), np.square(counts)
        total = ((counts @ own) * counts).sum(axis=1) - squares @ np.diagonal(own)
        pairs = np.square(counts.sum(axis=1)) - squares.sum(axis=1)
        within.append(np.divide(total, pairs, out=np.full(len(total), np.nan), where=pairs > 0))
    return sum(within) - 2 * across
