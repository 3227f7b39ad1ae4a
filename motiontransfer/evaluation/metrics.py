"""How near a frame is to the real one, on the whole frame, the person, the face and the hands.

Hides which metrics a region has: L1, PSNR and SSIM everywhere, MS-SSIM on the whole frame only (its
coarsest scale needs 176 pixels), SSIM apart from place everywhere else, and those of networks for
which there are weights everywhere but on the hands. A region's SSIM equals that of the region cut
out: windows that reach over its edge do not count. A region that cannot be measured is counted,
with the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float32, UInt8

from motiontransfer.evaluation.alignment import best_match
from motiontransfer.evaluation.regions import Box, Regions
from motiontransfer.evaluation.series import Series
from motiontransfer.evaluation.similarity import (
    SMALLEST_MS_SSIM_PX,
    WINDOW_PX,
    ms_ssim,
    similarity,
)

PSNR_CAP_DB = 100.0
METRICS = ("l1", "psnr", "ssim")
NOT_DETECTED = "not detected"
TOO_SMALL = f"smaller than {WINDOW_PX} pixels"

PictureDistance = Callable[[UInt8[np.ndarray, "_ _ 3"], UInt8[np.ndarray, "_ _ 3"]], float]
"""How far the second picture is from the first, by a network; 0 where they are equal."""

FrameFeatures = Callable[[UInt8[np.ndarray, "_ _ 3"]], Float32[np.ndarray, " features"]]
"""What a network sees in a picture of any size."""

_NEVER_MEASURED = {
    "face_identity": "needs a network that recognises faces; identity compares colours instead",
}
_BoxMetrics = Mapping[str, Mapping[str, float]]
_REGION_OF_BOX = {"left_hand": "hands", "right_hand": "hands"}
_WITHOUT_NETWORKS = ("left_hand", "right_hand")


def frame_metrics(
    real: UInt8[np.ndarray, "height width 3"],
    fake: UInt8[np.ndarray, "height width 3"],
    *,
    boxes: Mapping[str, Box | None],
    distances: Mapping[str, PictureDistance] = MappingProxyType({}),
) -> dict[str, dict[str, float]]:
    """Metrics of each box: `l1` (levels of 0 to 255), `psnr` (dB), `ssim`, and those of networks.

    PSNR is at most 100 dB, also where the pictures are identical, so that means stay finite. The
    box `frame` is the whole frame, and has `ms_ssim` too; the others have `ssim_aligned`, the SSIM
    with the place nearby that looks most like the box.

    Args:
        boxes: name -> its box; None, or one that is too small (`why_skipped`), has no metrics.
        distances: metric -> a network's distance.
    """
    error = real.astype(np.float64) - fake.astype(np.float64)
    measurable = {name: box for name, box in boxes.items() if box and not why_skipped(box)}
    if not measurable:
        return {name: {} for name in boxes}
    found = similarity(real, fake)
    of_pixel = found.ssim.mean(axis=-1)
    reach = WINDOW_PX // 2
    metrics: dict[str, dict[str, float]] = {name: {} for name in boxes}
    for name, (x0, y0, x1, y1) in measurable.items():
        inside = error[y0:y1, x0:x1]
        whole_windows = of_pixel[y0 + reach : y1 - reach, x0 + reach : x1 - reach]
        metrics[name] = {
            "l1": float(np.abs(inside).mean()),
            "psnr": psnr(float(np.square(inside).mean())),
            "ssim": float(whole_windows.mean(dtype=np.float64)),
        }
        if name != "frame":
            there = best_match(real, fake, (x0, y0, x1, y1))
            metrics[name]["ssim_aligned"] = _mean_ssim(real[y0:y1, x0:x1], there)
        if name not in _WITHOUT_NETWORKS:
            for metric, distance in distances.items():
                metrics[name][metric] = distance(real[y0:y1, x0:x1], fake[y0:y1, x0:x1])
    if "frame" in measurable and min(real.shape[:2]) >= SMALLEST_MS_SSIM_PX:
        metrics["frame"]["ms_ssim"] = ms_ssim(real, fake, found)
    return metrics


def _mean_ssim(
    real: UInt8[np.ndarray, "height width 3"], fake: UInt8[np.ndarray, "height width 3"]
) -> float:
    reach = WINDOW_PX // 2
    whole_windows = similarity(real, fake).ssim[reach:-reach, reach:-reach]
    return float(whole_windows.mean(dtype=np.float64))


def why_skipped(box: Box | None) -> str:
    """Why a box has no metrics; empty where it has."""
    if box is None:
        return NOT_DETECTED
    x0, y0, x1, y1 = box
    return TOO_SMALL if min(x1 - x0, y1 - y0) < WINDOW_PX else ""


def psnr(mean_square: float) -> float:
    """Peak signal-to-noise ratio in dB, at most 100, of a mean squared error in levels."""
    if mean_square == 0:
        return PSNR_CAP_DB
    return min(float(10 * np.log10(255**2 / mean_square)), PSNR_CAP_DB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Networks that judge pictures, as far as there are weights."""

    distances: Mapping[str, PictureDistance]
    """Metric -> its distance."""

    features: FrameFeatures | None
    """What FID and KID compare; None: they are skipped."""

    skipped: Mapping[str, str]
    """Metric -> why there is none."""


