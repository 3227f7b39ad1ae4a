import io
from pathlib import Path

import pytest
from dvc.exceptions import DvcException
from dvc.repo import Repo

from motiontransfer.core.errors import MissingFileError, MotionTransferError, ParamsError
from motiontransfer.project import entries
from motiontransfer.project.params_editing import film_sections, write_films
from tests.command import run_command
from tests.project.small_project import files, small_project
from tests.project_files import films_of
from tests.project_files import read_films as params

OF = {"source": "dance", "source_subject": "ben", "truth": "none"}
SUBJECTS = {"walk": "ada", "dance": "ben"}
FILMS = films_of(
    videos={it: {"path": f"data/videos/{it}.mp4", "subject": of} for it, of in SUBJECTS.items()},
    subjects=["ada", "ben"],
    targets=["ada"],
    trained=["ada"],
    transfers={"ada_as_ben": {**OF, "target": "ada"}},
)


@pytest.fixture(autouse=True)
def _project(tmp_path, monkeypatch):
    files = {".gitignore": "/data/videos/*.mp4\n", "films.yaml": FILMS, "params.yaml": "a: {}\n"}
    monkeypatch.chdir(small_project(tmp_path / "project", files, monkeypatch))


@pytest.fixture
def film(tmp_path) -> Path:
    path = tmp_path / "My Film.MP4"
    path.write_bytes(b"frames")
    return path


def add(film, **changes):
    of = {"name": "solo", "subject": "eve", "crop": "auto", "role": "source"}
    return entries.add_video(film, **of | changes)


def test_a_video_is_copied_tracked_by_dvc_and_entered(film):
    path = add(film, role="target")
    assert path == Path("data/videos/solo.mp4")
    assert path.read_bytes() == film.read_bytes() == b"frames"
    assert "md5" in Path("data/videos/solo.mp4.dvc").read_text()
    content = params()
    assert content["videos"]["solo"] == {"path": str(path), "subject": "eve", "crop": "auto"}
    assert content["subjects"] == ["ada", "ben", "eve"]
    assert content["targets"] == content["trained"] == ["ada", "eve"]
    add(film, name="again", subject="ben")
    assert params()["subjects"] == content["subjects"]
    assert params()["targets"] == content["targets"]


def _dvc_fails(repo, paths):
    Path(paths[0]).with_name(".gitignore").write_text("/solo.mp4\n")
    raise DvcException("no space left")


def _interrupted(params, path):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("step", "failing", "error"),
    [
        ((Repo, "add"), _dvc_fails, MotionTransferError),
        ((entries, "write_text"), _interrupted, KeyboardInterrupt),
    ],
)
def test_a_failed_step_leaves_every_file_as_it_was(film, monkeypatch, step, failing, error):
    before = files()
    monkeypatch.setattr(*step, failing)
    with pytest.raises(error, match=r"^$|^dvc add: no space left"):
        add(film)
    assert files() == before
    assert not Path("data").exists()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": "walk"}, ParamsError, r"videos\.walk: already exists; choose another name"),
        ({"name": "a b"}, ParamsError, r"--name: expected letters, digits, _ and -.* got 'a b'"),
        ({"subject": "-x"}, ParamsError, r"--subject: expected letters"),
        ({"subject": "Ada"}, ParamsError, r"--subject: 'Ada' and 'ada' differ in case only"),
        ({"name": "Walk"}, ParamsError, r"--name: 'Walk' and 'walk' differ in case only"),
        ({"name": "../x"}, ParamsError, r"--name: expected letters"),
        ({"name": "taken"}, ParamsError, r"data/videos/taken\.mp4: already exists"),
        ({"film": Path("absent.mp4")}, MissingFileError, "no such file; expected a video"),
    ],
)
def test_a_missing_file_or_a_name_that_does_not_fit_is_refused(changes, error, message, film):
    Path("data/videos").mkdir(parents=True)
    Path("data/videos/taken.mp4").write_bytes(b"another")
    before = files()
    with pytest.raises(error, match=message):
        add(**{"film": film, **changes})
    assert files() == before


