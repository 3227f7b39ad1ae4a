"""Appearance of a target from its training frames: background image and references."""

from collections.abc import Sequence

import numpy as np

from motiontransfer.errors import TrainingError
from motiontransfer.pose.appearance import Appearance, fit_appearance
from motiontransfer.pose.body_parts import BodyPoses, body_scales, full_lengths
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.training.background import median_background
from motiontransfer.training.clips import TargetClip, spread
from motiontransfer.video.frame_store import FrameStore

_NUM_BACKGROUND_FRAMES = 200


def target_appearance(clips: Sequence[TargetClip], *, num_references: int) -> Appearance:
    """Background image and about so many reference frames, evenly spread over the clips.

    Raises:
        TrainingError: no training frame shows a trunk or a limb.
    """
    background = median_background(clips, num_frames=_NUM_BACKGROUND_FRAMES)
    frames = {}
    for number, clip in enumerate(clips):
        keypoints = clip.training_keypoints
        poses = BodyPoses(keypoints.skeleton, keypoints.points, keypoints.score)
        found = np.flatnonzero(np.isfinite(body_scales(poses, full_lengths(poses))))
        with FrameStore(clip.frames) as store:
            for place in spread(range(len(found)), count=-(-num_references // len(clips))):
                index = clip.training[int(found[place])]
                frames[number, index] = store[index]
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
        [(clip.keypoints.points, clip.keypoints.score) for clip in clips],
        frames,
        background=background,
        height_px=float(np.median(heights)),
    )