NO_NETWORKS = Networks(
    distances={},
    features=None,
    skipped=dict.fromkeys(("lpips", "dists", "fid", "kid"), "no weights were given"),
)


def not_measured(size: tuple[int, int], networks: Networks) -> dict[str, str]:
    """Metric that others report -> why it is not here.

    Args:
        size: (height, width) of the frames.
    """
    skipped = {**_NEVER_MEASURED, **networks.skipped}
    if min(size) < SMALLEST_MS_SSIM_PX:
        skipped["ms_ssim"] = f"needs frames of {SMALLEST_MS_SSIM_PX} pixels on each side"
    return skipped


class PictureJudge:
    """Compares methods with the real frames as they stream past; keeps only numbers."""

    def __init__(
        self,
        real: str,
        methods: Sequence[str],
        *,
        regions: Mapping[str, Regions],
        distances: Mapping[str, PictureDistance],
    ) -> None:
        """Measure each method's frames beside those called `real`.

        Args:
            regions: boxes by name, found on the real frames; `left_hand` and `right_hand` are
                reported together as `hands`.
            distances: metric -> a network's distance.
        """
        self._real = real
        self._regions, self._distances = regions, distances
        self._index = 0
        self._measured: dict[str, list[_BoxMetrics]] = {method: [] for method in methods}

    def see(self, frames: Mapping[str, UInt8[np.ndarray, "_ _ 3"]]) -> None:
        """Take the next frame of every video, by name."""
        real = frames[self._real]
        height, width = real.shape[:2]
        boxes: dict[str, Box | None] = {"frame": (0, 0, width, height)}
        boxes |= {name: found.at(self._index) for name, found in self._regions.items()}
        self._index += 1
        for method, measured in self._measured.items():
            found = frame_metrics(real, frames[method], boxes=boxes, distances=self._distances)
            measured.append(found)

    def scores(self) -> dict[str, object]:
        """Method -> region -> metric -> series."""
        boxes_of: dict[str, list[str]] = {"frame": ["frame"]}
        for name in self._regions:
            boxes_of.setdefault(_region(name), []).append(name)
        return {
            method: {
                region: {
                    metric: _pooled(measured, boxes, metric) for metric in self._metrics_of(region)
                }
                for region, boxes in boxes_of.items()
            }
            for method, measured in self._measured.items()
        }

    def _metrics_of(self, region: str) -> list[str]:
        extra = ["ms_ssim"] if region == "frame" else ["ssim_aligned"]
        return [*METRICS, *extra, *([] if region == "hands" else self._distances)]


def count_skipped(regions: Mapping[str, Regions]) -> dict[str, dict[str, int]]:
    """How many boxes cannot be measured, by region and reason; the reasons are there even if 0.

    Regions are found on the real frames, so the counts are the same for every method. Each hand is
    counted by itself.
    """
    counts = {_region(name): dict.fromkeys((NOT_DETECTED, TOO_SMALL), 0) for name in regions}
    for name, found in regions.items():
        for index in range(len(found.found)):
            if reason := why_skipped(found.at(index)):
                counts[_region(name)][reason] += 1
    return {
        region: {reason.replace(" ", "_"): count for reason, count in reasons.items()}
        for region, reasons in counts.items()
    }


def _region(name: str) -> str:
    return _REGION_OF_BOX.get(name, name)


def _pooled(frames: Sequence[_BoxMetrics], boxes: Sequence[str], metric: str) -> Series:
    values = [[f[box][metric] for box in boxes if metric in f[box]] for f in frames]
    return Series(
        total=np.array([sum(measured) for measured in values], np.float64),
        weight=np.array([len(measured) for measured in values], np.float64),
    )
