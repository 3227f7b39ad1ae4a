"""How much a video looks like real ones as a whole: FID (Heusel et al. 2017), KID (Binkowski 2018).

Both compare what Inception sees in all frames of a video with what it sees in real frames, so that
no frame needs a truth of its own. Hides how few frames a clip has. FID is too large with so few,
for all videos alike: it compares videos of one table, and no more; it has no interval, since frames
drawn twice make it larger. KID has no such bias, and its interval leaves out pairs of a frame with
itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from motiontransfer.evaluation.benchmark import Footage
from motiontransfer.evaluation.frame_references import read_frames
from motiontransfer.evaluation.intervals import COVERAGE, block_length, resamples
from motiontransfer.evaluation.metrics import FrameFeatures
from motiontransfer.evaluation.pose_distance import selected
from motiontransfer.evaluation.regions import person_regions
from motiontransfer.evaluation.series import rounded
from motiontransfer.progress import track
from motiontransfer.rendering.videos import evenly_spaced

_MOST_FRAMES = 500
"""Frames of a video that are looked at; more would take longer and differ little from these."""

_FEWEST_FRAMES = 2
_REGIONS = ("frame", "person")

_Real = Float64[np.ndarray, "real features"]
_Made = Float64[np.ndarray, "made features"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Realism:
    """How much videos look like real ones; nothing at all without a network."""

    metrics: dict[str, object]
    """`realism`: `fid` and `kid`, each by region and video, and `skipped_frames`, those without a
    person."""

    intervals: dict[str, object]
    """`realism`: the same tree of `fid` and `kid`, with [low, high] of each KID at 95 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a network saw in a video."""

    features: Mapping[str, Float64[np.ndarray, "_ features"]]
    """Region -> of each frame that has it."""

    block_frames: int
    """How many of these frames are about a second."""

    num_without_person: int


def realism(
    real: Footage, made: Mapping[str, Footage], network: FrameFeatures | None, *, box_margin: float
) -> Realism:
    """Compare videos with real frames, of which none need show the same as the video's.

    Args:
        made: name -> a video.
        network: what the pictures are compared by; None: nothing is measured.
        box_margin: share of a box's longer side by which it grows on every side.

    Raises:
        VideoError: a video has another size than its keypoints say.
    """
    if network is None:
        return Realism(metrics={}, intervals={})
    seen_in_real = _look(real, network, box_margin, "real frames")
    seen = {name: _look(one, network, box_margin, name) for name, one in made.items()}
    metrics: dict[str, dict[str, dict[str, object]]] = {
        metric: {region: {} for region in _REGIONS} for metric in ("fid", "kid")
    }
    intervals = {metric: {region: {} for region in _REGIONS} for metric in metrics}
    for region in _REGIONS:
        of_real = seen_in_real.features[region]
        for name, one in seen.items():
            of_made = one.features[region]
            enough = min(len(of_real), len(of_made)) >= _FEWEST_FRAMES
            blocks = (seen_in_real.block_frames, one.block_frames)
            metrics["fid"][region][name] = rounded(fid(of_real, of_made)) if enough else None
            metrics["kid"][region][name] = rounded(kid(of_real, of_made)) if enough else None
            intervals["fid"][region][name] = None
            intervals["kid"][region][name] = (
                [rounded(end) for end in kid_interval(of_real, of_made, blocks)] if enough else None
            )
    skipped = {name: one.num_without_person for name, one in seen.items()}
    return Realism(
        metrics={"realism": {**metrics, "skipped_frames": skipped}},
        intervals={"realism": intervals},
    )


def fid(real: _Real, made: _Made) -> float:
    """Fréchet distance of the Gaussians that have the features' means and covariances.

    With C = AᵀA and D = BᵀB the trace of (CD)^½ is the sum of the singular values of ABᵀ, which has
    a row for each real frame and a column for each made one: no root of 2048 x 2048 numbers, of
    which a clip's frames could not fill a tenth.
    """
    apart = np.square(real.mean(axis=0) - made.mean(axis=0)).sum()
    a, b = _spread(real), _spread(made)
    common = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(apart + np.square(a).sum() + np.square(b).sum() - 2 * common)


def kid(real: _Real, made: _Made) -> float:
    """Maximum mean discrepancy under the cubic kernel of the paper, squared; unbiased."""
    ones = np.ones((1, len(real))), np.ones((1, len(made)))
    return float(_discrepancies(_Kernels.of(real, made), *ones)[0])


def kid_interval(real: _Real, made: _Made, block_frames: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of KID by the moving-block bootstrap over time of both videos.

    Args:
        block_frames: about a second's, in the real video and in the made one.
    """
    kernels = _Kernels.of(real, made)
    of_real, of_made = (
        np.concatenate(list(resamples(num_frames, min(block, num_frames), seed)))
        for num_frames, block, seed in zip(
            (len(real), len(made)), block_frames, (0, 1), strict=True
        )
    )
    tail = 50 * (1 - COVERAGE)
    low, high = np.nanpercentile(_discrepancies(kernels, of_real, of_made), (tail, 100 - tail))
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kernels:
    """How alike two frames are, for each pair."""

    within_real: Float64[np.ndarray, "real real"]
    within_made: Float64[np.ndarray, "made made"]
    across: Float64[np.ndarray, "real made"]

    @classmethod
    def of(cls, real: _Real, made: _Made) -> "_Kernels":
        from torchmetrics.image.kid import poly_kernel

        first, second = torch.from_numpy(real), torch.from_numpy(made)
        return cls(
            within_real=poly_kernel(first, first).numpy(),
            within_made=poly_kernel(second, second).numpy(),
            across=poly_kernel(first, second).numpy(),
        )


