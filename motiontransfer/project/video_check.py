"""Video check: metadata and pose quality of 20 sampled frames, and advice on both.

The frames go through crop, working image and the default detector, as in the pipeline;
`motiontransfer.filming.quality` measures them as one clip.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import av
import numpy as np
from jaxtyping import Float, Float32, Float64

from motiontransfer.body.completion import complete
from motiontransfer.body.fit import fit_body
from motiontransfer.body.motion import BodyMotion
from motiontransfer.core.arrays import AnyFrame, Box, Frame, FrameMask, Series
from motiontransfer.core.errors import VideoError
from motiontransfer.core.params import Compute, SplitParams, load_section
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.filming.quality import (
    PAIR_SECONDS,
    ClipQuality,
    FramePair,
    camera_speed,
    camera_wander,
    degrees_to_turn,
    measure_quality,
    without_person,
)
from motiontransfer.plate.target_clips import HeldOut, split_clip
from motiontransfer.pose.cleaning import Repairs
from motiontransfer.pose.detection import num_people
from motiontransfer.pose.detectors import (
    ImportConfig,
    default_detector,
    detect_keypoints,
    load_detector,
)
from motiontransfer.pose.keypoints import Detections, Keypoints, People
from motiontransfer.pose.landmarks import boxes_of_people
from motiontransfer.pose.mediapipe_detectors import open_bodies, open_unrelated
from motiontransfer.pose.photos import lasting
from motiontransfer.pose.subject import choose_person, track_at
from motiontransfer.pose.time_series import segments
from motiontransfer.retargeting.params import FitNormalizationParams
from motiontransfer.retargeting.statistics import fit_statistics
from motiontransfer.video.clip import decode_video, full_framing
from motiontransfer.video.crop import PersonPlace, crop_around, film_box
from motiontransfer.video.geometry import Framing, WorkingSize, as_high, fit_framing
from motiontransfer.video.reader import (
    Timed,
    Times,
    VideoMetadata,
    decode_at,
    read_metadata,
    truncation,
    upright,
)

_Pairs = Float64[np.ndarray, "samples 2"]
"""When a sample is shown, and the later frame that it is compared with; seconds."""
_Sample = tuple[AnyFrame, AnyFrame | None, float]
"""A frame, a later one, and the seconds between them."""
_Thumbnails = tuple[Series, Float32[np.ndarray, "frames rows columns 3"]]
"""Times and small copies of frames, each once."""

_NUM_SAMPLES = 20
_WHOLE_PX = 360  # height of small copies
_LEAST_PRESENT = 0.25  # of the sampled frames; in fewer the detector takes things for people
_EARLY = 1e-3  # seconds: times in a file are rounded

# Cuts, as of PySceneDetect's AdaptiveDetector: its least change, its ratio to the two changes
# before and after it, levels of 255.
_LEAST_CHANGE, _CUT_RATIO = 15.0, 3.0
_THUMBNAIL_PX = 32  # side: noise and fine detail are averaged
_LOOK_SECONDS = 0.5  # between key frames that are compared, at least
_MOST_LOOKED_INTO = 12  # intervals between them, the most changed ones, of a camera that moves
_LEAST_SHOT_SECONDS = 0.5  # shorter ones are steps of a fade
_DARKEST = 16.0  # mean level of a shot: a film that opens black has no cut there
_REPEATED = 0.5  # levels by which a frame that is shown again changes: coding
_COMPARED = 9  # frames on each side of those that are looked into: six may be repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCheck:
    """Metadata of a file and pose quality of its sampled frames."""

    metadata: VideoMetadata

    seconds: float
    people: tuple[int, ...]
    """Number of people in each sampled frame."""
    framing: Framing
    """Placement of the frames in the working image."""
    picture: Box
    """The file's picture, without black bars."""
    quality: ClipQuality
    frames: tuple[AnyFrame, ...]
    """Those sampled, in the working image."""
    keypoints: Keypoints
    motion: BodyMotion
    cuts_seconds: tuple[float, ...]
    """When another shot begins."""
    start_seconds: float
    """Of the part that was looked at."""
    whole: tuple[AnyFrame, ...]
    """The same frames, whole and small."""
    everyone: tuple[tuple[Box, ...], ...]
    """Boxes around people in each, in the upright film."""

    @property
    def full_height(self) -> int:
        """Of results of whom the file shows, at most; pixels."""
        full = full_framing(self.framing, is_picture=self.metadata.is_picture)
        return (full or self.framing).size[0]

    def frame(self, index: int) -> AnyFrame:
        return self.frames[index]


