"""Decoded clips on disk: frames, timestamps, geometry and audio in one folder."""

import json
import logging
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from jaxtyping import Float, Int, Int32, UInt8

from motiontransfer.errors import MissingFileError, VideoError
from motiontransfer.progress import track
from motiontransfer.storage import write_json
from motiontransfer.tables import read_table, write_table
from motiontransfer.video.audio import copy_sound
from motiontransfer.video.frame_store import FrameWriter
from motiontransfer.video.geometry import Box, Framing, auto_crop, fit_framing
from motiontransfer.video.reader import (
    DamagedVideoError,
    VideoFacts,
    read_facts,
    read_pictures,
    sample_pictures,
    upright,
)
from motiontransfer.video.resampling import Timed, resample

FRAMES_FILE = "frames.mkv"
CLIP_FILE = "clip.json"
INDEX_FILE = "index.parquet"
SOUND_FILE = "sound.mka"
_FORMAT = "motiontransfer clip"
_VERSION = 1
_INDEX_KEY = "motiontransfer.index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A decoded clip."""

    frames: Path
    """The frame store."""
    sound: Path | None
    """The sound track, if there is one."""
    sound_offset_seconds: float
    """What to add to the sound file's timestamps so that 0 is the first frame."""
    framing: Framing
    """How the input picture sits in the frames."""
    frame_rate: Fraction
    """Frames a second, constant."""
    size: tuple[int, int]
    """(height, width) of the frames."""
    num_frames: int
    """How many frames there are."""


