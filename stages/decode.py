"""Video decoding to working size and constant frame rate: `python -m stages decode demo_dance`."""

from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from motiontransfer import layout
from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.params import PARAMS_FILE, Name, Section, load_section
from motiontransfer.pose.detectors import person_boxes
from motiontransfer.storage import write_json
from motiontransfer.video.clip import decode_video
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.resampling import recognise_rate

Pixels = Annotated[int, Field(ge=16, le=4096, multiple_of=8)]
Box = tuple[int, int, int, int]


def _check_crop(value: object) -> object:
    is_box = isinstance(value, list) and [type(edge) for edge in value] == [int] * 4
    if value not in ("none", "auto") and not is_box:
        raise ValueError("expected none, auto or [x0, y0, x1, y1] in pixels")
    return tuple(value) if isinstance(value, list) else value


class VideoParams(Section):
    """One entry of `videos`; the stages that use them check detector and person."""

    path: Path
    subject: Name
    crop: Annotated[Literal["none", "auto"] | Box, BeforeValidator(_check_crop)] = "none"
    detector: object = None
    person: object = "largest"


class DecodeParams(Section):
    """Section `decode`."""

    size: Pixels | tuple[Pixels, Pixels]
    frame_rate: Annotated[float, Field(gt=0, le=240)] | None
    on_damage: Literal["fail", "truncate"]


def main(key: str) -> str:
    """Decode the video that params.yaml has under `videos.<key>`."""
    video = load_section(VideoParams, f"videos.{key}")
    params = load_section(DecodeParams, "decode")
    if not video.path.exists():
        raise MissingFileError(
            f"{PARAMS_FILE}: videos.{key}.path: no such file: {video.path}; put the video there"
        )
    rate = params.frame_rate
    folder = layout.clip_folder(video.subject, key)
    metrics = run_isolated(
        decode_video,
        _video_file(video.path, f"videos.{key}.path"),
        folder,
        size=params.size,
        frame_rate=None if rate is None else recognise_rate(Fraction(str(rate))),
        crop=person_boxes if video.crop == "auto" else video.crop,
        on_damage=params.on_damage,
    )
    write_json(layout.metrics_file("decode", key), metrics)
    return f"{metrics['frames']} frames, {metrics['seconds']} s, in {folder}"


def _video_file(path: Path, key: str) -> Path:
    """The video itself, where the path is a folder that also holds keypoints made elsewhere."""
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if file.is_file() and file.suffix != ".json")
    if len(files) != 1:
        names = ", ".join(file.name for file in files) or "none"
        raise ParamsError(
            f"{PARAMS_FILE}: {key}: expected one video beside the keypoints in {path}, got {names}"
        )
    return files[0]
