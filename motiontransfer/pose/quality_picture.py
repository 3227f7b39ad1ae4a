"""A picture of how good a clip's keypoints are: everything to judge it by on one page.

Coverage of each part of the body over time, speed with what is implausible in it, the detector's
scores, the worst frames with the pose drawn, and the verdict in words.
"""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int8, UInt8
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.quality import FILLED, MEASURED, MISSING, PARTS, Quality
from motiontransfer.skeleton import LIMBS_OF_GROUP
from motiontransfer.storage import replacing
from motiontransfer.video.frame_store import FrameStore

_COLOURS = {MISSING: "#e03131", FILLED: "#f59f00", MEASURED: "#a5d8ff"}
_NAMES = {MISSING: "missing", FILLED: "filled in", MEASURED: "found"}
_SECONDS_APART = 0.5
_MAX_COLUMNS = 1200
_NUM_WORST = 4
_WORST = "the worst frames"


def plot_quality(
    path: Path,
    store: FrameStore,
    keypoints: Keypoints,
    quality: Quality,
    *,
    sentences: Sequence[str],
    title: str,
) -> None:
    """Draw one clip as a PNG.

    Args:
        sentences: the verdict.
        title: what the clip is called.
    """
    lines = [textwrap.fill(f"•  {line}", 150, subsequent_indent="    ") for line in sentences]
    heights = (0.7 + 0.21 * "\n".join(lines).count("\n"), 5.0, 3.7)
    figure = Figure(figsize=(12, sum(heights)), layout="constrained")
    words, over_time, strip = figure.subfigures(3, 1, squeeze=False, height_ratios=heights)[:, 0]
    title = f"{title}: {keypoints.num_frames} frames, {keypoints.detector}"
    words.text(0.01, 0.95, title, va="top", fontsize="large", weight="bold")
    words.text(0.01, 0.95, "\n" + "\n".join(lines), va="top", linespacing=1.4)
    panels = over_time.subplots(2, 2, width_ratios=(5, 1), height_ratios=(3, 2))
    worst = worst_frames(quality)
    _draw_coverage(panels[0, 0], quality)
    _mark(panels[0, 0], worst, quality)
    _draw_legend(panels[0, 1])
    _draw_speed(panels[1, 0], quality)
    _draw_scores(panels[1, 1], quality)
    panels[1, 0].sharex(panels[0, 0])
    pictures = strip.subplots(1, _NUM_WORST, squeeze=False)[0]
    for axes in pictures:
        axes.set_axis_off()
    for axes, index in zip(pictures, worst, strict=False):
        _draw_frame(axes, store[index], keypoints, index)
        axes.set_title(_what_is_wrong(quality, index), fontsize="small")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=90, metadata={"Software": None})


