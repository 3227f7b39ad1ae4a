"""Pose metrics: distance, missed detections (Chan et al. 2018, tables 3-4); a baseline.

Joints are matched by name, frames by index. Each metric is a mean over what the reference has, so
that nothing gains by what is missing. Distances are in pixels; a joint that the result lacks, or
has farther away, counts as a tenth of the body's size away. That paper leaves out frames in
which a joint of the group is missing. Missed detections are counted as a share of groups and, as in
the paper, in joints a frame. Both hands are reported as one group, as in the paper.

The nearest-neighbor baseline shows, for each pose, the real training frame of the target whose pose
is nearest. Chan et al. 2019, sec. 4.1, take the mean distance of all joints. Here distances between
joints of the same name are in body sizes of the target. The cost of a missing joint then means the
same at every resolution. The body's joints count as much as those of both hands and the face
together: arms and legs decide, hands and face break ties.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64, Shaped

from motiontransfer.core.arrays import FrameMask, JointMask, Places, Points, Scores
from motiontransfer.core.errors import KeypointsError
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.evaluation.frames import PosedFrames, training_frames
from motiontransfer.evaluation.measurements import OF_POSES, Metric, MetricKey, RatioMetric
from motiontransfer.plate.target_clips import TargetClip
from motiontransfer.pose.boxes import joint_boxes
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.skeleton import Skeleton

METRICS = {
    "missed_detections": Metric("Missed detections, share", "", "lower", OF_POSES),
    "missed_joints_per_frame": Metric("Missed joints", "a frame", "lower", OF_POSES),
    "pose_error_px": Metric("Pose error", "px", "lower", OF_POSES),
    "pose_distance_px": Metric("Pose distance", "px", "lower", OF_POSES),
}
REPORTED_GROUPS = {"body": ("body",), "hands": ("left_hand", "right_hand"), "face": ("face",)}
"""Reported group -> the skeleton's groups in it."""

_FARTHEST = 0.1  # in body sizes; a limb as far away is elsewhere
_MISSING_COST = 0.25  # in body sizes, of a joint that the pose has and the candidate lacks
_WEIGHT_OF_GROUP = {"body": 3.0, "left_hand": 1.0, "right_hand": 1.0, "face": 1.0}
_MAX_CANDIDATES = 3000  # training frames to choose from; more show the same poses
_VALUES_AT_ONCE = 400_000  # distances in memory, a few megabytes


def pose_scores(
    result: Keypoints, reference: Keypoints, *, system: str, distance: str = "pose_distance_px"
) -> dict[MetricKey, RatioMetric]:
    """Every pose metric of a result, for `body`, `hands` and `face`, and of some for `all`.

    The distance has the name `pose_error_px` where the reference is the intended pose.
    Joints that the result's skeleton does not know, and completed ones, are left out. A detection
    is a group with at least one joint in one frame; each hand counts by itself.

    Raises:
        KeypointsError: another number of frames, another image size, or no joint in common.
    """
    reference = reference.measured()
    distances, expected = _matched(result, reference)
    missed = expected & np.isnan(distances)
    farthest = _FARTHEST * body_size_px(reference)
    distances = np.fmin(np.where(expected, distances, 0), farthest)
    groups = _joints(reference)
    each_frame = np.ones(reference.num_frames)
    of_metric = {
        "missed_detections": _missed_detections(result, reference),
        "missed_joints_per_frame": {
            name: RatioMetric(total=missed[:, joints].sum(axis=1, dtype=float), weight=each_frame)
            for name, joints in groups.items()
        },
        distance: {
            name: _ratio(distances[:, joints], expected[:, joints])
            for name, joints in groups.items()
        },
    }
    return {
        MetricKey(metric, group, system): score
        for metric, of_group in of_metric.items()
        for group, score in of_group.items()
    }


def offsets(result: Keypoints, reference: Keypoints) -> Places:
    """(x, y) whole pixels from a result's person to the reference's in each frame.

    The median over the body's joints that both have; 0 where there are none.
    """
    in_reference, in_result = shared_joints(reference.skeleton, result.skeleton)
    is_of_body = np.isin(in_reference, _joints(reference)["body"])
    own, other = in_reference[is_of_body], in_result[is_of_body]
    apart = reference.points[:, own].astype(np.float64) - result.points[:, other]
    apart[(reference.score[:, own] == 0) | (result.score[:, other] == 0)] = np.nan
    found = np.zeros((reference.num_frames, 2))
    is_seen = np.isfinite(apart).any(axis=(1, 2))
    found[is_seen] = np.rint(np.nanmedian(apart[is_seen], axis=1))
    return found


def _missed_detections(result: Keypoints, reference: Keypoints) -> dict[str, RatioMetric]:
    """Share of the reference's detections that the result lacks."""
    missed: dict[str, RatioMetric] = {}
    for name, groups in REPORTED_GROUPS.items():
        expected, found = (
            np.stack([_has_group(poses, group) for group in groups], axis=1)
            for poses in (reference, result)
        )
        missed[name] = _ratio(expected & ~found, expected)
    return missed


def shared_joints(
    first: Skeleton, second: Skeleton
) -> tuple[Int64[np.ndarray, " joints"], Int64[np.ndarray, " joints"]]:
    """Positions, in each of two skeletons, of the joints that both have, in the first's order.

    Raises:
        KeypointsError: they share none.
    """
    position = {joint: index for index, joint in enumerate(second.joints)}
    pairs = [
        (index, position[joint]) for index, joint in enumerate(first.joints) if joint in position
    ]
    if not pairs:
        raise KeypointsError("expected two skeletons with joints of the same name, found none")
    matched = np.array(pairs, np.int64)
    return matched[:, 0], matched[:, 1]