def check_video(
    path: Path,
    *,
    size: WorkingSize,
    crop: Literal["none", "auto"] = "auto",
    rotate: int = 0,
    trim: tuple[float, float] | None = None,
    person: PersonPlace | None = None,
) -> VideoCheck:
    """Measure people and camera motion in 20 frames of a video, which are all that are decoded.

    Args:
        rotate: clockwise, degrees.
        trim: the part that is looked at, seconds from the first frame; None: all.
        person: whom the automatic crop follows; None: the largest.

    Raises:
        VideoError: no video, or none of its frames can be decoded.
    """
    metadata = read_metadata(path, rotate=rotate, trim=trim)
    starts, _ = metadata.part_times
    samples, decoded, thumbnails = [], {}, _stacked({})
    if starts.size:
        pairs = _pair_times(starts)
        decoded, thumbnails = _decoded(metadata, pairs, _look_times(metadata))
        samples = [*_samples(metadata, pairs, decoded)]
    if not samples:
        raise VideoError(f"{path}: no frame can be found by its time; convert the file to MP4")
    sizes = {metadata.shown_size(timed.item) for timed in decoded.values()} - {metadata.size}
    del decoded  # megabytes a frame
    metadata = replace(metadata, other_sizes=tuple(sorted({*metadata.other_sizes, *sizes})))
    seconds = float(starts[-1] - starts[0] + 1 / metadata.frame_rate)
    cutting = ThreadPoolExecutor(1)
    # FFmpeg's work, beside MediaPipe's
    cuts = cutting.submit(_cuts, metadata, starts, thumbnails)
    cutting.shutdown(wait=False)
    detections = _detect_people([frame for frame, _, _ in samples])
    counts = [num_people(found, image_size=metadata.size) for found in detections]
    everyone = [boxes_of_people(people, image_size=metadata.size) for people in detections]
    brightest, box = reduce(np.maximum, (frame for frame, _, _ in samples)), None
    if crop == "auto":
        box = crop_around(everyone, metadata, size, brightest=brightest, person=person)
    whole = (0, 0, metadata.size[1], metadata.size[0])
    framing = fit_framing(metadata.size, box or whole, size=size)
    frames = [framing.apply(frame) for frame, _, _ in samples]
    if metadata.is_picture:
        detected = _detect_in_picture(metadata, framing, size=size)
        others = [len(detected.people)]
        tracks = _tracks(detected, framing, person) if others[0] else ()
    else:
        people = _detect_person(frames)
        others = [*map(len, people)]
        detected = _as_detections(people, framing, seconds)
        tracks = detected.people[:1]
    counts = np.maximum(counts, others)
    crowded = segments(counts > np.median(counts))  # as in a cross-fade
    keypoints = replace(detected.of_person(*tracks), unusual=tuple(crowded))
    motion = fit_body(keypoints, detected.world_of_person(*tracks))
    return VideoCheck(
        metadata=metadata, seconds=seconds, people=tuple(counts.tolist()), framing=framing,
        picture=film_box(brightest), frames=tuple(frames), keypoints=keypoints, motion=motion,
        quality=_quality(samples, frames, keypoints, motion, framing, has_others=counts > 1),
        cuts_seconds=cuts.result(),
        start_seconds=trim[0] if trim else 0.0,
        whole=tuple(as_high(frame, _WHOLE_PX) for frame, _, _ in samples),
        everyone=tuple(map(tuple, everyone)),
    )  # fmt: skip