def _discrepancies(
    kernels: _Kernels,
    of_real: Float64[np.ndarray, "resamples real"],
    of_made: Float64[np.ndarray, "resamples made"],
) -> Float64[np.ndarray, " resamples"]:
    """KID of each resample, which has each frame so many times."""
    across = ((of_real @ kernels.across) * of_made).sum(axis=1)
    across /= of_real.sum(axis=1) * of_made.sum(axis=1)
    within = _mean_of_pairs(kernels.within_real, of_real)
    return within + _mean_of_pairs(kernels.within_made, of_made) - 2 * across


def _mean_of_pairs(
    kernel: Float64[np.ndarray, "frames frames"], counts: Float64[np.ndarray, "resamples frames"]
) -> Float64[np.ndarray, " resamples"]:
    """Mean over pairs of different frames; NaN where a resample has only one."""
    squares = np.square(counts)
    total = ((counts @ kernel) * counts).sum(axis=1) - squares @ np.diagonal(kernel)
    pairs = np.square(counts.sum(axis=1)) - squares.sum(axis=1)
    return np.divide(total, pairs, out=np.full(len(total), np.nan), where=pairs > 0)


def _spread(
    features: Float64[np.ndarray, "frames features"],
) -> Float64[np.ndarray, "frames features"]:
    """A, such that AᵀA is the features' covariance."""
    return (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)


def _look(footage: Footage, network: FrameFeatures, margin: float, label: str) -> _Seen:
    chosen = np.array(evenly_spaced(len(footage.frames), _MOST_FRAMES), np.int64)
    keypoints = selected(footage.keypoints, chosen)
    persons = person_regions(keypoints, margin=margin)
    found: dict[str, list[np.ndarray]] = {region: [] for region in _REGIONS}
    pictures = read_frames([footage.frames[index] for index in chosen], keypoints.image_size)
    shown = track(pictures, f"what Inception sees in {label}", total=len(chosen))
    for index, picture in enumerate(shown):
        found["frame"].append(network(picture))
        if box := persons.at(index):
            x0, y0, x1, y1 = box
            found["person"].append(network(picture[y0:y1, x0:x1]))
    rate = keypoints.frame_rate * len(chosen) / len(footage.frames)
    num_features = len(found["frame"][0])
    return _Seen(
        features={
            region: np.array(ones, np.float64).reshape(-1, num_features)
            for region, ones in found.items()
        },
        block_frames=block_length(len(chosen), rate),
        num_without_person=len(chosen) - len(found["person"]),
    )
