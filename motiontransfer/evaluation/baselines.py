"""Nearest-neighbor baseline by pose, and the image distance to the nearest training frame.

The baseline shows, for each pose, the real training frame of the target whose pose is nearest.
Chan et al. 2019, sec. 4.1, take the mean distance of all joints. Here distances between joints of
the same name are in body sizes of the target, so that the cost of a joint that the candidate lacks
means the same at every resolution. The body's joints count as much as those of both hands and the
face together: arms and legs decide, hands and face break ties.

The distance to training measures likeness and memorisation without a network: the person's box,
resized to a thumbnail, against that of every training frame; the root of the mean squared
difference, in levels of 0 to 255, to the nearest. A result that does not resemble the target is
far from all of them. One that repeats training frames is nearer than the target's own unseen
frames. The distance is more sensitive to clothes, build and light than to faces.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Float32, Int64, UInt8

from motiontransfer.errors import KeypointsError
from motiontransfer.evaluation.frames import (
    Box,
    FrameSet,
    PosedFrames,
    Regions,
    person_regions,
    read_frames,
    training_frames,
)
from motiontransfer.evaluation.measurements import FrameScores, MetricKey
from motiontransfer.evaluation.pose_metrics import shared_joints
from motiontransfer.keypoints import Keypoints
from motiontransfer.rendering.videos import evenly_spaced
from motiontransfer.skeleton import Skeleton
from motiontransfer.target_clips import TargetClip
from motiontransfer.video.color import Frame

MISSING_COST = 0.25
"""Distance, in body sizes, of a joint that the pose has and the candidate lacks."""

_WEIGHT_OF_GROUP = {"body": 3.0, "left_hand": 1.0, "right_hand": 1.0, "face": 1.0}
_MAX_CANDIDATES = 3000
"""Upper limit of training frames among which the nearest is sought; more show the same poses."""
_VALUES_AT_ONCE = 400_000

_Thumbnails = UInt8[np.ndarray, "images 64 32 3"]
_THUMBNAIL_SIZE = (64, 32)
_MAX_IMAGES = 500
"""Upper limit of training frames to compare with; more add time and little else."""


def nearest_frames(poses: Keypoints, clips: Sequence[TargetClip]) -> PosedFrames:
    """The baseline: for each pose the target's training frame with the nearest pose."""
    training = training_frames(clips)
    return training.part(nearest_neighbours(poses, training.keypoints).tolist())


def nearest_neighbours(poses: Keypoints, candidates: Keypoints) -> Int64[np.ndarray, " frames"]:
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
    usable = usable[list(evenly_spaced(usable.size, _MAX_CANDIDATES))]
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
    present = keypoints.score[:, body] > 0
    points = keypoints.points[:, body][present.any(axis=1)]
    present = present[present.any(axis=1)]
    if not len(points):
        return 1.0
    low = np.where(present[..., None], points, np.inf).min(axis=1)
    high = np.where(present[..., None], points, -np.inf).max(axis=1)
    return max(1.0, float(np.median((high - low).max(axis=1))))


def _distances(
    pose_points: Float32[np.ndarray, "poses joints 2"],
    pose_weight: Float32[np.ndarray, "poses joints"],
    points: Float32[np.ndarray, "candidates joints 2"],
    present: np.ndarray,
    size_px: float,
) -> Float32[np.ndarray, "poses candidates"]:
    """Weighted sum over the pose's joints, which is enough to rank candidates.

    Computed joint after joint, so that memory stays small.
    """
    total = np.zeros((len(pose_points), len(points)), np.float32)
    for joint in np.flatnonzero(pose_weight.any(axis=0)):
        offset = pose_points[:, None, joint] - points[None, :, joint]
        distance = np.hypot(offset[..., 0], offset[..., 1]) / np.float32(size_px)
        distance = np.where(present[None, :, joint], distance, np.float32(MISSING_COST))
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


def training_images(clips: Sequence[TargetClip], *, margin: float) -> _Thumbnails:
    """The person in training frames, at most 500, evenly spread, each resized to a thumbnail."""
    training = training_frames(clips)
    chosen = training.part(evenly_spaced(len(training.frames), _MAX_IMAGES))
    persons = person_regions(chosen.keypoints, margin=margin)
    frames = read_frames(chosen.frames, chosen.keypoints.image_size)
    found = [thumbnail(frame, box) for frame, box in zip(frames, persons, strict=True) if box]
    return np.stack(found) if found else np.zeros((0, *_THUMBNAIL_SIZE, 3), np.uint8)


def thumbnail(frame: Frame, box: Box) -> UInt8[np.ndarray, "64 32 3"]:
    """Resize the person's box."""
    x0, y0, x1, y1 = box
    return cv2.resize(frame[y0:y1, x0:x1], _THUMBNAIL_SIZE[::-1], interpolation=cv2.INTER_AREA)


def training_distances(
    frame_set: FrameSet, *, persons: Mapping[str, Regions], training: _Thumbnails
) -> FrameScores:
    """Each system's distance to training.

    Args:
        persons: system -> the boxes around the person found in its own frames.
    """
    return {
        MetricKey("distance_to_training", "", system): (
            (distance_to_nearest(thumbnail(frame_set.frames[system], box), training), 1.0)
            if len(training) and (box := regions[frame_set.index])
            else (0.0, 0.0)
        )
        for system, regions in persons.items()
    }


def distance_to_nearest(image: UInt8[np.ndarray, "64 32 3"], images: _Thumbnails) -> float:
    """The root of the mean squared difference from the nearest of at least one image."""
    nearest = min(cv2.norm(image, other, cv2.NORM_L2SQR) for other in images)
    return float(np.sqrt(nearest / image.size))
