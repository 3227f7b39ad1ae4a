import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from motiontransfer.core.errors import KeypointsError, MissingFileError
from motiontransfer.pose.importers import (
    check_joint_order,
    import_people,
    read_coco_wholebody,
    read_openpose_json,
    to_holistic,
)
from motiontransfer.pose.skeleton import (
    BODY_23,
    BODY_25,
    COCO_17,
    COCO_18,
    COCO_WHOLEBODY,
    HOLISTIC,
    IBUG_68,
    LEFT_HAND_JOINTS,
    OPENPOSE_FACE_70,
    RIGHT_HAND_JOINTS,
)
from motiontransfer.video.clip import write_description, write_index
from motiontransfer.video.geometry import fit_framing
from tests.films import clip_in
from tests.people import flat, place_of, rows_of

SOURCE = Path("keypoints/dance")
NAME_IN_FACE = {f"{side}_mouth": f"{side}_face_mouth_corner" for side in ("left", "right")}


def test_scores_are_clipped_and_joints_without_one_are_missing():
    """RTMPose's are peaks of a distribution along an axis, not probabilities."""
    score = np.array([[1.3, 0.5, -0.2], [0.0, 0.0, -1.0]])
    rows = np.dstack([np.full((2, 3, 2), 7.0), score])
    people = to_holistic(rows, joints=("nose", "left_eye", "neck"), where="here")
    assert len(people) == 1  # the second has no joint
    index = [HOLISTIC.index("nose"), HOLISTIC.index("left_eye")]
    assert people[0, index].tolist() == [[7, 7, 1], [7, 7, 0.5]]
    assert people.sum() == 4 * 7 + 1.5
    with pytest.raises(KeypointsError, match=r"frame 3: .*finite"):
        to_holistic(np.array([[[np.nan, 1.0, 1.0]]]), joints=("nose",), where="frame 3")


def read_as(taken_for, written_as):
    """Frames of someone whose joints are written in one order and read in another."""
    rows = np.array(rows_of(written_as))
    return [to_holistic(rows[None], joints=taken_for, where="")] * 6


def test_another_joint_order_is_refused():
    frames = read_as(COCO_18, (*COCO_17, "neck"))
    with pytest.raises(KeypointsError, match=r"dance: .*COCO-18"):
        check_joint_order(frames, joint_set="COCO-18", source=SOURCE)


FORESHORTENED = np.array(rows_of(COCO_17))
FORESHORTENED[COCO_17.index("left_elbow"), :2] = place_of("left_shoulder")


@pytest.mark.parametrize(
    "frames",
    [
        *(read_as(joints, joints) for joints in (COCO_17, COCO_18, BODY_23, BODY_25)),
        read_as(BODY_23, COCO_WHOLEBODY[:23])[:2],  # too few frames to decide
        [],
        [to_holistic(FORESHORTENED[None], joints=COCO_17, where="")] * 6,
    ],
)
def test_the_right_joint_order_passes(frames):
    check_joint_order(frames, joint_set="", source=SOURCE)


FRAMES = [[50, 150], [], [60]]


def coco_points(x):
    return [row[:2] for row in rows_of(COCO_WHOLEBODY, x=x)]


def mmpose_frames(first=0):
    return [
        {
            "frame_id": number,
            "instances": [
                {"keypoints": coco_points(x), "keypoint_scores": [0.9] * 133, "bbox": [[0, 1]]}
                for x in people
            ],
        }
        for number, people in enumerate(FRAMES, start=first)
    ]


def rtmlib_frames():
    scores = [0.9] * 133
    people = ([coco_points(x) for x in of_frame] for of_frame in FRAMES)
    return [{"keypoints": found, "scores": [scores] * len(found)} for found in people]


def coco_results(image_id=int):
    return [
        {"image_id": image_id(number), "category_id": 1, "keypoints": flat(rows), "score": 0.7}
        for number, people in enumerate(FRAMES)
        for rows in (rows_of(COCO_WHOLEBODY, x=x) for x in people)
    ]


