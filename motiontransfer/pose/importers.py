"""Import of keypoints from OpenPose and COCO-WholeBody JSON."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ValidationError, field_validator
from pydantic_core import from_json

from motiontransfer.core.errors import KeypointsError, MissingFileError
from motiontransfer.pose.keypoints import ImportFormat, People, people_inside
from motiontransfer.pose.skeleton import (
    BODY_23,
    BODY_25,
    BODY_TREE,
    COCO_18,
    COCO_WHOLEBODY,
    HOLISTIC,
    IBUG_68,
    LEFT_HAND_JOINTS,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
    JointSet,
    remap_joints,
)
from motiontransfer.video.clip import read_clip, read_source_frames
from motiontransfer.video.geometry import Framing

_OfFrame = TypeVar("_OfFrame")
_Schema = TypeVar("_Schema", bound=BaseModel)

_NUM_NAMED = 5  # missing frames that a message names
_MIN_SHARE_INSIDE = 0.5  # of the joints in the image; fewer: pixels of another image size

# Sides are compared to notice joints in another order.
_LIMBS = ("upper_arm", "forearm", "thigh", "shin")
_MAX_RATIO = 2.5  # of a limb's median lengths on the two sides
_NUM_SUSPECT_LIMBS = 2  # one alone may be foreshortened
_MIN_SAMPLES = 5  # frames and people with both ends of a limb

_OPENPOSE_PARTS: dict[str, dict[str, JointSet]] = {
    "pose_keypoints_2d": {"BODY_25": BODY_25, "BODY_23": BODY_23, "COCO-18": COCO_18},
    "face_keypoints_2d": {"70 points": OPENPOSE_FACE_70, "68 points": IBUG_68},
    "hand_left_keypoints_2d": {"21 points": LEFT_HAND_JOINTS},
    "hand_right_keypoints_2d": {"21 points": RIGHT_HAND_JOINTS},
}
"""Key of a part -> name of a joint set that it may have -> the joints."""


def frames_in_order(
    numbered: Sequence[tuple[int, _OfFrame]], *, num_frames: int, source: Path
) -> list[_OfFrame]:
    """The first frames, whether they are numbered from 0 or from 1; those beyond are left out."""
    counts = Counter(number for number, _ in numbered)
    number, count = counts.most_common(1)[0] if counts else (0, 0)
    if count > 1:
        raise KeypointsError(
            f"{source}: expected each frame once, got {count} numbered {number}; keep the"
            " keypoints of one video, from one run"
        )
    first = min(counts, default=0)
    if first > 1:
        raise KeypointsError(
            f"{source}: expected frames numbered from 0 or 1, got {first} as the first;"
            " run the detector on the whole video"
        )
    wanted = range(first, first + num_frames)
    if missing := [str(number) for number in wanted if number not in counts]:
        raise KeypointsError(
            f"{source}: expected all of the video's {num_frames} frames, numbered from {first};"
            f" {len(missing)} are missing: {', '.join(missing[:_NUM_NAMED])}"
            f"{', …' if len(missing) > _NUM_NAMED else ''}; run the detector on the whole video."
            " A frame without a person has an entry, too"
        )
    frame_of_number = dict(numbered)
    return [frame_of_number[number] for number in wanted]


def to_holistic(
    people: Float[np.ndarray, "found source 3"], *, joints: Sequence[str], where: str
) -> People:
    """HOLISTIC joints of a frame's people; scores are clipped to [0, 1], empty people left out.

    The corners of the mouth are joints of the body, too, as MediaPipe has them.

    Args:
        people: x, y in pixels of the image in which they were detected, and confidence.
    """
    if not np.isfinite(people).all():
        raise KeypointsError(f"{where}: expected finite numbers, got NaN or infinity")
    score = np.clip(people[..., 2:], 0, 1).astype(np.float32)
    clipped = np.concatenate([people[..., :2], score], axis=2)
    found = np.where(score > 0, clipped, 0).astype(np.float32)
    remapped = remap_joints(found, source=joints, target=HOLISTIC.joints)
    for side in ("left", "right"):
        corner = remapped[:, HOLISTIC.index(f"{side}_face_mouth_corner")]
        remapped[:, HOLISTIC.index(f"{side}_mouth")] = corner
    return remapped[remapped[..., 2].any(axis=1)]


def check_joint_order(frames: Sequence[People], *, joint_set: str, source: Path) -> None:
    """Compare lengths of left and right limbs: there are several sets of 18 and of 23 joints."""
    people = np.concatenate([np.zeros((0, len(HOLISTIC.joints), 3)), *frames])
    suspect = []
    for limb in _LIMBS:
        medians = []
        for (start,), (end,) in BODY_TREE[limb].spans:
            ends = people[:, [HOLISTIC.index(start), HOLISTIC.index(end)]]
            ends = ends[(ends[..., 2] > 0).all(axis=1), :, :2]
            if len(ends) >= _MIN_SAMPLES:
                medians.append(float(np.median(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1))))
        if len(medians) == 2 and max(medians) > _MAX_RATIO * max(min(medians), 1e-6):
            suspect.append(limb.replace("_", " "))
    if len(suspect) >= _NUM_SUSPECT_LIMBS:
        raise KeypointsError(
            f"{source}: read as {joint_set}, one side is far longer than the other"
            f" ({', '.join(suspect)}): the joints come in another order; export {joint_set} in"
            " its own order"
        )


def _parsed(schema: type[_Schema], content: bytes | object, *, where: str, remedy: str) -> _Schema:
    """Check JSON's text, or what was parsed of it, and name the first fault."""
    try:
        if isinstance(content, bytes):
            return schema.model_validate_json(content)
        return schema.model_validate(content)
    except ValidationError as error:
        detail = error.errors()[0]
        place = [".".join(map(str, detail["loc"]))] if detail["loc"] else []
        fault = ": ".join([*place, detail["msg"].lower()])
        raise KeypointsError(f"{where}: {fault}; {remedy}") from error


