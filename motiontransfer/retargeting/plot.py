"""Plot of a subject's pose statistics."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from motiontransfer.figures import write_figure
from motiontransfer.keypoints import Keypoints
from motiontransfer.retargeting.statistics import PoseStatistics, measure_ground_contact


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
        for name, color, y, height_px in (
            ("closest", "tab:red", statistics.closest_ankle_y_px, statistics.height_at_closest_px),
            (
                "farthest",
                "tab:blue",
                statistics.farthest_ankle_y_px,
                statistics.height_at_farthest_px,
            ),
        ):
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
