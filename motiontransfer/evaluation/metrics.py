"""How near a frame is to the real one: L1, PSNR and SSIM on the frame, the person and the face.

Hides the metrics' settings. SSIM is scikit-image's, set as Wang et al. 2004: Gaussian window of 11
pixels with sigma 1.5, population covariance, range 255, each channel by itself and then the mean.
A region's SSIM equals that of the region cut out: windows that reach over its edge do not count.
Rows are kept for each frame; a region that cannot be measured is a row that says why.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float64, UInt8
from skimage.metrics import structural_similarity

from motiontransfer.evaluation.regions import Box, Regions

WINDOW_PX = 11
PSNR_CAP_DB = 100.0
METRICS = ("l1", "psnr", "ssim")
REGIONS = ("frame", "person", "face")
NOT_DETECTED = "not detected"
TOO_SMALL = f"smaller than {WINDOW_PX} pixels"

_Row = dict[str, str | int | float]


def ssim_map(
    real: UInt8[np.ndarray, "height width 3"], fake: UInt8[np.ndarray, "height width 3"]
) -> Float64[np.ndarray, "height width"]:
    """SSIM of the window around each pixel, averaged over the channels."""
    _, similarity = structural_similarity(
        real,
        fake,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1,
        full=True,
    )
    return similarity.mean(axis=-1)


def frame_metrics(
    real: UInt8[np.ndarray, "height width 3"],
    fake: UInt8[np.ndarray, "height width 3"],
    *,
    boxes: Mapping[str, Box | None],
) -> list[_Row]:
    """One row a region: `region`, `l1` (levels of 0 to 255), `psnr` (dB), `ssim`, `skipped`.

    PSNR is at most 100 dB, also where the pictures are identical, so that means stay finite.

    Args:
        boxes: region -> its box, or None where nothing was detected.

    Returns:
        Rows in the order of `boxes`; `skipped` is empty, or the reason why the metrics are NaN.
    """
    error = real.astype(np.float64) - fake.astype(np.float64)
    large_enough = min(real.shape[:2]) >= WINDOW_PX
    similarity = ssim_map(real, fake) if large_enough else np.zeros(real.shape[:2])
    rows: list[_Row] = []
    for region, box in boxes.items():
        row: _Row = {"region": region, **dict.fromkeys(METRICS, np.nan)}
        row["skipped"] = NOT_DETECTED if box is None else ""
        if box is not None:
            x0, y0, x1, y1 = box
            if min(x1 - x0, y1 - y0) < WINDOW_PX:
                row["skipped"] = TOO_SMALL
            else:
                inside = error[y0:y1, x0:x1]
                reach = WINDOW_PX // 2
                row["l1"] = float(np.abs(inside).mean())
                row["psnr"] = _psnr(float(np.square(inside).mean()))
                row["ssim"] = float(
                    similarity[y0 + reach : y1 - reach, x0 + reach : x1 - reach].mean()
                )
        rows.append(row)
    return rows


def _psnr(mean_square: float) -> float:
    if mean_square == 0:
        return PSNR_CAP_DB
    return min(float(10 * np.log10(255**2 / mean_square)), PSNR_CAP_DB)


def compare_frames(
    real: Iterable[UInt8[np.ndarray, "_ _ 3"]],
    fakes: Mapping[str, Iterable[UInt8[np.ndarray, "_ _ 3"]]],
    *,
    regions: Mapping[str, Regions],
) -> pd.DataFrame:
    """Compare clips frame by frame as they stream past; only the rows are kept.

    Args:
        fakes: method -> its frames, as many and as large as the real ones.
        regions: regions to measure beside the whole frame, found on the real frames.

    Returns:
        One row a (frame, method, region): frame_index, method, region, l1, psnr, ssim, skipped.

    Raises:
        ValueError: the clips have different numbers of frames.
    """
    rows: list[_Row] = []
    for index, frames in enumerate(zip(real, *fakes.values(), strict=True)):
        height, width = frames[0].shape[:2]
        boxes: dict[str, Box | None] = {"frame": (0, 0, width, height)}
        boxes |= {region: found.at(index) for region, found in regions.items()}
        for method, fake in zip(fakes, frames[1:], strict=True):
            rows += [
                {"frame_index": index, "method": method, **row}
                for row in frame_metrics(frames[0], fake, boxes=boxes)
            ]
    return pd.DataFrame(rows, columns=["frame_index", "method", "region", *METRICS, "skipped"])


def summarise(table: pd.DataFrame, method: str) -> dict[str, dict[str, float | None]]:
    """Means over the frames where the region could be measured; None where it never could."""
    rows = table[table["method"] == method]
    return {
        str(region): {metric: mean_or_none(group[metric]) for metric in METRICS}
        for region, group in rows.groupby("region", sort=False)
    }


def count_skipped(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    """How many frames were skipped, by region and reason; the reasons are there even if 0.

    Regions are found on the real frames, so the counts are the same for every method.
    """
    rows = table[table["method"] == table["method"].iloc[0]]
    return {
        str(region): {
            reason.replace(" ", "_"): int((group["skipped"] == reason).sum())
            for reason in (NOT_DETECTED, TOO_SMALL)
        }
        for region, group in rows.groupby("region", sort=False)
    }


def mean_or_none(values: Iterable[float]) -> float | None:
    """Mean of the numbers that are not NaN, to four decimals; None where there are none."""
    numbers = np.fromiter(values, np.float64)
    numbers = numbers[~np.isnan(numbers)]
    return round(float(numbers.mean()), 4) if numbers.size else None


def wide_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row a frame, one column a (method, region, metric), for plots: `ours_person_ssim`."""
    values = table.set_index(["frame_index", "method", "region"])[list(METRICS)]
    columns = {
        f"{method}_{region}_{metric}": values[metric].xs((method, region), level=(1, 2))
        for method, region in dict.fromkeys(zip(table["method"], table["region"], strict=True))
        for metric in METRICS
    }
    return pd.DataFrame(columns).rename_axis("frame_index").reset_index()
