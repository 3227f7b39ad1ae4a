"""Figures as PNG files in one style, the same bytes for the same content; the plot of tracks.

`write_figure` gives a Matplotlib figure, without pyplot's global state, and writes it at the end:

    with write_figure(path, width=9.0, height=5.0) as figure:
        axes = figure.subplots()

`stacked` divides it into bands of given heights, `tiles` into axes that show images.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase, SubFigure

from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import KeypointsError
from motiontransfer.core.storage import replacing
from motiontransfer.pose.keypoints import Detections
from motiontransfer.pose.overlays import (
    draw_boxes_and_rings,
    draw_detections,
    enlarged,
    track_color,
)
from motiontransfer.pose.time_series import segments
from motiontransfer.video.frame_store import FrameStore

_COLUMNS, _ROWS = 4, 2
_MAX_TRACKS = 12
_TILE_INCHES, _TITLE_INCHES, _BAR_INCHES, _AXIS_INCHES = 3.0, 0.35, 0.28, 0.8


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
        color = [np.divide(track_color(track), 255)]
        axes.broken_barh(spans, (line - 0.35, 0.7), facecolors=color)
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
