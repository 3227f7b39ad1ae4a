"""A finished project at a tiny size, in git as a user's would be, for pages and notebooks."""

import shutil
from pathlib import Path

import pytest

from tests.clone import copy_all, recorded
from tests.docs.pages import run

ALSO_COPIED = (".dvc/.gitignore", "README.md", "pyproject.toml", "docs", "examples", "presets")


@pytest.fixture(scope="session")
def finished_project(tiny_run, tmp_path_factory) -> Path:
    """After one `dvc repro` and a commit; READ ONLY but for its cache: a test works in a copy."""
    root = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("finished") / "project"))
    copy_all(ALSO_COPIED, root)
    (root / ".dvc/config").write_text(recorded(".dvc/config"))  # without remotes
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
    """A copy, with one cache for all: what one page has run is there for the next."""
    root, cache = tmp_path / "project", finished_project / ".dvc/cache"
    ignored = shutil.ignore_patterns(cache.name)
    shutil.copytree(finished_project, root, symlinks=True, ignore=ignored)
    (root / ".dvc/cache").symlink_to(cache)
    return root
