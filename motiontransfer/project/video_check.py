"""Video check: metadata and pose quality of 20 sampled frames, and advice on both.

The frames go through crop, working size and the default detector, as in the pipeline;
`motiontransfer.pose.quality` measures them as one clip.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from tqdm import tqdm

from motiontransfer.errors import VideoError
from motiontransfer.keypoints import Keypoints, People
from motiontransfer.pose.boxes import enclosing_box
from motiontransfer.pose.camera_motion import PAIR_SECONDS, FramePair, camera_speed, without_person
from motiontransfer.pose.cleaning import Repairs
from motiontransfer.pose.detection import num_people
from motiontransfer.pose.detectors.mediapipe_tasks import WHEEL, TasksConfig
from motiontransfer.pose.detectors.registry import default_detector
from motiontransfer.pose.quality import (
    NOTHING_TO_FIX,
    STILL_CAMERA,
    Quality,
    measure_quality,
    verdict,
)
from motiontransfer.progress import track
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.video.geometry import Box, Framing, auto_crop, fit_framing
from motiontransfer.video.reader import (
    VideoMetadata,
    decode_at,
    read_metadata,
    seconds_of,
    truncation,
    upright,
)

_logger = logging.getLogger(__name__)

_NUM_SAMPLES = 20
_MARGIN = 0.15  # of a person's extent: hair, hands and clothes
_CROP_MARGIN = 0.05  # as `decode` has it
_UNEVEN = 0.02  # share of frames whose time differs by more than half a frame from an even rate
_LOW_FRAME_RATE = 15
_SHORT_TARGET_SECONDS = 60.0
_EARLY = 1e-3  # seconds: times in a file are rounded

_Frame = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCheck:
    """Metadata of a file and pose quality of its sampled frames."""

    facts: VideoMetadata
    """Metadata of the file."""

    seconds: float
    """Length of the video."""

    people: tuple[int, ...]
    """Number of people in each sampled frame."""

    framing: Framing
    """Placement of the frames in the working image."""

    quality: Quality
    """Pose quality of the sampled frames."""


def check_video(
    path: Path, *, size: tuple[int, int], crop: Literal["none", "auto"] | Box
) -> VideoCheck:
    """Measure people and camera motion in 20 frames of a video; no others are decoded.

    Args:
        size: working (height, width).
        crop: as in params.yaml; `auto` is found on fewer frames than `decode` takes.

    Raises:
        MissingFileError: no such file.
        VideoError: no video, or none of its frames can be decoded.
    """
    facts = read_metadata(path)
    samples = list(_samples(facts))
    if not samples:
        raise VideoError(f"{path}: no frame can be found by its time; convert the file to MP4")
    starts = facts.packet_times.starts_seconds
    seconds = float(starts[-1] - starts[0] + 1 / facts.frame_rate)
    detections = _detect_people([frame for frame, _, _ in samples])
    counts = tuple(num_people(it, image_size=facts.size, skeleton=HOLISTIC) for it in detections)
    framing = fit_framing(facts.size, _crop_box(crop, detections, facts.size, size), size=size)
    frames = [framing.apply(frame) for frame, _, _ in samples]
    rate = Fraction(len(samples) / seconds).limit_denominator(1000)
    keypoints = _keypoints(_detect_person(frames), size, rate=rate)
    pairs = (
        FramePair(
            before=frames[index],
            after=framing.apply(after),
            background=without_person(keypoints, (index,)),
            seconds=seconds_between,
        )
        for index, (_, after, seconds_between) in enumerate(samples)
        if after is not None
    )
    nothing = np.zeros(len(frames), np.int64)
    quality = measure_quality(
        keypoints,
        Repairs(sides=nothing > 0, hands=nothing > 0, removed=nothing, filled=nothing),
        content=framing.content,
        with_others=np.array(counts) > 1,
        possible_switches=0,
        camera_speed=camera_speed(pairs),
    )
    return VideoCheck(facts=facts, seconds=seconds, people=counts, framing=framing, quality=quality)


def facts_line(check: VideoCheck) -> str:
    """One line of metadata: length, size, rate, codec, orientation, sound."""
    facts = check.facts
    height, width = facts.size
    rate = f"{float(facts.frame_rate):.2f}".rstrip("0").rstrip(".")
    intervals = np.diff(facts.packet_times.starts_seconds) * float(facts.frame_rate)
    is_variable = (np.abs(intervals - 1) > 0.5).sum() > _UNEVEN * intervals.size
    turned = 90 * facts.orientation.quarter_turns
    texts = [
        tqdm.format_interval(check.seconds),
        f"{width}x{height} px",
        f"{rate} frames a second" + (", variable: made constant" if is_variable else ""),
        {"h264": "H.264", "hevc": "H.265"}.get(facts.codec, facts.codec.upper()),
        *([f"stored turned by {turned}°"] if turned else []),
        *(["stored mirrored"] if facts.orientation.mirrored else []),
        "with sound" if facts.has_sound else "without sound",
    ]
    return f"{facts.path.name}: {', '.join(texts)}"


def seen_lines(check: VideoCheck) -> Iterator[str]:
    """Measures of the sampled frames, one a line."""
    quality, people = check.quality, np.array(check.people)
    yield f"seen in {len(people)} frames of it:"
    if people.min() == people.max():
        yield f"  people       {f'{people[0]} in each' if people[0] else 'none'}"
    else:
        yield f"  people       {people.min()} to {people.max()}, {np.median(people):.0f} in most"
    known = quality.person_known
    if known.any():
        inside = [
            f"{part} {1 - frames[known].mean():.0%}".replace("%", " %")
            for part, frames in quality.outside.items()
        ]
        yield f"  in view      {', '.join(inside)} of frames"
        height = f"{quality.body_height_px:.0f} px of {check.framing.size[0]}"
        yield f"  height       {height} in the working image"
    speed = quality.camera_speed
    if speed is None:
        yield "  camera       not known: the background is too plain"
    elif speed <= STILL_CAMERA:
        yield "  camera       still"
    else:
        yield f"  camera       moves, {100 * speed:.0f} % of the image's width per second"


def advice(check: VideoCheck, *, is_target: bool) -> list[str]:
    """Fixes for the file and the pose, or `NOTHING_TO_FIX` alone.

    Args:
        is_target: True if a generator of the subject is trained.
    """
    rate = float(check.facts.frame_rate)
    sentences = []
    cut = truncation(check.facts)
    if cut is not None:
        sentences.append(
            f"{cut}: copy or export it again, or set decode.on_damage: truncate to keep "
            "what comes before"
        )
    if rate < _LOW_FRAME_RATE:
        sentences.append(f"{rate:g} frames per second are few for fast motion; film with 25 to 60")
    if is_target and check.seconds < _SHORT_TARGET_SECONDS:
        sentences.append(
            f"{check.seconds:.0f} s show few poses of a target; film a few minutes, with all "
            "that the dancer does"
        )
    sentences += [it for it in verdict(check.quality) if it != NOTHING_TO_FIX]
    return sentences or [NOTHING_TO_FIX]


def _samples(facts: VideoMetadata) -> Iterator[tuple[_Frame, _Frame | None, float]]:
    """Evenly spread (frame, later frame, seconds between them) of the video.

    Those that cannot be decoded are left out.
    """
    starts = facts.packet_times.starts_seconds
    if not starts.size:
        return
    last = max(int(np.searchsorted(starts, starts[-1] - PAIR_SECONDS - _EARLY)), 0)
    wanted = np.unique(np.linspace(0, last, _NUM_SAMPLES).round().astype(int))
    pairs = [(start, start + PAIR_SECONDS) for start in starts[wanted].tolist()]
    for first, second in decode_at(facts, pairs):
        if first is not None and second is not None:
            between = (seconds_of(second) or 0.0) - (seconds_of(first) or 0.0)
            yield upright(first, facts), upright(second, facts), between
        elif first is not None:
            yield upright(first, facts), None, 0.0


def _detect_people(frames: Sequence[_Frame]) -> list[People]:
    config = TasksConfig(
        model=WHEEL,
        max_people=4,
        min_detection_confidence=0.5,
        min_presence_confidence=0.5,
        min_visibility=0.3,
    )
    with config.open() as detector:
        return detector.detect(frames)


def _detect_person(frames: Sequence[_Frame]) -> list[People]:
    """The most prominent person of each frame."""
    people = []
    for frame in track(frames, "looking for the person", total=len(frames)):
        with default_detector().open() as detector:  # a new detector: the frames are unrelated
            people.extend(detector.detect([frame]))
    return people


def _crop_box(
    crop: Literal["none", "auto"] | Box,
    detections: Sequence[People],
    image_size: tuple[int, int],
    size: tuple[int, int],
) -> Box:
    if isinstance(crop, tuple):
        return crop
    whole = (0, 0, image_size[1], image_size[0])
    if crop == "none":
        return whole
    boxes = [_largest_box(people, image_size) for people in detections]
    return auto_crop(boxes, image_size, size[1] / size[0], margin=_CROP_MARGIN) or whole


def _largest_box(people: People, image_size: tuple[int, int]) -> Box | None:
    boxes = [
        enclosing_box(joints[joints[:, 2] > 0, :2], margin=_MARGIN, image_size=image_size)
        for joints in people
    ]
    areas = {box: (box[2] - box[0]) * (box[3] - box[1]) for box in boxes if box}
    return max(areas, key=areas.__getitem__, default=None)


def _keypoints(people: Sequence[People], size: tuple[int, int], *, rate: Fraction) -> Keypoints:
    joints = np.zeros((len(people), len(HOLISTIC.joints), 3), np.float32)
    for index, found in enumerate(people):
        if len(found):
            joints[index] = found[0]
    return Keypoints(
        points=joints[..., :2],
        score=joints[..., 2],
        skeleton=HOLISTIC,
        image_size=size,
        frame_rate=rate,
        detector=default_detector().label,
    )
