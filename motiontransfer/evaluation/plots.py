"""Figures of an evaluation: CSV for `dvc plots`, curves over time, and the worst frames."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64
from numpy.typing import ArrayLike
from PIL import Image

from motiontransfer.evaluation.measurements import (
    HEADLINES,
    NEAREST_NEIGHBOURS,
    OURS,
    Measurements,
    MetricKey,
)
from motiontransfer.figures import write_figure
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.drawing import draw_pose
from motiontransfer.rendering.videos import contact_sheet, evenly_spaced
from motiontransfer.storage import replacing
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore

_COLORS = ("#1f6feb", "#e8590c", "#2b8a3e")
_NUM_WORST = 8

Panels = Mapping[str, Mapping[str, MetricKey]]
"""Title of a panel -> label of each curve -> key of its values."""


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table; missing values are empty cells.

    Numbers have four decimals, and small ones four significant digits.
    """

    def number(value: float) -> str:
        return f"{value:.4g}" if 0 < abs(value) < 0.1 else f"{value:.4f}"

    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format=number, lineterminator="\n")


def write_headline_curves(folder: Path, found: Measurements) -> None:
    """Write a CSV for each headline metric of both systems, with a row a frame.

    `dvc plots` draws one plot a file and needs the same columns in all: metrics that only one
    of the systems has are left out.
    """
    for key, of_system in found.curves().items():
        if key in HEADLINES and {OURS, NEAREST_NEIGHBOURS} <= of_system.keys():
            columns = {name: of_system[name] for name in (OURS, NEAREST_NEIGHBOURS)}
            table = pd.DataFrame({"frame_index": np.arange(len(columns[OURS])), **columns})
            write_csv(folder / f"{key.slug}.csv", table)


def write_per_frame(
    folder: Path,
    found: Measurements,
    columns: Mapping[str, ArrayLike],
    panels: Panels,
    *,
    title: str,
) -> None:
    write_csv(folder / "per_frame.csv", pd.DataFrame({**columns, **wide(found)}))
    plot_curves(folder / "curves.png", found, panels, title=title)


def write_image(path: Path, image: Frame) -> None:
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary)


def plot_curves(path: Path, found: Measurements, panels: Panels, *, title: str) -> None:
    """Draw one panel a quantity over the frames; gaps where a frame was skipped."""
    height = 0.6 + 1.9 * len(panels)
    with write_figure(path, width=9.0, height=height, dpi=110) as figure:
        figure.suptitle(title, fontsize=12)
        panel_axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (quantity, curves) in zip(panel_axes, panels.items(), strict=True):
            for color, (label, key) in zip(_COLORS, curves.items(), strict=False):
                values = found.per_frame[key]
                mean = f"mean {np.nanmean(values):.3g}" if np.isfinite(values).any() else "never"
                style = {"color": color, "linewidth": 1.4, "marker": ".", "markersize": 3}
                axes.plot(np.arange(len(values)), values, label=f"{label}, {mean}", **style)
            axes.set_title(quantity, loc="left", fontsize=10)
            axes.grid(visible=True, alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
        panel_axes[-1].set_xlabel("frame")


def likeness_panels(section: Literal["", "truth"]) -> dict[str, dict[str, MetricKey]]:
    """SSIM, sharpness and L1 of person and face, and the pose distance, of both systems."""
    panels = {
        f"{label}, {region}": systems(metric, box, section)
        for box, region in (("person", "person's box"), ("face", "face box"))
        for metric, label in (
            ("ssim", "SSIM"),
            ("sharpness", "Sharpness relative to the real frame"),
            ("l1", "L1 (levels of 0 to 255)"),
        )
    }
    distance = "Pose distance to the real frame (pixels)"
    return {**panels, distance: systems("pose_distance_px", "all", section)}


def systems(metric: str, region: str, section: str) -> dict[str, MetricKey]:
    return {
        "ours": MetricKey(metric, region, OURS, section),
        "nearest neighbours": MetricKey(metric, region, NEAREST_NEIGHBOURS, section),
    }


def worst_frame_indices(errors: Float[np.ndarray, " frames"]) -> tuple[int, ...]:
    """Indices of the worst frames, at most 8, worst first; NaN is never chosen.

    Neighbors resemble each other: without a minimum distance between the chosen frames one bad
    second would fill the image.
    """
    distance = max(1, len(errors) // (3 * _NUM_WORST))
    chosen: list[int] = []
    for index in np.argsort(-errors, kind="stable").tolist():
        if len(chosen) == _NUM_WORST or np.isnan(errors[index]):
            break
        if all(abs(index - other) >= distance for other in chosen):
            chosen.append(index)
    return tuple(chosen)


def worst_frames_sheet(
    videos: Mapping[str, Path], intended: Keypoints, found: Measurements
) -> Frame:
    """The worst frames side by side: the source, the intended pose, then the other videos.

    Args:
        videos: label -> a video, the source first.
    """
    errors, texts = frame_errors(found)
    chosen = worst_frame_indices(errors) or evenly_spaced(intended.num_frames, _NUM_WORST)
    rows = {}
    for label, video in videos.items():
        with FrameStore(video) as store:
            rows[label] = [store[index] for index in chosen]
    poses = [draw_pose(intended, index) for index in chosen]
    source, *others = rows
    rows = {source: rows[source], "pose": poses, **{label: rows[label] for label in others}}
    return contact_sheet(rows, [f"frame {index}, {texts[index]}" for index in chosen])


def wide(found: Measurements) -> dict[str, Float64[np.ndarray, " frames"]]:
    """The pivot with a column a metric, named by its keys in metrics.json, and a row a frame."""
    return {"_".join(key.path): values for key, values in found.per_frame.items()}


def frame_errors(found: Measurements) -> tuple[Float64[np.ndarray, " frames"], list[str]]:
    """Error of each frame of our system, as a number and as text.

    The error is against the ground truth where there is one, otherwise the distance to the intended
    pose, where a frame without a body is the worst. NaN where nothing was measured.
    """
    ssim = found.per_frame.get(MetricKey("ssim", "person", OURS, "truth"))
    if ssim is not None:
        return -ssim, [f"SSIM {value:.2f}" for value in ssim]
    distance = found.per_frame[MetricKey("pose_distance_px", "all", OURS, "detection")]
    missed = found.per_frame[MetricKey("missed_detections", "body", OURS, "detection")]
    texts = [
        "no body" if gone else f"{px:.1f} px" for gone, px in zip(missed > 0, distance, strict=True)
    ]
    return np.where(missed > 0, np.inf, distance), texts
