"""A picture of fitted pose statistics, to see at a glance whether they hold.

Left: the ankle line over time with the closest and the farthest line. Right: height against ankle
line with the two heights.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.pose_statistics import PoseStatistics
from motiontransfer.pose.stance import measure_stance
from motiontransfer.storage import replacing

_CLOSEST, _FARTHEST = "tab:red", "tab:blue"


def plot_statistics(
    path: Path, clips: Mapping[str, Keypoints], statistics: PoseStatistics, *, title: str
) -> None:
    """Draw the clips a subject's statistics were fitted on, one after another, as a PNG."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    over_time, heights = figure.subplots(1, 2, width_ratios=(2, 1))
    start = 0
    for name, clip in clips.items():
        stance = measure_stance(clip, min_score=statistics.min_score)
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
