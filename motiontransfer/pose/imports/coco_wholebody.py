"""COCO-WholeBody's 133 joints in JSON, as users of MMPose and rtmlib save them.

One file for a video, in one of three layouts:

- MMPose's predictions: a list of `{"frame_id": 0, "instances": [{"keypoints": 133 times [x, y],
  "keypoint_scores": 133 numbers}, ...]}`, or that list as `instance_info` of its demos' files;
- what rtmlib's `Wholebody` returns (with `to_openpose=False`), frame after frame: a list of
  `{"keypoints": people times 133 times [x, y], "scores": people times 133 numbers}`;
- COCO results: a list of `{"image_id": 0, "keypoints": 399 numbers x, y, score}`, one a person, or
  with `foot_kpts`, `face_kpts`, `lefthand_kpts` and `righthand_kpts` apart. Frames in which nobody
  was found are not in it, so `image_id` (or the number that ends a file name) counts from 0.

Sources: open-mmlab/mmpose, mmpose/apis/inferencers/base_mmpose_inferencer.py,
demo/topdown_demo_with_mmdet.py and mmpose/evaluation/metrics/coco_wholebody_metric.py;
Tau-J/rtmlib, rtmlib/tools/solution/wholebody.py.
"""

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.pose.imports.frames import check_joint_order, frames_in_order, people_of
from motiontransfer.pose.joint_sets import COCO_WHOLEBODY
from motiontransfer.pose.people import People, nobody
from motiontransfer.skeleton import HOLISTIC

_NUM_JOINTS = len(COCO_WHOLEBODY)
_LAYOUTS = (
    "MMPose's predictions (frame_id, instances), rtmlib's arrays (keypoints, scores), or COCO"
    " results (image_id, keypoints)"
)


class _Instance(BaseModel):
    keypoints: list[tuple[float, float]]
    keypoint_scores: list[float]


class _MmposeFrame(BaseModel):
    frame_id: int
    instances: list[_Instance]


class _RtmlibFrame(BaseModel):
    keypoints: list[list[tuple[float, float]]]
    scores: list[list[float]]


class _CocoResult(BaseModel):
    image_id: int | str
    keypoints: list[float]
    foot_kpts: list[float] = []
    face_kpts: list[float] = []
    lefthand_kpts: list[float] = []
    righthand_kpts: list[float] = []


_Item = TypeVar("_Item", bound=BaseModel)


def read_coco_wholebody(folder: Path, *, num_frames: int) -> list[People]:
    """Everyone in each of the video's frames, in pixels of the video.

    Args:
        folder: holds one JSON file.
        num_frames: how many the video has at least; what is there beyond is left out.

    Raises:
        MissingFileError: the folder or its file is absent.
        KeypointsError: a frame is missing, or the file has another layout.
    """
    path = _only_file(folder)
    items = _items_of(path)
    keys = items[0].keys()
    if "instances" in keys:
        frames = _from_mmpose(_checked(items, _MmposeFrame, path), num_frames, path)
    elif "image_id" in keys:
        frames = _from_coco_results(_checked(items, _CocoResult, path), num_frames, path)
    elif {"keypoints", "scores"} <= keys:
        frames = _from_rtmlib(_checked(items, _RtmlibFrame, path), num_frames, path)
    else:
        raise KeypointsError(f"{path}: expected {_LAYOUTS}, got entries with {', '.join(keys)}")
    check_joint_order(frames, joint_set="COCO-WholeBody", source=path)
    return frames


def _only_file(folder: Path) -> Path:
    paths = sorted(folder.glob("*.json"))
    if len(paths) != 1:
        got = ", ".join(path.name for path in paths) or "none"
        raise MissingFileError(
            f"{folder}: expected one JSON file with COCO-WholeBody keypoints of the video, got"
            f" {got}; put {_LAYOUTS} there, or set another detect_keypoints.detector"
        )
    return paths[0]


def _items_of(path: Path) -> list[dict[str, object]]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise KeypointsError(f"{path}: not JSON ({error}); save the keypoints again") from error
    if isinstance(content, dict):
        content = content.get("instance_info")
    if not (isinstance(content, list) and content and isinstance(content[0], dict)):
        raise KeypointsError(f"{path}: expected {_LAYOUTS}, got something else, or nothing")
    return content


def _checked(items: list[dict[str, object]], kind: type[_Item], path: Path) -> list[_Item]:
    checked = []
    for index, item in enumerate(items):
        try:
            checked.append(kind.model_validate(item))
        except ValidationError as error:
            detail = error.errors()[0]
            place = ".".join(str(part) for part in detail["loc"])
            raise KeypointsError(
                f"{path}: entry {index}: {place}: {detail['msg'].lower()}; expected {_LAYOUTS}"
            ) from error
    return checked


def _from_mmpose(frames: list[_MmposeFrame], num_frames: int, path: Path) -> list[People]:
    numbered = [
        (
            frame.frame_id,
            _people(
                [person.keypoints for person in frame.instances],
                [person.keypoint_scores for person in frame.instances],
                where=f"{path}: frame_id {frame.frame_id}",
            ),
        )
        for frame in frames
    ]
    return frames_in_order(numbered, num_frames=num_frames, source=path)


def _from_rtmlib(frames: list[_RtmlibFrame], num_frames: int, path: Path) -> list[People]:
    numbered = [
        (index, _people(frame.keypoints, frame.scores, where=f"{path}: frame {index}"))
        for index, frame in enumerate(frames)
    ]
    return frames_in_order(numbered, num_frames=num_frames, source=path)


def _from_coco_results(results: list[_CocoResult], num_frames: int, path: Path) -> list[People]:
    rows_of_frame: defaultdict[int, list[list[float]]] = defaultdict(list)
    for result in results:
        rows_of_frame[_frame_of(result.image_id, path)].append(
            [
                *result.keypoints,
                *result.foot_kpts,
                *result.face_kpts,
                *result.lefthand_kpts,
                *result.righthand_kpts,
            ]
        )
    if max(rows_of_frame) >= num_frames:
        raise KeypointsError(
            f"{path}: expected image_id from 0 to {num_frames - 1}, got {max(rows_of_frame)};"
            " number the frames of this video from 0"
        )
    return [
        _people(
            [list(zip(row[::3], row[1::3], strict=False)) for row in rows_of_frame[index]],
            [row[2::3] for row in rows_of_frame[index]],
            where=f"{path}: image_id {index}",
        )
        for index in range(num_frames)
    ]


def _frame_of(image_id: int | str, path: Path) -> int:
    digits = re.search(r"(\d+)(\.\w+)?$", str(image_id))
    if digits is None:
        raise KeypointsError(f"{path}: image_id: expected a frame's number, got {image_id!r}")
    return int(digits[1])


def _people(
    keypoints: Sequence[Sequence[tuple[float, float]]],
    scores: Sequence[Sequence[float]],
    *,
    where: str,
) -> People:
    counts = {len(person) for person in (*keypoints, *scores)}
    if counts - {_NUM_JOINTS} or len(keypoints) != len(scores):
        got = ", ".join(str(count) for count in sorted(counts))
        raise KeypointsError(
            f"{where}: expected {_NUM_JOINTS} keypoints and as many scores a person, got {got};"
            " use a whole-body model (and with rtmlib to_openpose=False)"
        )
    if not keypoints:
        return nobody(len(HOLISTIC.joints))
    return people_of(
        np.array(keypoints, float), np.array(scores, float), joints=COCO_WHOLEBODY, where=where
    )