def worst_frames(quality: Quality, *, count: int = _NUM_WORST) -> list[int]:
    """Indices of the frames in which most is wrong, in order of time and spread over the clip."""
    parts = len(PARTS)
    badness = (
        (quality.state == MISSING).sum(axis=0)
        + (quality.state == FILLED).sum(axis=0) / 3
        + parts * quality.too_fast
        + (quality.repairs.removed > 0)
    ).astype(np.float64)
    apart = max(1, round(_SECONDS_APART * quality.frame_rate), len(badness) // (2 * count))
    left = np.ones(len(badness), np.bool_)
    chosen: list[int] = []
    while left.any() and len(chosen) < count:
        worst = int(np.argmax(np.where(left, badness, -1)))
        chosen.append(worst)
        left[max(0, worst - apart + 1) : worst + apart] = False
    return sorted(chosen)


def _draw_coverage(axes: Axes, quality: Quality) -> None:
    frames = quality.state.shape[1]
    axes.imshow(
        _columns(quality.state),
        aspect="auto",
        interpolation="nearest",
        cmap=ListedColormap([_COLOURS[state] for state in sorted(_COLOURS)]),
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


def _draw_legend(axes: Axes) -> None:
    axes.set_axis_off()
    patches = [Patch(color=_COLOURS[state], label=_NAMES[state]) for state in (2, 1, 0)]
    marker = Line2D([], [], color="black", marker="v", linestyle="", label=_WORST)
    axes.legend(handles=[*patches, marker], loc="upper left", frameon=False)


def _mark(axes: Axes, frames: Sequence[int], quality: Quality) -> None:
    """Point at moments from above the axes."""
    seconds = [(index + 0.5) / quality.frame_rate for index in frames]
    axes.plot(seconds, [-0.8] * len(seconds), "v", color="black", clip_on=False)


def _columns(state: Int8[np.ndarray, "parts frames"]) -> Int8[np.ndarray, "parts columns"]:
    """Frames gathered so that each column can be seen; each shows the worst of its frames."""
    frames = state.shape[1]
    if frames <= _MAX_COLUMNS:
        return state
    starts = np.linspace(0, frames, _MAX_COLUMNS, endpoint=False).astype(int)
    return np.minimum.reduceat(state, starts, axis=1)


def _draw_speed(axes: Axes, quality: Quality) -> None:
    seconds = np.arange(len(quality.speed)) / quality.frame_rate
    axes.plot(seconds, quality.speed, color="#1c7ed6", linewidth=0.8)
    for frames, colour, label in (
        (quality.too_fast, _COLOURS[MISSING], "faster than a person can"),
        (quality.repairs.removed > 0, _COLOURS[FILLED], "a joint that jumped was removed"),
        (quality.repairs.sides, "#ae3ec9", "left and right were exchanged"),
    ):
        if frames.any():
            axes.plot(seconds[frames], quality.speed[frames], "o", color=colour, label=label)
            axes.legend(fontsize="small", loc="upper right")
    axes.set(xlabel="seconds", ylabel="body heights a second", xlim=(0, seconds[-1] or 1))
    axes.set_ylim(bottom=0)
    axes.set_title("the fastest joint", loc="left", fontsize="medium")


def _draw_scores(axes: Axes, quality: Quality) -> None:
    shares = quality.score_histogram / max(1, quality.score_histogram.sum())
    axes.bar(np.arange(10) / 10 + 0.05, shares, width=0.09, color="#1c7ed6")
    axes.set(xlabel="score", ylabel="share of joints", xlim=(0, 1), ylim=(0, 1))
    axes.set_title("detection scores", loc="left", fontsize="medium")


def _draw_frame(
    axes: Axes, frame: UInt8[np.ndarray, "height width 3"], keypoints: Keypoints, index: int
) -> None:
    axes.imshow(frame)
    points, score = keypoints.points[index], keypoints.score[index]
    filled = np.zeros(len(score), np.bool_) if keypoints.filled is None else keypoints.filled[index]
    for group, _ in keypoints.skeleton.groups:
        width = 1.6 if group == "body" else 0.7
        for limb in LIMBS_OF_GROUP.get(group, ()):
            ends = [keypoints.skeleton.index(joint) for joint in limb]
            if (score[ends] > 0).all():
                colour = _COLOURS[FILLED] if filled[ends].any() else "#37b24d"
                axes.plot(*_segment(points, ends), color=colour, linewidth=width)
    axes.set(xlim=(0, frame.shape[1]), ylim=(frame.shape[0], 0))


def _what_is_wrong(quality: Quality, index: int) -> str:
    """When it is, and what is missing or filled in."""
    wrong = [f"{index / quality.frame_rate:.1f} s, frame {index}"]
    for state in (MISSING, FILLED):
        parts = [part for part in PARTS if quality.of_part(part)[index] == state]
        if parts:
            names = "everything" if len(parts) == len(PARTS) else ", ".join(parts)
            wrong.append(textwrap.fill(f"{_NAMES[state]}: {names}", 44))
    if quality.too_fast[index]:
        wrong.append("faster than a person can")
    return "\n".join(wrong)


def _segment(
    points: Float32[np.ndarray, "joints 2"], ends: list[int]
) -> Float32[np.ndarray, "2 2"]:
    return points[ends].T - 0.5  # imshow puts pixel centres at whole numbers
