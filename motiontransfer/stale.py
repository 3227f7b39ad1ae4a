"""Files that no stage owns any more, after a video or transfer was taken out of params.yaml.

DVC leaves them where they are, and a stage that reads a whole folder (all clips of a target) would
go on reading them. Owned is what dvc.lock lists as outs of the stages that dvc.yaml still has.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import yaml

from motiontransfer.errors import MissingFileError, MotionTransferError

FOLDERS = (Path("artifacts"), Path("results"))


def stale_files(root: Path) -> list[Path]:
    """Files under artifacts/ and results/ that are no stage's out, relative to `root`, sorted.

    Raises:
        MissingFileError: there is no dvc.lock, so nothing is known of what was made.
        MotionTransferError: DVC cannot list the stages.
    """
    lock = root / "dvc.lock"
    if not lock.exists():
        raise MissingFileError(f"{lock}: no such file; run `dvc repro` first")
    recorded = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    outs = [
        Path(out["path"])
        for name in _stage_names(root)
        if name in recorded
        for out in recorded[name].get("outs", [])
    ]
    files = [
        path.relative_to(root)
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() or path.is_symlink()
    ]
    return [path for path in files if not _is_owned(path, outs)]


def remove(root: Path, files: Iterable[Path]) -> None:
    """Delete files, and folders that this leaves empty."""
    for file in files:
        (root / file).unlink()
        for folder in file.parents:
            if folder in FOLDERS or any((root / folder).iterdir()):
                break
            (root / folder).rmdir()


def _is_owned(path: Path, outs: list[Path]) -> bool:
    return any(path == out or out in path.parents for out in outs)


def _stage_names(root: Path) -> list[str]:
    listing = subprocess.run(
        [sys.executable, "-m", "dvc", "stage", "list", "--name-only"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        raise MotionTransferError(f"dvc stage list failed: {listing.stderr.strip()}")
    return listing.stdout.split()
