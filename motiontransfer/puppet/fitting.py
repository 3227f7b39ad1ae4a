"""Appearance of a target from its training frames."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from motiontransfer.errors import TrainingError
from motiontransfer.keypoints import resize_points
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.puppet.appearance import Appearance, fit_appearance
from motiontransfer.puppet.parts import BodyPoses, body_scales, full_lengths
from motiontransfer.target_clips import TargetClip, spread
from motiontransfer.video.clip import full_size_frames
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize


def target_appearance(
    clips: Sequence[TargetClip],
    background: UInt8[np.ndarray, "height width 3"],
    *,
    num_references: int,
) -> Appearance:
    """About so many reference frames, evenly spread over the clips, in the background's size.

    Raises:
        TrainingError: no training frame shows a trunk or a limb.
    """
    size, image_size = background.shape[:2], clips[0].keypoints.image_size
    zoom = np.array([size[1] / image_size[1], size[0] / image_size[0]])
    frames = {}
    for number, clip in enumerate(clips):
        keypoints = clip.training_keypoints
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        has_scale = np.isfinite(body_scales(poses, full_lengths(poses)))
        path, step = full_size_frames(clip.frames, keypoints.frame_rate)
        found = [index for index in clip.training[::step] if has_scale[index]]
        with FrameStore(path) as store:
            for place in spread(range(len(found)), count=-(-num_references // len(clips))):
                frames[number, found[place]] = resize(store[found[place] // step], size)
    if not frames:
        raise TrainingError(
            "no training frame shows a trunk or a limb of the target; see the coverage in "
            "artifacts/quality"
        )
    heights = [
        body_height_px(clips[number].training_keypoints) for number in {c for c, _ in frames}
    ]
    return fit_appearance(
        clips[0].keypoints.skeleton,
        [(resize_points(clip.keypoints.points, zoom), clip.keypoints.score) for clip in clips],
        frames,
        background=background,
        height_px=float(np.median(heights) * zoom[1]),
    )
