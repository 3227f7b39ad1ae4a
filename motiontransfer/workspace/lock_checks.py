"""Locks and unfinished trainings: who is at work in a project, and what a killed run left.

Hides DVC's lock files and the kernel's list of file locks. A lock of a dead process is in nobody's
way: DVC removes its own, and the kernel frees the others.
"""

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path

from motiontransfer.workspace.findings import Finding, fine, warning

_DVC_TMP = Path(".dvc/tmp")
_CHECKPOINTS = Path("checkpoints")


def check_locks(root: Path) -> Iterator[Finding]:
    """Who holds DVC's lock, its read and write locks, and the folders of trainings."""
    busy = list(_busy(root))
    yield from busy
    dead = sorted(pid for pid in _rwlock_pids(root) if not Path("/proc", str(pid)).exists())
    if dead and Path("/proc/self").exists():
        yield fine("locks", f"left by dead processes {dead}; DVC clears them itself")
    elif not busy:
        yield fine("locks", "nobody is at work here")


def _busy(root: Path) -> Iterator[Finding]:
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


def check_checkpoints(root: Path) -> Iterator[Finding]:
    """Trainings that did not end, and from where they would go on."""
    runs = sorted({path.parent for path in (root / _CHECKPOINTS).glob("*/*/*/step_*.safetensors")})
    for run in runs:
        stage, target, key = run.relative_to(root / _CHECKPOINTS).parts
        step = max(int(path.stem.removeprefix("step_")) for path in run.glob("step_*.safetensors"))
        yield fine(
            "checkpoints",
            f"{stage}@{target} was stopped after step {step} (run {key}); it goes on from there if "
            "its inputs, params and code are as they were then",
        )
    if not runs:
        yield fine("checkpoints", "no training was left unfinished")
