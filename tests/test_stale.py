"""What no stage owns is found, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from motiontransfer.cli.app import main
from motiontransfer.errors import MissingFileError
from motiontransfer.stale import remove, stale_files

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


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A pipeline of two videos that ran, from which one video was then taken out."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / ".site"))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / ".global"))
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("videos: {kept: {}, gone: {}}\n")
    subprocess.run([sys.executable, "-m", "dvc", "repro", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "params.yaml").write_text("videos: {kept: {}}\n")
    return tmp_path


def test_only_the_removed_video_and_strangers_are_stale(project):
    assert stale_files(project) == [Path("artifacts/keypoints/gone")]
    (project / "results/old").mkdir(parents=True)
    (project / "results/old/transfer.mp4").write_text("z")
    assert stale_files(project) == [
        Path("artifacts/keypoints/gone"),
        Path("results/old/transfer.mp4"),
    ]


def test_removing_leaves_what_is_owned_and_no_empty_folder(project):
    (project / "results/old").mkdir(parents=True)
    (project / "results/old/transfer.mp4").write_text("z")
    remove(project, stale_files(project))
    assert not (project / "results/old").exists()
    assert (project / "results").exists()
    assert (project / "artifacts/keypoints/kept").exists()
    assert (project / "artifacts/models/a/weights").exists()
    assert stale_files(project) == []


def test_before_the_first_run_nothing_can_be_told(tmp_path):
    with pytest.raises(MissingFileError, match=r"dvc\.lock: no such file; run `dvc repro` first"):
        stale_files(tmp_path)


def test_the_command_lists_first_and_removes_only_when_asked(project, monkeypatch, capsys):
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "argv", ["motiontransfer", "tidy", "--dry-run"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert "would remove artifacts/keypoints/gone" in capsys.readouterr().out
    assert (project / "artifacts/keypoints/gone").exists()
    monkeypatch.setattr(sys, "argv", ["motiontransfer", "tidy"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert not (project / "artifacts/keypoints/gone").exists()


def test_the_command_tells_a_fault_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["motiontransfer", "tidy"])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err.splitlines() == [
        "ERROR: dvc.lock: no such file; run `dvc repro` first"
    ]
