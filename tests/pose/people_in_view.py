"""Detections of walkers, drawn from who is where in which frames."""

from fractions import Fraction

import numpy as np

from motiontransfer.keypoints import Detections
from motiontransfer.skeleton import HOLISTIC
from tests.pose.walkers import walker


def detections_of(tracks, *, num_frames, frame_rate=25, image_size=(256, 256)):
    """Everyone in a clip.

    Args:
        tracks: for each track number, its frames and a function from the frame to `walker`'s
            arguments, or those arguments.
    """
    rows = []
    for track, (frames, place) in tracks.items():
        for index in frames:
            where = place(index) if callable(place) else place
            rows.append((index, track, *walker(*where)))
    rows.sort(key=lambda row: row[:2])
    joints = len(HOLISTIC.joints)
    return Detections(
        frame_index=np.array([row[0] for row in rows], np.int32),
        person=np.array([row[1] for row in rows], np.int32),
        points=np.array([row[2] for row in rows], np.float32).reshape(-1, joints, 2),
        score=np.array([row[3] for row in rows], np.float32).reshape(-1, joints),
        num_frames=num_frames,
        skeleton=HOLISTIC,
        image_size=image_size,
        frame_rate=Fraction(frame_rate),
        detector="drawn",
    )
