import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from motiontransfer.body.motion import read_motion
from motiontransfer.core.errors import KeypointsError, MissingFileError
from motiontransfer.core.stage_runner import run
from motiontransfer.pose.keypoints_file import read_keypoints, write_detections
from motiontransfer.pose.mediapipe_detectors import person_boxes
from motiontransfer.video.clip import read_clip
from motiontransfer.video.writer import write_video
from stages import clean_keypoints, detect_keypoints
from stages.check_params import write_video_params
from tests.films import add_source, film
from tests.people import dance, everyone
from tests.stages.project import ARTIFACTS, PARAMS, write_params

DECODE = PARAMS["decode"] | {"size": [32, 32]}
DETECT_KEYPOINTS = PARAMS["detect_keypoints"] | {"max_people": 3}
CLEAN_KEYPOINTS = PARAMS["clean_keypoints"] | {"smoothing": "none", "repair": "gaps"}
NUM_FRAMES = 12
DETECTIONS = ARTIFACTS / "detections/ada"


@pytest.fixture(autouse=True)
def _folder(warm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_sections(*, decode=DECODE, cleaning=CLEAN_KEYPOINTS, **video):
    video = {"path": "dance.mp4", "subject": "ada", **video}
    compute = PARAMS["compute"] | {"num_workers": 1}
    write_params(
        **{"videos": {"clip_1": video}, "decode": decode, "compute": compute},
        **{"detect_keypoints": DETECT_KEYPOINTS, "clean_keypoints": cleaning},
    )
    write_video_params()


def metrics_of(stage):
    return json.loads((ARTIFACTS / f"counts/clip_1/{stage}.json").read_text())


@pytest.fixture
def filmed():
    frames = [np.full((48, 64, 3), 30 * index, dtype=np.uint8) for index in range(6)]
    write_video(Path("dance.mp4"), frames, frame_rate=Fraction(10), sound=None, crf=18)


def decoded():
    assert run("stages", ["decode", "clip_1"]) == 0
    return read_clip(ARTIFACTS / "frames/ada/clip_1")


def test_a_video_is_decoded_as_params_say_and_measured(filmed):
    write_sections()
    clip = decoded()
    assert (clip.num_frames, clip.frame_rate, clip.size) == (6, Fraction(10), (32, 32))
    assert (clip.framing.content, clip.sound) == ((0, 4, 32, 28), None)
    metrics = metrics_of("decode")
    assert (metrics["frames"], metrics["seconds"], metrics["has_sound"]) == (6, 0.6, False)

    decode = {**DECODE, "frame_rate": 29.97, "on_damage": "truncate"}
    write_sections(decode=decode, crop=[16, 0, 48, 32])
    clip = decoded()
    assert (clip.frame_rate, clip.framing.crop) == (Fraction(30000, 1001), (16, 0, 48, 32))
    assert clip.num_frames == 18


@pytest.mark.parametrize(
    ("video", "message"),
    [
        ({"path": "no.mp4"}, "videos.clip_1.path: no such file: no.mp4"),
        ({"crop": [0, 0, 99, 9]}, "crop: expected x0 < x1 and y0 < y1 inside an image of 64x48"),
    ],
)
def test_a_fault_of_decoding_is_one_line_and_a_failure(filmed, capsys, video, message):
    write_sections(**video)
    assert run("stages", ["decode", "clip_1"]) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("ERROR"))
    assert line.startswith("ERROR: decode clip_1: ")
    assert message in line
    assert not [path for path in ARTIFACTS.glob("*/*") if "videos" not in path.parts]


def test_a_folder_with_keypoints_made_elsewhere_holds_one_video(filmed, capsys):
    folder = Path("waltz")
    (folder / "openpose").mkdir(parents=True)
    for name in ("openpose/0_keypoints.json", "keypoints.json"):
        (folder / name).write_text("{}")
    write_sections(path="waltz")
    assert run("stages", ["decode", "clip_1"]) == 1
    assert "one video beside the keypoints in waltz, got none" in capsys.readouterr().err
    Path("dance.mp4").rename(folder / "dance.mp4")
    assert decoded().num_frames == 6
    write_sections(path="waltz", detector="openpose_json")
    with pytest.raises(MissingFileError, match="waltz"):
        detect_keypoints.main("clip_1")
    (folder / "other.mp4").write_bytes(b"")
    assert run("stages", ["decode", "clip_1"]) == 1
    assert "got dance.mp4, other.mp4" in capsys.readouterr().err


