"""What can be said of a video before anything is computed from it.

Hides how a few glances stand for the whole: people are counted at full size, one is looked at as
the pipeline would see them (crop, working size, the default detector), and the sentences are those
of `clean_keypoints`, which has all frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, UInt8

from motiontransfer.keypoints import Keypoints
from motiontransfer.media.framing import Box, Framing, auto_crop, fit_framing
from motiontransfer.media.reading import DamagedVideoError, VideoFacts, read_facts, read_pictures
from motiontransfer.pose.cleaning.repair import Repairs
from motiontransfer.pose.detectors.mediapipe_tasks import TasksConfig
from motiontransfer.pose.detectors.task_bundles import WHEEL
from motiontransfer.pose.people import People
from motiontransfer.pose.person_box import enclosing_box
from motiontransfer.pose.person_boxes import default_detector
from motiontransfer.pose.quality import Quality, measure_quality
from motiontransfer.pose.several_people import num_people
from motiontransfer.progress import track
from motiontransfer.skeleton import HOLISTIC
from motiontransfer.workspace.background_motion import background_speed, farthest_move
from motiontransfer.workspace.glances import glance_at
from motiontransfer.workspace.video_picture import Picture, look_of

Crop = Literal["none", "auto"] | Box
FindPeople = Callable[[Sequence[UInt8[np.ndarray, "_ _ 3"]]], list[People]]
"""Gives everyone, or the most prominent, in each of some pictures."""

_NUM_GLANCES = 20
_MARGIN = 0.15  # of a person's extent: hair, hands and clothes
_CROP_MARGIN = 0.05  # as `decode` has it
_UNEVEN = 0.02  # share of frames whose time differs by more than half a frame from an even rate


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCheck:
    """What a look at a video tells."""

    facts: VideoFacts
    """What the file says."""

    seconds: float
    """How long the good part is."""

    num_frames: int
    """Good frames."""

    variable_rate: bool
    """Whether the frames are not evenly spaced in time."""

    damage: str | None
    """Where the file is damaged, in words; None: it is whole."""

    glances_seconds: tuple[float, ...]
    """When it was looked at."""

    people: tuple[int, ...]
    """How many were seen at each glance."""

    framing: Framing
    """How the pictures would sit in the working image."""

    quality: Quality
    """Of the person in the glances, as if these were a clip."""

    picture: Picture | None
    """None where nobody was found."""

    farthest_move: tuple[float, float, float] | None
    """Of the background between two glances: share of the width, and the seconds of both."""


def check_video(
    path: Path,
    *,
    size: tuple[int, int],
    crop: Crop,
    find_everyone: FindPeople | None = None,
    find_person: FindPeople | None = None,
) -> VideoCheck:
    """Look at a video: at the file as a whole, and at people and background in some frames.

    Args:
        size: working (height, width).
        crop: as in params.yaml; `auto` is found on fewer frames than `decode` takes.
        find_everyone: in pictures of full size; None: MediaPipe's finder of several bodies.
        find_person: the most prominent, in working images; None: the default detector.

    Raises:
        MissingFileError: no such file.
        VideoError: no video, or none of its pictures can be decoded.
    """
    facts = read_facts(path)
    starts, end, damage = _read_through(facts)
    glances = [
        glance for glance in glance_at(facts, num_glances=_NUM_GLANCES) if glance.seconds < end
    ] or list(glance_at(facts, num_glances=1))
    people = (find_everyone or _everyone)([glance.picture for glance in glances])
    boxes = [_boxes(found, facts.size) for found in people]
    framing = fit_framing(facts.size, _crop_box(crop, boxes, facts.size, size), size=size)
    frames = [framing.apply(glance.picture) for glance in glances]
    person = (find_person or _one_person)(frames)
    counts = tuple(num_people(found, image_size=facts.size, skeleton=HOLISTIC) for found in people)
    return VideoCheck(
        facts=facts,
        seconds=end,
        num_frames=len(starts),
        variable_rate=_is_uneven(starts, facts.frame_rate),
        damage=damage,
        glances_seconds=tuple(glance.seconds for glance in glances),
        people=counts,
        framing=framing,
        quality=_quality(
            _keypoints(person, size, rate=_glance_rate(len(glances), end)),
            framing,
            with_others=np.array(counts) > 1,
            camera_speed=background_speed(glances, boxes),
        ),
        picture=look_of(frames, person),
        farthest_move=farthest_move(glances, boxes),
    )


def _read_through(facts: VideoFacts) -> tuple[list[float], float, str | None]:
    """When each good frame is shown, when the last one ends, and the damage after it."""
    starts: list[float] = []
    end = 0.0
    pictures = track(
        read_pictures(facts), f"reading {facts.path.name}", total=facts.num_frames or 0
    )
    try:
        for timed in pictures:
            starts.append(timed.start_seconds)
            end = timed.end_seconds
    except DamagedVideoError as error:
        return (
            starts,
            end - starts[0] if starts else 0.0,
            error.cause.removeprefix(f"{facts.path}: "),
        )
    return starts, end - starts[0] if starts else 0.0, None


def _is_uneven(starts: Sequence[float], frame_rate: Fraction) -> bool:
    if len(starts) < 2:
        return False
    intervals = np.diff(np.array(starts)) * float(frame_rate)
    return bool((np.abs(intervals - 1) > 0.5).mean() > _UNEVEN)


def _everyone(pictures: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[People]:
    finder = TasksConfig(
        model=WHEEL,
        max_people=4,
        min_detection_confidence=0.5,
        min_presence_confidence=0.5,
        min_visibility=0.3,
    )
    with finder.open() as detector:
        return detector.detect(pictures)


def _boxes(people: People, size: tuple[int, int]) -> list[Box]:
    found = (
        enclosing_box(points[score > 0], margin=_MARGIN, image_size=size)
        for points, score in zip(people.points, people.score, strict=True)
    )
    return [box for box in found if box is not None]


def _crop_box(
    crop: Crop, boxes: Sequence[Sequence[Box]], image_size: tuple[int, int], size: tuple[int, int]
) -> Box:
    if isinstance(crop, tuple):
        return crop
    whole = (0, 0, image_size[1], image_size[0])
    if crop == "none":
        return whole
    largest = [max(found, key=_area, default=None) for found in boxes]
    return auto_crop(largest, image_size, size[1] / size[0], margin=_CROP_MARGIN) or whole


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _one_person(frames: Sequence[UInt8[np.ndarray, "_ _ 3"]]) -> list[People]:
    """The person whom the default detector finds in each frame by itself."""
    config = default_detector()
    people = []
    for frame in track(frames, "looking for the person", total=len(frames)):
        with config.open() as detector:  # a new one each time: the frames do not follow each other
            people.extend(detector.detect([frame]))
    return people


def _glance_rate(num_glances: int, seconds: float) -> Fraction:
    return Fraction(max(num_glances, 1) / max(seconds, 0.1)).limit_denominator(1000) or Fraction(1)


def _keypoints(people: Sequence[People], size: tuple[int, int], *, rate: Fraction) -> Keypoints:
    points = np.zeros((len(people), len(HOLISTIC.joints), 2), np.float32)
    score = np.zeros(points.shape[:2], np.float32)
    for index, found in enumerate(people):
        if len(found):
            points[index], score[index] = found.points[0], found.score[0]
    return Keypoints(
        points=points,
        score=score,
        skeleton=HOLISTIC,
        image_size=size,
        frame_rate=rate,
        detector=default_detector().label,
    )


def _quality(
    keypoints: Keypoints,
    framing: Framing,
    *,
    with_others: Bool[np.ndarray, " frames"],
    camera_speed: float | None,
) -> Quality:
    nothing = np.zeros(keypoints.num_frames, np.int64)
    return measure_quality(
        keypoints,
        Repairs(sides=nothing > 0, hands=nothing > 0, removed=nothing, filled=nothing),
        content=framing.content,
        with_others=with_others,
        possible_switches=0,
        camera_speed=camera_speed,
    )
