"""Moving one person's poses into the place and size of another (global pose normalisation).

Hides the map between two subjects' statistics. Source: Chan et al. 2019, sec. 4 and supplement.
Deviations: a jump does not read as walking away (a running median tells the floor); outside the
fitted range the map stops changing; x is mapped as well.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from motiontransfer.errors import StatisticsError
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.pose_statistics import PoseStatistics
from motiontransfer.pose.stance import floor_line, measure_stance


def normalize_pose(
    keypoints: Keypoints,
    *,
    source: PoseStatistics,
    target: PoseStatistics,
    margin: float = 0.1,
) -> Keypoints:
    """Move a source subject's poses to where the target subject would stand, at the target's size.

    Each frame is scaled and shifted as a whole. How near the person stands is read off the ankle
    line; frames without ankles take it from their neighbours. Where the source walks a shorter way
    than the target, that way is kept (scaled with the person) around the middle of the target's, as
    in the authors' code; a longer way is squeezed into the target's.

    Args:
        margin: how far outside the fitted range nearness may go, as a share of the range; farther
            out, the map stays as it is.

    Raises:
        StatisticsError: no frame shows both ankles, or the statistics belong to another image size.
    """
    if keypoints.image_size != source.image_size:
        raise StatisticsError(
            f"the source's statistics are for images of {source.image_size}, its keypoints for "
            f"{keypoints.image_size}; run detect_keypoints and fit_normalization again"
        )
    stance = measure_stance(keypoints, min_score=source.min_score)
    if not stance.has_ankles.any():
        raise StatisticsError(
            f"none of {keypoints.num_frames} source frames shows both ankles with a score of "
            f"{source.min_score} or more; choose a clip that shows the feet"
        )
    floor = floor_line(stance, frame_rate=keypoints.frame_rate)
    target = _with_range_of(source, target)
    nearness = np.clip(source.nearness(floor), -margin, 1 + margin)[:, None]
    # The paper interpolates the ratio of the heights between the lines, not the heights.
    scale_far = target.height_at_farthest_px / source.height_at_farthest_px
    scale_close = target.height_at_closest_px / source.height_at_closest_px
    scale = scale_far + nearness * (scale_close - scale_far)
    moved = scale[..., None] * (keypoints.points - _anchor(nearness, source)) + _anchor(
        nearness, target
    )
    return replace(
        keypoints,
        points=np.where(keypoints.score[..., None] > 0, moved, 0).astype(np.float32),
        image_size=target.image_size,
    )


def _anchor(
    nearness: Float64[np.ndarray, "frames 1"], statistics: PoseStatistics
) -> Float64[np.ndarray, "frames 1 2"]:
    """The point of the floor that scaling leaves where it is."""
    far, close = statistics.farthest_ankle_y_px, statistics.closest_ankle_y_px
    line = far + nearness * (close - far)
    return np.stack([np.full_like(line, statistics.median_ankle_x_px), line], axis=-1)


def _with_range_of(source: PoseStatistics, target: PoseStatistics) -> PoseStatistics:
    """The target's lines, moved together around their middle if the source walks a shorter way."""
    size_ratio = (target.height_at_farthest_px + target.height_at_closest_px) / (
        source.height_at_farthest_px + source.height_at_closest_px
    )
    wanted = (source.closest_ankle_y_px - source.farthest_ankle_y_px) * size_ratio
    length = target.closest_ankle_y_px - target.farthest_ankle_y_px
    if length <= wanted:
        return target
    cut = (1 - wanted / length) / 2
    height = target.height_at_closest_px - target.height_at_farthest_px
    return replace(
        target,
        closest_ankle_y_px=target.closest_ankle_y_px - cut * length,
        farthest_ankle_y_px=target.farthest_ankle_y_px + cut * length,
        height_at_closest_px=target.height_at_closest_px - cut * height,
        height_at_farthest_px=target.height_at_farthest_px + cut * height,
    )
