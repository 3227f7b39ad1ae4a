"""Sources and outputs of a live session.

Motion comes from a camera, a video played in real time, or poses from Parquet. Results go to a
window, a virtual camera, and a recording that is signed at its end.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.core.arrays import AnyFrame, Frame
from motiontransfer.core.errors import DisplayError, MissingLibraryError, VideoError, one_line
from motiontransfer.core.parallel import in_thread
from motiontransfer.pose.keypoints import People
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.pose.skeleton import HOLISTIC, Skeleton
from motiontransfer.video.isolation import iterate_isolated, run_isolated
from motiontransfer.video.reader import VideoMetadata, read_frames, read_metadata, upright
from motiontransfer.video.writer import store_sound, video_writer

_TITLE = "motiontransfer"
_LARGEST_HEIGHT_PX = 540  # as it opens
_TEXT_PX = 14
_TEXT, _TEXT_BACKGROUND = (236, 238, 242), (20, 21, 24)
_PROBE_SECONDS = 30
_PRESET = "ultrafast"  # of recordings: x264 takes 4 ms a frame of 540 pixels, by `medium` 14

Sign = Callable[[Path, Path], None]
"""Writes a signed copy, at the first path, of the file at the second."""

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
    if not 0 <= index < 100:  # OpenCV's search crashes; its hundreds are libraries
        raise VideoError(f"camera {index}: expected a number from 0 to 99")
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
        VideoError: it cannot be read, or is one picture; later, where it is damaged.
    """
    decoded = iterate_isolated(_decode, path)
    video = next(decoded)
    assert isinstance(video, VideoMetadata)
    if video.is_picture:
        decoded.close()
        raise VideoError(f"{path}: is one picture; expected a film")
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


def open_poses(path: Path) -> Source:
    """Open poses of one subject, played in real time."""
    poses = read_keypoints(path)
    joints = np.concatenate([poses.points, poses.score[..., None]], axis=2)

    def stream() -> Generator[tuple[float, Load]]:
        for index in range(poses.num_frames):
            people = joints[index : index + 1]
            found = people[people[..., 2].any(axis=1)]
            yield float(index / poses.frame_rate), lambda found=found: found

    return Source(
        name=str(path),
        stream=stream,
        frame_rate=poses.frame_rate,
        size=poses.image_size,
        has_frames=False,
        skeleton=poses.skeleton,
        files={"keypoints": path},
    )


class Window:
    def __init__(self) -> None:
        """Open it.

        Raises:
            DisplayError: there is no display.
        """
        # Without a display the library behind OpenCV's windows aborts the process: another tries.
        command = [sys.executable, "-c", "import cv2; cv2.namedWindow('probe', cv2.WINDOW_NORMAL)"]
        is_linux = sys.platform == "linux"
        if is_linux and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise _no_display("neither DISPLAY nor WAYLAND_DISPLAY is set")
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_PROBE_SECONDS)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise _no_display("OpenCV cannot open a window") from error
        cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        self._has_size = False

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        cv2.destroyWindow(_TITLE)

    def show(self, image: AnyFrame) -> None:
        """Show an image; the first also gives the window its size."""
        if not self._has_size:
            scale = min(1.0, _LARGEST_HEIGHT_PX / image.shape[0])
            cv2.resizeWindow(_TITLE, *(round(scale * side) for side in image.shape[1::-1]))
            self._has_size = True
        cv2.imshow(_TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))

    def key(self) -> str:
        """The key that was pressed, `q` where the window was closed, or nothing."""
        code = cv2.waitKey(1) & 0xFF
        if self._has_size and cv2.getWindowProperty(_TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return chr(code) if code < 128 else ""


def _no_display(reason: str) -> DisplayError:
    return DisplayError(
        f"no window can be opened: {reason}; --headless runs without one, --output FILE records"
    )


def write_text(image: AnyFrame, text: str) -> AnyFrame:
    """Return the image with a line of text in its lower left corner."""
    written = np.ascontiguousarray(image).copy()
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, _TEXT_PX / 30
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    bottom, margin = image.shape[0], _TEXT_PX // 3
    top = (width + 2 * margin, bottom - height - 2 * margin)
    cv2.rectangle(written, (0, bottom), top, _TEXT_BACKGROUND, cv2.FILLED)
    cv2.putText(written, text, (margin, bottom - margin), font, scale, _TEXT, 1, cv2.LINE_AA)
    return written


@contextmanager
def virtual_camera(
    size: tuple[int, int], frame_rate: Fraction
) -> Generator[Callable[[Frame, float], None]]:
    """Yield a function that sends a frame to a virtual camera, from which other programs read.

    Raises:
        MissingLibraryError: pyvirtualcam is not installed.
        DisplayError: this machine has no such camera.
    """
    try:
        pyvirtualcam = import_module("pyvirtualcam")  # an extra, which type checkers would miss
    except ImportError as error:
        raise MissingLibraryError(
            "pyvirtualcam is not installed; `uv sync --extra camera` installs it"
        ) from error
    try:
        camera = pyvirtualcam.Camera(width=size[1], height=size[0], fps=float(frame_rate))
    except RuntimeError as error:
        raise DisplayError(
            f"no virtual camera: {one_line(error)}; on Linux `modprobe v4l2loopback` makes one"
        ) from error
    with camera:
        yield lambda frame, _: camera.send(frame)


@contextmanager
def _at_constant_rate(
    writer: AbstractContextManager[Callable[[Frame], None]], frame_rate: Fraction
) -> Generator[Callable[[Frame, float], None]]:
    """Yield a function that shows a frame from its time until that of the next.

    The first is shown from the beginning. Without a frame the `video_writer` is not entered.
    """
    writing, write, last, num_written = ExitStack(), None, None, 0

    def repeat_until(index: int) -> None:
        nonlocal num_written
        while num_written < index:
            assert write is not None
            assert last is not None
            write(last)
            num_written += 1

    def record(frame: Frame, seconds: float) -> None:
        nonlocal write, last
        if write is None:
            write = writing.enter_context(in_thread(writing.enter_context(writer)))
            last = frame
        repeat_until(round(seconds * frame_rate))
        last = frame

    try:
        yield record
    finally:  # which the writer is not told of: the file is finished also after an error
        with writing:
            if last is not None:
                repeat_until(num_written + 1)


@contextmanager
def recording(
    source: Source, path: Path, *, crf: int = 18, sign: Sign | None = None
) -> Generator[Callable[[Frame, float], None]]:
    """Yield a function that records frames from their time on, with the source's sound.

    At the end of the block, however it ends, the file is whole and signed; without a frame there
    is none.
    """
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        sound = None
        if source.sound:
            stored, start = Path(folder) / "sound.mka", source.start_seconds
            sound = run_isolated(store_sound, source.sound, stored, origin_seconds=start)
        made = Path(folder) / f"unsigned{path.suffix}" if sign else path
        try:
            rate = source.frame_rate
            writer = video_writer(made, frame_rate=rate, sound=sound, crf=crf, preset=_PRESET)
            with _at_constant_rate(writer, rate) as record:
                yield record
        finally:
            if sign and made.exists():
                sign(path, made)
