import io
import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from motiontransfer.core.errors import MotionTransferError, ParamsError
from motiontransfer.pipeline.runs import log_of
from motiontransfer.project import deletion
from motiontransfer.project.deletion import delete_all, deletion_of
from motiontransfer.project.entries import CHECKS_FOLDER
from tests.command import run_command
from tests.project.small_project import DANCES, commit_all, files, own_dvc_folders, small_project
from tests.project_files import films_of, read_films

SUBJECTS = {"eve_1": "eve", "eve_2": "eve", "ada_1": "ada", "waltz": "ben"}
OF = {"source": "waltz", "source_subject": "ben", "truth": "none"}
FILMS = films_of(
    videos={it: {"path": f"data/videos/{it}.mp4", "subject": of} for it, of in SUBJECTS.items()},
    subjects=["eve", "ada", "ben"],
    targets=["eve", "ada"],
    trained=["eve", "ada"],
    transfers={f"{target}_as_ben": {**OF, "target": target} for target in ("eve", "ada")},
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A project with a result of each of two people, in git; READ ONLY."""
    ignored = "/data/videos/*.mp4\n/artifacts\n/frames\n/models\n/results\n"
    videos = {f"data/videos/{name}.mp4": f"frames of {name}\n" for name in SUBJECTS}
    files = DANCES | {"films.yaml": FILMS, ".gitignore": ignored, "params.yaml": "a: {}\n"}
    with pytest.MonkeyPatch.context() as patch:
        root = small_project(tmp_path_factory.mktemp("done") / "project", files | videos, patch)
        patch.chdir(root)
        with Repo() as repo:
            repo.add([*videos])
        with Repo() as repo:
            repo.reproduce()
        commit_all()
    return root


@pytest.fixture(autouse=True)
def project(finished, tmp_path, monkeypatch) -> Path:
    own_dvc_folders(tmp_path, monkeypatch)
    shutil.copytree(finished, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def naming(name):
    """Files that have a word in their path or content, beside git's history and DVC's own state."""
    found = (path for path in Path().rglob("*") if path.is_file())
    own = (path for path in found if path.parts[0] != ".git" and path.parts[1:2] != ("tmp",))
    return sorted(path for path in own if name in str(path) or name.encode() in path.read_bytes())


def would_run():
    with Repo() as repo:
        return [stage.addressing for stage in repo.reproduce(dry=True)]


def test_a_person_goes_with_all_that_was_made_of_them_and_nothing_else_runs(project):
    beside = [CHECKS_FOLDER / f"eve_1{end}" for end in (".png", "_strip.jpg", "_crowd.jpg")]
    for stage in ("decode@eve_1", "data/videos/eve_1.mp4.dvc"):
        beside += [log_of(stage).with_suffix(end) for end in (".log", ".jsonl")]
    artifacts = ("inspection/eve_1.mp4", "inspection/eve_as_ben_poses.png", "inspection/ada_1.mp4")
    artifacts += ("comparisons/eve_as_ben_ada_as_ben.html",)
    for path in (*beside, *(Path("artifacts", name) for name in artifacts)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("ada" if path.stem == "ada_1" else "eve")
    others = {path: path.read_bytes() for path in naming("ada")}
    assert len(naming("eve")) > 20
    delete_all(deletion_of("eve"))
    assert naming("eve") == []
    assert not [path for path in beside if path.exists()]
    assert would_run() == []
    assert read_films()["subjects"] == ["ada", "ben"]
    assert [*read_films()["transfers"]] == ["ada_as_ben"]
    changed = ("films.yaml", "dvc.lock", "data/videos/.gitignore")
    kept = {path: text for path, text in others.items() if "eve" not in f"{path}{text}"}
    assert kept.keys() >= {Path("results/ada_as_ben/transfer.mp4"), Path("data/videos/ada_1.mp4")}
    assert all(path.read_bytes() == text for path, text in kept.items() if str(path) not in changed)
    for folder in ("artifacts", "frames", "models", "results"):
        shutil.rmtree(folder)
    with Repo() as repo:  # the cache has all that is left
        repo.checkout()
    assert Path("results/ada_as_ben/transfer.mp4").exists()


def test_a_past_run_with_other_params_goes_too(project):
    Path("data/videos/eve_2.mp4").write_text("other frames of eve\n")
    with Repo() as repo:
        repo.add(["data/videos/eve_2.mp4"])
        repo.reproduce()
    delete_all(deletion_of("eve"))
    cached = [*Path(".dvc/cache").rglob("*")]
    assert not [path for path in naming("eve") if path in cached and path.parts[2] == "runs"]
    contents = [path.read_bytes() for path in cached if path.is_file()]
    assert not [text for text in contents if b"frames of eve_1" in text]


def test_what_a_branch_tag_or_experiment_uses_stays_in_the_cache(project):
    refs = {"branch old": "heads/old", "tag v1": "tags/v1", "experiment fast": "exps/aa/bb/fast"}
    for ref in refs.values():
        subprocess.run(["git", "update-ref", f"refs/{ref}", "HEAD"], check=True)
    before = {path for path in Path(".dvc/cache/files").rglob("*") if path.is_file()}
    listed = deletion_of("eve")
    assert listed.used.keys() == refs.keys()
    assert min(listed.used.values()) > 5
    delete_all(listed)
    gone = before - {*Path(".dvc/cache/files").rglob("*")}
    assert not gone
    subprocess.run(["git", "checkout", "--quiet", "--force", "old"], check=True)
    with Repo() as repo:
        repo.checkout()
    assert Path("results/eve_as_ben/transfer.mp4").exists()
    assert Path("data/videos/eve_1.mp4").exists()


def test_another_call_finishes_what_was_interrupted(project, monkeypatch):
    """Each goes on where the one before was interrupted, and gets farther."""

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    for step in ("delete", "forget_stages", "_delete_film", "without"):
        with monkeypatch.context() as patch:
            patch.setattr(deletion, step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                delete_all(deletion_of("eve"))
    delete_all(deletion_of("eve"))
    assert naming("eve") == []
    assert would_run() == []


def test_a_folder_in_the_cache_goes_before_the_list_of_what_is_in_it(project, monkeypatch):
    unlink, allowed = Path.unlink, iter(range(4))

    def interrupted(path, **how):
        if "cache/files" in path.as_posix() and next(allowed, None) is None:
            raise KeyboardInterrupt
        unlink(path, **how)

    listed = deletion_of("eve")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            delete_all(listed)
    assert sum(path.exists() for path in listed.objects) == len(listed.objects) - 4
    delete_all(deletion_of("eve"))
    assert naming("eve") == []
    assert not any(path.exists() for path in listed.objects)


def test_an_unknown_name_and_what_runs_for_one_are_refused(project, monkeypatch):
    before = files()
    for name in ("nobody", "videos.ada", "transfers.eve"):
        with pytest.raises(ParamsError, match=f"{name}: no person, film, result or guide"):
            deletion_of(name)
    for stage in ("train_gan@eve", "decode@waltz"):
        running = {stage: 7, "train_gan@ada": 8}
        monkeypatch.setattr(deletion, "stages_that_run", running.copy)
        with pytest.raises(MotionTransferError, match=rf"^{stage} \(process 7\) runs, which makes"):
            deletion_of("eve")
    assert files() == before


def test_of_one_film_goes_what_was_made_of_it_and_the_person_stays(project):
    delete_all(deletion_of("eve_1"))
    assert [*read_films()["videos"]] == ["eve_2", "ada_1", "waltz"]
    assert "eve_as_ben" in read_films()["transfers"]
    assert Path("frames/eve/eve_2/film").exists()
    assert not Path("models/eve.weights").exists()
    assert naming("eve_1") == []
    of_transfer = {f"{stage}@eve_as_ben" for stage in ("preview", "encode", "report")}
    with Repo() as repo:
        assert repo.status().keys() == {"train_gan@eve", *of_transfer}


def test_of_a_result_goes_nothing_else_and_what_an_entry_left_has_its_name(project):
    films = sorted(Path("data/videos").iterdir())
    delete_all(deletion_of("eve_as_ben"))
    assert naming("eve_as_ben") == []
    assert would_run() == []
    assert sorted(Path("data/videos").iterdir()) == films
    assert Path("models/eve.weights").exists()
    text = Path("films.yaml").read_text()
    Path("films.yaml").write_text(text.replace("    ada_as_ben: {source", "    ada_again: {source"))
    delete_all(deletion_of("ada_as_ben"))
    assert naming("ada_as_ben") == []


def test_what_was_deleted_runs_again_where_it_is_entered_again(project):
    text = Path("films.yaml").read_text()
    delete_all(deletion_of("eve_as_ben"))
    Path("films.yaml").write_text(text)
    with Repo() as repo:
        repo.reproduce()
    assert Path("results/eve_as_ben/transfer.mp4").exists()


def test_a_film_of_another_entry_and_one_elsewhere_stay(project):
    text = Path("films.yaml").read_text().replace("data/videos/eve_1.mp4", "demo/eve_1.mp4")
    Path("films.yaml").write_text(text.replace("videos/ada_1.mp4", "videos/eve_2.mp4"))
    Path("demo").mkdir()
    Path("demo/eve_1.mp4").touch()
    listed = deletion_of("eve")
    assert listed.films == ()
    assert [*listed.kept] == [Path("demo/eve_1.mp4"), Path("data/videos/eve_2.mp4")]
    assert listed.kept[Path("data/videos/eve_2.mp4")] == "videos.ada_1 uses it"
    delete_all(listed)
    assert all(path.exists() for path in listed.kept)


def test_the_command_lists_asks_and_says_what_stays(project, monkeypatch, capsys):
    before = files()
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert not run_command(monkeypatch, "delete", "eve", "--dry")
    told = capsys.readouterr().out
    assert told.startswith("goes: the person eve\nfrom films.yaml: videos.eve_1, videos.eve_2, ")
    assert "film: data/videos/eve_1.mp4, 0.0 MB\n" in told
    assert "  results/eve_as_ben\n" in told
    assert "stays, beyond this command: git's history, copies of teammates, " in told
    assert run_command(monkeypatch, "delete", "eve") == 1
    assert capsys.readouterr().out.startswith(f"{told}go on? [y/N]: ")
    assert files() == before
    assert not run_command(monkeypatch, "delete", "eve", "--yes")
    assert "deleted the person eve, 0.0 MB" in capsys.readouterr().out
    assert naming("eve") == []


@pytest.mark.parametrize("options", [(), ("--cache",)])
def test_a_cache_elsewhere_is_touched_only_if_that_is_said(project, options, monkeypatch, capsys):
    shutil.move(".dvc/cache", project.parent / "cache")
    with Path(".dvc/config").open("a") as config:
        config.write(f"[cache]\n    dir = {project.parent / 'cache'}\n")
    objects = {path for path in (project.parent / "cache/files").rglob("*") if path.is_file()}
    assert not run_command(monkeypatch, "delete", "eve", "--yes", *options)
    told = capsys.readouterr().out
    assert f"in DVC's cache at {project.parent / 'cache'}" in told
    left = {path for path in objects if path.exists()}
    assert (left == objects) == (not options)
    assert ("is as it was" in told) == (not options)
    assert naming("eve") == []
