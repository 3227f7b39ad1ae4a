"""Decoded clips on disk: frames, timestamps, geometry and audio in one folder."""

import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TypeVar

import av
import numpy as np
from jaxtyping import Float, Int, Int32

from motiontransfer.core import layout
from motiontransfer.core.arrays import AnyFrame, Box, Frame, MaskedFrame, Series
from motiontransfer.core.errors import MissingFileError, VideoError
from motiontransfer.core.progress import track
from motiontransfer.core.storage import (
    read_checked_json,
    read_table,
    replacing_folder,
    write_checked_json,
    write_table,
)
from motiontransfer.video.color import OnePass
from motiontransfer.video.crop import FindPeople, PersonPlace, crop_box
from motiontransfer.video.frame_store import frame_writer
from motiontransfer.video.geometry import Framing, WorkingSize, fit_framing, resize
from motiontransfer.video.reader import (
    DamagedVideoError,
    Timed,
    VideoMetadata,
    is_usual,
    read_frames,
    read_metadata,
    upright,
    upright_mask,
)
from motiontransfer.video.writer import Sound, store_sound, video_writer

FILM_FILE = "film"
"""A copy of the input, if it is a film with more pixels than the working image."""
FULL_SIZE_FILE = "full_size.mkv"
"""A photo at its own size, if that has more pixels."""
DETECTION_FILE = "detection.mkv"
CLIP_FILE = "clip.json"
INDEX_FILE = "index.parquet"
SOUND_FILE = "sound.mka"
_FORMAT = "motiontransfer clip"
_VERSION = 1
_FRAMING = ("source_size", "crop", "size", "content")
_INDEX_KEY = "motiontransfer.index"
_ROUNDING_SECONDS = 5e-4  # of times in a file, in milliseconds
_LARGEST_SIDE_PX = 3840  # of results
_LARGEST_PHOTO_PX = 1024  # the result's: twice the pixels take nearly twice the time
DETECTION_SCALE = 2.0  # of the working image, where the input has the pixels
_DETECTION_CRF, _DETECTION_PRESET = 14, "ultrafast"  # detectors do not see the difference


_logger = logging.getLogger(__name__)
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    frames: Path
    sound: Sound | None
    framing: Framing
    frame_rate: Fraction
    num_frames: int
    rotate: int = 0
    """Clockwise rotation of the input that its file does not know of, degrees."""
    trim: tuple[float, float] | None = None
    """The part of the input that was decoded, seconds from its first frame; None: all of it."""

    @property
    def sound_offset_seconds(self) -> float:
        return self.sound.offset_seconds if self.sound else 0.0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        return self.framing.size

    @property
    def full_framing(self) -> Framing | None:
        """At the input's own size; None where that is no larger."""
        return full_framing(self.framing, is_picture=self.num_frames == 1)


def full_framing(framing: Framing, *, is_picture: bool) -> Framing | None:
    """A working image's framing at the input's own size; None where that is no larger."""
    largest = _LARGEST_PHOTO_PX if is_picture else _LARGEST_SIDE_PX
    return framing.enlarged(largest / max(framing.size))


def read_clip(folder: Path) -> Clip:
    """Read the description that `decode_video` wrote.

    Raises:
        MissingFileError: the folder or a file in it is absent.
        DamagedFileError: clip.json is not as it was written.
        VideoError: another version wrote it.
    """
    description = folder / CLIP_FILE
    for path in (folder, description, folder / layout.FRAMES_FILE):
        _check_exists(path)
    content: Any = read_checked_json(description)
    if (got := (content.get("format"), content.get("version"))) != (_FORMAT, _VERSION):
        raise VideoError(
            f"{description}: expected {(_FORMAT, _VERSION)}, got {got}; run decode again"
        )
    sound = Sound(folder / SOUND_FILE, float(content["sound_offset_seconds"]))
    if content["has_sound"]:
        _check_exists(sound.file)
    return Clip(
        frames=folder / layout.FRAMES_FILE,
        sound=sound if content["has_sound"] else None,
        framing=Framing(**{name: tuple(content["framing"][name]) for name in _FRAMING}),
        frame_rate=Fraction(content["frame_rate"]),
        num_frames=int(content["num_frames"]),
        rotate=int(content.get("rotate", 0)),
        trim=tuple(content["trim"]) if "trim" in content else None,
    )


