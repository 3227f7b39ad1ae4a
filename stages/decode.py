"""Video decoding to working images of constant rate: `python -m stages decode demo_dance`."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from motiontransfer.core import layout
from motiontransfer.core.arrays import AnyFrame, Box
from motiontransfer.core.errors import FILMS_FILE, MissingFileError, ParamsError
from motiontransfer.core.params import Name, PersonAt, Rotation, Section, Trim, load_section
from motiontransfer.core.storage import write_json
from motiontransfer.video.clip import decode_video
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.packets import recognize_rate

_SidePx = Annotated[int, Field(ge=16, le=4096, multiple_of=8)]


def _check_crop(value: object) -> object:
    is_box = isinstance(value, list) and [type(edge) for edge in value] == [int] * 4
    if value not in ("none", "auto") and not is_box:
        raise ValueError("expected none, auto or [x0, y0, x1, y1] in pixels")
    return tuple(value) if isinstance(value, list) else value


class DecodeEntry(Section):
    """The keys of an entry of `videos` that are read here."""

    path: Path
    subject: Name
    crop: Annotated[Literal["none", "auto"] | Box, BeforeValidator(_check_crop)] = "none"
    rotate: Rotation = 0
    trim: Trim | None = None


class _FollowedEntry(DecodeEntry):
    person: PersonAt | None = None
    """Whom the automatic crop follows; the largest, unless the entry names a place."""


class DecodeParams(Section):
    size: _SidePx | tuple[_SidePx, _SidePx]
    frame_rate: Annotated[float, Field(gt=0, le=240)] | None
    on_damage: Literal["fail", "truncate"]


def main(key: str) -> str:
    entry = layout.video_params_file(key, "decode")
    video = load_section(_FollowedEntry, f"videos.{key}", path=entry)
    params = load_section(DecodeParams, "decode")
    if not video.path.exists():
        raise MissingFileError(
            f"{FILMS_FILE}: videos.{key}.path: no such file: {video.path}; put the video there"
        )
    rate, at = params.frame_rate, video.person
    folder = layout.clip_folder(video.subject, key)
    counts = run_isolated(
        decode_video,
        video_file(video.path, f"videos.{key}.path"),
        folder,
        size=params.size,
        frame_rate=None if rate is None else recognize_rate(Fraction(str(rate))),
        crop=_person_boxes if video.crop == "auto" else video.crop,
        person=(at.x, at.y, at.seconds) if at else None,
        rotate=video.rotate,
        trim=video.trim,
        on_damage=params.on_damage,
    )
    write_json(layout.counts_file("decode", key), counts)
    return f"{counts['frames']} frames, {counts['seconds']} s, in {folder}"


def video_file(path: Path, key: str) -> Path:
    """The video itself, where the path is a folder that also holds keypoints made elsewhere."""
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix != ".json")
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise ParamsError(
            f"{FILMS_FILE}: {key}: expected one video beside the keypoints in {path}, got {names}"
        )
    return files[0]


def _person_boxes(frames: Iterable[AnyFrame]) -> list[list[Box]]:
    from motiontransfer.pose.mediapipe_detectors import person_boxes  # takes seconds

    return person_boxes(frames)
