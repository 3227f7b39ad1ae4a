"""Plots of tracks and of fitted pose statistics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from motiontransfer.errors import KeypointsError
from motiontransfer.keypoints import Detections, Keypoints
from motiontransfer.pose.boxes import joint_boxes
from motiontransfer.pose.statistics import PoseStatistics, measure_ground_contact
from motiontransfer.pose.time_series import segments
from motiontransfer.skeleton import LIMBS_OF_GROUP
from motiontransfer.storage import replacing
from motiontransfer.video.frame_store import FrameStore

_COLOURS = (
    *((255, 75, 75), (77, 171, 247), (81, 207, 102), (255, 212, 59), (204, 93, 232)),
    *((255, 146, 43), (34, 184, 207), (247, 131, 172), (148, 216, 45), (177, 151, 252)),
)


def track_colour(track: int) -> tuple[int, int, int]:
    """RGB, 0 to 255; every tenth track has the same."""
    return _COLOURS[track % len(_COLOURS)]


_COLUMNS, _ROWS = 4, 2
_MAX_TRACKS = 12
_TILE_INCHES, _TITLE_INCHES, _BAR_INCHES, _AXIS_INCHES = 3.0, 0.35, 0.28, 0.8


def plot_tracks(
    path: Path, video: Path, detections: Detections, *, chosen: Sequence[int] = ()
) -> None:
    """Write the picture as PNG.

    Args:
        video: the frames in which the people were found.
        chosen: tracks to name as the subject.

    Raises:
        KeypointsError: the video has another number or size of frames than the detections.
    """
    tracks = longest_first(detections)
    shown = frames_worth_a_look(detections, count=_COLUMNS * _ROWS)
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
    figure = Figure(figsize=(_COLUMNS * _TILE_INCHES, sum(inches)), layout="constrained")
    sheet, bars = figure.subfigures(2, 1, squeeze=False, height_ratios=inches)[:, 0]
    sheet.suptitle(_headline(detections, chosen), x=0.01, ha="left", weight="bold")
    tiles = sheet.subplots(rows, _COLUMNS, squeeze=False).reshape(-1)
    for axes in tiles:
        axes.set_axis_off()
    for axes, index, frame in zip(tiles, shown, frames, strict=False):
        _draw_frame(axes, frame, detections, index)
    _draw_bars(bars.subplots(), detections, tracks[:_MAX_TRACKS], chosen, shown)
    if len(tracks) > _MAX_TRACKS:
        rest = f"and {len(tracks) - _MAX_TRACKS} shorter tracks"
        bars.text(0.99, 0.99, rest, ha="right", va="top", fontsize="small")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})


def longest_first(detections: Detections) -> list[int]:
    """Track numbers, those seen in most frames first."""
    tracks, counts = np.unique(detections.person, return_counts=True)
    return tracks[np.argsort(-counts, kind="stable")].tolist()


def frames_worth_a_look(detections: Detections, *, count: int) -> list[int]:
    """Indices of some frames, in order.

    For each track, the longest first, the frame of its first second with most people; then those
    with most people, and of these the farthest from all others.
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


def _headline(detections: Detections, chosen: Sequence[int]) -> str:
    people = len(detections.people)
    found = "nobody found" if not people else "1 track" if people == 1 else f"{people} tracks"
    subject = f"; subject: {', '.join(map(str, chosen))}" if chosen else ""
    return f"{found} in {detections.num_frames} frames{subject}  ({detections.detector})"


def _colour(track: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*track_colour(track))


def _draw_frame(
    axes: Axes, frame: UInt8[np.ndarray, "height width 3"], detections: Detections, index: int
) -> None:
    height, width = detections.image_size
    axes.imshow(frame, extent=(0, width, height, 0))
    axes.set_title(
        f"frame {index}, {index / float(detections.frame_rate):.2f} s", fontsize="small", loc="left"
    )
    skeleton = detections.skeleton
    limbs = [
        (skeleton.index(start), skeleton.index(end), 1.2 if group == "body" else 0.4)
        for group, _ in skeleton.groups
        for start, end in LIMBS_OF_GROUP.get(group, ())
    ]
    rows = np.flatnonzero(detections.frame_index == index)
    boxes = joint_boxes(detections.points[rows], detections.score[rows])
    for row, (x0, y0, x1, y1) in zip(rows, boxes, strict=True):
        track, score = int(detections.person[row]), detections.score[row]
        drawn = [limb for limb in limbs if min(score[limb[0]], score[limb[1]]) > 0]
        lines = [detections.points[row][[start, end]] for start, end, _ in drawn]
        widths = [width for _, _, width in drawn]
        axes.add_collection(LineCollection(lines, colors=_colour(track), linewidths=widths))
        axes.add_patch(
            Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=_colour(track), linewidth=2)
        )
        axes.text(
            *(x0, max(y0, 0.06 * height), f" {track} "),
            color="black",
            weight="bold",
            fontsize="small",
            va="bottom",
            bbox={"facecolor": _colour(track), "edgecolor": "none", "pad": 1.0},
        )


def _draw_bars(
    axes: Axes,
    detections: Detections,
    tracks: Sequence[int],
    chosen: Sequence[int],
    shown: Sequence[int],
) -> None:
    rate = float(detections.frame_rate)
    labels = []
    for line, track in enumerate(tracks):
        seen = np.zeros(detections.num_frames, bool)
        seen[detections.frame_index[detections.person == track]] = True
        spans = [(start / rate, (stop - start) / rate) for start, stop in segments(seen)]
        axes.broken_barh(spans, (line - 0.35, 0.7), facecolors=_colour(track))
        subject = "subject  " if track in chosen else ""
        labels.append(f"{subject}{track}   {seen.mean():.0%}")
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


_CLOSEST, _FARTHEST = "tab:red", "tab:blue"


def plot_statistics(
    path: Path, clips: Mapping[str, Keypoints], statistics: PoseStatistics, *, title: str
) -> None:
    """Draw the clips a subject's statistics were fitted on, one after another, as a PNG."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    over_time, heights = figure.subplots(1, 2, width_ratios=(2, 1))
    start = 0
    for name, clip in clips.items():
        stance = measure_ground_contact(clip, min_score=statistics.min_score)
        used = stance.has_height
        frame_indices = start + np.flatnonzero(used)
        over_time.plot(frame_indices, stance.ankle_y_px[used], ".", markersize=3, label=name)
        heights.plot(stance.ankle_y_px[used], stance.height_px[used], ".", markersize=3)
        start += clip.num_frames
    lines = (
        ("closest", _CLOSEST, statistics.closest_ankle_y_px, statistics.height_at_closest_px),
        ("farthest", _FARTHEST, statistics.farthest_ankle_y_px, statistics.height_at_farthest_px),
    )
    for name, colour, ankle_y_px, height_px in lines:
        over_time.axhline(
            ankle_y_px, color=colour, linewidth=1, label=f"{name}: {ankle_y_px:.1f} px"
        )
        heights.plot(ankle_y_px, height_px, "o", color=colour, label=f"{name}: {height_px:.1f} px")
    over_time.invert_yaxis()  # as in the image: y grows downward
    left_out = statistics.frames_left_out
    over_time.set(
        xlabel="frame", ylabel="ankle line y, px", title=f"{title}: {left_out} frames left out"
    )
    heights.set(xlabel="ankle line y, px", ylabel="head to ankles, px", title="height")
    for axes in (over_time, heights):
        axes.legend(fontsize="small")
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, metadata={"Software": None})
