from pathlib import Path

import cv2
import numpy as np
import pytest

from motiontransfer.core.errors import KeypointsError, MissingFileError, VideoError
from motiontransfer.pose.importers import import_people
from motiontransfer.pose.skeleton import HOLISTIC
from motiontransfer.project.dataset import import_dataset
from motiontransfer.video.clip import decode_video
from motiontransfer.video.frame_store import FrameStore
from stages.check_params import VideoParams
from tests.command import run_command
from tests.project.small_project import small_project
from tests.project_files import films_text, read_films

FILMS = films_text("videos: {}\nsubjects: []\ntargets: []\ntrained: []\ntransfers: {}\n")
NUMBERS = (20013, 20017, 20021, 20029, 20033, 29000)  # two steps, later more than a second


def write_image(path, *, size, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), level, np.uint8))


def write_matrix(path, name, values):
    numbers = ", ".join(f"{value:.8e}" for value in np.ravel(values))
    text = "   sizes: [ {}, {}, 3 ]\n".format(*np.shape(values)[:2])
    path.write_text(
        f"%YAML:1.0\n{name}_0: !!opencv-nd-matrix\n{text}   dt: f\n   data: [ {numbers} ]\n"
    )


def standing(joints):
    """x, y and score of one person, all different."""
    places = [(450 + 3 * index, 100 + 5 * index, 0.9) for index in range(joints)]
    return np.array([places], np.float32)


@pytest.fixture
def data_set(tmp_path, monkeypatch):
    """Two subjects, of whom the second has keypoints, and test frames of the first."""
    monkeypatch.chdir(small_project(tmp_path / "project", {"films.yaml": FILMS}, monkeypatch))
    root = tmp_path / "released"
    for index, number in enumerate(NUMBERS):
        for kind in ("train_img", "train_label"):
            path = root / f"subject1/train/{kind}/frame{number:06d}.png"
            write_image(path, size=(64, 128), level=40 * index)
        write_image(root / f"subject1/test/test_img/frame{number:06d}.png", size=(64, 128), level=9)
        for kind, size in {"train_img": (64, 128), "original_frames": (540, 960)}.items():
            name = f"frame{number:06d}.{'png' if kind == 'train_img' else 'jpg'}"
            write_image(root / f"subject2/train/{kind}/{name}", size=size, level=99)
            (root / f"subject2/train/{kind}/._{name}").write_bytes(b"AppleDouble")
        keypoints = root / "subject2/train/keypoints"
        keypoints.mkdir(exist_ok=True)
        if number != NUMBERS[1]:
            write_matrix(keypoints / f"frame{number:06d}_pose.yml", "pose", standing(23))
        write_matrix(keypoints / f"frame{number:06d}_face.yml", "face", standing(70))
    return root


def test_each_subjects_frames_become_a_video_of_their_rate(data_set, monkeypatch, capsys):
    assert run_command(monkeypatch, "import-dataset", str(data_set)) == 0
    assert "videos.subject1_test" in capsys.readouterr().out
    content = read_films()
    assert list(content["videos"]) == ["subject1", "subject1_test", "subject2"]
    assert content["subjects"] == ["subject1", "subject1_test", "subject2"]
    assert content["targets"] == []
    path = Path(content["videos"]["subject1"]["path"])
    with FrameStore(path) as store:
        assert (store.size, store.frame_rate) == ((72, 128), 30)
        levels = [round(store[index].mean() / 40) for index in range(len(store))]
    # The fourth frame lies two steps after the third; the last one comes a second after the fifth.
    assert levels == [0, 1, 2, 2, 3, *[4] * 30, 5]
    assert path.with_name(f"{path.name}.dvc").is_file()
    for entry in content["videos"].values():
        VideoParams.model_validate(entry)


def test_keypoints_come_with_the_frames_as_filmed(data_set, tmp_path):
    import_dataset(data_set / "subject2")
    entry = read_films()["videos"]["subject2"]
    folder, clip = Path(entry["path"]), tmp_path / "clip"
    assert entry["detector"] == "openpose_json"
    settings = {"size": 256, "frame_rate": None, "crop": "none", "on_damage": "fail"}
    metrics = decode_video(folder / "subject2.mkv", clip, **settings)
    assert metrics["source"]["size"] == (540, 960)
    people = import_people(folder, clip, layout="openpose_json")
    assert [len(found) for found in people[:4]] == [1, 0, 1, 1]
    (found,) = people[0]
    assert len(people) == metrics["frames"]
    assert found[HOLISTIC.index("left_knee"), 2] == pytest.approx(0.9)
    assert (found[:, 2] > 0).sum() > 23


def test_what_is_there_already_is_left_alone_and_the_rest_follows(data_set):
    assert import_dataset(data_set / "subject1") == ["subject1", "subject1_test"]
    before = Path("films.yaml").read_text().partition("subjects:")[0]
    assert import_dataset(data_set) == ["subject2"]
    assert Path("films.yaml").read_text().startswith(before)
    assert import_dataset(data_set) == []


def test_a_folder_of_another_layout_or_damaged_files_are_named(data_set, tmp_path):
    with pytest.raises(MissingFileError, match=r"in folders as subject1/train/train_img"):
        import_dataset(tmp_path / "project")
    write_image(tmp_path / "one/train/train_img/frame000001.png", size=(64, 128), level=0)
    with pytest.raises(MissingFileError, match=r"got neither"):
        import_dataset(tmp_path / "one")
    (data_set / "subject2/train/keypoints/frame020013_face.yml").write_text("%YAML:1.0\nx")
    with pytest.raises(KeypointsError, match=r"frame020013_face\.yml: not a matrix"):
        import_dataset(data_set / "subject2")
    (data_set / "subject1/train/train_img/frame020021.png").write_bytes(b"none")
    with pytest.raises(VideoError, match=r"frame020021\.png: not an image"):
        import_dataset(data_set / "subject1")
    assert read_films()["videos"] == {}