_JointPairs = list[tuple[float, float]]
_Person = tuple[_JointPairs, list[float]]
"""The joints' (x, y), and their scores."""


class _MmposeInstance(BaseModel):
    keypoints: _JointPairs
    keypoint_scores: list[float]


class _MmposeFrame(BaseModel):
    frame_id: int
    instances: list[_MmposeInstance]

    def frame(self, _: int) -> tuple[int, list[_Person]]:
        people = [(person.keypoints, person.keypoint_scores) for person in self.instances]
        return self.frame_id, people


class _RtmlibFrame(BaseModel):
    keypoints: list[_JointPairs]
    scores: list[list[float]]

    def frame(self, index: int) -> tuple[int, list[_Person]]:
        return index, list(zip_longest(self.keypoints, self.scores, fillvalue=[]))


class _CocoResult(BaseModel):
    """One person; other entries of the same image hold the frame's others."""

    image_id: int | str
    keypoints: list[float]
    foot_kpts: list[float] = []
    face_kpts: list[float] = []
    lefthand_kpts: list[float] = []
    righthand_kpts: list[float] = []

    @field_validator("image_id")
    @classmethod
    def _frame_number(cls, image_id: int | str) -> int:
        digits = re.search(r"(\d+)(\.\w+)?$", str(image_id))
        if digits is None:
            raise ValueError(f"expected a frame's number, got {image_id!r}")
        return int(digits[1])

    def frame(self, _: int) -> tuple[int, list[_Person]]:
        hands = [*self.lefthand_kpts, *self.righthand_kpts]
        row = [*self.keypoints, *self.foot_kpts, *self.face_kpts, *hands]
        points = list(zip(row[::3], row[1::3], strict=False))
        return int(self.image_id), [(points, row[2::3])]


_COCO_LAYOUTS: dict[str, type[_MmposeFrame | _RtmlibFrame | _CocoResult]] = {
    "instances": _MmposeFrame,
    "image_id": _CocoResult,
    "scores": _RtmlibFrame,
}
"""Key that tells a layout of entries from the others -> the layout."""
_EXPECTED = (
    "expected MMPose's predictions (frame_id, instances), rtmlib's arrays (keypoints, scores), or"
    " COCO results (image_id, keypoints)"
)