def _quality(
    samples: Sequence[_Sample],
    frames: Sequence[AnyFrame],
    keypoints: Keypoints,
    motion: BodyMotion,
    framing: Framing,
    *,
    has_others: FrameMask,
) -> ClipQuality:
    """Quality of sampled frames, as of a clip.

    Args:
        frames: those of the samples, in the working image.
        has_others: whether more than one person is in a frame.
    """
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
    misfits = ~motion.fits & np.any(keypoints.score > 0, axis=1)
    return measure_quality(
        keypoints,
        replace(Repairs.none(len(frames)), misfits=misfits),
        content=framing.content,
        with_others=has_others,
        possible_switches=0,
        camera_speed=camera_speed(pairs),
        camera_wander=camera_wander(frames, keypoints),
        turn=degrees_to_turn(keypoints, frames[0]),
    )


def check_stages(checks: Mapping[str, VideoCheck], *, is_target: bool) -> None:
    """Raise what a stage would raise of a subject's files, by that stage's own functions.

    Raises:
        VideoError: a file is cut short, where that is to fail, or hardly shows a person.
        TrainingError: a target's film is too short.
        StatisticsError: they show too little of a person, or in images of different sizes.
    """
    held_out = load_section(SplitParams, "split").to_config(HeldOut)
    for check in checks.values():
        metadata, known = check.metadata, check.quality.person_known
        cut = truncation(metadata)
        if cut and load_section(str, "decode.on_damage") == "fail":
            raise VideoError(f"{cut}: export it again, or set decode.on_damage: truncate")
        if known.mean() < _LEAST_PRESENT:
            raise VideoError(f"expected a person, got one in {known.sum()} of {len(known)} frames")
        if is_target and not metadata.is_picture:
            rate = load_section(float | None, "decode.frame_rate") or float(metadata.frame_rate)
            split_clip(round(check.seconds * rate), held_out)
    clips = {
        name: complete(each.keypoints, each.motion, each.framing.content)
        for name, each in checks.items()
    }
    params = load_section(FitNormalizationParams, "fit_normalization")
    fit_statistics([*lasting(clips).values()], **dict(params))


def _pair_times(starts: Times) -> _Pairs:
    last = max(int(np.searchsorted(starts, starts[-1] - PAIR_SECONDS - _EARLY)), 0)
    return starts[evenly_spaced(range(last + 1), count=_NUM_SAMPLES), None] + (0, PAIR_SECONDS)


def _look_times(metadata: VideoMetadata) -> Times:
    """When frames are shown between which cuts are looked for: key frames, and some others."""
    starts, keys = metadata.part_times
    kept = np.unique(np.floor((keys - keys[:1]) / _LOOK_SECONDS), return_index=True)[1]
    return np.union1d(keys[kept], starts[evenly_spaced(range(starts.size), count=_NUM_SAMPLES)])


def _decoded(
    metadata: VideoMetadata, pairs: _Pairs, looks: Times
) -> tuple[Mapping[float, Timed[av.VideoFrame]], _Thumbnails]:
    """Frames by the times at which they are wanted, and small copies of those looked at.

    A film of few key frames is decoded nearly whole, therefore once. Those that cannot be decoded
    are left out.
    """
    frames, small, times = {}, {}, np.union1d(pairs, looks)
    for seconds, timed in zip(times.tolist(), decode_at(metadata, times), strict=True):
        if timed and seconds in pairs:
            frames[seconds] = timed
        if timed and seconds in looks:
            small[timed.start_seconds] = _thumbnail(timed.item)
    return frames, _stacked(small)


def _samples(
    metadata: VideoMetadata, pairs: _Pairs, decoded: Mapping[float, Timed[av.VideoFrame]]
) -> Iterator[_Sample]:
    """Of each pair whose first frame could be decoded."""
    for before, after in (map(decoded.get, pair) for pair in pairs.tolist()):
        if before is None:
            continue
        between = after.start_seconds - before.start_seconds if after else 0.0
        later = upright(after.item, metadata) if after and between > 0 else None
        yield upright(before.item, metadata), later, between


