"""Import of the data set of Everybody Dance Now: its frames and keypoints as entries of `videos`.

Its layout, and that of the authors' sample_data (carolineec/EverybodyDanceNow at b094a6a):

    subject1/train/train_img/frame020013.png         1024x512, squeezed from 16:9
    subject1/train/original_frames/frame020013.jpg   or these, as filmed, which are taken first
    subject1/train/keypoints/frame020013_pose.yml    OpenPose's in filmed frames, if any; also
                                                     _face, _hand_left, _hand_right
    clip.mp4                                         a subject of its own

Drawn poses (train_label) and face boxes (train_facetexts128) are not read.
"""

import json
import re
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import KeypointsError, MissingFileError, VideoError
from motiontransfer.core.names import valid_name
from motiontransfer.core.params import read_films
from motiontransfer.core.progress import track
from motiontransfer.core.storage import replacing_folder
from motiontransfer.pose.keypoints import OPENPOSE_JSON
from motiontransfer.project.entries import add_video, check_new_video
from motiontransfer.video.writer import write_video

_FILMED = ("original_frames", "original_img")
_FRAMES = (*_FILMED, "train_img", "test_img", "val_img")
_VIDEOS = (".avi", ".mkv", ".mov", ".mp4", ".webm")
_FILMED_RATE = 120  # frames a second, as which the files are numbered
_LONGEST_HOLD_SECONDS = 1  # of a frame before numbers that lack
_CRF = 10
_PARTS = ("pose", "face", "hand_left", "hand_right")


def import_dataset(folder: Path) -> list[str]:
    """Add each subject's training and other frames, and each video; return the new names.

    A subject's frames but for training are those of a subject `<name>_test`: a target is trained on
    all of its videos. Names that films.yaml has already are left out.

    Raises:
        MissingFileError: nothing of this layout is there.
        VideoError, KeypointsError: a file cannot be read.
    """
    folders = (path for kind in _FRAMES for path in folder.resolve().rglob(kind))
    parts = {path.parent for path in folders if len(_numbered(path)) > 1}
    sources = dict(sorted((valid_name(_name(part)), part) for part in parts)) | {
        valid_name(path.stem): path
        for path in sorted(folder.glob("[!.]*"))
        if path.suffix.lower() in _VIDEOS
    }
    if not sources:
        raise MissingFileError(
            f"{folder}: expected frames in folders as subject1/train/train_img, or videos; got"
            " neither"
        )
    known = read_films().videos
    new = {name: source for name, source in sources.items() if name not in known}
    for name, source in new.items():
        check_new_video(name, name)
        video, detector = (source, None) if source.is_file() else _import_frames(source, name)
        add_video(
            video,
            **{"name": name, "subject": name},
            crop="auto",
            role="source",
            others={"detector": detector} if detector else {},
        )
    return list(new)


def _name(part: Path) -> str:
    """Name of the frames in subject1/train: subject1; in another folder: subject1_test."""
    if part.name == "train":
        return part.parent.name
    return f"{part.parent.name}_{part.name}" if part.name in ("test", "val") else part.name


def _import_frames(part: Path, name: str) -> tuple[Path, str | None]:
    """Write data/videos/NAME with a video, and OpenPose's JSON where there are keypoints."""
    frames = next(part / kind for kind in _FRAMES if (part / kind).is_dir())
    shown, rate = _shown(frames)
    keypoints = part / "keypoints"
    has_keypoints = keypoints.is_dir() and frames.name in _FILMED
    path = layout.VIDEOS_FOLDER / name
    with replacing_folder(path) as work:
        images = map(_read_frame, track(shown, f"import {name}", total=len(shown)))
        write_video(work / f"{name}.mkv", images, frame_rate=rate, crf=_CRF)
        for index, file in enumerate(shown if has_keypoints else ()):
            _write_keypoints(keypoints / file.stem, work / f"{name}_{index:012d}_keypoints.json")
    return (path, OPENPOSE_JSON) if has_keypoints else (path / f"{name}.mkv", None)


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """Number and path of each frame, in order."""
    shown = folder.glob("[!.]*")  # macOS keeps hidden files beside those that it copies
    files = [(re.search(r"(\d+)\.(?:jpg|png)$", file.name), file) for file in shown]
    return sorted((int(match[1]), file) for match, file in files if match)


def _shown(folder: Path) -> tuple[list[Path], Fraction]:
    """The file of each frame of a video, and its rate; a frame stays until the next one begins."""
    numbered = _numbered(folder)
    steps = np.diff([number for number, _ in numbered])
    step = int(np.median(steps))
    longest = max(_FILMED_RATE * _LONGEST_HOLD_SECONDS // step, 1)
    held = [*np.clip(np.rint(steps / step).astype(int), 1, longest).tolist(), 1]
    shown = [file for (_, file), count in zip(numbered, held, strict=True) for _ in range(count)]
    return shown, Fraction(_FILMED_RATE, step)


def _read_frame(path: Path) -> Frame:
    image = cv2.imread(str(path))
    if image is None:
        raise VideoError(f"{path}: not an image; download or unpack it again")
    height, width, _ = image.shape
    if width == 2 * height:
        image = cv2.resize(image, (width, width * 9 // 16), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(image[..., ::-1])


def _write_keypoints(stem: Path, path: Path) -> None:
    """Write OpenPose's JSON of a frame's YAML files."""
    found = {part: _read_matrix(stem.with_name(f"{stem.name}_{part}.yml")) for part in _PARTS}
    people = [
        {f"{part}_keypoints_2d": rows[index] for part, rows in found.items() if index < len(rows)}
        for index in range(len(found["pose"]))
    ]
    path.write_text(json.dumps({"people": people}), encoding="utf-8")


def _read_matrix(path: Path) -> list[list[float]]:
    """Numbers of each person in OpenCV's YAML; nobody where there is no such file."""
    if not path.is_file():
        return []
    try:
        storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)  # which its nodes live in
        matrix = storage.getFirstTopLevelNode().mat()
        return matrix.reshape(len(matrix), -1).tolist()
    except (cv2.error, SystemError, AttributeError, TypeError) as error:
        raise KeypointsError(f"{path}: not a matrix of OpenCV's; unpack it again") from error
