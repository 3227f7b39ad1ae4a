"""Per-frame values for people and for `dvc plots`: a CSV, and curves over time as a picture.

Hides matplotlib, used without its global state, and the choice of frames worth a look.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from motiontransfer.storage import replacing

_COLOURS = ("#1f6feb", "#e8590c", "#2b8a3e")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table; what could not be measured is an empty cell.

    Numbers have four decimals, and small ones four significant digits.
    """
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False, float_format=_number, lineterminator="\n")


def _number(value: float) -> str:
    return f"{value:.4g}" if 0 < abs(value) < 0.1 else f"{value:.4f}"


def write_picture(path: Path, picture: UInt8[np.ndarray, "height width 3"]) -> None:
    """Write a picture as PNG."""
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def plot_curves(
    path: Path, table: pd.DataFrame, panels: Mapping[str, Mapping[str, str]], *, title: str
) -> None:
    """Draw one panel a quantity over `frame_index`; gaps where a frame was skipped.

    Args:
        panels: what the panel shows -> label of each curve -> its column.
    """
    figure = Figure(figsize=(9, 0.6 + 1.9 * len(panels)), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (quantity, column_of) in zip(axes, panels.items(), strict=True):
        for colour, (label, column) in zip(_COLOURS, column_of.items(), strict=False):
            values = table[column].to_numpy(np.float64)
            mean = f"mean {np.nanmean(values):.3g}" if np.isfinite(values).any() else "never"
            axis.plot(
                table["frame_index"],
                values,
                color=colour,
                linewidth=1.4,
                marker=".",
                markersize=3,
                label=f"{label}, {mean}",
            )
        axis.set_title(quantity, loc="left", fontsize=10)
        axis.grid(visible=True, alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    axes[-1].set_xlabel("frame")
    figure.suptitle(title, fontsize=12)
    with replacing(path) as temporary:
        figure.savefig(temporary, metadata={"Software": None})


def benchmark_panels(regions: Sequence[str]) -> dict[str, dict[str, str]]:
    """What `plot_curves` shows of a benchmark's table: SSIM and L1 by region, and pose distance."""
    quantity = {"ssim": "SSIM", "l1": "L1 (levels of 0 to 255)"}
    of_region = {"frame": "whole frame", "person": "person's box", "face": "face box"}
    panels = {
        f"{quantity[metric]}, {of_region[region]}": _both(f"{region}_{metric}")
        for region in regions
        for metric in ("ssim", "l1")
    }
    return {**panels, "Pose distance to the real frame (pixels)": _both("pose_distance_px")}


def _both(column: str) -> dict[str, str]:
    return {"ours": f"ours_{column}", "nearest neighbours": f"nearest_neighbours_{column}"}


def worst_frames(
    badness: Float[np.ndarray, " frames"], num_frames: int, *, apart: int
) -> tuple[int, ...]:
    """Indices of the worst frames, worst first, no two nearer than `apart`; NaN is never chosen.

    Neighbours look alike: without a distance one bad moment would fill the picture.
    """
    chosen: list[int] = []
    for index in np.argsort(-badness, kind="stable").tolist():
        if len(chosen) == num_frames or np.isnan(badness[index]):
            break
        if all(abs(index - other) >= apart for other in chosen):
            chosen.append(index)
    return tuple(chosen)
