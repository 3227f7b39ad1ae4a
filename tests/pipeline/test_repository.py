import shutil
from pathlib import Path

import pytest

from tests.tiny_project import ROOT, run


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A fresh repository with the project's ignore files, a video and a truth."""
    root = tmp_path_factory.mktemp("repository")
    for name in (".gitignore", ".dvcignore"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "data/videos").mkdir(parents=True)
    (root / "data/truth").mkdir()
    (root / "data/videos/me.mp4").write_bytes(b"film")
    (root / "data/truth/mine.mp4").write_bytes(b"film")
    run(root, "git", "init", "-q")
    run(root, "dvc", "init", "-q")
    return root


def is_ignored(root: Path, path: str) -> bool:
    return run(root, "git", "check-ignore", "-q", path).returncode == 0


@pytest.mark.slow
def test_dvc_sees_the_videos_it_was_given(repository):
    """Were their .dvc files ignored, `dvc exp run` would remove the videos as nobody's."""
    videos = ("data/videos/me.mp4", "data/truth/mine.mp4")
    added = run(repository, "dvc", "add", *videos)
    assert added.returncode == 0, added.stderr
    listed = run(repository, "dvc", "ls", ".", "-R", "--dvc-only")
    assert set(videos) <= set(listed.stdout.split())
    assert not is_ignored(repository, "data/videos/me.mp4.dvc")
    assert not is_ignored(repository, "data/truth/mine.mp4.dvc")


def test_git_keeps_metrics_locks_and_the_demos_clips_but_neither_videos_nor_artifacts(repository):
    for path in (
        *("artifacts/metrics/train_gan/a.json", "results/a/metrics.json", "dvc.lock"),
        *("demo/clips/source.mp4", "data/truth/demo.mp4"),
    ):
        assert not is_ignored(repository, path), path
    for path in (
        "data/videos/me.mp4",
        "artifacts/models/ada/generator.safetensors",
        "results/a/transfer.mp4",
        "checkpoints/train_gan/ada/x",
        "uv.lock",
    ):
        assert is_ignored(repository, path), path


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
