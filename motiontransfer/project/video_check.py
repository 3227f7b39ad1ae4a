"""Video check: metadata and pose quality of 20 sampled frames, and advice on both.

The frames go through crop, working size and the default detector, as in the pipeline;
`motiontransfer.pose.quality` measures them as one clip.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from tqdm import tqdm

from motiontransfer.core.errors import VideoError
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.core.storage import replacing
from motiontransfer.pose.cleaning import Repairs
from motiontransfer.pose.detection import num_people
from motiontransfer.pose.detectors import default_detector
from motiontransfer.pose.keypoints import Detections, Keypoints, People
from motiontransfer.pose.landmarks import largest_person_box
from motiontransfer.pose.mediapipe_detectors import open_bodies, open_unrelated
from motiontransfer.pose.quality import (
    NOTHING_TO_FIX,
    PAIR_SECONDS,
    STILL_CAMERA,
    ClipQuality,
    FramePair,
    camera_speed,
    measure_quality,
    verdict,
    without_person,
)
from motiontransfer.rendering.inspect import Inspection, draw_overlay
from motiontransfer.rendering.videos import contact_sheet
from motiontransfer.video.color import AnyFrame
from motiontransfer.video.geometry import Framing, WorkingSize, auto_crop, fit_framing
from motiontransfer.video.reader import (
    VideoMetadata,
    decode_at,
    read_metadata,
    seconds_of,
    truncation,
    upright,
)

_NUM_SAMPLES = 20
_NUM_SHOWN = 6
_UNEVEN = 0.02  # share of frames whose time differs by more than half a frame from an even rate
_LOW_FRAME_RATE = 15
_SHORT_TARGET_SECONDS = 60.0
_EARLY = 1e-3  # seconds: times in a file are rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCheck:
    """Metadata of a file and pose quality of its sampled frames."""

    metadata: VideoMetadata

    seconds: float
    people: tuple[int, ...]
    """Number of people in each sampled frame."""
    framing: Framing
    """Placement of the frames in the working image."""
    quality: ClipQuality
    frames: tuple[AnyFrame, ...]
    """Those sampled, in the working image."""
    keypoints: Keypoints

    def frame(self, index: int) -> AnyFrame:
        return self.frames[index]


def check_video(path: Path, *, size: WorkingSize, crop: Literal["none", "auto"]) -> VideoCheck:
    """Measure people and camera motion in 20 frames of a video, which are all that are decoded.

    Raises:
        VideoError: no video, or none of its frames can be decoded.
    """
    metadata = read_metadata(path)
    samples = list(_samples(metadata))
    if not samples:
        raise VideoError(f"{path}: no frame can be found by its time; convert the file to MP4")
    starts = metadata.packet_times.starts_seconds
    seconds = float(starts[-1] - starts[0] + 1 / metadata.frame_rate)
    detections = _detect_people([frame for frame, _, _ in samples])
    counts = [num_people(found, image_size=metadata.size) for found in detections]
    boxes = [largest_person_box(people, image_size=metadata.size) for people in detections]
    box = auto_crop(boxes, metadata.size, size) if crop == "auto" else None
    whole = (0, 0, metadata.size[1], metadata.size[0])
    framing = fit_framing(metadata.size, box or whole, size=size)
    frames = [framing.apply(frame) for frame, _, _ in samples]
    people = _detect_person(frames)
    detected = Detections.from_frames(
        people,
        [np.arange(len(found), dtype=np.int32) for found in people],
        image_size=framing.size,
        frame_rate=Fraction(len(samples) / seconds).limit_denominator(1000),
        detector=default_detector().label,
    )
    keypoints = detected.of_person(*detected.people[:1])
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
    zeros = np.zeros(len(frames), np.int64)
    quality = measure_quality(
        keypoints,
        Repairs(sides=zeros > 0, hands=zeros > 0, removed=zeros, filled=zeros),
        content=framing.content,
        with_others=np.array(counts) > 1,
        possible_switches=0,
        camera_speed=camera_speed(pairs),
    )
    return VideoCheck(
        metadata=metadata, seconds=seconds, people=tuple(counts), framing=framing,
        quality=quality, frames=tuple(frames), keypoints=keypoints,
    )  # fmt: skip


def metadata_line(check: VideoCheck) -> str:
    """One line of metadata: length, size, rate, codec, orientation, sound."""
    metadata = check.metadata
    height, width = metadata.size
    rate = f"{float(metadata.frame_rate):.2f}".rstrip("0").rstrip(".")
    intervals = np.diff(metadata.packet_times.starts_seconds) * float(metadata.frame_rate)
    is_variable = (np.abs(intervals - 1) > 0.5).sum() > _UNEVEN * intervals.size
    turned = 90 * metadata.orientation.quarter_turns
    texts = [
        tqdm.format_interval(check.seconds),
        f"{width}x{height} px",
        f"{rate} frames a second" + (", variable: made constant" if is_variable else ""),
        {"h264": "H.264", "hevc": "H.265"}.get(metadata.codec, metadata.codec.upper()),
        *([f"stored turned by {turned}°"] if turned else []),
        *(["stored mirrored"] if metadata.orientation.mirrored else []),
        "with sound" if metadata.has_sound else "without sound",
    ]
    return f"{metadata.path.name}: {', '.join(texts)}"


def quality_lines(check: VideoCheck) -> Iterator[str]:
    quality, people = check.quality, np.array(check.people)
    yield f"{len(people)} sampled frames:"
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
    """Fixes for the file and the pose, or `NOTHING_TO_FIX` alone."""
    rate = float(check.metadata.frame_rate)
    sentences = []
    cut = truncation(check.metadata)
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
    sentences += [text for text in verdict(check.quality) if text != NOTHING_TO_FIX]
    return sentences or [NOTHING_TO_FIX]


def write_check_sheet(path: Path, check: VideoCheck) -> None:
    """Draw what was found in some of the sampled frames."""
    seen = Inspection(
        video=path.stem, frames=check.metadata.path, keypoints=check.keypoints, detections=None
    )
    indices = evenly_spaced(range(len(check.frames)), count=_NUM_SHOWN)
    drawn = [draw_overlay(check.frame(index), seen, index) for index in indices]
    times = [f"{index / float(check.keypoints.frame_rate):.1f} s" for index in indices]
    with replacing(path) as temporary:
        Image.fromarray(contact_sheet({"": drawn}, times)).save(temporary)


def _samples(metadata: VideoMetadata) -> Iterator[tuple[AnyFrame, AnyFrame | None, float]]:
    """Evenly spread (frame, later frame, seconds between them) of the video.

    Those that cannot be decoded are left out.
    """
    starts = metadata.packet_times.starts_seconds
    if not starts.size:
        return
    last = max(int(np.searchsorted(starts, starts[-1] - PAIR_SECONDS - _EARLY)), 0)
    wanted = evenly_spaced(range(last + 1), count=_NUM_SAMPLES)
    times, places = np.unique(starts[wanted, None] + (0, PAIR_SECONDS), return_inverse=True)
    frames = list(decode_at(metadata, times))
    for first, second in places.reshape(-1, 2).tolist():
        before, after = frames[first], frames[second]
        if before is not None and after is not None:
            between = (seconds_of(after) or 0.0) - (seconds_of(before) or 0.0)
            yield upright(before, metadata), upright(after, metadata), between
        elif before is not None:
            yield upright(before, metadata), None, 0.0


def _detect_people(frames: Sequence[AnyFrame]) -> list[People]:
    with open_bodies() as detect:
        return detect(frames)


def _detect_person(frames: Sequence[AnyFrame]) -> list[People]:
    with open_unrelated() as detect:
        return [*map(detect, frames)]