def split_coco_results():
    """Body, feet, face and hands apart, as MMPose's metric writes them."""
    ends = {"keypoints": 17, "foot_kpts": 23, "face_kpts": 91, "lefthand_kpts": 112}
    ends["righthand_kpts"] = 133
    starts = [0, *ends.values()]
    return [
        {"image_id": result["image_id"]}
        | {
            key: result["keypoints"][3 * start : 3 * end]
            for (key, end), start in zip(ends.items(), starts, strict=False)
        }
        for result in coco_results()
    ]


LAYOUTS = {
    "MMPose's inferencer": mmpose_frames(),
    "MMPose's demo, from 1": {"meta_info": {}, "instance_info": mmpose_frames(first=1)},
    "rtmlib": rtmlib_frames(),
    "COCO results": coco_results(),
    "COCO results by file name": coco_results(lambda number: f"dance_{number:06d}.jpg"),
    "COCO results in parts": split_coco_results(),
}


def coco(content):
    """The file of COCO-WholeBody keypoints: its name -> its text."""
    return {"dance.json": json.dumps(content)}


def put(folder, files):
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def assert_is_at(person, x, *, known):
    """Each known joint is at its place with the score given, and no other is there."""
    names = [NAME_IN_FACE.get(joint, joint) for joint in HOLISTIC.joints]
    expected = [[*place_of(name, x=x), 0.9] if name in known else [0] * 3 for name in names]
    np.testing.assert_allclose(person, expected, rtol=1e-6)


@pytest.mark.parametrize("content", LAYOUTS.values(), ids=LAYOUTS)
def test_each_layout_gives_the_same_people(tmp_path, content):
    frames = read_coco_wholebody(put(tmp_path / "json", coco(content)), num_frames=3)
    for people, places in zip(frames, FRAMES, strict=True):
        for person, x in zip(people, places, strict=True):
            assert_is_at(person, x, known=COCO_WHOLEBODY)


NOSE = HOLISTIC.index("nose")
BODIES = {"BODY_25": BODY_25, "BODY_23": BODY_23, "COCO_18": COCO_18}


def openpose_person(body=BODY_25, *, face=OPENPOSE_FACE_70, **placement):
    return {
        "person_id": [-1],
        "pose_keypoints_2d": flat(rows_of(body, **placement)),
        "face_keypoints_2d": flat(rows_of(face, **placement)),
        "hand_left_keypoints_2d": flat(rows_of(LEFT_HAND_JOINTS, **placement)),
        "hand_right_keypoints_2d": flat(rows_of(RIGHT_HAND_JOINTS, **placement)),
        "pose_keypoints_3d": [],
    }


def openpose(*frames, numbers=None, name="dance_{:012d}"):
    """A file a frame: its name -> its text."""
    named = zip(numbers or range(len(frames)), frames, strict=True)
    files = ((number, json.dumps({"version": 1.3, "people": people})) for number, people in named)
    return {f"{name.format(number)}_keypoints.json": text for number, text in files}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("face", [OPENPOSE_FACE_70, IBUG_68], ids=["pupils", "no pupils"])
def test_joints_of_openpose_get_their_names(tmp_path, body, face):
    people = [[openpose_person(body, face=face, x=50 + i)] for i in range(6)]
    frames = read_openpose_json(put(tmp_path / "json", openpose(*people)), num_frames=6)
    known = {*body, *face, *LEFT_HAND_JOINTS, *RIGHT_HAND_JOINTS}
    for frame_index, (person,) in enumerate(frames):
        assert_is_at(person, 50 + frame_index, known=known)


