"""Import of keypoints from OpenPose and COCO-WholeBody JSON."""

import json
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ValidationError

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.keypoints import People, nobody
from motiontransfer.skeleton import (
    BODY_23,
    BODY_25,
    COCO_18,
    COCO_WHOLEBODY,
    HOLISTIC,
    IBUG_68,
    LEFT_HAND_JOINTS,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
    JointSet,
    moved,
)
from motiontransfer.video.clip import read_clip, read_source_frames
from motiontransfer.video.geometry import Framing

_logger = logging.getLogger(__name__)
_Frame = TypeVar("_Frame")

_NUM_NAMED = 5  # missing frames that a message names

_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
_MAX_RATIO = 2.5  # of a bone's median lengths on the two sides
_NUM_SUSPECT_BONES = 2
_MIN_SAMPLES = 5


def frames_in_order(
    numbered: Sequence[tuple[int, _Frame]], *, num_frames: int, source: Path
) -> list[_Frame]:
    """The frames from first to last, whether they are numbered from 0 or from 1.

    Args:
        num_frames: how many the video has at least; what is there beyond is left out.
        source: for the message.

    Raises:
        KeypointsError: a frame is missing, or two have one number.
    """
    frame_of_number = dict(numbered)
    if len(frame_of_number) < len(numbered):
        number, count = Counter(number for number, _ in numbered).most_common(1)[0]
        raise KeypointsError(
            f"{source}: expected each frame once, got {count} numbered {number}; keep the"
            " keypoints of one video, from one run"
        )
    first = min(frame_of_number, default=0)
    if first > 1:
        raise KeypointsError(
            f"{source}: expected frames numbered from 0 or 1, got {first} as the first;"
            " run the detector on the whole video"
        )
    wanted = range(first, first + num_frames)
    missing = [str(number) for number in wanted if number not in frame_of_number]
    if missing:
        raise KeypointsError(
            f"{source}: expected all of the video's {num_frames} frames, numbered from {first};"
            f" {len(missing)} are missing: {', '.join(missing[:_NUM_NAMED])}"
            f"{', …' if len(missing) > _NUM_NAMED else ''}; run the detector on the whole video"
            " (a frame in which nobody was found has an entry too, with nobody in it)"
        )
    if len(frame_of_number) > num_frames:
        _logger.info(
            "%s: has %d frames, of which the clip shows the first %d",
            source,
            len(frame_of_number),
            num_frames,
        )
    return [frame_of_number[number] for number in wanted]


def people_of(
    points: Float[np.ndarray, "people joints 2"],
    score: Float[np.ndarray, "people joints"],
    *,
    joints: Sequence[str],
    where: str,
) -> People:
    """People with HOLISTIC joints; scores are clipped to [0, 1], and someone without joints goes.

    Args:
        points: pixels of the picture in which they were found.
        joints: names along the joint axis.
        where: file and frame, for the message.

    Raises:
        KeypointsError: a number is not finite.
    """
    if not (np.isfinite(points).all() and np.isfinite(score).all()):
        raise KeypointsError(f"{where}: expected finite numbers, got NaN or infinity")
    clipped = np.clip(score, 0, 1).astype(np.float32)
    placed = np.where(clipped[..., None] > 0, points, 0).astype(np.float32)
    points, score = moved(placed, clipped, source=joints, target=HOLISTIC.joints)
    seen = score.any(axis=1)
    return People(points=points[seen], score=score[seen])


