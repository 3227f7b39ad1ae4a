"""What git knows of a project: changes that others lack yet, and what it never keeps."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

_NAMES = ("dvc.lock", "dvc.yaml", "params.yaml", "config", "metrics.json")
_METRICS_FOLDER = ("artifacts", "metrics")


def uncommitted(root: Path) -> tuple[str, ...]:
    """Changed files of git's, and new ones that belong there: locks, params, metrics, `*.dvc`.

    Nothing where there is no git.
    """
    lines = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all").split("\0")
    return tuple(
        sorted(
            line[3:]
            for line in lines
            if line and (not line.startswith("??") or _belongs_to_git(Path(line[3:])))
        )
    )


def ignored(root: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """Those of the paths that git is told to ignore; nothing where there is no git."""
    asked = "\0".join(paths)
    return tuple(filter(None, _git(root, "check-ignore", "-z", "--stdin", told=asked).split("\0")))


def has_commit(root: Path) -> bool:
    """Whether anything was ever committed."""
    return bool(_git(root, "rev-parse", "--verify", "HEAD"))


def _belongs_to_git(path: Path) -> bool:
    return path.name in _NAMES or path.suffix == ".dvc" or path.parts[:2] == _METRICS_FOLDER


def _git(root: Path, *arguments: str, told: str = "") -> str:
    """What git prints; nothing if it fails, as without a repository, or is not installed."""
    if shutil.which("git") is None:
        return ""
    done = subprocess.run(
        ["git", "-C", str(root), *arguments],
        input=told,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return "" if done.returncode else done.stdout
