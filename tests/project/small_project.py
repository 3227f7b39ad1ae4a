"""A DVC project in git with the given files, and DVC's caches of its own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import dvc.repo  # noqa: F401 - its logging keeps the stderr of its import: not one test's


def small_project(root: Path, files: Mapping[str, str], monkeypatch) -> Path:
    """Write it to `root`, commit nothing."""
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(root.parent / name))
    settings = {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/tmp\n/cache\n/config.local\n",
    }
    for name, text in {**settings, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root
