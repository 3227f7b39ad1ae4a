"""Whether this project is in order: git, the remote, DVC's links, and the disk.

Hides where each is written down. The remote is asked for once, with patience for a moment.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from dvc.fs import generic
from dvc.repo import Repo

from motiontransfer.errors import MotionTransferError
from motiontransfer.workspace.amounts import names_text, size_text
from motiontransfer.workspace.findings import Finding, fault, fine, warning
from motiontransfer.workspace.git_state import uncommitted
from motiontransfer.workspace.remote import default_remote, remote_url
from motiontransfer.workspace.remote_errors import told_in_one_line

_PATIENCE_SECONDS = 15.0
_LITTLE_DISK = 5e9


def check_git(root: Path, repo: Repo) -> Finding:
    """Whether what a run needs and makes is committed."""
    if repo.config["core"].get("no_scm"):
        return warning(
            "git",
            "this project does without; experiments and comparisons need it",
            "git init && dvc config --local --unset core.no_scm && git add -A && git commit",
        )
    if _git(root, "rev-parse", "--verify", "HEAD") is None:
        return fault("git", "there is no commit yet", "git add -A && git commit -m start")
    changed = uncommitted(root)
    if changed:
        return warning(
            "git",
            f"not committed: {names_text(changed)}",
            "git add -A && git commit: others, and `dvc metrics diff`, see only what is committed",
        )
    return fine("git", "all is committed")


def _git(root: Path, *arguments: str) -> str | None:
    """What git prints, or None where it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def check_remote(repo: Repo) -> Finding:
    """Whether there is a remote, whether it answers, and whether downloads are checked."""
    try:
        name = default_remote(repo)
    except MotionTransferError:
        return warning(
            "remote",
            "none: what you compute is on this disk alone",
            "motiontransfer share URL (a folder, ssh:// or s3://)",
        )
    url = remote_url(repo)
    trouble = _trouble(repo, name, url)
    if trouble is not None:
        return warning("remote", trouble, "runs do without it; sharing does not")
    if not repo.config["remote"][name].get("verify"):
        return warning(
            "remote",
            f"{name} ({url}) answers, but what comes from it is not checked",
            f"dvc remote modify {name} verify true",
        )
    return fine("remote", f"{name} ({url}) answers, and what comes from it is checked")


def _trouble(repo: Repo, name: str, url: str) -> str | None:
    """What is wrong with the remote, in one line."""
    told: list[str] = []

    def ask() -> None:
        try:
            with told_in_one_line(name=name, url=url):
                store = repo.cloud.get_remote_odb(name)
                store.fs.exists(store.path)
        except MotionTransferError as error:
            told.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PATIENCE_SECONDS)
    if asking.is_alive():
        return f"{url}: no answer within {_PATIENCE_SECONDS:.0f} s"
    if not told and "://" not in url and not Path(url).exists():
        return f"{url}: there is no such folder"
    return told[0] if told else None


def check_links(repo: Repo) -> Finding:
    """Whether DVC's cache doubles what is on the disk."""
    chosen = repo.cache.local.cache_types
    store = repo.cache.local
    Path(store.path).mkdir(parents=True, exist_ok=True)
    possible = generic.test_links(
        ["reflink", "hardlink", "symlink"], store.fs, store.path, repo.fs, repo.root_dir
    )
    used = next((link for link in chosen if link == "copy" or link in possible), "copy")
    if used != "copy":
        return fine("cache", f"linked ({used}): each file takes its place once")
    if "hardlink" in possible:
        return warning(
            "cache",
            "each file is on the disk twice, as a copy in .dvc/cache",
            "where the disk is short: dvc config cache.type hardlink,copy && dvc checkout --relink",
        )
    return fine("cache", "each file is on the disk twice: links are not possible here")


def check_disk(root: Path) -> Finding:
    """How much of the disk is free."""
    free = shutil.disk_usage(root).free
    told = f"{size_text(free)} free"
    if free < _LITTLE_DISK:
        return warning("disk", told, "free some, or lower decode.size; `dvc gc` forgets old runs")
    return fine("disk", told)


def check_names(root: Path, params: Mapping[str, object]) -> Iterator[Finding]:
    """Whether the videos of params.yaml are there."""
    videos = params.get("videos")
    for name, video in videos.items() if isinstance(videos, Mapping) else ():
        path = Path(str(video.get("path"))) if isinstance(video, Mapping) else Path()
        if (root / path).exists() or path.parts[:1] == ("demo",):
            continue
        pointer = path.with_name(f"{path.name}.dvc")
        mend = "dvc pull" if (root / pointer).exists() else f"copy it there, or remove-video {name}"
        yield fault("videos", f"videos.{name}: {path} is not here", mend)
