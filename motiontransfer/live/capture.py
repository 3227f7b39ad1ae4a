"""Sources of live motion: a camera, a video played in its own time, or poses from Parquet."""

import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from motiontransfer.errors import VideoError
from motiontransfer.keypoints import People, read_keypoints
from motiontransfer.live.pipeline import Newest
from motiontransfer.skeleton import HOLISTIC, Skeleton
from motiontransfer.video.audio import store_sound
from motiontransfer.video.color import Frame
from motiontransfer.video.isolation import iterate_isolated, run_isolated
from motiontransfer.video.reader import VideoMetadata, read_frames, read_metadata, upright

Load = Callable[[], Frame | People]
"""Converts what was captured, which a frame that is dropped can do without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A moment of the source."""

    load: Load
    """Its frame, or the people in it."""
    seconds: float
    """In the source's own time, which stands still while it is paused."""
    at: float
    """When it was there, on `time.monotonic`'s clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where motion comes from."""

    name: str
    moments: Callable[[], Generator[tuple[float | None, Load]]]
    """Each with its time in seconds; None: now."""
    frame_rate: Fraction
    """Nominal."""
    size: tuple[int, int]
    """(height, width) of its frames, or of the image in which its poses are."""
    has_frames: bool = True
    """Frames come, in which poses are detected, and not poses."""
    skeleton: Skeleton = HOLISTIC
    sound: Path | None = None
    """A file with sound of the same time."""
    start_seconds: float = 0.0
    """Of its first frame, on the sound's clock."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """What is played, by its kind; nothing of a camera."""


def open_camera(index: int) -> Source:
    """A camera by its number.

    Raises:
        VideoError: it cannot be opened; later, where it no longer sends frames.
    """
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    camera = cv2.VideoCapture(index)
    name = f"camera {index}"
    if not camera.isOpened():
        raise VideoError(
            f"{name}: cannot be opened; expected the number of a camera that no other program uses"
        )
    camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an older frame is of no use

    def moments() -> Generator[tuple[None, Load]]:
        try:
            for num_frames in count():
                arrived, image = camera.read()
                if not arrived:
                    raise VideoError(
                        f"{name}: sent no more frames after {num_frames}; is it still plugged in?"
                    )
                yield None, partial(cv2.cvtColor, image, cv2.COLOR_BGR2RGB)
        finally:
            camera.release()

    rate = Fraction(camera.get(cv2.CAP_PROP_FPS) or 30).limit_denominator(1001)
    size = (int(camera.get(side)) for side in (cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_WIDTH))
    return Source(name=name, moments=moments, frame_rate=rate, size=(next(size), next(size)))


def open_video(path: Path) -> Source:
    """A video file, decoded in a child process and played in its own time, once.

    Raises:
        MissingFileError: no such file.
        VideoError: it cannot be read; later, where it is damaged.
    """
    decoded = iterate_isolated(_decode, path)
    video = next(decoded)
    assert isinstance(video, VideoMetadata)
    times = video.packet_times.starts_seconds
    start = float(times[0]) if times.size else 0.0

    def moments() -> Generator[tuple[float, Load]]:
        with closing(decoded):
            for item in decoded:
                assert isinstance(item, tuple)
                seconds, frame = item
                yield seconds - start, lambda frame=frame: frame

    return Source(
        name=str(path),
        moments=moments,
        frame_rate=video.frame_rate,
        size=video.size,
        sound=path if video.has_sound else None,
        start_seconds=start,
        files={"video": path},
    )


def _decode(path: Path) -> Generator[VideoMetadata | tuple[float, Frame]]:
    """The metadata, then times and frames."""
    video = read_metadata(path)
    yield video
    for timed in read_frames(video):
        yield timed.start_seconds, upright(timed.item, video)


@contextmanager
def stored_sound(source: Source) -> Generator[tuple[Path | None, float]]:
    """The source's sound as recordings take it, and what to add to its timestamps."""
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        path, offset = Path(folder) / "sound.mka", None
        if source.sound:
            offset = run_isolated(
                store_sound, source.sound, path, origin_seconds=source.start_seconds
            )
        yield (None, 0.0) if offset is None else (path, offset)


def open_poses(path: Path) -> Source:
    """Poses of one subject, in their own time.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written.
        KeypointsError: it holds something else.
    """
    poses = read_keypoints(path)
    joints = np.concatenate([poses.points, poses.score[..., None]], axis=2)

    def moments() -> Generator[tuple[float, Load]]:
        for index in range(poses.num_frames):
            people = joints[index : index + 1]
            yield float(index / poses.frame_rate), partial(_someone, people)

    return Source(
        name=str(path),
        moments=moments,
        frame_rate=poses.frame_rate,
        size=poses.image_size,
        has_frames=False,
        skeleton=poses.skeleton,
        files={"keypoints": path},
    )


def _someone(people: People) -> People:
    return people[people[..., 2].any(axis=1)]


class Clock:
    """Time of a source, which stands still while it is paused, and ends."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._paused_at: float | None = None
        self.stopped = Event()

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._paused_at is not None

    def start(self) -> None:
        """Begin at zero."""
        self._began = time.monotonic()

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        now = time.monotonic()
        if self._paused_at is None:
            self._paused_at = now
        else:
            self._began += now - self._paused_at
            self._paused_at = None

    def seconds(self) -> float:
        """Time since the beginning, without pauses."""
        return (self._paused_at or time.monotonic()) - self._began

    def wait_until(self, seconds: float) -> float:
        """Wait, not longer than until the end; return when it was due on the monotonic clock."""
        while not self.stopped.is_set():
            left = seconds - self.seconds()
            if left <= 0 and not self.is_paused:
                break
            self.stopped.wait(0.02 if self.is_paused else left)
        return self._began + seconds


def capture(source: Source, sink: Newest[Captured], clock: Clock) -> None:
    """Send the source's moments when they are due, until it or the clock ends."""
    clock.start()
    with sink, closing(source.moments()) as moments:
        for due, load in moments:
            if clock.stopped.is_set():
                return
            if due is None:
                if clock.is_paused:  # a camera goes on
                    continue
                at, seconds = time.monotonic(), clock.seconds()
            else:
                at, seconds = clock.wait_until(due), due
            sink.put(Captured(load=load, seconds=seconds, at=at))
