"""Normalize one transfer's poses: `python -m stages normalize ada_as_ben`."""

import logging

from motiontransfer.core import layout
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints, write_keypoints
from motiontransfer.pose.time_series import smooth
from motiontransfer.retargeting.in_view import PathFit, fit_path
from motiontransfer.retargeting.normalization import joint_differences, normalize_poses
from motiontransfer.retargeting.params import NormalizationParams
from motiontransfer.retargeting.statistics import PoseStatistics, read_statistics
from motiontransfer.retargeting.unfilmed_sides import face_camera

_logger = logging.getLogger(__name__)


def main(transfer: str) -> str:
    params = load_section(NormalizationParams, "normalization")
    names = load_section(Transfer, f"transfers.{transfer}")
    source = read_keypoints(layout.keypoints_file(names.source_subject, names.source))
    target = read_statistics(layout.statistics_file(names.target))
    _log_joint_differences(names, source, target)
    poses = normalize_poses(
        source,
        mode=params.mode,
        centering=params.centering,
        source=read_statistics(layout.statistics_file(names.source_subject)),
        target=target,
    )
    fitted = PathFit(0.0, 0.0, 0.0)
    if params.path == "fit":
        poses, fitted = fit_path(poses, source, target)
    groups = [group for group, _ in poses.skeleton.groups]
    seconds = (params.smoothing_frames - 1) / poses.frame_rate
    poses = smooth(poses, params.smoothing, seconds=float(seconds), groups=groups)
    counts: dict[str, int] = {"frames": poses.num_frames}
    if params.unfilmed_sides == "face_camera":
        facing = face_camera(poses, target)
        poses, counts = facing.poses, facing.counts()
    write_keypoints(layout.poses_file(transfer), poses)
    of_path = fitted.counts(poses.num_frames) if params.path == "fit" else {}
    write_json(layout.counts_file("normalize", transfer), {**counts, **of_path})
    made = f"{poses.num_frames} poses in {layout.poses_file(transfer)}"
    made = ", ".join(filter(None, [made, str(fitted)]))
    if turned := counts.get("frames_turned_to_camera"):
        made += (
            f"; {names.target} faces the camera in {turned} frames from behind (turns: "
            f"{counts['turns_to_camera']}), as no film shows that side"
        )
    return made


def _log_joint_differences(names: Transfer, source: Keypoints, target: PoseStatistics) -> None:
    left_out, lacking = joint_differences(source, target)
    if left_out or lacking:
        _logger.info(
            "%s (%s) and %s (%s) have other joints; left out of the source: %s; missing there: %s",
            names.source,
            source.detector,
            names.target,
            target.detector,
            _listed(source, left_out),
            _listed(source, lacking),
        )


def _listed(keypoints: Keypoints, joints: set[str]) -> str:
    """Joints by name, or their group where it is there as a whole; `none` for none."""
    listed = []
    for group, names in keypoints.skeleton.groups:
        found = [name for name in names if name in joints]
        listed += [group] if len(found) == len(names) else found
    return ", ".join(listed) or "none"