def read_coco_wholebody(folder: Path, *, num_frames: int) -> list[People]:
    """COCO-WholeBody keypoints of each of the video's frames, from the folder's one JSON file."""
    path, entries = _read_entries(folder)
    layout = next((model for key, model in _COCO_LAYOUTS.items() if key in entries[0]), None)
    if layout is None:
        raise KeypointsError(f"{path}: {_EXPECTED}, got entries with {', '.join(entries[0])}")
    numbered = [
        _parsed(layout, entry, where=f"{path}: entry {index}", remedy=_EXPECTED).frame(index)
        for index, entry in enumerate(entries)
    ]
    if layout is _CocoResult:
        people_of_frame: dict[int, list[_Person]] = {index: [] for index in range(num_frames)}
        for number, person in numbered:
            if number not in people_of_frame:
                raise KeypointsError(
                    f"{path}: expected image_id from 0 to {num_frames - 1}, got {number}; number"
                    " the frames of this video from 0"
                )
            people_of_frame[number] += person
        numbered = list(people_of_frame.items())
    found = [
        (number, _coco_people(people, where=f"{path}: frame {number}"))
        for number, people in numbered
    ]
    frames = frames_in_order(found, num_frames=num_frames, source=path)
    check_joint_order(frames, joint_set="COCO-WholeBody", source=path)
    return frames


def _read_entries(folder: Path) -> tuple[Path, list[dict[str, object]]]:
    """The folder's only file and its entries, at least one."""
    paths = sorted(folder.glob("*.json"))
    if len(paths) != 1:
        got = ", ".join(path.name for path in paths) or "none"
        raise MissingFileError(
            f"{folder}: expected one JSON file with COCO-WholeBody keypoints of the video, got"
            f" {got}; put it there, or set another detect_keypoints.detector"
        )
    (path,) = paths
    try:
        content = from_json(path.read_bytes())
    except ValueError as error:
        raise KeypointsError(f"{path}: not JSON ({error}); save the keypoints again") from error
    if isinstance(content, dict):
        content = content.get("instance_info")
    if not (isinstance(content, list) and content and isinstance(content[0], dict)):
        raise KeypointsError(f"{path}: {_EXPECTED}, got something else, or nothing")
    return path, content


def _coco_people(people: list[_Person], *, where: str) -> People:
    num_joints = len(COCO_WHOLEBODY)
    counts = {len(values) for person in people for values in person}
    if counts - {num_joints}:
        got = ", ".join(str(count) for count in sorted(counts))
        raise KeypointsError(
            f"{where}: expected {num_joints} keypoints and as many scores a person, got {got};"
            " use a whole-body model (and with rtmlib to_openpose=False)"
        )
    points = np.array([points for points, _ in people], float).reshape(-1, num_joints, 2)
    score = np.array([score for _, score in people], float).reshape(-1, num_joints, 1)
    return to_holistic(np.dstack([points, score]), joints=COCO_WHOLEBODY, where=where)


class _OpenPosePerson(BaseModel):
    """x, y and confidence, joint after joint; a part that was not asked for is empty."""

    pose_keypoints_2d: list[float] = []
    face_keypoints_2d: list[float] = []
    hand_left_keypoints_2d: list[float] = []
    hand_right_keypoints_2d: list[float] = []


class _OpenPoseFrame(BaseModel):
    people: list[_OpenPosePerson]


