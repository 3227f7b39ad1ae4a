"""Someone who is followed, and another person beside them for a while."""

from pathlib import Path

import numpy as np

from motiontransfer.keypoints import Detections, Keypoints, write_detections

OTHER = 3  # the track number of the other person


def together(keypoints: Keypoints) -> Detections:
    """The followed person as track 0; track 3 is 12 px to the left, in the first two frames."""
    aside = np.where(keypoints.score[:2, :, None] > 0, keypoints.points[:2] - (12, 0), 0)
    frames = np.arange(keypoints.num_frames)
    frame_index = np.concatenate([frames, [0, 1]]).astype(np.int32)
    person = np.concatenate([np.zeros_like(frames), [OTHER, OTHER]]).astype(np.int32)
    order = np.lexsort((person, frame_index))
    return Detections(
        frame_index=frame_index[order],
        person=person[order],
        points=np.concatenate([keypoints.points, aside]).astype(np.float32)[order],
        score=np.concatenate([keypoints.score, keypoints.score[:2]])[order],
        num_frames=keypoints.num_frames,
        skeleton=keypoints.skeleton,
        image_size=keypoints.image_size,
        frame_rate=keypoints.frame_rate,
        detector=keypoints.detector,
    )


def add_detections(artifacts: Path, subject, video, keypoints):
    """Put everyone's joints where the pipeline keeps them."""
    write_detections(artifacts / "detections" / subject / f"{video}.parquet", together(keypoints))
