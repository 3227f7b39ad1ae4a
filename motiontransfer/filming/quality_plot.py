"""Plot of the quality of a clip's keypoints, with its worst frames."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int8
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from motiontransfer.filming.quality import FILLED, MEASURED, MISSING, PARTS, ClipQuality
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.overlays import draw_keypoints, enlarged
from motiontransfer.pose.plots import stacked, tiles, write_figure
from motiontransfer.pose.time_series import peaks
from motiontransfer.video.frame_store import FrameStore

_STATE_COLORS = {MISSING: "#e03131", FILLED: "#f59f00", MEASURED: "#a5d8ff"}
_STATE_NAMES = {MISSING: "missing", FILLED: "filled in", MEASURED: "found"}

_MAX_COVERAGE_COLUMNS = 1200
_NUM_WORST = 4
_WORST_SECONDS_APART = 0.5


def plot_quality(
    path: Path,
    store: FrameStore,
    keypoints: Keypoints,
    quality: ClipQuality,
    *,
    sentences: Sequence[str],
    title: str,
) -> None:
    """Write coverage over time, how the body fits, scores, the worst frames, advice as PNG."""
    lines = [textwrap.fill(f"•  {line}", 150, subsequent_indent="    ") for line in sentences]
    heights = (0.7 + 0.21 * "\n".join(lines).count("\n"), 5.0, 3.7)
    title = f"{title}: {keypoints.num_frames} frames, {keypoints.detector}"
    worst = faultiest_frames(quality)
    with write_figure(path, width=12.0, height=sum(heights), dpi=90) as figure:
        words, over_time, strip = stacked(figure, heights)
        words.text(0.01, 0.95, title, va="top", fontsize="large", weight="bold")
        words.text(0.01, 0.95, "\n" + "\n".join(lines), va="top", linespacing=1.4)
        panels = over_time.subplots(2, 2, width_ratios=(5, 1), height_ratios=(3, 2))
        _draw_coverage(panels[0, 0], quality, marked=worst)
        _draw_legend(panels[0, 1])
        _draw_residual(panels[1, 0], quality)
        _draw_scores(panels[1, 1], quality)
        panels[1, 0].sharex(panels[0, 0])
        for axes, index in zip(tiles(strip, 1, _NUM_WORST), worst, strict=False):
            axes.imshow(draw_keypoints(enlarged(store[index]), keypoints, index))
            axes.set_title(_faults(quality, index), fontsize="small")


def faultiest_frames(quality: ClipQuality, *, count: int = _NUM_WORST) -> list[int]:
    """Indices of the frames with most faults, in order of time and spread over the clip."""
    parts = len(PARTS)
    badness = (
        (quality.state == MISSING).sum(axis=0)
        + (quality.state == FILLED).sum(axis=0) / 3
        + parts * quality.repairs.misfits
        + (quality.repairs.removed > 0)
    ).astype(np.float64)
    apart = max(1, round(_WORST_SECONDS_APART * quality.frame_rate), len(badness) // (2 * count))
    return sorted(peaks(badness, count=count, apart=apart))


def _draw_coverage(axes: Axes, quality: ClipQuality, *, marked: Sequence[int]) -> None:
    frames = quality.state.shape[1]
    axes.imshow(
        _columns(quality.state),
        aspect="auto",
        interpolation="nearest",
        cmap=ListedColormap([_STATE_COLORS[state] for state in sorted(_STATE_COLORS)]),
        vmin=0,
        vmax=2,
        extent=(0, frames / quality.frame_rate, len(PARTS) - 0.5, -0.5),
    )
    known = (quality.state != MISSING).mean(axis=1)
    labels = [f"{part}  {share:.0%}" for part, share in zip(PARTS, known, strict=True)]
    axes.set_yticks(range(len(PARTS)), labels)
    for border in np.arange(0.5, len(PARTS) - 1):
        axes.axhline(border, color="white", linewidth=2)
    title = "what is known of the person"
    if quality.with_others.any():
        title += f"; others are in view in {quality.with_others.mean():.0%} of frames"
    axes.set_title(title, loc="left", fontsize="medium", pad=12)
    seconds = [(index + 0.5) / quality.frame_rate for index in marked]
    axes.plot(seconds, [-0.8] * len(marked), "v", color="black", clip_on=False)


def _draw_legend(axes: Axes) -> None:
    axes.set_axis_off()
    patches = [Patch(color=_STATE_COLORS[state], label=_STATE_NAMES[state]) for state in (2, 1, 0)]
    marker = Line2D([], [], color="black", marker="v", linestyle="", label="the worst frames")
    axes.legend(handles=[*patches, marker], loc="upper left", frameon=False)


def _draw_scores(axes: Axes, quality: ClipQuality) -> None:
    shares = quality.score_histogram / max(1, quality.score_histogram.sum())
    axes.bar(np.arange(10) / 10 + 0.05, shares, width=0.09, color="#1c7ed6")
    axes.set(xlabel="score", ylabel="share of joints", xlim=(0, 1), ylim=(0, 1))
    axes.set_title("detection scores", loc="left", fontsize="medium")


def _columns(state: Int8[np.ndarray, "parts frames"]) -> Int8[np.ndarray, "parts columns"]:
    """Frames gathered so that each column can be seen; each shows the worst of its frames."""
    frames = state.shape[1]
    if frames <= _MAX_COVERAGE_COLUMNS:
        return state
    starts = np.linspace(0, frames, _MAX_COVERAGE_COLUMNS, endpoint=False).astype(int)
    return np.minimum.reduceat(state, starts, axis=1)


def _draw_residual(axes: Axes, quality: ClipQuality) -> None:
    """How far joints are from the fitted body; where it does not fit, they stay as detected."""
    repairs = quality.repairs
    seconds = np.arange(quality.state.shape[1]) / quality.frame_rate
    percent = 100 * repairs.residual
    axes.plot(seconds, percent, color="#1c7ed6", linewidth=0.8)
    for frames, color, label in (
        (repairs.misfits, _STATE_COLORS[MISSING], "does not fit"),
        (repairs.removed > 0, _STATE_COLORS[FILLED], "a joint was removed"),
        (repairs.sides, "#ae3ec9", "left and right were exchanged"),
    ):
        if frames.any():
            label = f"{label}: {frames.sum()} frames"
            axes.plot(seconds[frames], percent[frames], ".", color=color, label=label)
            axes.legend(fontsize="small", loc="upper right")
    axes.set(xlabel="seconds", ylabel="% of the height", xlim=(0, seconds[-1] or 1))
    axes.set_ylim(bottom=0)
    axes.set_title("joints from the fitted body", loc="left", fontsize="medium")


def _faults(quality: ClipQuality, index: int) -> str:
    wrong = [f"{index / quality.frame_rate:.1f} s, frame {index}"]
    for state in (MISSING, FILLED):
        parts = [part for part in PARTS if quality.of_part(part)[index] == state]
        if parts:
            names = "everything" if len(parts) == len(PARTS) else ", ".join(parts)
            wrong.append(textwrap.fill(f"{_STATE_NAMES[state]}: {names}", 44))
    if quality.repairs.misfits[index]:
        wrong.append("the fitted body does not fit")
    return "\n".join(wrong)
