"""Orphaned outputs: of stages that are gone, and of no others."""

import io
import shutil
from pathlib import Path

import pytest
from dvc.repo import lock_repo

from motiontransfer.errors import MissingFileError, MotionTransferError
from motiontransfer.project.entries import delete, orphaned_outputs
from motiontransfer.project.remote import opened
from tests.command import run_command

GONE = Path("artifacts/keypoints/gone")
PIPELINE = """
stages:
  detect:
    foreach: ${videos}
    do:
      cmd: mkdir -p artifacts/keypoints && echo x > artifacts/keypoints/${key}
      outs: ["artifacts/keypoints/${key}"]
  train:
    cmd: mkdir -p artifacts/models/a && echo y > artifacts/models/a/weights
    outs: [artifacts/models]
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory) -> Path:
    """A pipeline of two videos after one run. Read only."""
    root = tmp_path_factory.mktemp("template")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "params.yaml").write_text("videos: {kept: {}, gone: {}}\n")
    with opened(root) as repo:
        repo.reproduce(all_pipelines=True)
    return root


@pytest.fixture
def project(template, tmp_path, monkeypatch) -> Path:
    """The same after one video was removed."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / ".site"))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / ".global"))
    root = tmp_path / "project"
    shutil.copytree(template, root)
    (root / "params.yaml").write_text("videos: {kept: {}}\n")
    return root


def test_only_outputs_of_removed_stages_are_orphaned(project):
    for path in (
        "results/old/notes.txt",
        "artifacts/models/.weights.12.tmp",
        "artifacts/page.html",
    ):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("of the user, or of a running stage")
    assert orphaned_outputs(project) == [GONE]


def test_an_output_of_another_stage_now_is_not_orphaned(project):
    moved = PIPELINE.replace("echo y >", "mkdir -p artifacts/keypoints/gone && echo y >")
    moved = moved.replace("[artifacts/models]", "[artifacts/models, artifacts/keypoints/gone]")
    (project / "dvc.yaml").write_text(moved)
    assert orphaned_outputs(project) == []


def test_deleting_leaves_no_empty_folder(project):
    (project / "params.yaml").write_text("videos: {}\n")
    paths = orphaned_outputs(project)
    assert paths == [GONE, Path("artifacts/keypoints/kept")]
    delete(project, paths)
    assert not (project / "artifacts/keypoints").exists()
    assert (project / "artifacts/models/a/weights").exists()
    assert orphaned_outputs(project) == []


@pytest.mark.slow
def test_nothing_is_deleted_while_a_dvc_command_runs(project):
    with (
        opened(project) as repo,
        lock_repo(repo),
        pytest.raises(MotionTransferError, match="lock"),
    ):
        delete(project, [GONE])
    assert (project / GONE).exists()


def test_a_lock_with_conflict_marks_is_one_line(project):
    with (project / "dvc.lock").open("a") as file:
        file.write("<<<<<<< HEAD\n")
    with pytest.raises(MotionTransferError, match=r"dvc\.lock") as raised:
        orphaned_outputs(project)
    assert "\n" not in str(raised.value)


def test_before_the_first_run_there_is_no_lock(tmp_path):
    with pytest.raises(MissingFileError, match=r"dvc\.lock: no such file; run `dvc repro` first"):
        orphaned_outputs(tmp_path)


def test_the_command_lists_and_asks_before_it_deletes(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run_command(monkeypatch, "clean") == 1
    assert capsys.readouterr().out.startswith("artifacts/keypoints/gone\ndelete these 1?")
    assert (project / GONE).exists()
    assert not run_command(monkeypatch, "clean", "--yes")
    assert capsys.readouterr().out == "artifacts/keypoints/gone\ndeleted 1\n"
    assert not (project / GONE).exists()
    assert not run_command(monkeypatch, "clean")
    assert capsys.readouterr().out == "no orphaned outputs\n"
