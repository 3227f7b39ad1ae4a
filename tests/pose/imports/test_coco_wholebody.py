"""COCO-WholeBody's joints are read from MMPose's, rtmlib's and COCO's layouts alike."""

import json

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.pose.importers import read_coco_wholebody
from motiontransfer.skeleton import COCO_WHOLEBODY, HOLISTIC
from tests.pose.imports.drawn_person import flat, place_of, rows_of

# Whom each frame shows, and where: two people, nobody, one.
FRAMES = [[50, 150], [], [60]]


def keypoints_of(x):
    return [row[:2] for row in rows_of(COCO_WHOLEBODY, x=x)]


def mmpose_frames(first=0):
    return [
        {
            "frame_id": number,
            "instances": [
                {"keypoints": keypoints_of(x), "keypoint_scores": [0.9] * 133, "bbox": [[0, 1]]}
                for x in people
            ],
        }
        for number, people in enumerate(FRAMES, start=first)
    ]


def rtmlib_frames():
    return [
        {"keypoints": [keypoints_of(x) for x in people], "scores": [[0.9] * 133 for _ in people]}
        for people in FRAMES
    ]


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


def write(folder, content):
    folder.mkdir(exist_ok=True)
    (folder / "dance.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("content", LAYOUTS.values(), ids=LAYOUTS)
def test_each_layout_says_the_same(tmp_path, content):
    frames = read_coco_wholebody(write(tmp_path / "json", content), num_frames=3)
    assert [len(people) for people in frames] == [2, 0, 1]
    for people, places in zip(frames, FRAMES, strict=True):
        for person, x in enumerate(places):
            for index, joint in enumerate(HOLISTIC.joints):
                known = joint in COCO_WHOLEBODY
                assert people[person, index, 2] == np.float32(0.9 if known else 0), joint
                if known:
                    np.testing.assert_allclose(
                        people[person, index, :2], place_of(joint, x=x), rtol=1e-6
                    )


def test_scores_above_1_count_as_1(tmp_path):
    """RTMPose's are peaks of a distribution along an axis, not probabilities."""
    frames = rtmlib_frames()
    frames[0]["scores"][0][0] = 1.4
    (people, *_) = read_coco_wholebody(write(tmp_path / "json", frames), num_frames=3)
    assert people[0, HOLISTIC.index("nose"), 2] == 1


def test_missing_frames_are_named(tmp_path):
    frames = mmpose_frames()
    del frames[1]
    with pytest.raises(KeypointsError, match="1 are missing: 1;"):
        read_coco_wholebody(write(tmp_path / "json", frames), num_frames=3)
    with pytest.raises(KeypointsError, match="2 are missing: 3, 4;"):
        read_coco_wholebody(write(tmp_path / "json", rtmlib_frames()), num_frames=5)


def test_coco_results_that_count_from_1_are_told(tmp_path):
    content = coco_results(lambda number: number + 1)
    with pytest.raises(KeypointsError, match="expected image_id from 0 to 2, got 3"):
        read_coco_wholebody(write(tmp_path / "json", content), num_frames=3)


def test_other_joints_are_refused(tmp_path):
    content = [{"keypoints": [keypoints_of(5)[:17]], "scores": [[1.0] * 17]}]
    with pytest.raises(KeypointsError, match=r"dance\.json: frame 0: expected 133 .* got 17"):
        read_coco_wholebody(write(tmp_path / "json", content), num_frames=1)


def test_openposes_order_is_refused(tmp_path):
    """rtmlib with to_openpose=True: the body in COCO-18's order, so one joint more."""
    content = [{"keypoints": [[*keypoints_of(5), [0, 0]]], "scores": [[1.0] * 134]}]
    with pytest.raises(KeypointsError, match=r"got 134; .* to_openpose=False"):
        read_coco_wholebody(write(tmp_path / "json", content), num_frames=1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", r"dance\.json: not JSON"),
        ("[]", r"expected MMPose's predictions .* got something else, or nothing"),
        ('{"annotations": []}', "got something else, or nothing"),
        ('[{"pose": 1}]', "expected MMPose's .* got entries with pose"),
        ('[{"frame_id": 0, "instances": [{"keypoints": [[1, 2]]}]}]', "entry 0: instances.0.key"),
        ('[{"image_id": "last", "keypoints": [1]}]', "expected a frame's number, got 'last'"),
    ],
)
def test_other_files_are_told(tmp_path, content, message):
    folder = write(tmp_path / "json", None)
    (folder / "dance.json").write_text(content)
    with pytest.raises(KeypointsError, match=message):
        read_coco_wholebody(folder, num_frames=1)


def test_there_must_be_one_file(tmp_path):
    folder = tmp_path / "json"
    with pytest.raises(MissingFileError, match=r"json: expected one JSON file .* got none"):
        read_coco_wholebody(folder, num_frames=1)
    write(folder, rtmlib_frames())
    (folder / "more.json").write_text("[]")
    with pytest.raises(MissingFileError, match=r"got dance\.json, more\.json"):
        read_coco_wholebody(folder, num_frames=3)