def _matched(
    result: Keypoints, reference: Keypoints
) -> tuple[Float64[np.ndarray, "frames joints"], JointMask]:
    """Distance of each joint of the reference from the result's, and if it is expected there.

    Pixels; NaN where one of the two lacks the joint. Expected are joints that the reference has and
    the result's skeleton knows.
    """
    if result.num_frames != reference.num_frames or result.image_size != reference.image_size:
        raise KeypointsError(
            f"poses to compare: expected {reference.num_frames} frames of {reference.image_size}, "
            f"got {result.num_frames} of {result.image_size}"
        )
    in_reference, in_result = shared_joints(reference.skeleton, result.skeleton)
    distances = np.full(reference.score.shape, np.nan)
    expected = np.zeros(reference.score.shape, bool)
    # One joint at a time, to save memory.
    for own, other in zip(in_reference, in_result, strict=True):
        offsets = result.points[:, other].astype(np.float64) - reference.points[:, own]
        expected[:, own] = reference.score[:, own] > 0
        both = expected[:, own] & (result.score[:, other] > 0)
        distances[both, own] = np.linalg.norm(offsets[both], axis=1)
    return distances, expected


def _joints(keypoints: Keypoints) -> dict[str, Int64[np.ndarray, " _"]]:
    """Reported group, and `all` -> positions of its joints."""
    group_of = np.array([group for group, names in keypoints.skeleton.groups for _ in names])
    reported = {**REPORTED_GROUPS, "all": group_of}
    return {name: np.flatnonzero(np.isin(group_of, groups)) for name, groups in reported.items()}


def _ratio(total: Shaped[np.ndarray, "frames joints"], weight: JointMask) -> RatioMetric:
    return RatioMetric(total=total.sum(axis=1, dtype=float), weight=weight.sum(axis=1, dtype=float))


def _has_group(keypoints: Keypoints, group: str) -> FrameMask:
    if group not in dict(keypoints.skeleton.groups):
        return np.zeros(keypoints.num_frames, bool)
    return np.any(keypoints.score[:, keypoints.skeleton.slice(group)] > 0, axis=1)


def nearest_frames(poses: Keypoints, clips: Sequence[TargetClip]) -> PosedFrames:
    """The baseline: for each pose the target's training frame with the nearest pose."""
    training = training_frames(clips)
    return training.part(nearest_neighbors(poses, training.keypoints).tolist())


def nearest_neighbors(poses: Keypoints, candidates: Keypoints) -> Int64[np.ndarray, " frames"]:
    """Index, for each pose, of the nearest candidate frame; the earliest of equals.

    Of more than 3000 candidates as many are compared, evenly spread. A pose without joints takes
    the candidate of the pose before it, the first pose the first candidate with a body.

    Raises:
        KeypointsError: no candidate has a body, or no joint in common.
    """
    in_poses, in_candidates = shared_joints(poses.skeleton, candidates.skeleton)
    body = candidates.skeleton.slice("body")
    usable = np.flatnonzero(np.any(candidates.score[:, body] > 0, axis=1))
    if usable.size == 0:
        raise KeypointsError(
            f"expected a training frame with a detected body, got none in {candidates.num_frames} "
            "frames; check the target's video and its detection"
        )
    usable = usable[list(evenly_spaced(range(usable.size), count=_MAX_CANDIDATES))]
    size_px = body_size_px(candidates)
    weight = _joint_weights(poses.skeleton)[in_poses]
    points = candidates.points[usable][:, in_candidates]
    present = candidates.score[usable][:, in_candidates] > 0
    choice = np.empty(poses.num_frames, np.int64)
    chunk = max(1, _VALUES_AT_ONCE // usable.size)
    for start in range(0, poses.num_frames, chunk):
        part = slice(start, start + chunk)
        pose_weight = weight * (poses.score[part][:, in_poses] > 0)
        distances = _distances(
            poses.points[part][:, in_poses], pose_weight, points, present, size_px
        )
        choice[part] = usable[distances.argmin(axis=1)]
        for index in np.flatnonzero(~pose_weight.any(axis=1)) + start:
            choice[index] = choice[index - 1] if index else usable[0]
    return choice


def body_size_px(keypoints: Keypoints) -> float:
    """Median over frames with a body of the longer side of its box, in pixels; at least one."""
    body = keypoints.skeleton.slice("body")
    points, score = keypoints.points[:, body], keypoints.score[:, body]
    boxes = joint_boxes(points, score)[score.any(axis=1)].astype(np.float32)
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    return max(1.0, float(np.median(sides))) if len(sides) else 1.0


def _distances(
    pose_points: Points,
    pose_weight: Scores,
    points: np.ndarray,
    present: np.ndarray,
    size_px: float,
) -> Float32[np.ndarray, "poses candidates"]:
    """Weighted sum over the pose's joints, which is enough to rank candidates.

    Computed joint after joint, so that memory stays small.

    Args:
        points: of the candidates' joints, and where they are `present`.
    """
    total = np.zeros((len(pose_points), len(points)), np.float32)
    for joint in np.flatnonzero(pose_weight.any(axis=0)):
        offset = pose_points[:, None, joint] - points[None, :, joint]
        distance = np.hypot(offset[..., 0], offset[..., 1]) / np.float32(size_px)
        distance = np.where(present[None, :, joint], distance, np.float32(_MISSING_COST))
        total += pose_weight[:, None, joint] * distance
    return total


def _joint_weights(skeleton: Skeleton) -> Float32[np.ndarray, " joints"]:
    """Each group's weight shared out among its joints; an extra group, such as a mesh, has none."""
    return np.concatenate(
        [
            np.full(len(joints), _WEIGHT_OF_GROUP.get(group, 0.0) / len(joints), np.float32)
            for group, joints in skeleton.groups
        ]
    )
