"""A decoded clip on disk: one folder with the frames, what is known of them, and the sound.

frames.mkv (the frame store), clip.json (facts and framing), index.parquet (one row a frame: when it
is shown and which input frame it shows), sound.mka (only where the video has sound: its packets,
untouched).
"""

import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, Int32

from motiontransfer.errors import MissingFileError, VideoError
from motiontransfer.media.framing import Framing
from motiontransfer.storage import write_json
from motiontransfer.tables import read_table, write_table

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