def write_description(folder: Path, clip: Clip, *, source: dict[str, object]) -> None:
    """Write clip.json; `source` are properties of the input file, for information."""
    content: dict[str, object] = {
        "format": _FORMAT,
        "version": _VERSION,
        "num_frames": clip.num_frames,
        "frame_rate": _fraction(clip.frame_rate),
        "size": clip.size,
        "framing": {name: getattr(clip.framing, name) for name in (*_FRAMING, "scale", "offset")},
        "has_sound": clip.sound is not None,
        "sound_offset_seconds": clip.sound_offset_seconds,
        # Absent where nothing is to be said, as before there were these.
        **({"rotate": clip.rotate} if clip.rotate else {}),
        **({"trim": clip.trim} if clip.trim else {}),
        "source": source,
    }
    write_checked_json(folder / CLIP_FILE, content)


def _fraction(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}"


def write_index(
    path: Path,
    *,
    frame_rate: Fraction,
    source_starts_seconds: Float[np.ndarray, " frames"],
    source_frame_index: Int[np.ndarray, " frames"],
) -> None:
    indices = np.arange(len(source_starts_seconds), dtype=np.int32)
    columns = {
        "frame_index": indices,
        "pts_seconds": np.array([float(index / frame_rate) for index in indices.tolist()]),
        "source_pts_seconds": np.asarray(source_starts_seconds, np.float64),
        "source_frame_index": np.asarray(source_frame_index, np.int32),
    }
    write_table(path, columns, key=_INDEX_KEY, description={"version": _VERSION})


def read_source_frames(folder: Path) -> Int32[np.ndarray, " frames"]:
    """Input frame index, from 0, of each frame of a clip.

    Raises:
        MissingFileError: the clip has no index.
    """
    return _read_index(folder)["source_frame_index"]


def read_source_starts(folder: Path) -> Series:
    """Time at which each frame of a clip begins in the input, seconds."""
    return _read_index(folder)["source_pts_seconds"]


def _read_index(folder: Path) -> dict[str, np.ndarray]:
    _check_exists(folder / INDEX_FILE)
    return read_table(folder / INDEX_FILE, key=_INDEX_KEY)[0]


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise MissingFileError(f"{path}: missing; run the stage decode for this video")


def decode_video(  # noqa: PLR0913 - what an entry of `videos` has
    path: Path,
    folder: Path,
    *,
    size: WorkingSize,
    frame_rate: Fraction | None = None,
    crop: Literal["none"] | Box | FindPeople,
    person: PersonPlace | None = None,
    rotate: int = 0,
    trim: tuple[float, float] | None = None,
    on_damage: Literal["fail", "truncate"] = "fail",
) -> dict[str, object]:
    """Decode a video into a clip folder, written atomically; return the stage's metrics.

    Args:
        size: of the working image.
        frame_rate: None takes the video's own.
        crop: in pixels of the upright input; or a person detector, to crop around the person, which
            shows all where it finds none.
        person: around whom; None: around the largest in each frame.
        rotate: clockwise, degrees, what the file's own orientation has made upright.
        trim: the part that is kept, with its sound, seconds from the first frame; None: all.

    Raises:
        MissingFileError: no such file.
        VideoError: the video cannot be read, is damaged (`fail`), or has no frame in that part.
    """
    video = read_metadata(path, rotate=rotate, trim=trim)
    rate = frame_rate or video.frame_rate
    box = crop_box(video, crop, size, person=person)
    framing = fit_framing(video.size, box, size=size)
    if video.unheard:
        _logger.warning("%s: its sound (%s) cannot be decoded: it is silent", path, video.unheard)
    frames = _IntactFrames(video, on_damage)
    with replacing_folder(folder) as work:
        starts = _write_frames(work, frames, video, framing, rate)
        if full_framing(framing, is_picture=video.is_picture) and not video.is_picture:
            shutil.copyfile(path, work / FILM_FILE)
        clip = Clip(
            frames=work / layout.FRAMES_FILE,
            sound=store_sound(path, work / SOUND_FILE, origin_seconds=starts[0]),
            framing=framing,
            frame_rate=rate,
            num_frames=len(starts),
            rotate=rotate,
            trim=trim,
        )
        write_index(
            work / INDEX_FILE,
            frame_rate=rate,
            source_starts_seconds=np.array(starts),
            source_frame_index=np.searchsorted(frames.starts_seconds, starts),
        )
        source = _properties(video)
        write_description(work, clip, source=source)
    return _metrics(clip, frames, starts, source)