def test_people_are_boxed_in_unrelated_frames():
    astronaut = skimage.data.astronaut()
    empty = np.full((64, 48, 3), 200, np.uint8)
    nearer = np.ascontiguousarray(astronaut[:400, 60:460])
    alone = person_boxes([nearer])
    boxes = person_boxes([astronaut, empty, astronaut, nearer])
    assert boxes[1] == []
    assert boxes[0] == boxes[2]
    assert boxes[3:] == alone
    ((x0, y0, x1, y1),) = boxes[0]
    assert 0 <= x0 < 150
    assert 310 < x1 <= 512
    assert y0 < 100
    assert y1 == 512


def test_a_film_of_nobody_is_an_error_and_leaves_nothing():
    write_sections()
    film(ARTIFACTS / "frames/ada/clip_1/frames.mkv", [np.full((48, 32, 3), 90, np.uint8)] * 3)
    with pytest.raises(KeypointsError, match=r"videos\.clip_1"):
        detect_keypoints.main("clip_1")
    assert not DETECTIONS.exists()
    assert not (ARTIFACTS / "counts").exists()


def detected(*people, **video):
    """Write params, the clip, and everyone in it but for those without joints in a frame."""
    write_sections(**video)
    add_source(ARTIFACTS, "ada", "clip_1", people[0], sound=False)
    (ARTIFACTS / "keypoints/ada/clip_1.parquet").unlink()
    write_detections(DETECTIONS / "clip_1.parquet", everyone(*people))


def cleaned():
    clean_keypoints.main("clip_1")
    return read_keypoints(ARTIFACTS / "keypoints/ada/clip_1.parquet")


def test_a_gap_is_filled_and_measured_and_the_motion_of_the_body_is_as_long_as_the_film():
    reference = dance(NUM_FRAMES)
    for repair in ("body", "gaps"):
        detected(dance(NUM_FRAMES, missing=[5]), cleaning=CLEAN_KEYPOINTS | {"repair": repair})
        keypoints = cleaned()
        motion = read_motion(ARTIFACTS / "motion/ada/clip_1.parquet")
        assert motion.fits.tolist() == [repair == "body"] * NUM_FRAMES
    assert keypoints.num_frames == NUM_FRAMES
    assert np.flatnonzero(keypoints.filled.any(axis=1)).tolist() == [5]
    np.testing.assert_allclose(keypoints.joint("nose")[0], reference.joint("nose")[0], atol=1)
    metrics = metrics_of("clean_keypoints")
    assert metrics["joints_filled"] == (reference.score[5] > 0).sum()
    assert (metrics["frames"], metrics["coverage_head"]) == (NUM_FRAMES, 1)
    assert metrics["filled_head"] == pytest.approx(1 / NUM_FRAMES, abs=1e-4)
    assert (metrics["people"], metrics["frames_with_others"]) == (1, 0)
    assert any(line.startswith("the person is about") for line in metrics["verdict"])
    with Image.open(ARTIFACTS / "quality/ada/clip_1.png") as image:
        assert image.format == "PNG"


AT = {"seconds": 0.2}


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        *(("longest", 0), ([1], 1)),
        *(({"x": 0.5, "y": 0.7, **AT}, 0), ({"x": 0.1, "y": 0.1, **AT}, 1)),
    ],
)
def test_the_chosen_person_is_followed(person, expected):
    second = dance(NUM_FRAMES, missing=[0])  # half as tall, at the left
    people = dance(NUM_FRAMES), replace(second, points=second.points * np.float32(0.5))
    detected(*people, person=person)
    keypoints, found = cleaned(), people[expected].score > 0
    np.testing.assert_allclose(keypoints.points[found], people[expected].points[found], atol=1e-4)
    others = metrics_of("clean_keypoints")["frames_with_others"]
    assert others == NUM_FRAMES - (expected == 0)


@pytest.mark.parametrize(
    ("missing", "video", "named"),
    [
        (range(NUM_FRAMES), {}, r"detections/ada/clip_1\.parquet: videos\.clip_1: no person det"),
        ((), {"person": 3}, r"videos\.clip_1: person: 3: expected track numbers"),
    ],
)
def test_a_person_who_is_not_there_is_an_error_and_leaves_nothing(missing, video, named):
    detected(dance(NUM_FRAMES, missing=missing), **video)
    with pytest.raises(KeypointsError, match=named):
        clean_keypoints.main("clip_1")
    for folder in ("keypoints/ada/clip_1.parquet", "quality", "counts"):
        assert not (ARTIFACTS / folder).exists()
