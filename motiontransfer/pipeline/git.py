"""git, asked by its command; its failures are errors and no answers."""

import shutil
import subprocess
from pathlib import Path

from motiontransfer.core import layout
from motiontransfer.core.errors import GitError, one_line
from motiontransfer.pipeline.dvc_api import does_without_git

_NAMES_IN_GIT = ("dvc.lock", "dvc.yaml", "params.yaml", "films.yaml", "config", "metrics.json")
_REMEDY = "mend that, or do without git: `uv run dvc config --local core.no_scm true`"


def git(root: Path, *arguments: str, stdin: str = "") -> str:
    """Output of git in a project; empty where git says no, and in a project that does without.

    Raises:
        GitError: git is not installed, or fails, as in a repository of another user.
    """
    if does_without_git(root):
        return ""
    if shutil.which("git") is None:
        raise GitError(f"git is not installed here; {_REMEDY}")
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], input=stdin, capture_output=True, encoding="utf-8",
        check=False,
    )  # fmt: skip
    says_no = done.returncode == 1 and not done.stderr
    if done.returncode and not says_no:
        reason = one_line(done.stderr).removeprefix("fatal: ")
        raise GitError(f"git {arguments[0]}: {reason}; {_REMEDY}")
    return done.stdout


def has_commit(root: Path) -> bool:
    return bool(git(root, "rev-parse", "--verify", "--quiet", "HEAD"))


def uncommitted(root: Path) -> tuple[str, ...]:
    """Changed files of git's, and new ones that belong there: locks, params, metrics, `*.dvc`.

    Of a project in a folder of git's repository, those in the folder, by their paths in it.
    """

    def belongs_to_git(path: Path) -> bool:
        is_metrics = layout.METRICS_FOLDER in path.parents
        return path.name in _NAMES_IN_GIT or path.suffix == ".dvc" or is_metrics

    how = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    lines = git(root, "status", *how, "--", ".").split("\0")
    folder = git(root, "rev-parse", "--show-prefix").removesuffix("\n")
    changed = {line[3:].removeprefix(folder): line[:2] for line in lines if line}
    kept = [name for name, state in changed.items() if state != "??" or belongs_to_git(Path(name))]
    return tuple(sorted(kept))
