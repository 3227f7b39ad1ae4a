"""Image metrics: likeness, L1, SSIM and sharpness, by region.

SSIM is that of Wang et al. 2004: Gaussian window of 11 pixels with sigma 1.5, population
covariance, range 255, mean over channels. A region's SSIM equals that of its crop: windows that
cross its edge are left out.

The person's position is not known to the pixel. A sharp face two pixels aside has a lower SSIM than
a blurred one. L1 and SSIM favor the mean of what might be there, which is a blur; they are
here to compare with publications. Likeness (`likeness.py`) decides. Sharpness is the mean gradient
magnitude relative to the real one, 1 where as many edges are as steep, wherever.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

import cv2
import numpy as np
from jaxtyping import Bool, Float32

from motiontransfer.core.arrays import AnyFrame, Box, Frame, Plane
from motiontransfer.evaluation.frames import FrameSet, Regions
from motiontransfer.evaluation.likeness import CONTRAST_CONSTANT, LUMINANCE_CONSTANT, likeness
from motiontransfer.evaluation.measurements import (
    FRAMES,
    LEVELS,
    OF_IMAGES,
    OF_SKIPPED,
    FrameScores,
    Metric,
    MetricKey,
)

# SSIM as published: side and deviation of the window in pixels.
WINDOW_PX, _SIGMA_PX = 11, 1.5
_MIDDLE_GRAY = 128.0  # subtracted from levels, so that single precision is enough for variances

NOT_DETECTED = "not_detected"
TOO_SMALL = f"smaller_than_{WINDOW_PX}_pixels"

METRICS = {
    "likeness": Metric("Likeness", "", "higher", OF_IMAGES),
    "l1": Metric("L1", LEVELS, "lower", OF_IMAGES),
    "ssim": Metric("SSIM", "", "higher", OF_IMAGES),
    "lpips": Metric("LPIPS", "", "lower", OF_IMAGES),
    "sharpness": Metric("Sharpness", "of the real frame's", "near one", OF_IMAGES),
    NOT_DETECTED: Metric("Not detected", FRAMES, "unknown", OF_SKIPPED),
    "blurred": Metric("Blurred in the real frame", FRAMES, "unknown", OF_SKIPPED),
    TOO_SMALL: Metric("Smaller than 11 pixels", FRAMES, "unknown", OF_SKIPPED),
}

ImageDistance = Callable[[AnyFrame, AnyFrame], float]
"""Perceptual distance of the second image from the first; 0 where they are equal."""

Blurred = Mapping[str, Bool[np.ndarray, " _"]]
"""Name of a box -> in which real frames it is blurred."""

_FloatImage = Float32[np.ndarray, "height width 3"]

_Sums = dict[MetricKey, tuple[float, float]]
"""Numerator and denominator of each metric."""

_HANDS = ("left_hand", "right_hand")


def frame_metrics(
    real: Frame, fake: Frame, *, boxes: Mapping[str, Box | None], lpips: ImageDistance | None = None
) -> dict[str, dict[str, float]]:
    """Metrics of each box: `l1` (levels of 0 to 255), `ssim`, and `lpips`.

    The box `frame` is the whole frame; the others have `likeness`. Hands are too small for LPIPS.

    Args:
        boxes: name -> its box; None, or one that is too small (`why_skipped`), has no metrics.
    """
    error = real.astype(np.float64) - fake.astype(np.float64)
    metrics: dict[str, dict[str, float]] = {name: {} for name in boxes}
    measurable = {name: box for name, box in boxes.items() if box and not why_skipped(box)}
    if not measurable:
        return metrics
    similarity, reach = ssim_map(real, fake), WINDOW_PX // 2
    for name, box in measurable.items():
        inside = np.s_[box[1] : box[3], box[0] : box[2]]
        whole_windows = similarity[inside].mean(axis=-1)[reach:-reach, reach:-reach]
        metrics[name] = {
            "l1": float(np.abs(error[inside]).mean()),
            "ssim": float(whole_windows.mean(dtype=np.float64)),
        }
        if name != "frame":
            metrics[name]["likeness"] = likeness(real, fake, box)
        if lpips and name not in _HANDS:
            metrics[name]["lpips"] = lpips(real[inside], fake[inside])
    return metrics


def why_skipped(box: Box | None) -> str:
    """Reason why a box has no metrics; empty where it has."""
    if box is None:
        return NOT_DETECTED
    x0, y0, x1, y1 = box
    return TOO_SMALL if min(x1 - x0, y1 - y0) < WINDOW_PX else ""


def image_scores(
    frame_set: FrameSet,
    *,
    real: str,
    systems: Sequence[str],
    regions: Mapping[str, Regions],
    lpips: ImageDistance | None = None,
    blurred: Blurred = MappingProxyType({}),
    section: str = "",
) -> FrameScores:
    """Each system's metrics against the frames called `real`, by region.

    Regions are boxes found on the real frames; both hands are reported together as `hands`.

    Args:
        blurred: in which frames the real box is blurred, so that it has no likeness.
    """
    truth = frame_set.frames[real]
    height, width = truth.shape[:2]
    boxes: dict[str, Box | None] = {"frame": (0, 0, width, height)}
    boxes |= {name: region[frame_set.index] for name, region in regions.items()}
    steepness = {name: gradients(frame_set.frames[name]) for name in (real, *systems)}
    scores: _Sums = {}
    for system in systems:
        found = frame_metrics(truth, frame_set.frames[system], boxes=boxes, lpips=lpips)
        for name, of_box in found.items():
            if _is_blurred(blurred, name, frame_set.index):
                of_box.pop("likeness", None)
            key = MetricKey("", _region(name), system, section)
            own = () if name == "frame" else ("likeness",)
            networks = ("lpips",) if lpips and name not in _HANDS else ()
            for metric in ("l1", "ssim", *own, *networks):
                _add(scores, key._replace(metric=metric), of_box.get(metric))
            if name != "frame":
                box = boxes[name] if of_box else None
                own, other = (_mean(steepness[video], box) for video in (system, real))
                _add(scores, key._replace(metric="sharpness"), own, other)
    return scores


def _add(scores: _Sums, key: MetricKey, value: float | None, weight: float = 1.0) -> None:
    """Add to a metric's numerator and denominator; nothing where there is no value."""
    total, before = scores.get(key, (0.0, 0.0))
    scores[key] = (total, before) if value is None else (total + value, before + weight)


