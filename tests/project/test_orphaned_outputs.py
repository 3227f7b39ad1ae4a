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


def test_only_outputs_that_no_stage_has_now_are_orphaned(machine):
    for path in ("results/old/notes.txt", "artifacts/models/.ada.12.tmp", "artifacts/page.html"):
        (machine.root / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.root / path).write_text("of the user, or of a running stage")
    assert orphaned_outputs(machine.root) == [GONE]
    model = "outs: [artifacts/models/ada"
    machine.edit("dvc.yaml", f"{model}]", f"{model}, {GONE}]")
    assert orphaned_outputs(machine.root) == []


def test_deleting_leaves_no_empty_folder(machine):
    machine.edit("params.yaml", "  ada_1: {subject: ada}\n  ada_2: {subject: ada}\n", "")
    machine.edit("params.yaml", "videos:", "videos: {}")
    paths = orphaned_outputs(machine.root)
    folder = Path("artifacts/keypoints/ada")
    assert paths == [folder / "ada_1", folder / "ada_2", GONE]
    delete(machine.root, paths)
    assert not (machine.root / "artifacts/keypoints").exists()
    assert (machine.root / "artifacts/models/ada").exists()


@pytest.mark.slow
def test_nothing_is_deleted_while_a_dvc_command_runs(machine):
    refused = pytest.raises(MotionTransferError, match="lock")
    with opened(machine.root) as repo, lock_repo(repo), refused:
        delete(machine.root, [GONE])
    assert (machine.root / GONE).exists()


def test_a_lock_with_conflict_marks_is_one_line(machine):
    with (machine.root / "dvc.lock").open("a") as file:
        file.write("<<<<<<< HEAD\n")
    with pytest.raises(MotionTransferError, match=r"^[^\n]*dvc\.lock[^\n]*$"):
        orphaned_outputs(machine.root)


def test_before_the_first_run_there_is_no_lock(tmp_path):
    with pytest.raises(MissingFileError, match=r"dvc\.lock: no such file; run `dvc repro` first"):
        orphaned_outputs(tmp_path)


def test_the_command_lists_and_asks_before_it_deletes(machine, monkeypatch, capsys):
    monkeypatch.chdir(machine.root)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run_command(monkeypatch, "clean") == 1
    assert capsys.readouterr().out.startswith(f"{GONE}\ndelete these 1?")
    assert GONE.exists()
    for output in (f"{GONE}\ndeleted 1\n", "no orphaned outputs\n"):
        assert not run_command(monkeypatch, "clean", "--yes")
        assert capsys.readouterr().out == output
    assert not GONE.exists()
