"""A DVC project in git with the given files, and DVC's caches of its own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import dvc.repo  # noqa: F401 - its logging keeps the stderr of its import: not one test's

from tests.films import MIDDLE
from tests.people import detects, everyone, person
from tests.project_files import SHIPPED, read_films


def small_project(root: Path, files: Mapping[str, str], monkeypatch) -> Path:
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(root.parent / name))
    settings = {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/tmp\n/cache\n/config.local\n",
    }
    for name, text in {"params.yaml": SHIPPED["params.yaml"], **settings, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


def files():
    """All that is in the working directory, but for DVC's own cache."""
    return {
        path: path.read_bytes()
        for path in Path().rglob("*")
        if path.is_file() and not {".git", "cache", "tmp"} & set(path.parts)
    }


def params():
    return read_films()


def project_of_films(root: Path, files: Mapping[str, str], monkeypatch) -> Path:
    """One with these params, as the working directory; a person is found in each film."""
    small_project(root, {".gitignore": "/data/videos/*.mkv\n", **SHIPPED, **files}, monkeypatch)
    monkeypatch.chdir(root)
    monkeypatch.setattr("motiontransfer.project.video_check._detect_people", detects(MIDDLE))
    monkeypatch.setattr("motiontransfer.project.video_check._detect_person", detects(MIDDLE))
    in_picture = everyone(person())
    monkeypatch.setattr(
        "motiontransfer.project.video_check._detect_in_picture", lambda *_, **__: in_picture
    )
    return root
