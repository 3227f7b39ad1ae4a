"""Figures as PNG files in one style, the same bytes for the same content; plots of keypoints.

`write_figure` gives a Matplotlib figure, without pyplot's global state, and writes it at the end:

    with write_figure(path, width=9.0, height=5.0) as figure:
        axes = figure.subplots()

`stacked` divides it into bands of given heights, `tiles` into axes that show images. Plotted are
tracks, and the quality of keypoints.
"""

import textwrap
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Int8
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import KeypointsError
from motiontransfer.core.storage import replacing
from motiontransfer.pose.keypoints import Detections, Keypoints
from motiontransfer.pose.overlays import (
    draw_boxes_and_rings,
    draw_detections,
    draw_keypoints,
    enlarged,
    track_color,
)
from motiontransfer.pose.quality import FILLED, MEASURED, MISSING, PARTS, ClipQuality
from motiontransfer.pose.time_series import peaks, segments
from motiontransfer.video.frame_store import FrameStore

_STATE_COLORS = {MISSING: "#e03131", FILLED: "#f59f00", MEASURED: "#a5d8ff"}
_STATE_NAMES = {MISSING: "missing", FILLED: "filled in", MEASURED: "found"}

_COLUMNS, _ROWS = 4, 2
_MAX_TRACKS = 12
_TILE_INCHES, _TITLE_INCHES, _BAR_INCHES, _AXIS_INCHES = 3.0, 0.35, 0.28, 0.8
_MAX_COVERAGE_COLUMNS = 1200
_NUM_WORST = 4
_WORST_SECONDS_APART = 0.5


@contextmanager
def write_figure(
    path: Path, *, width: float, height: float, dpi: int = 100, tight: bool = False
) -> Generator[Figure]:
    """Yield a figure, sizes in inches; write it if the block succeeds, `tight` without margins."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    yield figure
    with replacing(path) as temporary:
        figure.savefig(
            temporary, bbox_inches="tight" if tight else None, metadata={"Software": None}
        )


def stacked(figure: Figure, heights: Sequence[float]) -> list[SubFigure]:
    """Bands of the figure from top to bottom, with heights in this proportion."""
    return list(figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0])


def tiles(figure: FigureBase, rows: int, columns: int) -> list[Axes]:
    """Axes without frame and ticks, row by row."""
    grid = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for axes in grid:
        axes.set_axis_off()
    return list(grid)


def plot_tracks(path: Path, video: Path, detections: Detections) -> None:
    """Write sampled frames with each track's box and pose, and a timeline of all tracks, as PNG.

    Raises:
        KeypointsError: the video has another number or size of frames than the detections.
    """
    tracks = longest_first(detections)
    shown = representative_frames(detections, count=_COLUMNS * _ROWS)
    with FrameStore(video) as store:
        if (len(store), store.size) != (detections.num_frames, detections.image_size):
            raise KeypointsError(
                f"{video}: expected {detections.num_frames} frames of {detections.image_size} px, "
                f"in which people were found, got {len(store)} of {store.size} px"
            )
        frames = [store[index] for index in shown]
    height, width = detections.image_size
    rows = -(-len(shown) // _COLUMNS)
    inches = (
        _TITLE_INCHES + rows * (_TITLE_INCHES + _TILE_INCHES * height / width),
        _AXIS_INCHES + _BAR_INCHES * max(1, min(len(tracks), _MAX_TRACKS)),
    )
    found = {0: "no person detected", 1: "1 track"}.get(len(tracks), f"{len(tracks)} tracks")
    title = f"{found} in {detections.num_frames} frames  ({detections.detector})"
    with write_figure(path, width=_COLUMNS * _TILE_INCHES, height=sum(inches)) as figure:
        sheet, bars = stacked(figure, inches)
        sheet.suptitle(title, x=0.01, ha="left", weight="bold")
        for axes, index, frame in zip(tiles(sheet, rows, _COLUMNS), shown, frames, strict=False):
            _draw_people(axes, frame, detections, index)
        _draw_bars(bars.subplots(), detections, tracks[:_MAX_TRACKS], shown)
        if len(tracks) > _MAX_TRACKS:
            rest = f"and {len(tracks) - _MAX_TRACKS} shorter tracks"
            bars.text(0.99, 0.99, rest, ha="right", va="top", fontsize="small")


def longest_first(detections: Detections) -> list[int]:
    """Track numbers, those seen in most frames first."""
    tracks, counts = np.unique(detections.person, return_counts=True)
    return tracks[np.argsort(-counts, kind="stable")].tolist()


def representative_frames(detections: Detections, *, count: int) -> list[int]:
    """Indices of frames that together show the longest tracks and most people, in order.

    First come, for each track, the longest first, the frame of its first second with most people.
    Then come those with most people, and of these the farthest from all others.
    """
    num_frames = detections.num_frames
    in_view = np.bincount(detections.frame_index, minlength=num_frames)
    second = max(1, round(detections.frame_rate))
    chosen: list[int] = []
    for track in longest_first(detections)[: count // 2]:
        seen = detections.frame_index[detections.person == track]
        seen = seen[seen < seen[0] + second][::-1]  # who has just come in may be cut off
        chosen.append(int(seen[in_view[seen].argmax()]))
    while len(set(chosen)) < count:
        away = np.full(num_frames, num_frames)
        for index in chosen:
            away = np.minimum(away, np.abs(np.arange(num_frames) - index))
        far = away >= max(1, num_frames // (2 * count))
        if not far.any():
            break
        chosen.append(int(np.argmax(np.where(far, in_view * num_frames + away, -1))))
    return sorted(set(chosen))


def _draw_people(axes: Axes, frame: Frame, detections: Detections, index: int) -> None:
    overlay, boxes = draw_detections(enlarged(frame), detections, index)
    axes.imshow(draw_boxes_and_rings(overlay, boxes, np.zeros((0, 2), np.float32)))
    axes.set_title(
        f"frame {index}, {index / float(detections.frame_rate):.2f} s", fontsize="small", loc="left"
    )


def _draw_bars(
    axes: Axes, detections: Detections, tracks: Sequence[int], shown: Sequence[int]
) -> None:
    rate = float(detections.frame_rate)
    labels = []
    for line, track in enumerate(tracks):
        seen = np.zeros(detections.num_frames, bool)
        seen[detections.frame_index[detections.person == track]] = True
        spans = [(start / rate, (stop - start) / rate) for start, stop in segments(seen)]
        axes.broken_barh(spans, (line - 0.35, 0.7), facecolors=_hex(track))
        labels.append(f"{track}   {seen.mean():.0%}")
    axes.set_yticks(range(len(tracks)), labels)
    axes.vlines(
        [(index + 0.5) / rate for index in shown],
        -0.6,
        max(len(tracks), 1) - 0.4,
        colors="0.3",
        linewidths=0.8,
        linestyles="dotted",
    )
    axes.set(
        xlim=(0, detections.num_frames / rate),
        ylim=(max(len(tracks), 1) - 0.4, -0.6),
        xlabel="seconds; dotted: the frames above",
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


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


def _hex(track: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*track_color(track))