def check_joint_order(frames: Sequence[People], *, joint_set: str, source: Path) -> None:
    """Check that arms and legs are about as long on the left as on the right.

    They are not where joints come in another order than was taken for granted: there are several
    sets of 18 and of 23 joints.

    Args:
        joint_set: its name, for the message.

    Raises:
        KeypointsError: they are not.
    """
    if not frames:
        return
    points = np.concatenate([people.points for people in frames])
    score = np.concatenate([people.score for people in frames])
    ratios: dict[str, float] = {}
    for bone in _BONES:
        medians = []
        for side in ("left", "right"):
            a, b = (HOLISTIC.index(f"{side}_{joint}") for joint in bone)
            seen = (score[:, a] > 0) & (score[:, b] > 0)
            if seen.sum() >= _MIN_SAMPLES:
                lengths = np.linalg.norm(points[seen, a] - points[seen, b], axis=1)
                medians.append(float(np.median(lengths)))
        if len(medians) == len(("left", "right")):
            ratios[" to ".join(bone)] = max(medians) / max(min(medians), 1e-6)
    suspect = {bone: ratio for bone, ratio in ratios.items() if ratio > _MAX_RATIO}
    if len(suspect) >= _NUM_SUSPECT_BONES:
        listed = ", ".join(f"{bone} {ratio:.1f} times" for bone, ratio in suspect.items())
        raise KeypointsError(
            f"{source}: read as {joint_set}, one side is far longer than the other ({listed}):"
            f" the joints come in another order; export {joint_set} as its own program orders it"
        )


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


_FILE_NAME = re.compile(r"(\d+)_keypoints\.json$")
_BODIES: dict[str, JointSet] = {"BODY_25": BODY_25, "BODY_23": BODY_23, "COCO-18": COCO_18}


class _Person(BaseModel):
    """One of OpenPose's people: x, y and confidence, joint after joint; a part may be empty."""

    pose_keypoints_2d: list[float] = []
    face_keypoints_2d: list[float] = []
    hand_left_keypoints_2d: list[float] = []
    hand_right_keypoints_2d: list[float] = []


class _OpenPoseFrame(BaseModel):
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
    frames = [_openpose_people(people, body=body, where=str(path)) for path, people in read.items()]
    check_joint_order(frames, joint_set=body, source=folder)
    return frames


def _read(path: Path) -> list[_Person]:
    try:
        return _OpenPoseFrame.model_validate_json(path.read_bytes()).people
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


def _openpose_people(people: list[_Person], *, body: str, where: str) -> People:
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


ImportedLayout = Literal["openpose_json", "coco_wholebody"]

_READERS = {"openpose_json": read_openpose_json, "coco_wholebody": read_coco_wholebody}
_MIN_SHARE_INSIDE = 0.5


def import_people(folder: Path, clip: Path, *, layout: ImportedLayout) -> list[People]:
    """Everyone in each of a clip's frames, with HOLISTIC joints, from keypoints made elsewhere.

    Args:
        folder: the keypoints of the clip's video.
        clip: folder of the decoded clip.

    Raises:
        MissingFileError: the keypoints or the clip are absent.
        KeypointsError: a frame is missing, the files have another layout, or the coordinates are
            not pixels of the video.
        DamagedFileError: the clip's index is damaged, or of an older version.
    """
    framing = read_clip(clip).framing
    shown = read_source_frames(clip)
    found = _READERS[layout](folder, num_frames=int(shown.max()) + 1)
    _check_pixels(found, size=framing.source_size, source=folder)
    return [_onto(found[index], framing) for index in shown.tolist()]


def _check_pixels(frames: Sequence[People], *, size: tuple[int, int], source: Path) -> None:
    """Catch keypoints of a resized picture, or fractions of it."""
    points = np.concatenate([people.points[people.score > 0] for people in frames])
    if not len(points):
        return
    height, width = size
    inside = ((points >= 0) & (points <= (width, height))).all(axis=1)
    if inside.mean() < _MIN_SHARE_INSIDE or points.max() <= 1:
        low, high = points.min(axis=0), points.max(axis=0)
        raise KeypointsError(
            f"{source}: expected pixels of the video's {width}x{height} picture, upright, got x"
            f" {low[0]:g} to {high[0]:g} and y {low[1]:g} to {high[1]:g}; run the detector on the"
            " video itself (OpenPose: --keypoint_scale 0)"
        )


def _onto(people: People, framing: Framing) -> People:
    """In pixels of the working picture; what the crop leaves out is missing."""
    points = framing.to_working(people.points).astype(np.float32)
    x0, y0, x1, y1 = framing.content
    inside = ((points >= (x0, y0)) & (points < (x1, y1))).all(axis=2) & (people.score > 0)
    seen = inside.any(axis=1)
    return People(
        points=np.where(inside[..., None], points, np.float32(0))[seen],
        score=np.where(inside, people.score, np.float32(0))[seen],
    )
