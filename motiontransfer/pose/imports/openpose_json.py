"""OpenPose's JSON: a folder with one file a frame, as `--write_json` leaves it.

Body in BODY_25, BODY_23 (Everybody Dance Now) or COCO-18, face and hands where they were asked for.
Coordinates must be pixels of the video, which is OpenPose's default (`--keypoint_scale 0`).

Source: CMU-Perceptual-Computing-Lab/openpose, doc/02_output.md.
"""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ValidationError

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.pose.imports.frames import check_joint_order, frames_in_order, people_of
from motiontransfer.pose.joint_sets import (
    BODY_23,
    BODY_25,
    COCO_18,
    IBUG_68,
    OPENPOSE_FACE_70,
    JointSet,
)
from motiontransfer.pose.people import People, nobody
from motiontransfer.skeleton import HOLISTIC, LEFT_HAND_JOINTS, RIGHT_HAND_JOINTS

_FILE_NAME = re.compile(r"(\d+)_keypoints\.json$")
_BODIES: dict[str, JointSet] = {"BODY_25": BODY_25, "BODY_23": BODY_23, "COCO-18": COCO_18}


class _Person(BaseModel):
    """One of OpenPose's people: x, y and confidence, joint after joint; a part may be empty."""

    pose_keypoints_2d: list[float] = []
    face_keypoints_2d: list[float] = []
    hand_left_keypoints_2d: list[float] = []
    hand_right_keypoints_2d: list[float] = []


class _Frame(BaseModel):
    """One of OpenPose's files."""

    people: list[_Person]


def read_openpose_json(folder: Path, *, num_frames: int) -> list[People]:
    """Everyone in each of the video's frames, in pixels of the video.

    Args:
        num_frames: how many the video has at least; what is there beyond is left out.

    Raises:
        MissingFileError: the folder or its files are absent.
        KeypointsError: a frame is missing, or a file is not OpenPose's.
    """
    numbered = [
        (int(match[1]), path)
        for path in sorted(folder.glob("*.json"))
        if (match := _FILE_NAME.search(path.name))
    ]
    if not numbered:
        raise MissingFileError(
            f"{folder}: expected OpenPose's files, one a frame, named"
            f" <video>_000000000000_keypoints.json; there are none; run OpenPose with"
            f" --write_json {folder} (and --face --hand), or set another detect_keypoints.detector"
        )
    paths = frames_in_order(numbered, num_frames=num_frames, source=folder)
    read = {path: _read(path) for path in paths}
    body = _body_of(read)
    frames = [_people(people, body=body, where=str(path)) for path, people in read.items()]
    check_joint_order(frames, joint_set=body, source=folder)
    return frames


def _read(path: Path) -> list[_Person]:
    try:
        return _Frame.model_validate_json(path.read_bytes()).people
    except ValidationError as error:
        detail = error.errors()[0]
        place = ".".join(str(part) for part in detail["loc"])
        raise KeypointsError(
            f"{path}: not OpenPose's JSON: {f'{place}: ' if place else ''}{detail['msg'].lower()};"
            " run OpenPose again for this frame"
        ) from error


def _body_of(read: dict[Path, list[_Person]]) -> str:
    """Name of the body's joint set, which is one for the whole folder."""
    found: dict[str, Path] = {}
    for path, people in read.items():
        for length in {len(person.pose_keypoints_2d) for person in people} - {0}:
            names = [name for name, joints in _BODIES.items() if 3 * len(joints) == length]
            if not names:
                known = ", ".join(f"{name} {3 * len(joints)}" for name, joints in _BODIES.items())
                raise KeypointsError(
                    f"{path}: pose_keypoints_2d: expected {known} numbers, got {length};"
                    " run OpenPose with --model_pose BODY_25"
                )
            found.setdefault(names[0], path)
    if len(found) > 1:
        listed = ", ".join(f"{name} in {path}" for name, path in found.items())
        raise KeypointsError(f"expected one body format in a folder, got {listed}; remove the rest")
    return next(iter(found), "BODY_25")


def _people(people: list[_Person], *, body: str, where: str) -> People:
    if not people:
        return nobody(len(HOLISTIC.joints))
    parts = {
        "pose_keypoints_2d": _BODIES[body],
        "face_keypoints_2d": OPENPOSE_FACE_70,
        "hand_left_keypoints_2d": LEFT_HAND_JOINTS,
        "hand_right_keypoints_2d": RIGHT_HAND_JOINTS,
    }
    rows = np.stack(
        [
            np.concatenate(
                [
                    _part(getattr(person, key), joints, f"{where}: {key}")
                    for key, joints in parts.items()
                ]
            )
            for person in people
        ]
    )
    names = [name for joints in parts.values() for name in joints]
    return people_of(rows[..., :2], rows[..., 2], joints=names, where=where)


def _part(values: list[float], joints: JointSet, where: str) -> Float[np.ndarray, "joints 3"]:
    """x, y and confidence; a part that was not asked for is missing, pupils may be."""
    lengths = {3 * len(joints), 0} | ({3 * len(IBUG_68)} if joints == OPENPOSE_FACE_70 else set())
    if len(values) not in lengths:
        expected = " or ".join(str(length) for length in sorted(lengths))
        raise KeypointsError(f"{where}: expected {expected} numbers, got {len(values)}")
    row = np.zeros((len(joints), 3))
    row[: len(values) // 3] = np.array(values).reshape(-1, 3)
    return row