def test_a_film_is_one_scene_for_all_who_perform_in_it_as_long_as_anyone_does(film):
    """Their default names are of their subjects."""
    wanted = {"source": "dance", "truth": "none", "scene": "dancer", "name": None}
    add(film, role="target")
    for target in ("ben", "eve"):
        assert entries.add_transfer(**wanted, target=target) == f"{target}_as_ben"
    assert params()["targets"] == ["ada", "eve", "ben"]
    assert params()["transfers"]["eve_as_ben"] == {**OF, "target": "eve"}
    assert params()["scenes"] == {"dance": {"subject": "ben", "film": "data/videos/dance.mp4"}}
    assert [*params()["in_film"]] == ["ben_as_ben", "eve_as_ben"]
    entries.remove_video("solo")
    assert [*params()["scenes"]] == ["dance"]
    entries.remove_video("dance")
    assert params()["scenes"] == params()["in_film"] == {}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"source": "no"}, ParamsError, r"--source: no video 'no'; videos has dance, walk"),
        ({"target": "no"}, ParamsError, r"--target: no video shows 'no'; there are ada, ben"),
        ({"name": "ada_as_ben"}, ParamsError, r"transfers\.ada_as_ben: already exists"),
        ({"name": "a/b"}, ParamsError, r"--name: expected letters"),
        ({"truth": "x.mp4"}, MissingFileError, r"data/truth/x\.mp4: no such file"),
    ],
)
def test_a_transfer_of_unknown_names_is_refused(changes, error, message):
    wanted = {"source": "dance", "target": "ada", "name": "t", "truth": "none", **changes}
    with pytest.raises(error, match=message):
        entries.add_transfer(**wanted)
    assert Path("films.yaml").read_text() == FILMS


def test_a_target_is_removed_with_its_only_video(film):
    walk, root = ("videos", "walk"), Path()
    ada = tuple((section, "ada") for section in ("subjects", "targets", "trained"))
    assert entries.going_with({walk}, root=root) == (walk, ("transfers", "ada_as_ben"), *ada)
    add(film, subject="ada")
    assert entries.going_with({walk}, root=root) == (walk,)


COPY = {"path": "data/./videos/walk.mp4", "subject": "ada"}
KEPT = {**OF, "target": "ben", "truth": "../videos/walk.mp4"}


@pytest.mark.parametrize(
    ("section", "user", "entry"), [("videos", "copy", COPY), ("transfers", "kept", KEPT)]
)
def test_a_file_that_another_entry_uses_stays_with_its_dvc_file(section, user, entry):
    sections = film_sections()
    sections[section][user] = entry
    write_films(sections)
    pointer = Path("data/videos/walk.mp4.dvc")
    for folder in (pointer.parent, Path("data/truth")):
        folder.mkdir(parents=True)
    pointer.write_text("outs: []\n")
    gone = entries.going_with({("videos", "walk")}, root=Path())
    users = entries.users_of_file(Path("data/videos/walk.mp4"), gone, root=Path())
    assert users == (f"{section}.{user}",)
    assert entries.remove_video("walk") is None
    assert pointer.exists()
    assert "walk" not in params()["videos"]


GONE = Path("artifacts/keypoints/ben/ben_1")


@pytest.fixture
def machine(here):
    """The team's pipeline after one video was removed."""
    here.edit("films.yaml", "    ben_1: {subject: ben}\n", "")
    return here


def test_only_outputs_that_no_stage_has_now_are_orphaned(machine):
    for path in ("results/old/notes.txt", "artifacts/models/.ada.12.tmp", "artifacts/page.html"):
        (machine.root / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / path).write_text("of the user, or of a running stage")
    assert entries.orphaned_outputs() == [GONE]
    model = "outs: [artifacts/models/ada"
    machine.edit("dvc.yaml", f"{model}]", f"{model}, {GONE.parent}]")
    assert entries.orphaned_outputs() == []


def test_deleting_leaves_no_empty_folder(machine):
    machine.edit("films.yaml", "    ada_1: {subject: ada}\n    ada_2: {subject: ada}\n", "")
    machine.edit("films.yaml", "videos:", "videos: {}")
    paths = entries.orphaned_outputs()
    folder = Path("artifacts/keypoints/ada")
    assert paths == [folder / "ada_1", folder / "ada_2", GONE]
    entries.delete(paths)
    assert not (machine.root / "artifacts/keypoints").exists()
    assert (machine.root / "artifacts/models/ada").exists()


def test_the_command_lists_and_asks_before_it_deletes(machine, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run_command(monkeypatch, "clean") == 1
    assert capsys.readouterr().out.startswith(f"{GONE}\ndelete these 1?")
    assert GONE.exists()
    for output in (f"{GONE}\ndeleted 1\n", "no orphaned outputs\n"):
        assert not run_command(monkeypatch, "clean", "--yes")
        assert capsys.readouterr().out == output
    assert not GONE.exists()
