"""The quality report of a clip: one picture for people, one set of numbers for comparing."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from motiontransfer.keypoints import Keypoints
from motiontransfer.media.clip import Clip
from motiontransfer.media.frame_store import FrameStore
from motiontransfer.pose.camera_motion import camera_speed
from motiontransfer.pose.cleaning.repair import Repairs
from motiontransfer.pose.quality import measure_quality, quality_metrics
from motiontransfer.pose.quality_picture import plot_quality
from motiontransfer.pose.quality_verdict import verdict


def report_quality(
    path: Path,
    clip: Clip,
    keypoints: Keypoints,
    repairs: Repairs,
    *,
    with_others: Bool[np.ndarray, " frames"],
    possible_switches: int,
) -> dict[str, object]:
    """Write the picture as a PNG, named as the clip is; give the numbers and the verdict.

    Args:
        with_others: where someone else is in view.
        possible_switches: how often it may have changed who was followed.
    """
    with FrameStore(clip.frames) as store:
        quality = measure_quality(
            keypoints,
            repairs,
            content=clip.framing.content,
            with_others=with_others,
            possible_switches=possible_switches,
            camera_speed=camera_speed(store, keypoints),
        )
        sentences = verdict(quality)
        plot_quality(path, store, keypoints, quality, sentences=sentences, title=path.stem)
    return {**repairs.counts(), **quality_metrics(quality), "verdict": sentences}
