"""Checks of this project: videos, git, remote, DVC's cache, disk, locks, unfinished trainings.

A lock of a dead process is in nobody's way: DVC removes its own, and the kernel frees the others.
"""

import fcntl
import json
import shutil
import textwrap
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from dvc.fs import generic
from dvc.repo import Repo
from tqdm import tqdm

from motiontransfer.errors import MotionTransferError
from motiontransfer.params import PARAMS_FILE, load_params
from motiontransfer.workspace.git_state import has_commit, uncommitted
from motiontransfer.workspace.machine_checks import (
    CheckResult,
    check_weights,
    fault,
    ok,
    warning,
)
from motiontransfer.workspace.remote import default_remote, opened, remote_url
from motiontransfer.workspace.remote_errors import told_in_one_line

_TIMEOUT_SECONDS = 15.0
_LITTLE_DISK = 5e9
_DVC_TMP = Path(".dvc/tmp")
_CHECKPOINTS = Path("checkpoints")


def check_project(root: Path) -> Iterator[CheckResult]:
    """Check a project, in the order in which it would stop a run."""
    try:
        params = load_params(root / PARAMS_FILE)
        yield from check_weights(params)
        yield from check_videos(root, params)
        with opened(root) as repo:
            yield check_git(root, repo)
            yield check_remote(repo)
            yield check_links(repo)
            yield from check_locks(root)
            yield from check_checkpoints(root)
            yield check_disk(root)
    except MotionTransferError as error:
        yield fault("project", str(error), "run from the project's root, with its params.yaml")


def check_git(root: Path, repo: Repo) -> CheckResult:
    """Whether what a run needs and makes is committed."""
    if repo.config["core"].get("no_scm"):
        return warning(
            "git",
            "this project does without; experiments and comparisons need it",
            "git init && dvc config --local --unset core.no_scm && git add -A && git commit",
        )
    if shutil.which("git") is None:
        return warning(
            "git", "it is not installed here", "install it: experiments and comparisons need it"
        )
    if not has_commit(root):
        return fault("git", "there is no commit yet", "git add -A && git commit -m start")
    changed = uncommitted(root)
    if changed:
        return warning(
            "git",
            f"not committed: {textwrap.shorten(', '.join(changed), 80, placeholder=' ...')}",
            "git add -A && git commit: others, and `dvc metrics diff`, see only what is committed",
        )
    return ok("git", "all is committed")


def check_remote(repo: Repo) -> CheckResult:
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
    return ok("remote", f"{name} ({url}) answers, and what comes from it is checked")


def _trouble(repo: Repo, name: str, url: str) -> str | None:
    """What is wrong with the remote, in one line."""
    errors: list[str] = []

    def ask() -> None:
        try:
            with told_in_one_line(name=name, url=url):
                store = repo.cloud.get_remote_odb(name)
                store.fs.exists(store.path)
        except MotionTransferError as error:
            errors.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_TIMEOUT_SECONDS)
    if asking.is_alive():
        return f"{url}: no answer within {_TIMEOUT_SECONDS:.0f} s"
    if not errors and "://" not in url and not Path(url).exists():
        return f"{url}: there is no such folder"
    return errors[0] if errors else None


def check_links(repo: Repo) -> CheckResult:
    """Whether DVC's cache doubles what is on the disk."""
    chosen = repo.cache.local.cache_types
    store = repo.cache.local
    Path(store.path).mkdir(parents=True, exist_ok=True)
    possible = generic.test_links(
        ["reflink", "hardlink", "symlink"], store.fs, store.path, repo.fs, repo.root_dir
    )
    used = next((link for link in chosen if link == "copy" or link in possible), "copy")
    if used != "copy":
        return ok("cache", f"linked ({used}): each file takes its place once")
    if "hardlink" in possible:
        return warning(
            "cache",
            "each file is on the disk twice, as a copy in .dvc/cache",
            "where the disk is short: dvc config cache.type hardlink,copy && dvc checkout --relink",
        )
    return ok("cache", "each file is on the disk twice: links are not possible here")


