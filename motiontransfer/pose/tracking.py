"""The same number for the same person in every frame, however the detector lists them.

Hides how detections become tracks: what is surely one person is followed frame after frame
(`tracklets`), pieces are joined over gaps (`joining`), and what is only seen for a moment next to
others is taken for a detector's mixture of them.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from jaxtyping import Int32

from motiontransfer.pose.bodies import measure_bodies
from motiontransfer.pose.joining import join_tracklets
from motiontransfer.pose.people import People
from motiontransfer.pose.tracklets import Tracklet, find_tracklets
from motiontransfer.skeleton import HOLISTIC, Skeleton

NOBODY = -1
"""Track number of a detection that is no person: a double or a mixture of others, or no body."""


def track_people(
    people: Sequence[People],
    *,
    frame_rate: Fraction,
    image_size: tuple[int, int],
    skeleton: Skeleton = HOLISTIC,
) -> list[Int32[np.ndarray, " people"]]:
    """The track number of everyone in each frame, or NOBODY.

    Numbers count from 0 in order of first appearance, in one frame from left to right. A track goes
    on after a gap of up to 1.5 s; no two people of a frame are in one track.

    Args:
        people: everyone found in each frame of a clip, in any order.
    """
    frames = [measure_bodies(found, skeleton=skeleton, image_size=image_size) for found in people]
    tracks = join_tracklets(find_tracklets(frames, frame_rate=frame_rate), frame_rate=frame_rate)
    numbers = [np.full(len(found), NOBODY, np.int32) for found in people]
    tracks = _without_moments(tracks, frame_rate)
    for number, track in enumerate(tracks):
        for tracklet in track:
            for frame_index, body in zip(tracklet.frame_indices, tracklet.bodies, strict=True):
                numbers[frame_index][body.row] = number
    return numbers


def _without_moments(
    tracks: Sequence[Sequence[Tracklet]], frame_rate: Fraction
) -> list[Sequence[Tracklet]]:
    """Leave out what is seen for a moment only, between first and last frame of a longer track."""
    spans = [
        (track[0].start, track[-1].end) for track in tracks if not track[0].is_moment(frame_rate)
    ]
    return [
        track
        for track in tracks
        if not track[0].is_moment(frame_rate)
        or not any(start <= track[0].start <= end for start, end in spans)
    ]
