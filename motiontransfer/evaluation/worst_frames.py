"""The moments of a result that went worst, for people to look at.

Hides what "worst" is: the least like the truth where there is one, else the farthest from the
intended pose, a lost body before all.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from motiontransfer.evaluation.frame_references import read_frames
from motiontransfer.evaluation.plots import worst_frames
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.rendering import draw_rgb
from motiontransfer.rendering.videos import contact_sheet, evenly_spaced

_PICTURE_COLUMNS = 8


def worst_frames_picture(
    videos: Mapping[str, Path], intended: Keypoints, per_frame: pd.DataFrame
) -> UInt8[np.ndarray, "height width 3"]:
    """The worst moments side by side: the source, the intended pose, then the other videos.

    Args:
        videos: label -> a video, the source first.
        per_frame: the table of the result, of a row a frame.
    """
    badness, words = _badness(per_frame)
    apart = max(1, intended.num_frames // (3 * _PICTURE_COLUMNS))
    chosen = worst_frames(badness, _PICTURE_COLUMNS, apart=apart)
    chosen = chosen or evenly_spaced(intended.num_frames, _PICTURE_COLUMNS)
    size = intended.image_size
    rows = {
        label: list(read_frames([(video, index) for index in chosen], size))
        for label, video in videos.items()
    }
    poses = [
        draw_rgb(
            intended.points[index],
            intended.score[index],
            skeleton=intended.skeleton,
            size=size,
            line_width_px=max(2.0, size[0] / 80),
        )
        for index in chosen
    ]
    source, *others = rows
    rows = {source: rows[source], "pose": poses, **{label: rows[label] for label in others}}
    return contact_sheet(rows, [f"frame {index}, {words[index]}" for index in chosen])


def _badness(
    per_frame: pd.DataFrame,
) -> tuple[Float[np.ndarray, " frames"], list[str]]:
    """How bad each frame of the result is, and in words: by the truth where there is one."""
    if "ours_person_ssim" in per_frame.columns:
        ssim = per_frame["ours_person_ssim"].to_numpy(np.float64)
        return 1 - ssim, [f"SSIM {value:.2f}" for value in ssim]
    distance = per_frame["ours_intended_distance_px"].to_numpy(np.float64)
    lost = per_frame["ours_missed_body"].to_numpy() > 0
    words = ["no body" if gone else f"{px:.1f} px" for gone, px in zip(lost, distance, strict=True)]
    return np.where(lost, np.inf, distance), words
