"""Imported keypoints land on a clip's frames: by time where the rate changed, through the crop."""

import json
from fractions import Fraction

import numpy as np
import pytest

from motiontransfer.errors import KeypointsError, MissingFileError
from motiontransfer.pose.importers import import_people
from motiontransfer.skeleton import BODY_25, COCO_WHOLEBODY, HOLISTIC
from motiontransfer.video.clip import Clip, write_description, write_index
from motiontransfer.video.geometry import fit_framing
from tests.pose.imports.drawn_person import flat, place_of, rows_of

NOSE = HOLISTIC.index("nose")
SOURCE_SIZE = (240, 320)


def write_clip(folder, shown, *, crop=(0, 0, 320, 240), size=(120, 160)):
    """A clip without pictures: what is imported needs none."""
    folder.mkdir()
    (folder / "frames.mkv").touch()
    clip = Clip(
        frames=folder / "frames.mkv",
        sound=None,
        sound_offset_seconds=0.0,
        framing=fit_framing(SOURCE_SIZE, crop, size=size),
        frame_rate=Fraction(25),
        size=size,
        num_frames=len(shown),
    )
    write_description(folder, clip, source={})
    write_index(
        folder / "index.parquet",
        frame_rate=Fraction(25),
        source_starts_seconds=np.arange(len(shown)) / 25,
        source_frame_index=np.array(shown),
    )
    return folder


def write_openpose(folder, *frames):
    """One file a frame; each frame says where its people stand."""
    folder.mkdir()
    for number, places in enumerate(frames):
        people = [
            {"pose_keypoints_2d": flat(rows_of(BODY_25, **placement))} for placement in places
        ]
        path = folder / f"v_{number:012d}_keypoints.json"
        path.write_text(json.dumps({"people": people}))
    return folder


def test_each_frame_shows_the_people_of_the_frame_that_it_shows(tmp_path):
    """Frame 1 stays for three of the clip's, frames 2 and 4 are never shown."""
    keypoints = write_openpose(tmp_path / "json", *[[{"x": 40 + 10 * n}] for n in range(6)])
    clip = write_clip(tmp_path / "clip", [0, 1, 1, 1, 3, 5])
    frames = import_people(keypoints, clip, layout="openpose_json")
    noses = [people[0, NOSE, 0] for people in frames]
    np.testing.assert_allclose(noses, [20, 25, 25, 25, 35, 45], rtol=1e-6)


def test_people_move_through_the_crop(tmp_path):
    keypoints = write_openpose(tmp_path / "json", [{"x": 100, "floor": 200, "height": 150}])
    clip = write_clip(tmp_path / "clip", [0], crop=(60, 40, 140, 240), size=(100, 100))
    (people,) = import_people(keypoints, clip, layout="openpose_json")
    for index, joint in enumerate(HOLISTIC.joints):
        if people[0, index, 2]:
            x, y = place_of(joint, x=100, floor=200, height=150)
            expected = ((x - 60) / 2 + 30, (y - 40) / 2)  # 80x200 becomes 40x100, centred
            np.testing.assert_allclose(people[0, index, :2], expected, rtol=1e-5)
    assert (people[..., 2] > 0).sum() == len(set(BODY_25) & set(HOLISTIC.joints))


def test_what_the_crop_leaves_out_is_missing(tmp_path):
    keypoints = write_openpose(
        tmp_path / "json", [{"x": 100, "floor": 200, "height": 150}, {"x": 250}]
    )
    clip = write_clip(tmp_path / "clip", [0], crop=(0, 0, 160, 120), size=(160, 160))
    (people,) = import_people(keypoints, clip, layout="openpose_json")
    assert len(people) == 1  # of the other, nothing is left
    assert people[0, NOSE, 2] > 0
    ankle = HOLISTIC.index("left_ankle")
    assert people[0, ankle, 2] == 0
    assert not people[0, ankle, :2].any()


def test_frames_that_the_clip_needs_must_be_there(tmp_path):
    keypoints = write_openpose(tmp_path / "json", *[[{}]] * 5)
    clip = write_clip(tmp_path / "clip", [0, 3, 6])
    with pytest.raises(KeypointsError, match="2 are missing: 5, 6"):
        import_people(keypoints, clip, layout="openpose_json")


def test_whole_bodies_come_the_same_way(tmp_path):
    folder = tmp_path / "json"
    folder.mkdir()
    rows = np.array(rows_of(COCO_WHOLEBODY))
    frame = {"keypoints": [rows[:, :2].tolist()], "scores": [rows[:, 2].tolist()]}
    (folder / "v.json").write_text(json.dumps([frame, frame]))
    clip = write_clip(tmp_path / "clip", [0, 1, 1])
    frames = import_people(folder, clip, layout="coco_wholebody")
    assert len(frames) == 3
    np.testing.assert_allclose(frames[2][0, NOSE, :2], np.array(place_of("nose")) / 2, rtol=1e-6)


@pytest.mark.parametrize("factor", [1 / 400, 3.0])
def test_other_pixels_than_the_videos_are_told(tmp_path, factor):
    person = {"x": 100 * factor, "floor": 200 * factor, "height": 150 * factor}
    keypoints = write_openpose(tmp_path / "json", [person])
    clip = write_clip(tmp_path / "clip", [0])
    with pytest.raises(KeypointsError, match="expected pixels of the video's 320x240 picture"):
        import_people(keypoints, clip, layout="openpose_json")


def test_nobody_in_the_whole_video_is_no_error(tmp_path):
    keypoints = write_openpose(tmp_path / "json", [], [])
    clip = write_clip(tmp_path / "clip", [0, 1])
    frames = import_people(keypoints, clip, layout="openpose_json")
    assert [len(people) for people in frames] == [0, 0]


def test_an_absent_clip_is_told(tmp_path):
    with pytest.raises(MissingFileError, match="run the stage decode"):
        import_people(tmp_path / "json", tmp_path / "clip", layout="openpose_json")
