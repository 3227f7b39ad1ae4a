"""Frames of people as other programs leave them: numbered, complete, joints in the right order.

Hides what can be wrong with keypoints made elsewhere, whatever the file they came in.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from motiontransfer.errors import KeypointsError
from motiontransfer.pose.joint_sets import moved
from motiontransfer.pose.people import People
from motiontransfer.skeleton import HOLISTIC

_logger = logging.getLogger(__name__)
_Frame = TypeVar("_Frame")

_NUM_NAMED = 5  # missing frames that a message names

_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
_MAX_RATIO = 2.5  # of a bone's median lengths on the two sides
_NUM_SUSPECT_BONES = 2
_MIN_SAMPLES = 5


def frames_in_order(
    numbered: Sequence[tuple[int, _Frame]], *, num_frames: int, source: Path
) -> list[_Frame]:
    """The frames from first to last, whether they are numbered from 0 or from 1.

    Args:
        num_frames: how many the video has at least; what is there beyond is left out.
        source: for the message.

    Raises:
        KeypointsError: a frame is missing, or two have one number.
    """
    frame_of_number = dict(numbered)
    if len(frame_of_number) < len(numbered):
        number, count = Counter(number for number, _ in numbered).most_common(1)[0]
        raise KeypointsError(
            f"{source}: expected each frame once, got {count} numbered {number}; keep the"
            " keypoints of one video, from one run"
        )
    first = min(frame_of_number, default=0)
    if first > 1:
        raise KeypointsError(
            f"{source}: expected frames numbered from 0 or 1, got {first} as the first;"
            " run the detector on the whole video"
        )
    wanted = range(first, first + num_frames)
    missing = [str(number) for number in wanted if number not in frame_of_number]
    if missing:
        raise KeypointsError(
            f"{source}: expected all of the video's {num_frames} frames, numbered from {first};"
            f" {len(missing)} are missing: {', '.join(missing[:_NUM_NAMED])}"
            f"{', …' if len(missing) > _NUM_NAMED else ''}; run the detector on the whole video"
            " (a frame in which nobody was found has an entry too, with nobody in it)"
        )
    if len(frame_of_number) > num_frames:
        _logger.info(
            "%s: has %d frames, of which the clip shows the first %d",
            source,
            len(frame_of_number),
            num_frames,
        )
    return [frame_of_number[number] for number in wanted]


def people_of(
    points: Float[np.ndarray, "people joints 2"],
    score: Float[np.ndarray, "people joints"],
    *,
    joints: Sequence[str],
    where: str,
) -> People:
    """People with HOLISTIC joints; scores are clipped to [0, 1], and someone without joints goes.

    Args:
        points: pixels of the picture in which they were found.
        joints: names along the joint axis.
        where: file and frame, for the message.

    Raises:
        KeypointsError: a number is not finite.
    """
    if not (np.isfinite(points).all() and np.isfinite(score).all()):
        raise KeypointsError(f"{where}: expected finite numbers, got NaN or infinity")
    clipped = np.clip(score, 0, 1).astype(np.float32)
    placed = np.where(clipped[..., None] > 0, points, 0).astype(np.float32)
    points, score = moved(placed, clipped, source=joints, target=HOLISTIC.joints)
    seen = score.any(axis=1)
    return People(points=points[seen], score=score[seen])


def check_joint_order(frames: Sequence[People], *, joint_set: str, source: Path) -> None:
    """Check that arms and legs are about as long on the left as on the right.

    They are not where joints come in another order than was taken for granted: there are several
    sets of 18 and of 23 joints.

    Args:
        joint_set: its name, for the message.

    Raises:
        KeypointsError: they are not.
    """
    if not frames:
        return
    points = np.concatenate([people.points for people in frames])
    score = np.concatenate([people.score for people in frames])
    ratios: dict[str, float] = {}
    for bone in _BONES:
        medians = []
        for side in ("left", "right"):
            a, b = (HOLISTIC.index(f"{side}_{joint}") for joint in bone)
            seen = (score[:, a] > 0) & (score[:, b] > 0)
            if seen.sum() >= _MIN_SAMPLES:
                lengths = np.linalg.norm(points[seen, a] - points[seen, b], axis=1)
                medians.append(float(np.median(lengths)))
        if len(medians) == len(("left", "right")):
            ratios[" to ".join(bone)] = max(medians) / max(min(medians), 1e-6)
    suspect = {bone: ratio for bone, ratio in ratios.items() if ratio > _MAX_RATIO}
    if len(suspect) >= _NUM_SUSPECT_BONES:
        listed = ", ".join(f"{bone} {ratio:.1f} times" for bone, ratio in suspect.items())
        raise KeypointsError(
            f"{source}: read as {joint_set}, one side is far longer than the other ({listed}):"
            f" the joints come in another order; export {joint_set} as its own program orders it"
        )
