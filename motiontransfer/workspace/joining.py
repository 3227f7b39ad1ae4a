"""Joining a shared project: bring what the stages that must run read, run those, bring the results.

This is `dvc repro`'s own walk through the graph with one step put in: before a stage runs, all
that it reads is brought. `dvc repro --pull --allow-missing` alone fails where a stage reads a
folder that other stages fill (all keypoints of a target) and nothing of it is here; where a part is
here, it trains on that part without a word (tests/workspace/test_sharing_joining.py shows both).
"""

import logging
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dvc.exceptions import CheckoutError, DownloadError, DvcException
from dvc.repo import Repo, lock_repo
from dvc.stage.exceptions import StageCmdFailedError

from motiontransfer.errors import MissingFileError, MotionTransferError, RemoteError
from motiontransfer.workspace.changed_stages import has_changed, in_order, is_here, read_by
from motiontransfer.workspace.git_state import uncommitted
from motiontransfer.workspace.remote import default_remote, opened, remote_url
from motiontransfer.workspace.remote_errors import told_in_one_line
from motiontransfer.workspace.run_cache import fetch_runs
from motiontransfer.workspace.stored_objects import checked_lists, condition, objects_of

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import Stage

Brought = Literal["needed", "results", "all"]

_REPAIR = (
    "whoever has it whole, the owner as a rule, deletes it there and runs `uv run dvc push` "
    "(docs/sharing.md, A damaged file on the remote); then run this again"
)
_logger = logging.getLogger(__name__)
_RESULTS_FOLDER = "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What one `join` did."""

    url: str
    """Where everything came from."""
    brought: tuple[str, ...]
    """Outs that were brought, in the order in which they came."""
    brought_bytes: int
    """Their size."""
    renewed: tuple[str, ...]
    """Stages whose inputs changed: they ran, or an earlier run of the same inputs was restored."""
    num_refused_runs: int
    """Entries of the remote's run cache that are not what their name says: they were not used."""
    to_commit: tuple[str, ...]
    """Files that git does not have yet in their present form."""


def join(*, root: Path = Path(), bring: Brought = "results") -> Joined:
    """Run what changed since dvc.lock was committed, with no more from the remote than that takes.

    Args:
        bring: `needed`: only what the stages that run read; `results`: also what lies in results/;
            `all`: every out.

    Raises:
        MissingFileError: no project here, or its dvc.lock was not committed.
        RemoteError: no remote is set, it refuses, or what it holds is missing or damaged.
        MissingLibraryError: the package for this kind of remote is not installed.
        MotionTransferError: a stage failed.
    """
    with opened(root) as repo:
        name = default_remote(repo)
        if not (Path(repo.root_dir) / "dvc.lock").exists():
            raise MissingFileError(
                "dvc.lock: no such file, so nothing is known of what was run; "
                "its owner commits it to git"
            )
        with (
            told_in_one_line(name=name, url=remote_url(repo)),
            checked_lists(remote_url(repo)),
            lock_repo(repo),
            repo.scm_context(quiet=True),
            _this_python_first(),
        ):
            num_refused_runs = fetch_runs(repo)
            walk = _Walk(repo)
            renewed = walk.renew_what_changed()
            if bring != "needed":
                walk.bring(_finished(repo, bring))
        return Joined(
            url=remote_url(repo),
            brought=tuple(walk.brought),
            brought_bytes=sum(_size(Path(repo.root_dir) / path) for path in walk.brought),
            renewed=tuple(renewed),
            num_refused_runs=num_refused_runs,
            to_commit=uncommitted(Path(repo.root_dir)),
        )


@contextmanager
def _this_python_first() -> Generator[None]:
    """Stages call `python`: the one that runs this, whatever is in the PATH."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


class _Walk:
    """Through the stages in the order of their dependencies, inputs before those who read them."""

    def __init__(self, repo: Repo) -> None:
        self.brought: list[str] = []
        self._repo = repo

    def renew_what_changed(self) -> list[str]:
        """Names of the stages that ran or were restored."""
        return [
            stage.addressing
            for stage in in_order(self._repo)
            if has_changed(self._repo, stage) and self._renew(stage)
        ]

    def bring(self, outs: "Iterable[Output]") -> None:
        """Those that are not here yet; a folder that is here in part is completed."""
        missing = [out for out in outs if out.hash_info and not is_here(out)]
        if missing:
            try:
                self._repo.pull([out.fs_path for out in missing])
            except (CheckoutError, DownloadError, FileNotFoundError) as error:
                # Each file that could come did; DVC has all three ways to say that others did not.
                harm = _harm(self._repo, missing)
                if harm:
                    url = remote_url(self._repo)
                    raise RemoteError(f"{url}: {', '.join(harm)}; {_REPAIR}") from error
                raise
            self.brought += [_path(self._repo, out) for out in missing]

    def _renew(self, stage: "Stage") -> bool:
        """Whether it had to run, once everything it reads was here."""
        upstream = list(self._repo.index.graph.successors(stage))
        self.bring(read_by(self._repo, stage))
        for dep in stage.deps:
            if dep.protocol == "local" and not dep.exists:
                raise RemoteError(
                    f"stage {stage.addressing} reads {dep.def_path}, which nobody shared; whoever "
                    f"has it runs `uv run dvc add {dep.def_path}`, commits {dep.def_path}.dvc, and "
                    "shares again"
                )
        if not (stage.changed_stage() or stage.changed_deps(allow_missing=True, upstream=upstream)):
            self._complete(stage)
        try:
            done = stage.reproduce(allow_missing=True, pull=True, upstream=upstream)
        except StageCmdFailedError as error:
            raise MotionTransferError(
                f"stage {stage.addressing} failed; it said why above, and "
                "`uv run motiontransfer join` goes on from here"
            ) from error
        if done:
            done.dump(update_pipeline=False)
        return bool(done)

    def _complete(self, stage: "Stage") -> None:
        """Its own outs, of which an earlier join that was killed brought a part."""
        try:
            self.bring(out for out in stage.outs if out.use_cache)
        except DvcException as error:  # what lies there is somebody's own: DVC decides
            _logger.debug("not completed: %s", error)


def _harm(repo: Repo, outs: "Iterable[Output]") -> list[str]:
    """What is damaged or missing on the remote of outs that could not be brought, by file."""
    remote = repo.cloud.get_remote_odb(command="pull")
    stores = [repo.cache.local, remote]
    objects = [
        item
        for out in outs
        if out.hash_info and not is_here(out)
        for item in objects_of(str(out.hash_info.value), _path(repo, out), stores).items()
    ]
    return [
        f"{path} is {state} there (files/md5/{oid[:2]}/{oid[2:]})"
        for oid, path in objects
        if not repo.cache.local.exists(oid) and (state := condition(remote, oid)) != "whole"
    ]


def _finished(repo: Repo, bring: Brought) -> "list[Output]":
    return [
        out
        for out in repo.index.outs
        if out.use_cache and (bring == "all" or Path(_path(repo, out)).parts[0] == _RESULTS_FOLDER)
    ]


def _path(repo: Repo, out: "Output") -> str:
    return Path(out.fs_path).relative_to(repo.root_dir).as_posix()


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
