import shutil
from pathlib import Path

import pytest

from tests.clone import ROOT
from tests.tiny_project import run

VIDEOS = ("data/videos/me.mp4", "data/truth/mine.mp4")


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A fresh repository with the project's ignore files, a video and a truth."""
    root = tmp_path_factory.mktemp("repository")
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    for name in VIDEOS:
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"film")
    run(root, "git", "init", "-q")
    run(root, "dvc", "init", "-q")
    return root


@pytest.mark.slow
def test_dvc_sees_the_videos_it_was_given(repository):
    """Were their .dvc files ignored, `dvc exp run` would remove the videos as nobody's."""
    added = run(repository, "dvc", "add", *VIDEOS)
    assert added.returncode == 0, added.stderr
    listed = run(repository, "dvc", "ls", ".", "-R", "--dvc-only")
    assert set(VIDEOS) <= set(listed.stdout.split())
    pointers = [f"{video}.dvc" for video in VIDEOS]
    assert run(repository, "git", "check-ignore", *pointers).stdout == ""


def test_git_keeps_metrics_locks_and_the_demos_clips_but_neither_videos_nor_artifacts(repository):
    kept = ("results/a/metrics.json", "dvc.lock")
    kept += ("demo/clips/source.mp4", "data/truth/demo.mp4")
    ignored = ("data/videos/me.mp4", "artifacts/models/ada/generator.safetensors", "uv.lock")
    ignored += ("results/a/transfer.mp4", "checkpoints/train_gan/ada/x")
    told = run(repository, "git", "check-ignore", *kept, *ignored).stdout.split()
    assert told == [*ignored]


def test_a_clone_has_the_same_bytes_on_each_system(tmp_path):
    """Where git is told to write CRLF, as on Windows by default."""
    copy = tmp_path / "copy"
    run(tmp_path, "git", "init", "-q", copy)
    names = ("dvc.yaml", "stages/render.py", "docs/app_small.jpg", ".gitattributes")
    for name in names:
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    run(copy, "git", "config", "core.autocrlf", "true")
    run(copy, "git", "add", ".")
    for name in names[:-1]:
        (copy / name).unlink()
    run(copy, "git", "checkout", ".")
    for name in names:
        assert (copy / name).read_bytes() == (ROOT / name).read_bytes(), name