def test_joints_not_found_and_parts_left_out_are_missing(tmp_path):
    body = flat(rows_of(BODY_25))
    person = {"pose_keypoints_2d": [0, 0, 0, *body[3:]], "face_keypoints_2d": []}
    (people,) = read_openpose_json(put(tmp_path / "json", openpose([person])), num_frames=1)
    found = {HOLISTIC.joints[index] for index in np.flatnonzero(people[0, :, 2])}
    assert found == (set(BODY_25) & set(HOLISTIC.joints)) - {"nose"}


def empty(*numbers, name="dance_{:012d}"):
    return openpose(*[[]] * len(numbers), numbers=numbers, name=name)


def rtmlib(points):
    return coco([{"keypoints": [points], "scores": [[1.0] * len(points)]}])


OTHER_ORDER = [[openpose_person(COCO_WHOLEBODY[:23])]] * 6  # as many joints as BODY_23 has
REFUSED = [
    # Files, frames of the video -> what is named.
    ({"dance.json": "["}, 1, r"dance\.json: not JSON"),
    ({"dance.json": "[" * 10**5}, 1, r"dance\.json: not JSON"),
    (coco(mmpose_frames()[::2]), 3, "1 are missing: 1;"),
    (coco(rtmlib_frames()), 5, "2 are missing: 3, 4;"),
    (coco(coco_results(lambda number: number + 1)), 3, "image_id .* got 3"),
    (rtmlib(coco_points(5)[:17]), 1, "frame 0: .*133 .* got 17"),
    # rtmlib with to_openpose=True: the body in COCO-18's order, so one joint more
    (rtmlib([*coco_points(5), [0, 0]]), 1, "got 134; .* to_openpose=False"),
    (coco([]), 1, "nothing"),
    (coco({"annotations": []}), 1, "something else"),
    (coco([{"pose": 1}]), 1, "pose"),
    (coco([{"frame_id": 0, "instances": [{"keypoints": [[1, 2]]}]}]), 1, r"instances\.0\.key"),
    (coco([{"image_id": "last", "keypoints": [1]}]), 1, "'last'"),
    ({}, 1, "got none"),
    ({"a.json": "", "b.json": ""}, 1, r"got a\.json, b\.json"),
]
REFUSED_OPENPOSE = [
    ({}, 1, "--write_json"),
    (empty(1, 2, 5, 12), 12, "8 are missing: 3, 4, 6, 7, 8, …"),
    (empty(1, 2, 3, 4), 5, "1 are missing: 5;"),  # 0 to 4 were wanted
    (empty(57), 1, "got 57"),
    (empty(0, 1) | empty(1, name="other_{}"), 2, "got 2 numbered 1"),
    ({"1_keypoints.json": '{"bodies": []}'}, 1, r"1_keypoints\.json: .*people"),
    ({"1_keypoints.json": '{"people": ['}, 1, r"1_keypoints\.json"),
    (openpose([{"pose_keypoints_2d": ["x"]}]), 1, r"people\.0\.pose_keypoints_2d\.0"),
    (openpose([{"pose_keypoints_2d": [1.0] * 45}]), 1, "got 45"),  # MPI
    (openpose([openpose_person()], [openpose_person(COCO_18)]), 2, "BODY_25 in .* COCO-18 in"),
    (openpose(*OTHER_ORDER), 6, "read as BODY_23"),
    *(
        (
            openpose([openpose_person() | {key: [1.0] * 12}]),
            1,
            rf"_keypoints\.json: {key}: .*got 12",
        )
        for key in ("face_keypoints_2d", "hand_left_keypoints_2d")
    ),
]


@pytest.mark.parametrize(
    ("read", "files", "num_frames", "named"),
    [
        *((read_coco_wholebody, *row) for row in REFUSED),
        *((read_openpose_json, *row) for row in REFUSED_OPENPOSE),
    ],
)
def test_other_files_are_refused(tmp_path, read, files, num_frames, named):
    error = KeypointsError if len(files) == 1 or num_frames > 1 else MissingFileError
    with pytest.raises(error, match=named) as info:
        read(put(tmp_path / "json", files), num_frames=num_frames)
    assert str(tmp_path / "json") in str(info.value)