def _properties(video: VideoMetadata) -> dict[str, object]:
    return {
        "codec": video.codec,
        "stored_size": video.stored_size,
        "size": video.size,
        "rotation_degrees": 90 * video.orientation.quarter_turns,
        "mirrored": video.orientation.mirrored,
        "frame_rate": _fraction(video.frame_rate),
    }


def _metrics(
    clip: Clip, frames: "_IntactFrames", starts: list[float], source: dict[str, object]
) -> dict[str, object]:
    num_decoded = len(frames.starts_seconds) - frames.num_outside
    num_shown = len(set(starts))
    fitted = {"frames_of_another_size": frames.num_fitted} if frames.num_fitted else {}
    return fitted | {
        "frames": clip.num_frames,
        "seconds": round(float(clip.num_frames / clip.frame_rate), 6),
        "frame_rate": round(float(clip.frame_rate), 6),
        "source_frames": num_decoded,
        "frames_duplicated": clip.num_frames - num_shown,
        "frames_dropped": num_decoded - num_shown,
        "frames_lost_to_damage": frames.num_lost,
        "has_sound": clip.sound is not None,
        "sound_offset_seconds": clip.sound_offset_seconds,
        "crop": clip.framing.crop,
        "source": source,
    }


class _IntactFrames:
    """Frames of a part of a video up to the first damage, and how many follow it."""

    def __init__(self, video: VideoMetadata, on_damage: Literal["fail", "truncate"]) -> None:
        self._video, self._on_damage = video, on_damage
        self.starts_seconds: list[float] = []
        """Of all frames that were decoded."""
        self.num_lost = self.num_fitted = self.num_outside = 0

    def __iter__(self) -> Iterator[Timed[av.VideoFrame]]:
        end_seconds, trim = 0.0, self._video.trim
        try:
            for timed in read_frames(self._video):
                self.starts_seconds.append(timed.start_seconds)
                if trim:
                    shown = timed.start_seconds - self.starts_seconds[0] + _ROUNDING_SECONDS
                    if not trim[0] <= shown < trim[1]:
                        self.num_outside += 1
                        if shown >= trim[1]:
                            return
                        continue
                self.num_fitted += not is_usual(timed.item, self._video)
                end_seconds = timed.end_seconds
                yield timed
        except DamagedVideoError as damage:
            num_frames = len(self.starts_seconds)
            if self._on_damage == "fail" or num_frames == 0:
                raise
            cause, _, _ = str(damage).rpartition("; ")
            _logger.warning("%s; kept the %d frames before", cause, num_frames)
            announced = self._video.packet_times.announced_end_seconds or 0.0
            by_time = round((announced - end_seconds) * float(self._video.frame_rate))
            by_packets = (self._video.num_frames or 0) - num_frames
            self.num_lost = max(by_packets if by_packets > 0 else by_time, 1)


def _write_frames(
    folder: Path, frames: _IntactFrames, video: VideoMetadata, framing: Framing, rate: Fraction
) -> list[float]:
    """Write the frame stores; return each frame's start on the input's clock."""
    times, _ = video.part_times
    expected = round((times[-1] - times[0]) * float(rate)) + 1 if times.size else 0
    starts: list[float] = []
    with ExitStack() as stack:
        write = stack.enter_context(frame_writer(folder / layout.FRAMES_FILE, frame_rate=rate))
        full = full_framing(framing, is_picture=video.is_picture)
        twice = framing.enlarged(DETECTION_SCALE)
        write_full = write_twice = shrink = None
        if full and video.is_picture:
            path = folder / FULL_SIZE_FILE
            write_full = stack.enter_context(frame_writer(path, frame_rate=rate))
        if full and twice:
            write_twice = stack.enter_context(
                video_writer(
                    folder / DETECTION_FILE,
                    frame_rate=rate,
                    crf=_DETECTION_CRF,
                    preset=_DETECTION_PRESET,
                )
            )
            shrink = _one_pass(video, twice)
        picture: _Picture | None = None
        for timed in track(
            at_rate(frames, video, rate), f"decode {video.path.name}", total=expected
        ):
            if picture is None or picture.frame is not timed.item:  # or it is shown again
                picture = _Picture(timed.item, video, shrink)
            write(picture.framed(framing))
            if write_full and full:
                write_full(picture.framed(full))
            if write_twice and twice:
                write_twice(picture.framed(twice)[..., :3])
            starts.append(timed.start_seconds)
    return starts