def read_clip(folder: Path) -> Clip:
    """Read what `decode` wrote.

    Raises:
        MissingFileError: the folder or a file in it is absent.
        VideoError: clip.json is not one of ours.
    """
    description = folder / CLIP_FILE
    for path in (folder, description, folder / FRAMES_FILE):
        if not path.exists():
            raise MissingFileError(f"{path}: missing; run the stage decode for this video")
    try:
        content = json.loads(description.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT or content["version"] != _VERSION:
            raise VideoError(
                f"{description}: expected {_FORMAT} version {_VERSION},"
                f" got {content['format']} version {content['version']}; run decode again"
            )
        framing = content["framing"]
        clip = Clip(
            frames=folder / FRAMES_FILE,
            sound=folder / SOUND_FILE if content["has_sound"] else None,
            sound_offset_seconds=float(content["sound_offset_seconds"]),
            framing=Framing(
                **{
                    name: tuple(framing[name])
                    for name in ("source_size", "crop", "size", "content")
                }
            ),
            frame_rate=Fraction(content["frame_rate"]),
            size=(int(content["size"][0]), int(content["size"][1])),
            num_frames=int(content["num_frames"]),
        )
    except (KeyError, TypeError, IndexError, ValueError) as error:
        if isinstance(error, VideoError):
            raise
        raise VideoError(
            f"{description}: not a description of a clip ({type(error).__name__}: {error});"
            " run decode again"
        ) from error
    if clip.sound is not None and not clip.sound.exists():
        raise MissingFileError(f"{clip.sound}: missing; run the stage decode for this video")
    return clip


def write_description(folder: Path, clip: Clip, *, source: dict[str, object]) -> None:
    """Write clip.json.

    Args:
        source: facts about the input file, for people.
    """
    framing = clip.framing
    content: dict[str, object] = {
        "format": _FORMAT,
        "version": _VERSION,
        "num_frames": clip.num_frames,
        "frame_rate": f"{clip.frame_rate.numerator}/{clip.frame_rate.denominator}",
        "size": list(clip.size),
        "framing": {
            "source_size": list(framing.source_size),
            "crop": list(framing.crop),
            "size": list(framing.size),
            "content": list(framing.content),
            "scale": list(framing.scale),
            "offset": list(framing.offset),
        },
        "has_sound": clip.sound is not None,
        "sound_offset_seconds": clip.sound_offset_seconds,
        "source": source,
    }
    write_json(folder / CLIP_FILE, content)


def write_index(
    path: Path,
    *,
    frame_rate: Fraction,
    source_starts_seconds: Float[np.ndarray, " frames"],
    source_frame_index: Int[np.ndarray, " frames"],
) -> None:
    """Write one row a frame: its index and time, and those of the input frame that it shows."""
    indices = np.arange(len(source_starts_seconds), dtype=np.int32)
    columns = {
        "frame_index": indices,
        "pts_seconds": np.array([float(index / frame_rate) for index in indices.tolist()]),
        "source_pts_seconds": np.asarray(source_starts_seconds, np.float64),
        "source_frame_index": np.asarray(source_frame_index, np.int32),
    }
    write_table(path, columns, key=_INDEX_KEY, description={"version": _VERSION})


def read_source_frames(folder: Path) -> Int32[np.ndarray, " frames"]:
    """Which frame of the video, counted from 0, each of a clip's frames shows.

    Raises:
        MissingFileError: the clip has no index.
        DamagedFileError: the index is not as it was written.
    """
    path = folder / INDEX_FILE
    if not path.exists():
        raise MissingFileError(f"{path}: missing; run the stage decode for this video")
    columns, _ = read_table(path, key=_INDEX_KEY)
    return columns["source_frame_index"]


@contextmanager
def replacing_folder(folder: Path) -> Generator[Path]:
    """Yield an empty folder beside `folder`; on success it takes its place, on an error it goes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


FindPeople = Callable[[Sequence[UInt8[np.ndarray, "_ _ 3"]]], Sequence[Box | None]]
"""Gives, for each picture, the box around the person in it, or None."""

_logger = logging.getLogger(__name__)

_NUM_CROP_SAMPLES = 24
_CROP_MARGIN = 0.05  # of the extent of all the boxes, on each side


@dataclass(slots=True)
class _Tally:
    """What happened on the way from the file's pictures to the clip's frames."""

    starts_seconds: list[float] = field(default_factory=list)
    end_seconds: float = 0.0
    damage: DamagedVideoError | None = None

    @property
    def num_decoded(self) -> int:
        """How many pictures of the file were decoded."""
        return len(self.starts_seconds)


def decode_video(
    path: Path,
    folder: Path,
    *,
    size: tuple[int, int],
    frame_rate: Fraction | None,
    crop: Literal["none"] | Box | FindPeople,
    on_damage: Literal["fail", "truncate"],
) -> dict[str, object]:
    """Write the clip's folder, whole or not at all.

    Args:
        size: working (height, width).
        frame_rate: None takes the video's own.
        crop: in pixels of the upright input; a function crops around the people that it finds.

    Returns:
        What happened, for the stage's metrics.

    Raises:
        MissingFileError: no such file.
        VideoError: the video cannot be read, is damaged (`fail`), or nobody was found to crop
            around.
    """
    facts = read_facts(path)
    rate = frame_rate or facts.frame_rate
    framing = fit_framing(facts.size, _crop_box(facts, crop, size), size=size)
    tally = _Tally()
    pictures = _good_pictures(facts, tally, on_damage)
    with replacing_folder(folder) as work:
        starts = _write_frames(work / FRAMES_FILE, pictures, facts, framing, rate)
        sound = work / SOUND_FILE
        offset = copy_sound(path, sound, origin_seconds=starts[0]) if facts.has_sound else None
        clip = Clip(
            frames=work / FRAMES_FILE,
            sound=None if offset is None else sound,
            sound_offset_seconds=offset or 0.0,
            framing=framing,
            frame_rate=rate,
            size=size,
            num_frames=len(starts),
        )
        write_index(
            work / INDEX_FILE,
            frame_rate=rate,
            source_starts_seconds=np.array(starts),
            source_frame_index=np.searchsorted(tally.starts_seconds, starts),
        )
        write_description(work, clip, source=_describe(facts))
    return _metrics(facts, clip, starts, tally)


def _crop_box(
    facts: VideoFacts, crop: Literal["none"] | Box | FindPeople, size: tuple[int, int]
) -> Box:
    if isinstance(crop, tuple):
        return crop
    if not callable(crop):
        return (0, 0, facts.size[1], facts.size[0])
    samples = list(sample_pictures(facts, num_samples=_NUM_CROP_SAMPLES))
    box = auto_crop(crop(samples), facts.size, size[1] / size[0], margin=_CROP_MARGIN)
    if box is None:
        raise VideoError(
            f"{facts.path}: crop: auto found nobody in {len(samples)} sampled frames;"
            " set crop: none, or give the box as [x0, y0, x1, y1] in pixels of the"
            f" {facts.size[1]}x{facts.size[0]} picture"
        )
    return box


def _write_frames(
    path: Path,
    pictures: Iterator[Timed[av.VideoFrame]],
    facts: VideoFacts,
    framing: Framing,
    rate: Fraction,
) -> list[float]:
    """Write the frame store; return for each frame when its picture starts on the file's clock."""
    interval = min(1 / rate, 1 / facts.frame_rate)
    frames = resample(pictures, frame_rate=rate, tolerance_seconds=float(interval / 4))
    times = facts.packet_times.starts_seconds
    expected = round((times[-1] - times[0]) * float(rate)) + 1 if times.size else 0
    starts: list[float] = []
    shown: Timed[av.VideoFrame] | None = None
    with FrameWriter(path, size=framing.size, frame_rate=rate) as writer:
        for timed in track(frames, f"decode {facts.path.name}", total=expected):
            if timed is not shown:  # a repeated picture is converted once
                shown, frame = timed, framing.apply(upright(timed.item, facts))
            writer.write(frame)
            starts.append(timed.start_seconds)
    return starts


def _good_pictures(
    facts: VideoFacts, tally: _Tally, on_damage: Literal["fail", "truncate"]
) -> Iterator[Timed[av.VideoFrame]]:
    try:
        for timed in read_pictures(facts):
            tally.starts_seconds.append(timed.start_seconds)
            tally.end_seconds = timed.end_seconds
            yield timed
    except DamagedVideoError as damage:
        if on_damage == "fail" or tally.num_decoded == 0:
            raise
        _logger.warning("%s; kept the %d frames before", damage.cause, tally.num_decoded)
        tally.damage = damage


def _describe(facts: VideoFacts) -> dict[str, object]:
    return {
        "codec": facts.codec,
        "stored_size": list(facts.stored_size),
        "size": list(facts.size),
        "rotation_degrees": 90 * facts.orientation.quarter_turns,
        "mirrored": facts.orientation.mirrored,
        "frame_rate": f"{facts.frame_rate.numerator}/{facts.frame_rate.denominator}",
    }


def _metrics(
    facts: VideoFacts, clip: Clip, starts: list[float], tally: _Tally
) -> dict[str, object]:
    num_shown = len(set(starts))
    return {
        "frames": clip.num_frames,
        "seconds": round(float(clip.num_frames / clip.frame_rate), 6),
        "frame_rate": round(float(clip.frame_rate), 6),
        "source_frames": tally.num_decoded,
        "frames_duplicated": clip.num_frames - num_shown,
        "frames_dropped": tally.num_decoded - num_shown,
        "frames_lost_to_damage": _num_lost(facts, tally),
        "has_sound": clip.sound is not None,
        "sound_offset_seconds": clip.sound_offset_seconds,
        "crop": list(clip.framing.crop),
        "source": _describe(facts),
    }


def _num_lost(facts: VideoFacts, tally: _Tally) -> int:
    """Return how many frames of the file are missing: at least one where there is damage."""
    if tally.damage is None:
        return 0
    announced = facts.packet_times.announced_end_seconds or 0.0
    lost_by_time = round((announced - tally.end_seconds) * float(facts.frame_rate))
    lost_by_packets = (facts.num_frames or 0) - tally.num_decoded
    return max(lost_by_packets if lost_by_packets > 0 else lost_by_time, 1)
