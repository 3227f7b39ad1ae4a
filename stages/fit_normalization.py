"""Ankle lines, heights and proportions of a subject: `python -m stages fit_normalization ada`."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from motiontransfer.core import layout
from motiontransfer.core.errors import MissingFileError, StatisticsError
from motiontransfer.core.params import load_section
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_subject
from motiontransfer.pose.photos import lasting
from motiontransfer.pose.plots import write_figure
from motiontransfer.retargeting.params import FitNormalizationParams
from motiontransfer.retargeting.statistics import (
    PoseStatistics,
    fit_statistics,
    measure_ground_contact,
    write_statistics,
)


def main(subject: str) -> str:
    params = load_section(FitNormalizationParams, "fit_normalization")
    folder = layout.keypoints_folder(subject)
    clips = {path.stem: clip for path, clip in read_subject(folder).items()}
    if not clips:
        raise MissingFileError(
            f"{folder}: no keypoints; expected a video whose subject is {subject} under videos "
            "in films.yaml"
        )
    clips = lasting(clips)
    try:
        statistics = fit_statistics(list(clips.values()), **params.model_dump())
    except StatisticsError as error:
        raise StatisticsError(f"{folder}: {error}") from error
    file, plot = layout.statistics_file(subject), layout.standing_plot(subject)
    write_statistics(file, statistics)
    plot_statistics(plot, clips, statistics, title=subject)
    return f"{file}, and as a plot, {plot}"


def plot_statistics(
    path: Path, clips: Mapping[str, Keypoints], statistics: PoseStatistics, *, title: str
) -> None:
    """Write ankle lines and heights of the fitted clips, one after another, as PNG."""
    with write_figure(path, width=11.0, height=4.0) as figure:
        over_time, heights = figure.subplots(1, 2, width_ratios=(2, 1))
        start = 0
        for name, clip in clips.items():
            contact = measure_ground_contact(clip, min_score=statistics.min_score)
            used = contact.has_height
            frame_indices = start + np.flatnonzero(used)
            over_time.plot(frame_indices, contact.ankle_y_px[used], ".", markersize=3, label=name)
            heights.plot(contact.ankle_y_px[used], contact.height_px[used], ".", markersize=3)
            start += clip.num_frames
        lines = (statistics.closest_ankle_y_px, statistics.farthest_ankle_y_px)
        sizes = (statistics.height_at_closest_px, statistics.height_at_farthest_px)
        named = (("closest", "tab:red"), ("farthest", "tab:blue"))
        for (name, color), y, height_px in zip(named, lines, sizes, strict=True):
            over_time.axhline(y, color=color, linewidth=1, label=f"{name}: {y:.1f} px")
            heights.plot(y, height_px, "o", color=color, label=f"{name}: {height_px:.1f} px")
        over_time.invert_yaxis()  # as in the image: y grows downward
        left_out = statistics.frames_left_out
        over_time.set(
            xlabel="frame", ylabel="ankle line y, px", title=f"{title}: {left_out} frames left out"
        )
        heights.set(xlabel="ankle line y, px", ylabel="head to ankles, px", title="height")
        for axes in (over_time, heights):
            axes.legend(fontsize="small")