def check_disk(root: Path) -> CheckResult:
    """How much of the disk is free."""
    free = shutil.disk_usage(root).free
    message = f"{tqdm.format_sizeof(free, 'B')} free"
    if free < _LITTLE_DISK:
        return warning(
            "disk", message, "free some, or lower decode.size; `dvc gc` forgets old runs"
        )
    return ok("disk", message)


def check_videos(root: Path, params: Mapping[str, object]) -> Iterator[CheckResult]:
    """Whether the videos of params.yaml are there."""
    videos = params.get("videos")
    for name, video in videos.items() if isinstance(videos, Mapping) else ():
        path = Path(str(video.get("path"))) if isinstance(video, Mapping) else Path()
        if (root / path).exists() or path.parts[:1] == ("demo",):
            continue
        pointer = path.with_name(f"{path.name}.dvc")
        fix = "dvc pull" if (root / pointer).exists() else f"copy it there, or remove-video {name}"
        yield fault("videos", f"videos.{name}: {path} is not here", fix)


def check_locks(root: Path) -> Iterator[CheckResult]:
    """Who holds DVC's lock, its read and write locks, and the folders of trainings."""
    busy = list(_busy(root))
    yield from busy
    dead = sorted(pid for pid in _rwlock_pids(root) if not Path("/proc", str(pid)).exists())
    if dead and Path("/proc/self").exists():
        yield ok("locks", f"left by dead processes {dead}; DVC clears them itself")
    elif not busy:
        yield ok("locks", "nobody is at work here")


def _busy(root: Path) -> Iterator[CheckResult]:
    lock = root / _DVC_TMP / "lock"
    if lock.exists() and is_held(lock):
        yield warning(
            "locks", f"a dvc command is at work here{_by(lock)}", "wait for it, or end it by its id"
        )
    for training in sorted((root / _CHECKPOINTS).glob("*/*/*/lock")):
        if is_held(training):
            stage, target, _ = training.parent.relative_to(root / _CHECKPOINTS).parts
            yield warning(
                "locks",
                f"{stage} {target} is being trained{_by(training)}",
                "wait for it, or end it by its id: dvc, killed alone, leaves its stage running",
            )


def is_held(lock: Path) -> bool:
    """Whether any process holds a lock on a file."""
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(file, fcntl.LOCK_UN)
    return _holder(lock) is not None


def _by(lock: Path) -> str:
    pid = _holder(lock)
    if pid is None:
        return ""
    try:
        command = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        command = ""
    words = " ".join(command.split("\0")).strip()
    return f", by process {pid}{f' ({words})' if words else ''}"


def _holder(lock: Path) -> int | None:
    """Who holds a lock on the file, of those whom the kernel shows."""
    inode = lock.stat().st_ino
    try:
        rows = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for row in rows:
        columns = row.replace("->", " ").split()
        if len(columns) > 5 and columns[5].rpartition(":")[2] == str(inode):
            return int(columns[4]) if columns[4].isdigit() else None
    return None


def _rwlock_pids(root: Path) -> set[int]:
    try:
        content = json.loads((root / _DVC_TMP / "rwlock").read_text(encoding="utf-8"))
        entries = [*content.get("write", {}).values(), *content.get("read", {}).values()]
    except (OSError, ValueError, AttributeError):
        return set()
    holders = [it for entry in entries for it in (entry if isinstance(entry, list) else [entry])]
    return {it["pid"] for it in holders if isinstance(it, dict) and isinstance(it.get("pid"), int)}


def check_checkpoints(root: Path) -> Iterator[CheckResult]:
    """Trainings that did not end, and from where they would go on."""
    runs = sorted({path.parent for path in (root / _CHECKPOINTS).glob("*/*/*/step_*.safetensors")})
    for run in runs:
        stage, target, key = run.relative_to(root / _CHECKPOINTS).parts
        step = max(int(path.stem.removeprefix("step_")) for path in run.glob("step_*.safetensors"))
        yield ok(
            "checkpoints",
            f"{stage}@{target} was stopped after step {step} (run {key}); it goes on from there if "
            "its inputs, params and code are as they were then",
        )
    if not runs:
        yield ok("checkpoints", "no training was left unfinished")