def _is_blurred(blurred: Blurred, name: str, index: int) -> bool:
    return name in blurred and bool(blurred[name][index])


def likeness_scores(
    frame_set: FrameSet,
    *,
    real: str,
    systems: Mapping[str, tuple[str, str]],
    regions: Mapping[str, Regions],
    blurred: Blurred,
) -> FrameScores:
    """The likeness alone, as `image_scores` has it; `systems`: video -> section and system."""
    scores: _Sums = {}
    for video, (section, system) in systems.items():
        images = frame_set.frames[real], frame_set.frames[video]
        for name, of_frames in regions.items():
            box = of_frames[frame_set.index]
            is_left_out = why_skipped(box) or _is_blurred(blurred, name, frame_set.index)
            value = None if box is None or is_left_out else likeness(*images, box)
            _add(scores, MetricKey("likeness", _region(name), system, section), value)
    return scores


def gradients(image: Frame) -> Plane:
    """Gradient magnitude of the luma at each pixel, levels per pixel; 0 at the last of each row."""
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across = np.diff(luma, axis=1, append=luma[:, -1:])
    return np.hypot(across, np.diff(luma, axis=0, append=luma[-1:]))


def _mean(values: Plane, box: Box | None) -> float:
    """Mean in a box; 0 without one."""
    x0, y0, x1, y1 = box or (0, 0, 0, 0)
    return float(values[y0:y1, x0:x1].mean(dtype=np.float64)) if box else 0.0


def count_blurred(blurred: Iterable[Blurred], *, section: str = "") -> dict[MetricKey, int]:
    """Number of boxes that are blurred in the frames of real clips; each hand by itself."""
    counts: dict[MetricKey, int] = {}
    for of_clip in blurred:
        for name, of_frames in of_clip.items():
            key = MetricKey("blurred", _region(name), "", section)
            counts[key] = counts.get(key, 0) + int(of_frames.sum())
    return counts


def count_skipped(regions: Mapping[str, Regions], *, section: str = "") -> dict[MetricKey, int]:
    """Number of boxes that cannot be measured, by region and reason, zeros included.

    Regions are found on the real frames, so the counts are the same for every system. Each hand is
    counted by itself.
    """
    counts: dict[MetricKey, int] = {}
    for name, boxes in regions.items():
        reasons = [why_skipped(box) for box in boxes]
        for reason in (NOT_DETECTED, TOO_SMALL):
            key = MetricKey(reason, _region(name), "", section)
            counts[key] = counts.get(key, 0) + reasons.count(reason)
    return counts


def _region(box: str) -> str:
    return "hands" if box in _HANDS else box


def ssim_map(real: Frame, fake: Frame) -> _FloatImage:
    """SSIM of the windows around each pixel, 1 where they are equal; mirrored beyond the edges."""
    first, second = _centered(real), _centered(fake)
    mean_first, mean_second = _windowed(first), _windowed(second)
    variances = (
        _windowed(first * first) - mean_first**2 + (_windowed(second * second) - mean_second**2)
    )
    covariance = _windowed(first * second) - mean_first * mean_second
    contrast = (2 * covariance + CONTRAST_CONSTANT) / (variances + CONTRAST_CONSTANT)
    mean_first, mean_second = mean_first + _MIDDLE_GRAY, mean_second + _MIDDLE_GRAY
    luminance = (2 * mean_first * mean_second + LUMINANCE_CONSTANT) / (
        mean_first**2 + mean_second**2 + LUMINANCE_CONSTANT
    )
    return luminance * contrast


def _centered(image: Frame) -> _FloatImage:
    return image.astype(np.float32) - np.float32(_MIDDLE_GRAY)


def _windowed(image: _FloatImage) -> _FloatImage:
    window = (WINDOW_PX, WINDOW_PX)
    return cv2.GaussianBlur(image, window, _SIGMA_PX, borderType=cv2.BORDER_REFLECT_101)
