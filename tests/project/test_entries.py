"""A video is added and removed as a whole: entry, file and .dvc file."""

from pathlib import Path

import pytest
import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo

from motiontransfer.errors import MissingFileError, MotionTransferError, ParamsError
from motiontransfer.project import entries
from motiontransfer.project.entries import (
    add_transfer,
    add_video,
    removal_of,
    remove_video,
)
from tests.project.small_project import small_project

PARAMS = """\
# mine
videos:
  walk: {path: data/videos/walk.mp4, subject: ada}   # hers
  dance: {path: data/videos/dance.mp4, subject: ben}
subjects: [ada, ben]
targets: [ada]
transfers:
  ada_as_ben: {source: dance, source_subject: ben, target: ada, truth: none}
"""


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    files = {".gitignore": "/data/videos/*.mp4\n", "params.yaml": PARAMS}
    return small_project(tmp_path / "project", files, monkeypatch)


@pytest.fixture
def film(tmp_path) -> Path:
    path = tmp_path / "My Film.MP4"
    path.write_bytes(b"frames")
    return path


def add(film, root, **changes):
    wanted = {"name": "solo", "subject": "eve", "crop": "auto", "role": "source", **changes}
    return add_video(film, root=root, **wanted)


def files(root):
    """All that is there, but for DVC's own cache."""
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not {".git", "cache", "tmp"} & set(path.relative_to(root).parts)
    }


def params(root):
    return yaml.safe_load((root / "params.yaml").read_text())


def test_a_video_is_copied_tracked_by_dvc_and_entered(project, film):
    path = add(film, project, role="target")
    assert path == Path("data/videos/solo.mp4")
    assert (project / path).read_bytes() == film.read_bytes() == b"frames"
    assert "md5" in (project / "data/videos/solo.mp4.dvc").read_text()
    content = params(project)
    assert content["videos"]["solo"] == {"path": str(path), "subject": "eve", "crop": "auto"}
    assert content["subjects"] == ["ada", "ben", "eve"]
    assert content["targets"] == ["ada", "eve"]
    add(film, project, name="again", subject="ben")
    assert params(project)["subjects"] == content["subjects"]
    assert params(project)["targets"] == content["targets"]


def test_a_video_in_its_folder_keeps_its_name(project):
    place = project / "data/videos/there.mp4"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"here")
    assert add(place, project) == Path("data/videos/there.mp4")
    assert [path.name for path in place.parent.glob("*.mp4*")] == ["there.mp4", "there.mp4.dvc"]


def _dvc_fails(repo, paths):
    Path(paths[0]).with_name(".gitignore").write_text("/solo.mp4\n")
    raise DvcException("no space left")


def _interrupted(params, path):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("module", "name", "failing", "error", "message"),
    [
        (Repo, "add", _dvc_fails, MotionTransferError, "dvc add: no space left"),
        (entries, "write_text", _interrupted, KeyboardInterrupt, None),
    ],
)
def test_a_failed_step_leaves_every_file_as_it_was(
    project, film, monkeypatch, module, name, failing, error, message
):
    before = files(project)
    monkeypatch.setattr(module, name, failing)
    with pytest.raises(error, match=message):
        add(film, project)
    assert files(project) == before
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": "walk"}, ParamsError, r"videos\.walk: is there; give another name"),
        ({"name": "a b"}, ParamsError, r"--name: expected letters, digits, _ and -.* got 'a b'"),
        ({"subject": "-x"}, ParamsError, r"--subject: expected letters"),
        ({"name": "../x"}, ParamsError, r"--name: expected letters"),
        ({"name": "taken"}, ParamsError, r"data/videos/taken\.mp4: is there"),
        ({"film": Path("absent.mp4")}, MissingFileError, "no such file; expected a video"),
    ],
)
def test_a_missing_file_or_a_name_that_does_not_fit_is_refused(
    changes, error, message, project, film
):
    (project / "data/videos").mkdir(parents=True)
    (project / "data/videos/taken.mp4").write_bytes(b"another")
    before = files(project)
    with pytest.raises(error, match=message):
        add(**{"film": film, "root": project, **changes})
    assert files(project) == before


def test_a_transfers_default_name_is_of_its_subjects(project):
    assert add_transfer(source="walk", target="ben", name=None, truth="none", root=project) == (
        "ben_as_ada"
    )
    content = params(project)
    assert content["targets"] == ["ada", "ben"]
    assert content["transfers"]["ben_as_ada"] == {
        **{"source": "walk", "source_subject": "ada", "target": "ben", "truth": "none"}
    }


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"source": "no"}, ParamsError, r"--source: no video 'no'; videos has dance, walk"),
        ({"target": "no"}, ParamsError, r"--target: no video shows 'no'; there are ada, ben"),
        ({"name": "ada_as_ben"}, ParamsError, r"transfers\.ada_as_ben: is there"),
        ({"name": "a/b"}, ParamsError, r"--name: expected letters"),
        ({"truth": "x.mp4"}, MissingFileError, r"data/truth/x\.mp4: no such file"),
    ],
)
def test_a_transfer_of_unknown_names_is_refused(changes, error, message, project):
    wanted = {"source": "dance", "target": "ada", "name": "t", "truth": "none", **changes}
    with pytest.raises(error, match=message):
        add_transfer(root=project, **wanted)
    assert (project / "params.yaml").read_text() == PARAMS


def test_a_removed_video_takes_its_transfers_and_its_subject(project):
    removal = removal_of("dance", root=project)
    assert removal.transfers == ("ada_as_ben",)
    assert (removal.subject, removal.target) == ("ben", None)
    remove_video(removal, root=project)
    assert (project / "params.yaml").read_text() == (
        "# mine\n"
        "videos:\n"
        "  walk: {path: data/videos/walk.mp4, subject: ada}   # hers\n"
        "subjects: [ada]\n"
        "targets: [ada]\n"
        "transfers: {}\n"
    )


def test_a_target_is_removed_with_its_only_video(project, film):
    removal = removal_of("walk", root=project)
    assert (removal.subject, removal.target) == ("ada", "ada")
    assert removal.transfers == ("ada_as_ben",)
    add(film, project, subject="ada")
    removal = removal_of("walk", root=project)
    assert (removal.subject, removal.target, removal.transfers) == (None, None, ())
    with pytest.raises(ParamsError, match="no video 'no'; videos has dance, solo, walk"):
        removal_of("no", root=project)


@pytest.mark.parametrize(
    ("entry", "user"),
    [
        ("  copy: {path: data/./videos/walk.mp4, subject: ada}\n", "videos.copy"),
        ("", "transfers.kept"),
    ],
)
def test_a_file_that_another_entry_uses_stays_with_its_dvc_file(project, entry, user):
    text = PARAMS.replace("subjects:", f"{entry}subjects:", 1)
    kept = "{source: dance, source_subject: ben, target: ben, truth: ../videos/walk.mp4}"
    (project / "params.yaml").write_text(f"{text}  kept: {kept}\n")
    pointer = project / "data/videos/walk.mp4.dvc"
    (project / "data/truth").mkdir(parents=True)
    pointer.parent.mkdir()
    pointer.write_text("outs: []\n")
    removal = removal_of("walk", root=project)
    assert user in removal.users_of_file
    remove_video(removal, root=project)
    assert pointer.exists()
    assert "walk" not in params(project)["videos"]
