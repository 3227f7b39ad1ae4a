"""Healing a remote: each object that the project names is read there and hashed.

DVC asks a remote only whether an object is there, so that it never replaces a damaged one, and it
takes a folder's list for the folder: a member that is gone stays gone. Here every object counts.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dvc.fs import localfs
from dvc.repo import Repo
from dvc_data.hashfile.db import get_index

from motiontransfer.progress import track
from motiontransfer.workspace.remote import default_remote, opened, remote_url
from motiontransfer.workspace.remote_errors import told_in_one_line
from motiontransfer.workspace.run_cache import runs_there, send_runs
from motiontransfer.workspace.stored_objects import (
    Condition,
    condition,
    named_objects,
    past_runs,
)

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB


@dataclass(frozen=True, slots=True, kw_only=True)
class Healed:
    """What one `heal` found and did. Files are named as in the project."""

    url: str
    """Which remote."""
    num_checked: int
    """Objects that were read and hashed."""
    damaged: tuple[str, ...]
    """Files whose object on the remote had another hash: it was deleted."""
    missing: tuple[str, ...]
    """Files whose object was not there."""
    sent: tuple[str, ...]
    """Files that were sent anew."""

    @property
    def lost(self) -> tuple[str, ...]:
        """Files of which this machine has no whole copy either."""
        return tuple(sorted({*self.damaged, *self.missing} - set(self.sent)))


def heal(*, root: Path = Path()) -> Healed:
    """Check everything on the remote that dvc.lock and past runs name; replace what is damaged.

    Everything is read once: on a store that bills traffic, that costs as much as one full pull.

    Raises:
        RemoteError: no remote is set, or it refuses.
        MissingFileError: no project here.
        MissingLibraryError: the package for this kind of remote is not installed.
    """
    with opened(root) as repo:
        name = default_remote(repo)
        with told_in_one_line(name=name, url=remote_url(repo)):
            return _heal(repo)


def _heal(repo: Repo) -> Healed:
    remote = repo.cloud.get_remote_odb(command="push")
    there = runs_there(repo)
    runs = past_runs(repo)
    objects = named_objects(repo, also_in=remote)
    for outs in runs.values():
        objects |= outs
    conditions = _conditions(remote, sorted(objects))
    damaged = [oid for oid, found in conditions.items() if found == "damaged"]
    missing = [oid for oid, found in conditions.items() if found == "missing"]
    for oid in damaged:
        remote.fs.remove(remote.oid_to_path(oid))
    # DVC remembers which objects it saw there; what it remembers is wrong now.
    get_index(remote).clear()
    sent = [oid for oid in damaged + missing if condition(repo.cache.local, oid) == "whole"]
    if sent:
        paths = [repo.cache.local.oid_to_path(oid) for oid in sent]
        remote.add(paths, localfs, sent, check_exists=False, verify=False)
    send_runs(repo, runs, there=there)
    return Healed(
        url=remote_url(repo),
        num_checked=len(objects),
        damaged=tuple(sorted(objects[oid] for oid in damaged)),
        missing=tuple(sorted(objects[oid] for oid in missing)),
        sent=tuple(sorted(objects[oid] for oid in sent)),
    )


def _conditions(remote: "HashFileDB", oids: list[str]) -> dict[str, Condition]:
    with ThreadPoolExecutor(remote.fs.jobs) as pool:
        found = track(
            pool.map(lambda oid: condition(remote, oid), oids), "checking", total=len(oids)
        )
        return dict(zip(oids, found, strict=True))
