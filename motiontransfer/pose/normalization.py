"""Global pose normalisation (Chan et al. 2019, sec. 4): ankle, affine and limb modes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64

from motiontransfer.errors import ParamsError, StatisticsError
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.limb_retargeting import proportion_ratios, retarget
from motiontransfer.pose.statistics import PoseStatistics, floor_line, measure_stance, median_pose

_MIN_SPREAD = 1e-3  # of the thinnest direction of a pose to its widest


def fit_affine(
    source: Mapping[str, tuple[float, float]], target: Mapping[str, tuple[float, float]]
) -> Float64[np.ndarray, "2 3"]:
    """The matrix that brings the source's joints nearest to the target's of the same name.

    Raises:
        StatisticsError: fewer than three joints in common, all on one line, or a mirror image.
    """
    joints = sorted(set(source) & set(target))
    places = np.array([source[joint] for joint in joints]).reshape(-1, 2)
    wanted = np.array([target[joint] for joint in joints]).reshape(-1, 2)
    spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False) if joints else [0, 0]
    if len(joints) < 3 or spread[1] < _MIN_SPREAD * spread[0]:
        raise StatisticsError(
            f"an affine map needs 3 joints that are not on one line, in source and target; got "
            f"{len(joints)}: {', '.join(joints)}; set normalization.mode to ankle"
        )
    homogeneous = np.concatenate([places, np.ones((len(joints), 1))], axis=1)
    matrix = np.linalg.lstsq(homogeneous, wanted, rcond=None)[0].T
    if np.linalg.det(matrix[:, :2]) <= 0:
        raise StatisticsError(
            "the best affine map from source to target is a mirror image: one of them mostly shows "
            "the back; set normalization.mode to ankle"
        )
    return matrix


def apply_affine(
    keypoints: Keypoints, matrix: Float64[np.ndarray, "2 3"], *, image_size: tuple[int, int]
) -> Keypoints:
    """Map every joint that was found into an image of another size."""
    moved = keypoints.points @ matrix[:, :2].T + matrix[:, 2]
    points = np.where(keypoints.score[..., None] > 0, moved, 0).astype(np.float32)
    return replace(keypoints, points=points, image_size=image_size)


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


Mode = Literal["limbs", "ankle", "affine", "none"]
Centring = Literal["median", "picture"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReposeSettings:
    """How a source's poses become the target's."""

    mode: Mode
    """Which map."""

    centring: Centring | None
    """What comes to lie on the same place of the target's: the source's `median` place from left to
    right, or the middle of its `picture`. None for modes that do not centre.
    """

    def __post_init__(self) -> None:
        """Check that centring is asked for where it has an effect.

        Raises:
            ParamsError: it is not.
        """
        centres = self.mode in ("limbs", "ankle")
        if centres != (self.centring is not None):
            raise ParamsError(
                f"normalization.centring: expected {'median or picture' if centres else 'null'} "
                f"with mode {self.mode}, got {self.centring or 'null'}"
            )


def repose(
    keypoints: Keypoints,
    settings: ReposeSettings,
    *,
    source: PoseStatistics,
    target: PoseStatistics,
) -> Keypoints:
    """Move a source subject's poses to where, and as, the target subject would hold them.

    Raises:
        ParamsError: mode `none` between images of different sizes.
        StatisticsError: the statistics do not allow this mode's map.
    """
    if settings.mode == "none":
        return _unmoved(keypoints, target)
    if settings.mode == "affine":
        pose = median_pose([keypoints], min_score=source.min_score)
        matrix = fit_affine(pose, target.median_pose_px)
        return apply_affine(keypoints, matrix, image_size=target.image_size)
    if settings.centring == "picture":
        source, target = _centred_on_picture(source), _centred_on_picture(target)
    normalised = normalize_pose(keypoints, source=source, target=target)
    if settings.mode == "ankle":
        return normalised
    if not source.proportions or not target.proportions:
        raise StatisticsError(
            "normalization.mode limbs: expected limbs of source and target to be seen in at least "
            "some frames; set normalization.mode to ankle"
        )
    return retarget(
        normalised,
        proportion_ratios(source.proportions, target.proportions),
        centre_x_px=target.median_ankle_x_px,
        min_score=source.min_score,
    )


def _unmoved(keypoints: Keypoints, target: PoseStatistics) -> Keypoints:
    if keypoints.image_size != target.image_size:
        raise ParamsError(
            f"normalization.mode none: expected source and target of one image size, got "
            f"{keypoints.image_size} and {target.image_size}; choose another mode"
        )
    return keypoints


def _centred_on_picture(statistics: PoseStatistics) -> PoseStatistics:
    return replace(statistics, median_ankle_x_px=(statistics.image_size[1] - 1) / 2)
