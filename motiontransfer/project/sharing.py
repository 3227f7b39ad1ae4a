"""Sharing a project's results: what is sent to the remote, and in which order.

First the outs that dvc.lock names and the outs of every past run that is still whole here, then the
run cache's entries: whatever was cut off, what the remote lists it also has.
"""

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dvc.exceptions import CheckoutError, DownloadError, DvcException, UploadError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import plan_repro
from dvc.stage.exceptions import StageCmdFailedError
from dvc_data.hashfile.hash_info import HashInfo

from motiontransfer.errors import MissingFileError, MotionTransferError, RemoteError
from motiontransfer.project.remote import (
    default_remote,
    opened,
    remote_url,
    set_remote,
    told_in_one_line,
)
from motiontransfer.project.run_cache import (
    checked_lists,
    condition,
    fetch_runs,
    named_objects,
    num_bytes,
    objects_of,
    past_runs,
    runs_there,
    send_runs,
)

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What one `share` did."""

    url: str
    """Where everything lies."""
    num_sent: int
    """Files that the remote did not have yet."""
    sent_bytes: int
    """Their size."""
    num_there: int
    """Files that it had already."""
    num_runs: int
    """Entries of the run cache that it did not have yet."""
    stale_stages: tuple[str, ...]
    """Stages whose inputs changed since they ran: whoever joins runs them."""
    out_of_care: tuple[str, ...]
    """Files that a stage reads and that neither git nor DVC keeps: `dvc add` them."""
    to_commit: tuple[str, ...]
    """Files that git does not have yet in their present form, and that others need."""


def share(
    url: str | None = None,
    *,
    root: Path = Path(),
    name: str = "team",
    endpoint: str | None = None,
    profile: str | None = None,
) -> Shared:
    """Send everything that others lack; with `url`, make that the project's remote first.

    Raises:
        MissingFileError: nothing was run yet, so there is nothing to share.
        RemoteError: no remote is set, the URL holds a secret, or the remote refuses.
        MissingLibraryError: the package for this kind of remote is not installed.
    """
    with opened(root) as repo:
        if url is not None:
            set_remote(repo, url, name=name, endpoint=endpoint, profile=profile)
        elif endpoint or profile:
            raise RemoteError("--endpoint and --profile belong to a URL: give it too")
        name = default_remote(repo)
        if not (Path(repo.root_dir) / "dvc.lock").exists():
            raise MissingFileError("dvc.lock: no such file; run `dvc repro` first")
        with (
            told_in_one_line(name=name, url=remote_url(repo)),
            checked_lists(remote_url(repo)),
        ):
            return _send(repo)


def _send(repo: Repo) -> Shared:
    # Asked first: to a list S3 answers why it refuses; to a look at one object only that it does.
    there = runs_there(repo)
    runs = past_runs(repo)
    objects = named_objects(repo)
    for outs in runs.values():
        objects |= outs
    here = {oid for oid in objects if repo.cache.local.exists(oid)}
    result = repo.cloud.push([HashInfo("md5", oid) for oid in sorted(here)])
    if result.failed:
        raise UploadError(len(result.failed))  # why, of each, is in DVC's log
    sent = {str(info.value) for info in result.transferred}
    return Shared(
        url=remote_url(repo),
        num_sent=len(sent),
        sent_bytes=sum(num_bytes(repo, oid) for oid in sent),
        num_there=len(here) - len(sent),
        num_runs=send_runs(repo, runs, there=there),
        stale_stages=stale_stages(repo),
        out_of_care=_out_of_care(repo),
        to_commit=uncommitted(Path(repo.root_dir)),
    )


def _out_of_care(repo: Repo) -> tuple[str, ...]:
    """Files that a stage reads, that git ignores and that DVC was not told of."""
    outs = [Path(out.fs_path) for out in repo.index.outs]
    read = {Path(dep.fs_path) for dep in repo.index.deps if dep.protocol == "local" and dep.exists}
    strangers = [
        path.relative_to(repo.root_dir).as_posix()
        for path in sorted(read)
        if not any(path == out or path in out.parents or out in path.parents for out in outs)
    ]
    return ignored(Path(repo.root_dir), strangers)


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


_PIPELINE = "dvc.yaml"


def in_order(repo: Repo) -> "list[Stage]":
    """The pipeline's stages and what they depend on, inputs before those who read them."""
    wanted = [stage for stage in repo.index.stages if stage.path_in_repo == _PIPELINE]
    return plan_repro(repo.index.graph, wanted)


def has_changed(repo: Repo, stage: "Stage") -> bool:
    """Whether DVC holds that it must run. The caller has locked the project."""
    upstream = list(repo.index.graph.successors(stage))
    return stage.changed(allow_missing=True, upstream=upstream)


def read_by(repo: Repo, stage: "Stage") -> "list[Output]":
    """Outs of others that a stage reads: a file, a folder, or all that lies in a folder."""
    paths = [Path(dep.fs_path) for dep in stage.deps if dep.protocol == "local"]
    return [
        out
        for out in repo.index.outs
        if out.use_cache and any(_overlap(path, Path(out.fs_path)) for path in paths)
    ]


def stale_stages(repo: Repo) -> tuple[str, ...]:
    """Names of the stages whose inputs, or outs, are not those of their last run."""
    with lock_repo(repo):
        return tuple(
            stage.addressing
            for stage in in_order(repo)
            if has_changed(repo, stage) and all(is_here(out) for out in read_by(repo, stage))
        )


def is_here(out: "Output") -> bool:
    """Whether it is on this machine, whole and as the lock says."""
    return out.exists and not out.changed_checksum()


def _overlap(path: Path, out: Path) -> bool:
    return path == out or path in out.parents or out in path.parents


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
