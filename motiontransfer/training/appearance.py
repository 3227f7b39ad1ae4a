"""Appearance of a target from its training frames: background image and references."""

from collections.abc import Sequence

import numpy as np

from motiontransfer.pose.appearance import Appearance, fit_appearance
from motiontransfer.pose.boxes import body_height_px
from motiontransfer.training.background import median_background
from motiontransfer.training.clips import TargetClip
from motiontransfer.video.frame_store import FrameStore

_NUM_BACKGROUND_FRAMES = 200


def target_appearance(clips: Sequence[TargetClip], *, num_references: int) -> Appearance:
    """Background image and about so many reference frames, evenly spread over the clips."""
    background = median_background(clips, num_frames=_NUM_BACKGROUND_FRAMES)
    frames = {}
    for number, clip in enumerate(clips):
        body = clip.keypoints.skeleton.slice("body")
        found = np.flatnonzero((clip.training_keypoints.score[:, body] > 0).any(axis=1))
        count = min(-(-num_references // len(clips)), len(found))
        with FrameStore(clip.frames) as store:
            for place in np.linspace(0, len(found) - 1, count).round().astype(int):
                index = clip.training[int(found[place])]
                frames[number, index] = store[index]
    heights = [body_height_px(clip.training_keypoints) for clip in clips]
    return fit_appearance(
        clips[0].keypoints.skeleton,
        [(clip.keypoints.points, clip.keypoints.score) for clip in clips],
        frames,
        background=background,
        height_px=float(np.median(heights)),
    )
