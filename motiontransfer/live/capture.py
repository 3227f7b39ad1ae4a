"""Sources of live motion: a camera, a video played in real time, or poses from Parquet."""

import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.errors import VideoError
from motiontransfer.keypoints import People, read_keypoints
from motiontransfer.skeleton import HOLISTIC, Skeleton
from motiontransfer.video.audio import store_sound
from motiontransfer.video.color import Frame
from motiontransfer.video.isolation import iterate_isolated, run_isolated
from motiontransfer.video.reader import VideoMetadata, read_frames, read_metadata, upright

Load = Callable[[], Frame | People]
"""Converts what was captured; not called for frames that are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Frames or poses of a person, as they arrive."""

    name: str
    stream: Callable[[], Generator[tuple[float | None, Load]]]
    """Frames or poses, each with its time in seconds; None: now."""
    frame_rate: Fraction
    """Nominal rate."""
    size: tuple[int, int]
    """(height, width) of its frames, or of the image in which its poses are."""
    has_frames: bool = True
    """True if poses are detected in its frames; False if it has poses."""
    skeleton: Skeleton = HOLISTIC
    sound: Path | None = None
    """A file with its sound."""
    start_seconds: float = 0.0
    """Time of its first frame on the sound's clock."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """The played file by its kind; none of a camera."""


def open_camera(index: int) -> Source:
    """Open a camera by its number.

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

    def stream() -> Generator[tuple[None, Load]]:
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
    return Source(name=name, stream=stream, frame_rate=rate, size=(next(size), next(size)))


def open_video(path: Path) -> Source:
    """Open a video file, which is decoded in a child process and played once, in real time.

    Raises:
        MissingFileError: no such file.
        VideoError: it cannot be read; later, where it is damaged.
    """
    decoded = iterate_isolated(_decode, path)
    video = next(decoded)
    assert isinstance(video, VideoMetadata)
    times = video.packet_times.starts_seconds
    start = float(times[0]) if times.size else 0.0

    def stream() -> Generator[tuple[float, Load]]:
        with closing(decoded):
            for item in decoded:
                assert isinstance(item, tuple)
                seconds, frame = item
                yield seconds - start, lambda frame=frame: frame

    return Source(
        name=str(path),
        stream=stream,
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
    """Open poses of one subject, played in real time.

    Raises:
        MissingFileError: no such file.
        DamagedFileError: it is not as it was written.
        KeypointsError: it holds something else.
    """
    poses = read_keypoints(path)
    joints = np.concatenate([poses.points, poses.score[..., None]], axis=2)

    def stream() -> Generator[tuple[float, Load]]:
        for index in range(poses.num_frames):
            people = joints[index : index + 1]
            yield float(index / poses.frame_rate), partial(_someone, people)

    return Source(
        name=str(path),
        stream=stream,
        frame_rate=poses.frame_rate,
        size=poses.image_size,
        has_frames=False,
        skeleton=poses.skeleton,
        files={"keypoints": path},
    )


def _someone(people: People) -> People:
    return people[people[..., 2].any(axis=1)]