def film_frames(path: Path, clip: Clip, size: tuple[int, int], rotate: int) -> Iterator[Frame]:
    """The whole picture of a film, upright, at each frame of a clip that was decoded of it.

    Args:
        size: (height, width) of what is yielded.
        rotate: of the film, see `decode_video`.
    """
    video = read_metadata(path, rotate=rotate, trim=clip.trim)
    shown = at_rate(_IntactFrames(video, "truncate"), video, clip.frame_rate)
    for timed in islice(shown, clip.num_frames):
        yield resize(upright(timed.item, video), size)


def at_rate(
    frames: Iterable[Timed[av.VideoFrame]], video: VideoMetadata, frame_rate: Fraction
) -> Iterator[Timed[av.VideoFrame]]:
    """A video's frames at another rate; a quarter of the shorter interval counts as jitter."""
    interval = min(1 / frame_rate, 1 / video.frame_rate)
    return resample(frames, frame_rate=frame_rate, tolerance_seconds=float(interval / 4))


def resample(
    shown: Iterable[Timed[_Item]], *, frame_rate: Fraction, tolerance_seconds: float
) -> Iterator[Timed[_Item]]:
    """Yield the item shown at each tick k / frame_rate after the first item's start.

    Args:
        shown: in the order of their start.
        tolerance_seconds: an item that starts this much after a tick counts as shown already, so
            that rounded or jittering timestamps neither repeat nor drop frames.
    """
    num_ticks = 0
    origin = 0.0
    previous: Timed[_Item] | None = None
    for current in shown:
        if previous is None:
            origin = current.start_seconds
        else:
            until = current.start_seconds - origin - tolerance_seconds
            while float(num_ticks / frame_rate) < until:
                yield previous
                num_ticks += 1
        previous = current
    if previous is None:
        return
    until = previous.end_seconds - origin - tolerance_seconds
    while num_ticks == 0 or float(num_ticks / frame_rate) < until:
        yield previous
        num_ticks += 1


class _Picture:
    """One input frame, converted as rarely as its framings allow."""

    def __init__(self, frame: av.VideoFrame, video: VideoMetadata, shrink: OnePass | None) -> None:
        """Take what shrinks to the detector's picture; None: that is made by exact conversion."""
        self.frame, self._video, self._shrink = frame, video, shrink

    @cached_property
    def is_usual(self) -> bool:
        return is_usual(self.frame, self._video)

    @cached_property
    def _upright(self) -> Frame | MaskedFrame:
        colors, video = upright(self.frame, self._video), self._video
        if not (video.is_picture and video.is_transparent):
            return colors
        return np.dstack([colors, upright_mask(self.frame, video)])

    @cached_property
    def _shrunk(self) -> AnyFrame | None:
        made = None if self._shrink is None or not self.is_usual else self._shrink(self.frame)
        return None if made is None else made.to_ndarray()

    def framed(self, framing: Framing) -> AnyFrame | MaskedFrame:
        """The picture in a framing; the working image is a reduction of the detector's picture."""
        (u0, v0, u1, v1), shrunk = framing.content, self._shrunk
        if shrunk is None or v1 - v0 > shrunk.shape[0] or u1 - u0 > shrunk.shape[1]:
            return framing.apply(self._upright)
        return framing.letterbox(shrunk)


def _one_pass(video: VideoMetadata, framing: Framing) -> OnePass | None:
    """One pass to a framing's content; None where pixels are not square, or nothing shrinks."""
    orientation = video.orientation
    box = orientation.stored_box(framing.crop, video.size)
    is_square = video.size == orientation.upright_size(video.stored_size)
    if not is_square or any(edge % 2 for edge in box) or max(framing.scale) >= 1:
        return None
    u0, v0, u1, v1 = framing.content
    return OnePass(video.stored_size, box, orientation.filters, (v1 - v0, u1 - u0))


def detection_frames(folder: Path) -> Path:
    """Video of a clip's frames for detectors: twice as high as the working image, if possible."""
    path = folder / DETECTION_FILE
    return path if path.exists() else folder / layout.FRAMES_FILE
