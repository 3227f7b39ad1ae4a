"""Reposing: a source's poses as the target would hold them, by the mode that was asked for.

Modes: `limbs` (the paper's map, then the target's proportions), `ankle` (the paper's map), `affine`
(one least-squares map a clip), `none` (poses as they are).
"""

from dataclasses import dataclass, replace
from typing import Literal

from motiontransfer.errors import ParamsError, StatisticsError
from motiontransfer.keypoints import Keypoints
from motiontransfer.pose.affine import apply_affine, fit_affine
from motiontransfer.pose.normalization import normalize_pose
from motiontransfer.pose.pose_statistics import PoseStatistics, median_pose
from motiontransfer.pose.retargeting import proportion_ratios, retarget

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
