"""OpenPose's folders are read in each body format, with face and hands, for several people."""

import json

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.pose.importers import read_openpose_json
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
)
from tests.pose.imports.drawn_person import flat, place_of, rows_of

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


def write(folder, *frames, first=0, name="dance"):
    folder.mkdir(exist_ok=True)
    for number, people in enumerate(frames, start=first):
        path = folder / f"{name}_{number:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people}))
    return folder


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_each_body_format_lands_on_its_names(tmp_path, body):
    folder = write(tmp_path / "json", *[[openpose_person(body, x=50 + i)] for i in range(6)])
    frames = read_openpose_json(folder, num_frames=6)
    known = {*body, *OPENPOSE_FACE_70, *LEFT_HAND_JOINTS, *RIGHT_HAND_JOINTS}
    for frame_index, people in enumerate(frames):
        assert len(people) == 1
        for index, joint in enumerate(HOLISTIC.joints):
            if joint in known:
                expected = place_of(joint, x=50 + frame_index)
                np.testing.assert_allclose(people[0, index, :2], expected, rtol=1e-6)
                assert people[0, index, 2] == np.float32(0.9)
            else:
                assert people[0, index, 2] == 0


def test_several_people_stay_apart(tmp_path):
    two = [openpose_person(x=50), openpose_person(x=150, score=0.4)]
    (people,) = read_openpose_json(write(tmp_path / "json", two), num_frames=1)
    nose = HOLISTIC.index("nose")
    assert people[:, nose, 0].tolist() == [50, 150]
    assert people[:, nose, 2].tolist() == pytest.approx([0.9, 0.4])


def test_nobody_in_a_frame_is_nobody(tmp_path):
    frames = read_openpose_json(write(tmp_path / "json", [], [openpose_person()]), num_frames=2)
    assert [len(people) for people in frames] == [0, 1]


def test_joints_not_found_are_missing(tmp_path):
    person = openpose_person()
    person["pose_keypoints_2d"][:3] = [0, 0, 0]
    (people,) = read_openpose_json(write(tmp_path / "json", [person]), num_frames=1)
    assert people[0, HOLISTIC.index("nose"), 2] == 0
    assert people[0, HOLISTIC.index("left_eye"), 2] > 0


def test_face_and_hands_may_be_left_out(tmp_path):
    person = {"pose_keypoints_2d": flat(rows_of(BODY_25)), "face_keypoints_2d": []}
    (people,) = read_openpose_json(write(tmp_path / "json", [person]), num_frames=1)
    assert people[0, HOLISTIC.index("left_heel"), 2] > 0
    assert not people[0, HOLISTIC.slice("face"), 2].any()
    assert not people[0, HOLISTIC.slice("left_hand"), 2].any()


def test_a_face_without_pupils_is_taken(tmp_path):
    (people,) = read_openpose_json(
        write(tmp_path / "json", [openpose_person(face=IBUG_68)]), num_frames=1
    )
    chin = people[0, HOLISTIC.index("face_chin"), :2]
    np.testing.assert_allclose(chin, place_of("face_chin"), rtol=1e-6)


def test_the_papers_file_names_are_read(tmp_path):
    """frame000001_keypoints.json, counted from 1."""
    folder = tmp_path / "json"
    folder.mkdir()
    for number in (1, 2):
        content = {"people": [openpose_person(BODY_23, x=10 * number)]}
        (folder / f"frame{number:06d}_keypoints.json").write_text(json.dumps(content))
    frames = read_openpose_json(folder, num_frames=2)
    noses = [people[0, HOLISTIC.index("nose"), 0] for people in frames]
    assert noses == [10, 20]


def test_missing_frames_are_named(tmp_path):
    folder = write(tmp_path / "json", *[[openpose_person()]] * 4)
    (folder / "dance_000000000002_keypoints.json").unlink()
    with pytest.raises(KeypointsError, match=r"json: .* all of the video's 4 .* 1 are missing: 2;"):
        read_openpose_json(folder, num_frames=4)


def test_two_videos_in_one_folder_are_told(tmp_path):
    folder = write(tmp_path / "json", [openpose_person()])
    write(folder, [openpose_person()], name="other")
    with pytest.raises(KeypointsError, match="got 2 numbered 0"):
        read_openpose_json(folder, num_frames=1)


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_folder_says_what_is_expected(tmp_path, exists):
    folder = tmp_path / "keypoints" / "dance"
    if exists:
        folder.mkdir(parents=True)
    with pytest.raises(MissingFileError, match=r"dance: expected OpenPose's files, one a frame"):
        read_openpose_json(folder, num_frames=1)


def test_other_json_is_told_with_its_file(tmp_path):
    folder = write(tmp_path / "json", [openpose_person()], [openpose_person()])
    for content, detail in (
        ('{"people": [{"pose_keypoints_2d": ["x"]}]}', r"people\.0\.pose_keypoints_2d\.0: input"),
        ('{"bodies": []}', "people: field required"),
        ('{"people": [', "invalid json"),
    ):
        (folder / "dance_000000000001_keypoints.json").write_text(content)
        with pytest.raises(
            KeypointsError, match=rf"000001_keypoints\.json: not OpenPose's JSON: {detail}"
        ):
            read_openpose_json(folder, num_frames=2)


def test_another_body_is_refused(tmp_path):
    folder = write(tmp_path / "json", [{"pose_keypoints_2d": [1.0] * 45}])  # MPI
    with pytest.raises(KeypointsError, match="BODY_25 75, BODY_23 69, COCO-18 54 numbers, got 45"):
        read_openpose_json(folder, num_frames=1)


def test_two_bodies_in_one_folder_are_refused(tmp_path):
    folder = write(tmp_path / "json", [openpose_person(BODY_25)], [openpose_person(COCO_18)])
    with pytest.raises(
        KeypointsError, match=r"expected one body format .* BODY_25 in .* COCO-18 in"
    ):
        read_openpose_json(folder, num_frames=2)


def test_23_joints_of_another_set_are_refused(tmp_path):
    """COCO's 17 joints and six of the feet are as many as BODY_23 has."""
    person = openpose_person(COCO_WHOLEBODY[:23])
    folder = write(tmp_path / "json", *[[person]] * 6)
    with pytest.raises(KeypointsError, match="read as BODY_23, one side is far longer"):
        read_openpose_json(folder, num_frames=6)


@pytest.mark.parametrize("key", ["face_keypoints_2d", "hand_left_keypoints_2d"])
def test_a_part_of_another_length_is_told(tmp_path, key):
    person = openpose_person() | {key: [1.0] * 12}
    folder = write(tmp_path / "json", [person])
    with pytest.raises(
        KeypointsError, match=rf"000_keypoints\.json: {key}: expected 0 or .*got 12"
    ):
        read_openpose_json(folder, num_frames=1)
