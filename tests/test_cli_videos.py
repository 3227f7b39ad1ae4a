import re
from pathlib import Path

import pytest

from motiontransfer.project import video_check
from tests.command import run_command
from tests.films import film_person
from tests.people import detects
from tests.project.small_project import project_of_films
from tests.project_files import read_films


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """This project's params; detections are given."""
    decode = "{foreach: '${films.videos}', do: {cmd: echo, outs: ['${key}']}}"
    pipeline = f"{{vars: [films.yaml], stages: {{decode: {decode}}}}}"
    return project_of_films(tmp_path / "project", {"dvc.yaml": pipeline}, monkeypatch)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film_person(tmp_path_factory.mktemp("clip") / "IMG 42.mkv")


def test_adding_prints_metadata_and_quality(clip, monkeypatch, capsys):
    assert not run_command(monkeypatch, "add-video", clip, "--subject", "eve", "--name", "me")
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "looks at the films"
    assert lines[0] == "IMG 42.mkv: 00:01, 256x256 px, 25 frames a second, FFV1, without sound"
    assert "  in view      head 100 %, hands 100 %, feet 100 % of frames" in lines
    assert "nothing to fix" in lines
    assert "Good: one person, from head to feet." in lines
    assert "added videos.me to films.yaml; the file is data/videos/me.mkv" in lines[-3]
    assert lines[-2].startswith("me: one stage, about ")
    assert Path("data/videos/me.mkv.dvc").exists()
    entry = {"path": "data/videos/me.mkv", "subject": "eve", "crop": "auto"}
    assert read_films()["videos"]["me"] == entry
    turned = ("--subject", "eve", "--name", "turned", "--rotate", "270")
    assert not run_command(monkeypatch, "add-video", clip, *turned)
    assert read_films()["videos"]["turned"]["rotate"] == 270


def test_added_paired_and_removed_leaves_params_byte_for_byte(clip, monkeypatch, capsys):
    before = Path("films.yaml").read_bytes()
    assert not run_command(monkeypatch, "add-video", clip, "--subject", "eve", "--target")
    assert "show few poses of a target" in capsys.readouterr().out
    assert not run_command(monkeypatch, "delete", "eve", "--yes")
    assert not run_command(monkeypatch, "add-video", clip, "--subject", "eve")
    assert not run_command(monkeypatch, "add-transfer", "--source", "demo_dance", "--target", "eve")
    assert "`dvc repro` will train a generator of eve" in capsys.readouterr().out
    again = ("--source", "eve", "--target", "ada", "--name", "ada_again")
    assert not run_command(monkeypatch, "add-transfer", *again)
    assert "ada is a target already" in capsys.readouterr().out
    assert not run_command(monkeypatch, "delete", "eve", "--yes")
    output = capsys.readouterr().out
    entries = "videos.eve, transfers.eve_as_ben, transfers.ada_again"
    lists = "eve in subjects, eve in targets, eve in trained"
    assert f"from films.yaml: {entries}, {lists}\n" in output
    assert Path("films.yaml").read_bytes() == before
    assert list(Path("data/videos").iterdir()) == []


@pytest.mark.parametrize("name", ["letter.txt", "letter.mp4"])
def test_what_is_no_film_is_refused_and_can_be_removed(name, monkeypatch, capsys):
    before = Path("films.yaml").read_bytes()
    letter = Path("data/videos") / name
    letter.parent.mkdir(parents=True)
    letter.write_text("Dear Ada,\n" * 99)
    for command in (("guide",), ("add-video", "--subject", "eve")):
        assert run_command(monkeypatch, *command, letter) == 1
        assert re.fullmatch(f"ERROR: {letter}: cannot be opened: .*\n", capsys.readouterr().err)
    assert not run_command(monkeypatch, "delete", "letter", "--yes")
    assert f"film: {letter}, " in capsys.readouterr().out
    assert not letter.exists()
    assert Path("films.yaml").read_bytes() == before


def test_a_picture_is_a_target_and_no_dance(tmp_path, monkeypatch, capsys):
    before = Path("films.yaml").read_bytes()
    picture = str(film_person(tmp_path / "me.mkv", [(50, 40)]))
    for command in (("add-video", "--subject", "eve"), ("inspect", "--role", "source")):
        assert run_command(monkeypatch, *command, picture) == 1
        assert "me.mkv: is one picture; a dance is a film" in capsys.readouterr().err
    assert not run_command(monkeypatch, "inspect", picture, "--role", "target")
    assert capsys.readouterr().out.startswith("looks at the films\nme.mkv: a picture, ")
    assert Path("films.yaml").read_bytes() == before
    assert not run_command(monkeypatch, "add-video", picture, "--subject", "eve", "--target")
    said = capsys.readouterr().out
    assert said.startswith("looks at the films\nme.mkv: a picture, ")
    assert "camera" not in said
    params = read_films()
    assert "eve" in params["targets"]
    assert "eve" not in params["trained"]
    assert not run_command(monkeypatch, "inspect", params["videos"]["eve"]["path"])
    assert "what was found: .dvc/tmp/checks/eve.png\n" in capsys.readouterr().out


def test_a_film_without_a_body_is_refused_before_anything_is_entered(clip, monkeypatch, capsys):
    for detector in ("_detect_people", "_detect_person"):
        monkeypatch.setattr(video_check, detector, detects((128.0, 310.0)))
    before = Path("films.yaml").read_bytes()
    assert run_command(monkeypatch, "add-video", clip, "--subject", "eve") == 1
    assert "got pictures of a face alone. Show" in capsys.readouterr().err
    assert Path("films.yaml").read_bytes() == before
    assert not Path("data/videos").exists()