def _cuts(metadata: VideoMetadata, starts: Times, looked_at: _Thumbnails) -> tuple[float, ...]:
    """Starts of shots: changes far above those around them, after which the picture stays changed.

    They are looked for between frames that differ, which are decoded in one go. Steps of a fade
    are one cut.
    """
    times, shown = looked_at
    changes = _changes(shown)
    most = np.sort(np.argsort(-changes, kind="stable")[:_MOST_LOOKED_INTO])
    edges = np.searchsorted(starts, times)
    spans = [
        starts[max(edges[index] - _COMPARED, 0) : edges[index + 1] + _COMPARED + 1]
        for index in most[changes[most] >= _LEAST_CHANGE].tolist()
    ]
    wanted = np.unique(np.concatenate([starts[:0], *spans]))
    decoded = zip(wanted.tolist(), decode_at(metadata, wanted), strict=True)
    small = {
        seconds: (timed.start_seconds, _thumbnail(timed.item))
        for seconds, timed in decoded
        if timed
    }
    found = {-math.inf}
    for span in spans:
        inside, frames = _stacked(dict(small[each] for each in span.tolist() if each in small))
        found |= {float(inside[at] - starts[0]) for at in _starts_of_shots(frames)}
    return tuple(at for before, at in pairwise(sorted(found)) if at - before > _LEAST_SHOT_SECONDS)


def _starts_of_shots(frames: Float32[np.ndarray, "frames rows columns 3"]) -> Iterator[int]:
    """Which frames begin a shot; what changes after repeated frames has changed in all of them."""
    shown = np.flatnonzero(np.append(True, _changes(frames) >= _REPEATED)[: len(frames)])
    lasts = np.diff(shown)
    distinct = frames[shown]
    steps = _changes(distinct)
    beside = np.pad(steps / lasts, 2)
    for step in np.flatnonzero((shown[1:] > 2) & (shown[1:] < len(frames) - 2)).tolist():
        around = np.delete(beside[step : step + 5], 2).mean() * lasts[step]
        before, after = distinct[max(step - 2, 0)], distinct[min(step + 3, len(distinct) - 1)]
        stays = np.abs(after - before).mean() >= _LEAST_CHANGE
        is_shown = min(distinct[step].mean(), distinct[step + 1].mean()) >= _DARKEST
        if steps[step] >= max(_LEAST_CHANGE, _CUT_RATIO * around) and stays and is_shown:
            yield int(shown[step + 1])


def _thumbnail(frame: av.VideoFrame) -> Frame:
    side = _THUMBNAIL_PX
    return frame.to_ndarray(format="rgb24", width=side, height=side, interpolation="AREA")


def _stacked(small: Mapping[float, Frame]) -> _Thumbnails:
    frames = np.array([*small.values()], np.float32)
    return np.array([*small]), frames.reshape(-1, _THUMBNAIL_PX, _THUMBNAIL_PX, 3)


def _changes(frames: Float32[np.ndarray, "frames rows columns 3"]) -> Float[np.ndarray, " _"]:
    return np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))


def _detect_in_picture(
    metadata: VideoMetadata, framing: Framing, *, size: WorkingSize
) -> Detections:
    """People in the very pixels that the stages decode, by the project's detector."""
    file, detector = metadata.path, load_detector("")
    if isinstance(detector, ImportConfig):
        detector = default_detector()
    with TemporaryDirectory(prefix="motiontransfer-") as scratch:
        clip = Path(scratch) / "clip"
        decode_video(file, clip, size=size, crop=framing.crop, rotate=metadata.rotate)
        return detect_keypoints(clip, detector, video=file, compute=Compute(num_workers=1))


def _tracks(photo: Detections, framing: Framing, person: PersonPlace | None) -> tuple[int, ...]:
    """Whom a photo is of, as `clean_keypoints` chooses."""
    if person is None:
        return choose_person(photo, "largest")
    height, width = framing.source_size
    place = np.array([person[0] * width, person[1] * height])
    return choose_person(photo, track_at(photo, 0, framing.to_working(place)))


def _as_detections(people: list[People], framing: Framing, seconds: float) -> Detections:
    """Who is first in each frame is one person, whoever else is there."""
    return Detections.from_frames(
        people,
        [np.arange(len(found), dtype=np.int32) for found in people],
        image_size=framing.size,
        frame_rate=Fraction(len(people) / seconds).limit_denominator(1000),
        detector=default_detector().label,
    )


def _detect_people(frames: Sequence[AnyFrame]) -> list[People]:
    with open_bodies() as detect:
        return detect(frames)


def _detect_person(frames: Sequence[AnyFrame]) -> list[People]:
    with open_unrelated() as detect:
        return [*map(detect, frames)]
