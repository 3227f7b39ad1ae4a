"""The clone that is tested, and what a user's runs write in it, as it shipped."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORK_TREE = bool(os.environ.get("TEST_WORK_TREE"))
"""Whether params, films and the record ship, and are tested, as they are in the clone now."""
SHIPPED = ROOT / "motiontransfer/project"
"""Folder of params.yaml and films.yaml: the package's copies, which no command writes."""
for _name in ("params.yaml", "films.yaml") if WORK_TREE else ():
    shutil.copy(ROOT / _name, SHIPPED)
_WITH_A_RECORD = ("docs/demo.json", "dvc.yaml", "demo/dvc.yaml")
"""Changed by whoever changes the record, and by no dance or experiment."""


def recorded(name: str) -> str:
    """Text of a file of the demo's record, of the commit that brought the record into git."""
    last = "" if WORK_TREE else _git("log", "-1", "--format=%H", "--", *_WITH_A_RECORD).strip()
    return _git("show", f"{last}:./{name}") if last else (ROOT / name).read_text("utf-8")


def _git(*arguments: str) -> str:
    """What git prints; nothing where this is no clone."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, encoding="utf-8")
    return done.stdout


def copy_all(names: tuple[str, ...], root: Path, *, ignored: tuple[str, ...] = ()) -> None:
    """Copy these files and folders of the clone; params and films as they shipped."""
    for name in names:
        source = (SHIPPED if name in ("params.yaml", "films.yaml") else ROOT) / name
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", *ignored)
            shutil.copytree(source, root / name, ignore=ignore)
        else:
            shutil.copy(source, root / name)