SOURCE_SIZE = (240, 320)


def write_clip(folder, shown, *, crop=(0, 0, 320, 240), size=(120, 160), rotate=0):
    """A clip without frames: imports need none."""
    folder.mkdir()
    (folder / "frames.mkv").touch()
    turned = SOURCE_SIZE[::-1] if rotate % 180 else SOURCE_SIZE
    clip = clip_in(folder, fit_framing(turned, crop, size=size), len(shown))
    write_description(folder, replace(clip, rotate=rotate), source={})
    starts = np.arange(len(shown)) / 25
    index = {"source_starts_seconds": starts, "source_frame_index": np.array(shown)}
    write_index(folder / "index.parquet", frame_rate=Fraction(25), **index)
    return folder


def imported(folder, *frames, shown=(0,), **framing):
    """From one file a frame, of which each says where its people stand."""
    found = [[flat(rows_of(BODY_25, **at)) for at in places] for places in frames]
    people = [[{"pose_keypoints_2d": it} for it in of_frame] for of_frame in found]
    clip = write_clip(folder / "clip", list(shown), **framing)
    return import_people(put(folder / "json", openpose(*people)), clip, layout="openpose_json")


def test_resampled_frames_take_the_people_of_their_source_frame(tmp_path):
    """Frame 1 stays for three of the clip's, frames 2 and 4 are never shown."""
    places = [[{"x": 40 + 10 * number}] for number in range(6)]
    frames = imported(tmp_path, *places, shown=[0, 1, 1, 1, 3, 5])
    noses = [people[0, NOSE, 0] for people in frames]
    np.testing.assert_allclose(noses, [20, 25, 25, 25, 35, 45], rtol=1e-6)


def test_people_move_through_the_crop(tmp_path):
    (people,) = imported(tmp_path, [{"x": 100}], crop=(60, 40, 140, 240), size=(100, 100))
    known = set(BODY_25) & set(HOLISTIC.joints)
    assert (people[..., 2] > 0).sum() == len(known)
    for joint in known:
        x, y = place_of(joint, x=100)
        expected = ((x - 60) / 2 + 30, (y - 40) / 2)  # 80x200 is 40x100 now
        assert people[0, HOLISTIC.index(joint), :2] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("rotate", "turned"),
    [(90, (240 - 45.5, 100)), (180, (320 - 100, 240 - 45.5)), (270, (45.5, 320 - 100))],
)
def test_people_turn_with_their_film(tmp_path, rotate, turned):
    assert place_of("nose", x=100)[:2] == pytest.approx((100, 45.5))
    height, width = SOURCE_SIZE if rotate == 180 else SOURCE_SIZE[::-1]
    how = {"crop": (0, 0, width, height), "size": (height, width), "rotate": rotate}
    (people,) = imported(tmp_path, [{"x": 100}], **how)
    assert people[0, NOSE, :2].tolist() == pytest.approx(turned)


def test_joints_outside_the_crop_are_missing(tmp_path):
    people_at = [{"x": 100}, {"x": 250}]
    (people,) = imported(tmp_path, people_at, crop=(0, 0, 160, 120), size=(160, 160))
    assert len(people) == 1  # of the other, nothing is left
    assert people[0, NOSE, 2] > 0
    assert not people[0, HOLISTIC.index("left_ankle")].any()


@pytest.mark.parametrize("factor", [1 / 400, 3.0])
def test_coordinates_of_another_image_size_are_refused(tmp_path, factor):
    person = {"x": 100 * factor, "floor": 200 * factor, "height": 150 * factor}
    with pytest.raises(KeypointsError, match="320x240") as info:
        imported(tmp_path, [person])
    low, high = map(float, re.findall(r"x (\S+) to (\S+), y", str(info.value))[0])
    assert low < 100 * factor < high
