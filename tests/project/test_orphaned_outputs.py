"""Orphaned outputs: of stages that are gone, and of no others."""

import io
from pathlib import Path

import pytest
from dvc.repo import lock_repo

from motiontransfer.errors import MissingFileError, MotionTransferError
from motiontransfer.project.entries import delete, orphaned_outputs
from motiontransfer.project.remote import opened
from tests.command import run_command

GONE = Path("artifacts/keypoints/ben/ben_1")


@pytest.fixture
def machine(owner, tmp_path, monkeypatch):
    """The team's pipeline after one video was removed."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / ".site"))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / ".global"))
    owner.edit("params.yaml", "  ben_1: {subject: ben}\n", "")
    return owner


@pytest.fixture
def project(machine) -> Path:
    return machine.root


def test_only_outputs_of_removed_stages_are_orphaned(project):
    for path in ("results/old/notes.txt", "artifacts/models/.ada.12.tmp", "artifacts/page.html"):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text("of the user, or of a running stage")
    assert orphaned_outputs(project) == [GONE]


def test_an_output_of_another_stage_now_is_not_orphaned(machine):
    machine.edit(
        "dvc.yaml", "outs: [artifacts/models/ada]", f"outs: [artifacts/models/ada, {GONE}]"
    )
    assert orphaned_outputs(machine.root) == []


def test_deleting_leaves_no_empty_folder(machine, project):
    machine.edit("params.yaml", "  ada_1: {subject: ada}\n  ada_2: {subject: ada}\n", "")
    machine.edit("params.yaml", "videos:", "videos: {}")
    paths = orphaned_outputs(project)
    folder = Path("artifacts/keypoints/ada")
    assert paths == [folder / "ada_1", folder / "ada_2", GONE]
    delete(project, paths)
    assert not (project / "artifacts/keypoints").exists()
    assert (project / "artifacts/models/ada").exists()
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
    assert capsys.readouterr().out.startswith(f"{GONE}\ndelete these 1?")
    assert (project / GONE).exists()
    assert not run_command(monkeypatch, "clean", "--yes")
    assert capsys.readouterr().out == f"{GONE}\ndeleted 1\n"
    assert not (project / GONE).exists()
    assert not run_command(monkeypatch, "clean")
    assert capsys.readouterr().out == "no orphaned outputs\n"