def read_openpose_json(folder: Path, *, num_frames: int) -> list[People]:
    """OpenPose keypoints of each of the video's frames, from the folder's file for each."""
    numbered = [
        (int(match[1]), path)
        for path in sorted(folder.glob("*.json"))
        if (match := re.search(r"(\d+)_keypoints\.json$", path.name))
    ]
    if not numbered:
        raise MissingFileError(
            f"{folder}: expected OpenPose's files, one a frame, named"
            f" <video>_000000000000_keypoints.json; there are none; run OpenPose with"
            f" --write_json {folder} (and --face --hand), or set another detect_keypoints.detector"
        )
    frames, bodies = [], {}
    for path in frames_in_order(numbered, num_frames=num_frames, source=folder):
        content = _parsed(
            _OpenPoseFrame,
            path.read_bytes(),
            where=f"{path}: not OpenPose's JSON",
            remedy="run OpenPose again for this frame",
        )
        people = [np.zeros((0, len(HOLISTIC.joints), 3), np.float32)]
        for person in content.people:
            joints, values = [], []
            for part, of_part in person:
                if of_part:
                    name = _joint_set(part, len(of_part), where=str(path))
                    joints += _OPENPOSE_PARTS[part][name]
                    values += of_part
                    if part == "pose_keypoints_2d":
                        bodies.setdefault(name, path)
            found = np.array(values, np.float64).reshape(1, len(joints), 3)
            people.append(to_holistic(found, joints=joints, where=str(path)))
        frames.append(np.concatenate(people))
    if len(bodies) > 1:
        listed = ", ".join(f"{name} in {path}" for name, path in bodies.items())
        raise KeypointsError(f"expected one body format in a folder, got {listed}; remove the rest")
    check_joint_order(frames, joint_set=next(iter(bodies), "BODY_25"), source=folder)
    return frames


def _joint_set(part: str, length: int, *, where: str) -> str:
    """Name of the part's joint set that has so many numbers."""
    lengths = {name: 3 * len(joints) for name, joints in _OPENPOSE_PARTS[part].items()}
    for name, expected in lengths.items():
        if length == expected:
            return name
    known = ", ".join(f"{name} {expected}" for name, expected in lengths.items())
    raise KeypointsError(
        f"{where}: {part}: expected {known} numbers, got {length}; run OpenPose again, with"
        " --model_pose BODY_25"
    )


_READERS = {"openpose_json": read_openpose_json, "coco_wholebody": read_coco_wholebody}


def import_people(folder: Path, clip: Path, *, layout: ImportFormat) -> list[People]:
    """HOLISTIC joints in each of a decoded clip's frames, from keypoints of its video.

    Raises:
        MissingFileError: the keypoints or the clip are absent.
        KeypointsError: a frame is missing, the files have another layout, or the coordinates are
            not pixels of the video.
    """
    decoded, shown = read_clip(clip), read_source_frames(clip)
    found = _READERS[layout](folder, num_frames=int(shown.max()) + 1)
    height, width = decoded.framing.source_size
    size = (width, height) if decoded.rotate % 180 else (height, width)
    _check_pixels(found, size=size, source=folder)
    turned = [_turned(found[index], size, decoded.rotate) for index in shown.tolist()]
    return [_to_working(people, decoded.framing) for people in turned]


def _turned(people: People, size: tuple[int, int], degrees: int) -> People:
    """As the frames of (height, width) are: by quarter turns, clockwise."""
    if degrees == 0:
        return people
    across = (size[0] - people[..., 1:2]).astype(np.float32)
    turned = np.concatenate([across, people[..., :1], people[..., 2:]], axis=2)
    return _turned(turned, (size[1], size[0]), degrees - 90)


def _check_pixels(frames: Sequence[People], *, size: tuple[int, int], source: Path) -> None:
    """Catch keypoints of a resized video, or fractions of its size."""
    points = np.concatenate([people[people[..., 2] > 0, :2] for people in frames])
    if not len(points):
        return
    height, width = size
    inside = ((points >= 0) & (points <= (width, height))).all(axis=1)
    if inside.mean() < _MIN_SHARE_INSIDE or points.max() <= 1:
        low, high = points.min(axis=0), points.max(axis=0)
        raise KeypointsError(
            f"{source}: expected pixels of the video's upright {width}x{height} frames, got x"
            f" {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}. Run the detector on the"
            " video itself (OpenPose: --keypoint_scale 0)"
        )


def _to_working(people: People, framing: Framing) -> People:
    """In pixels of the working image; what the crop leaves out is missing."""
    points = framing.to_working(people[..., :2]).astype(np.float32)
    return people_inside(np.concatenate([points, people[..., 2:]], axis=2), framing.content)
