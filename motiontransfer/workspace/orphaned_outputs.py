"""Orphaned outputs: what stages made that dvc.yaml no longer has, after an entry was taken out.

DVC leaves them where they are, and a stage that reads a whole folder (all clips of a target) would
go on reading them. Only what dvc.lock says that such a stage made is orphaned: files of the user,
and temporary files of a running stage, are not.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import yaml
from dvc.exceptions import DvcException
from dvc.repo import lock_repo

from motiontransfer.errors import MissingFileError, MotionTransferError
from motiontransfer.workspace.remote import opened


def orphaned_outputs(root: Path) -> list[Path]:
    """Files and folders that no stage makes any more, relative to `root`, sorted.

    Raises:
        MissingFileError: there is no dvc.lock, so nothing is known of what was made.
        MotionTransferError: DVC cannot list the stages, or dvc.lock cannot be read.
    """
    lock = root / "dvc.lock"
    if not lock.exists():
        raise MissingFileError(f"{lock}: no such file; run `dvc repro` first")
    try:
        with opened(root) as repo:
            stages = [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]
            names = {stage.addressing for stage in stages}
            owned = {Path(out.fs_path).resolve() for out in repo.index.outs}
        recorded = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    except (DvcException, yaml.YAMLError) as error:
        raise MotionTransferError(f"{lock}: {' '.join(str(error).split())}") from error
    made = {
        Path(out["path"])
        for name, stage in recorded.items()
        if name not in names
        for out in stage.get("outs", [])
    }
    return sorted(
        path
        for path in made
        if ((root / path).exists() or (root / path).is_symlink())
        and not any(_overlap((root / path).resolve(), out) for out in owned)
    )


def delete(root: Path, paths: Iterable[Path]) -> None:
    """Delete outputs while no DVC command is at work, and folders that this leaves empty.

    Raises:
        MotionTransferError: a DVC command is at work.
    """
    try:
        with opened(root) as repo, lock_repo(repo):
            for path in paths:
                if (root / path).is_dir() and not (root / path).is_symlink():
                    shutil.rmtree(root / path)
                else:
                    (root / path).unlink()
                for folder in list(path.parents)[:-2]:  # artifacts/ and results/ stay
                    if any((root / folder).iterdir()):
                        break
                    (root / folder).rmdir()
    except DvcException as error:
        raise MotionTransferError(" ".join(str(error).split())) from error


def _overlap(path: Path, out: Path) -> bool:
    return path == out or path in out.parents or out in path.parents
