"""Sharing a project's results: what is sent to the remote, and in which order.

First the outs that dvc.lock names and the outs of every past run that is still whole here, then the
run cache's entries: whatever was cut off, what the remote lists it also has.
"""

from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import UploadError
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo

from motiontransfer.errors import MissingFileError, RemoteError
from motiontransfer.workspace.changed_stages import stale_stages
from motiontransfer.workspace.git_state import ignored, uncommitted
from motiontransfer.workspace.remote import default_remote, opened, remote_url, set_remote
from motiontransfer.workspace.remote_errors import told_in_one_line
from motiontransfer.workspace.run_cache import past_runs, runs_there, send_runs
from motiontransfer.workspace.stored_objects import checked_lists, named_objects, num_bytes


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
