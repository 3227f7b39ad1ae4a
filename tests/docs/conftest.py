"""A finished project at a tiny size, in git as a user's would be, for pages and notebooks."""

import shutil
from pathlib import Path

import pytest

from tests.clone import copy_all
from tests.docs.pages import run

ALSO_COPIED = (".dvc/config", ".dvc/.gitignore", "README.md", "pyproject.toml")
ALSO_COPIED += ("docs", "examples", "presets")


@pytest.fixture(scope="session")
def finished_project(tiny_run, tmp_path_factory) -> Path:
    """After one `dvc repro` and a commit; READ ONLY: a test works in a copy of it."""
    root = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("finished") / "project"))
    copy_all(ALSO_COPIED, root)
    for command in (
        "git init -q -b main",
        "git add -A",
        "git rm -q --cached dvc.lock demo/dvc.lock",
        "git commit -q -m 'the project'",
        "dvc repro -q",
        "git add -A",
        "git commit -q -m 'first run'",
    ):
        done = run(command, root)
        assert done.returncode == 0, done.stdout[-3000:]
    return root


@pytest.fixture
def project(finished_project, tmp_path) -> Path:
    return Path(shutil.copytree(finished_project, tmp_path / "project", symlinks=True))
