"""Folders' lists and past runs of a DVC remote, checked before DVC uses them.

An object is a file named after its MD5 hash; a folder is an object that lists its members' paths
and hashes, which DVC joins to its own paths. Lists are brought into this machine's cache, where DVC
looks for them first, and only those whose hash is right and that stay in their folder.

An entry of the run cache, `aa/KEY/VALUE`, is a YAML file with command, inputs, params and outputs
of one run. KEY is the SHA-256 of all but the outputs' hashes, VALUE of all. DVC finds entries by
KEY and trusts their content; here, those whose name does not match are refused, so that a restored
run writes only outputs that dvc.yaml declares. `dvc push --run-cache` sends every entry each time
and only the present outputs; here new entries are sent, after their outputs.

Source: DVC's documentation, "Internal directories and files".
"""

import json
import os
import re
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Literal

from dvc.exceptions import DownloadError
from dvc.fs import FileSystem, LocalFileSystem, generic, localfs
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.utils import dict_sha256
from dvc.utils.serialize import ParseError, load_yaml
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from voluptuous import Invalid

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB


Condition = Literal["whole", "damaged", "missing", "forged"]
"""`forged`: a folder's list that leads outside the folder, or was no list when it was hashed."""
_LIST_SUFFIX = ".dir"
_NAME_OF_RUN = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}/[0-9a-f]{64}")


def condition(store: "HashFileDB", oid: str) -> Condition:
    """Read a stored object and hash it."""
    try:
        digest = file_md5(store.oid_to_path(oid), store.fs)
    except FileNotFoundError:
        return "missing"
    return "whole" if digest == oid.removesuffix(_LIST_SUFFIX) else "damaged"


def objects_of(repo: Repo, oid: str, path: str = "") -> dict[str, str]:
    """An object's path by its hash and, of a folder whose list is here, its members'."""
    objects = {oid: path}
    if oid.endswith(_LIST_SUFFIX) and condition(repo.cache.local, oid) == "whole":
        members = json.loads(Path(repo.cache.local.oid_to_path(oid)).read_text(encoding="utf-8"))
        objects |= {member["md5"]: f"{path}/{member['relpath']}" for member in members}
    return objects


def fetch_lists(repo: Repo, oids: Iterable[str]) -> dict[str, Condition]:
    """Bring the folders' lists among these objects here; return those that cannot be used."""
    cache, remote = repo.cache.local, repo.cloud.get_remote_odb(command="pull")
    lists = {oid for oid in oids if oid.endswith(_LIST_SUFFIX) and condition(cache, oid) != "whole"}
    faults: dict[str, Condition] = dict.fromkeys(sorted(lists), "missing")
    found = remote.list_oids_exists(faults) if lists else ()
    there = {oid: remote.oid_to_path(oid) for oid in found}
    with _copied(repo, remote.fs, there) as arrived:
        for oid, file in arrived.items():
            faults[oid] = _condition_of_list(file, oid)
            if faults[oid] == "whole":
                _move(file, Path(cache.oid_to_path(oid)))
                del faults[oid]
    return faults


def _condition_of_list(file: Path, oid: str) -> Condition:
    """Whether DVC can use what arrived, and would read or write nothing elsewhere."""
    is_whole = file_md5(str(file), localfs) == oid.removesuffix(_LIST_SUFFIX)
    try:
        members = json.loads(file.read_text(encoding="utf-8"))
        is_usable = isinstance(members, list) and all(
            member.keys() == {"md5", "relpath"}
            and re.fullmatch(r"[0-9a-f]{32}", member["md5"])
            and _is_inside(PureWindowsPath(member["relpath"]))  # which knows every separator
            for member in members
        )
    except ValueError:  # cut off or rotten, unless it was written like this
        is_usable = not is_whole
    except (AttributeError, TypeError, RecursionError):
        is_usable = False
    if not is_usable:
        return "forged"
    return "whole" if is_whole else "damaged"


def _is_inside(path: PureWindowsPath) -> bool:
    """Return False for a path that leads elsewhere; no file has a zero byte in its name."""
    is_relative = bool(path.parts) and not path.anchor and ".." not in path.parts
    return is_relative and b"\0" not in os.fsencode(path)


@contextmanager
def _copied(repo: Repo, fs: FileSystem, sources: Mapping[str, str]) -> Generator[dict[str, Path]]:
    """Copies of a remote's files, on the cache's disk, until the context ends."""
    cache = Path(repo.cache.legacy.path)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as unchecked:
        files = {name: Path(unchecked) / str(index) for index, name in enumerate(sources)}
        if files:
            targets = [str(file) for file in files.values()]
            generic.copy(fs, [*sources.values()], localfs, targets, batch_size=fs.jobs)
        yield files


def _move(file: Path, target: Path) -> None:
    file.chmod(0o444)  # as DVC keeps objects
    target.parent.mkdir(parents=True, exist_ok=True)
    file.replace(target)


def past_runs(repo: Repo) -> dict[Path, set[str]]:
    """Each entry of this machine's run cache, with the objects of its outputs, if all are here.

    A run whose outputs are gone, by `dvc gc` or because they were never fetched, is left out: it
    could not be restored from here.
    """
    runs = {}
    for name, path in _runs_here(repo).items():
        outs = _outs_of_run(path, name) or ()
        objects = {oid for out in outs for oid in objects_of(repo, out)}
        if objects and all(repo.cache.local.exists(oid) for oid in objects):
            runs[path] = objects
    return runs


def _runs_here(repo: Repo) -> dict[str, Path]:
    """Each local entry by `aa/KEY/VALUE`."""
    local = Path(repo.stage_cache.cache_dir)
    return {path.relative_to(local).as_posix(): path for path in sorted(local.glob("??/*/*"))}


def runs_there(repo: Repo) -> dict[str, tuple[str, int]]:
    """Path and size of each entry on the remote, by `aa/KEY/VALUE`.

    An entry that is smaller than the local one was cut off when a transfer was killed.
    """
    remote, folder = _on_remote(repo)
    if isinstance(remote, LocalFileSystem):
        sizes = {path: Path(path).stat().st_size for path in remote.find(folder)}
    else:
        sizes = {path: info["size"] for path, info in remote.fs.find(folder, detail=True).items()}
    return {"/".join(remote.parts(path)[-3:]): (path, size) for path, size in sizes.items()}


def send_runs(repo: Repo, runs: Iterable[Path], *, there: Mapping[str, tuple[str, int]]) -> int:
    """Send the entries that are not `there`; return how many."""
    remote, folder = _on_remote(repo)
    new = {
        remote.join(folder, *path.parts[-3:]): path
        for path in runs
        if there.get("/".join(path.parts[-3:]), ("", 0))[1] != path.stat().st_size
    }
    if new:
        for parent in sorted({remote.parent(target) for target in new}):
            remote.makedirs(parent, exist_ok=True)
        sources = [str(path) for path in new.values()]
        generic.copy(localfs, sources, remote, [*new], batch_size=remote.jobs)
    return len(new)


def fetch_runs(repo: Repo) -> int:
    """Accept the entries that this machine lacks; return how many were refused.

    An entry of a folder whose list can be had neither here nor there is not kept.
    """
    remote, _ = _on_remote(repo)
    there, here = runs_there(repo), _runs_here(repo)
    named = {name: run for name, run in there.items() if _NAME_OF_RUN.fullmatch(name)}
    num_refused = len(there) - len(named)
    new = {
        name: source
        for name, (source, size) in named.items()
        if name not in here or here[name].stat().st_size != size
    }
    with _copied(repo, remote, new) as arrived:
        runs = here | arrived  # those here, too: `dvc gc` deletes the lists of some
        outs = {name: _outs_of_run(path, name) for name, path in runs.items()}
        faults = fetch_lists(repo, (oid for oids in outs.values() for oid in oids or ()))
        for name, path in runs.items():
            found = {faults[oid] for oid in outs[name] or () if oid in faults}
            if found or (name in arrived and outs[name] is None):
                path.unlink()  # it could not be restored, or only with what is not checked
                num_refused += not found or "forged" in found
            elif name in arrived:
                _move(path, Path(repo.stage_cache.cache_dir) / name)
    return num_refused


def accept_run(repo: Repo, name: str, content: bytes) -> None:
    """Keep an entry that another machine made, and bring its outputs into the cache.

    Raises:
        DownloadError: its outputs are not whole on the remote.
    """
    arrived = Path(repo.cache.legacy.path) / f"{name.replace('/', '')}.tmp"
    arrived.parent.mkdir(parents=True, exist_ok=True)
    arrived.write_bytes(content)
    outs = _outs_of_run(arrived, name) or ()
    faults = fetch_lists(repo, outs)
    # Members one by one: DVC takes a list that is here for its whole folder.
    oids = set[str]().union(*(objects_of(repo, oid) for oid in outs if oid not in faults))
    pulled = repo.cloud.pull([HashInfo("md5", oid) for oid in sorted(oids)])
    if faults or pulled.failed:
        raise DownloadError(len(faults) + len(pulled.failed))
    _move(arrived, Path(repo.stage_cache.cache_dir) / name)


def _outs_of_run(path: Path, name: str) -> list[str] | None:
    """Hashes of the outputs of an entry; None if it is not what its name says."""
    try:
        run = COMPILED_LOCK_FILE_STAGE_SCHEMA(load_yaml(path))
    except (ParseError, Invalid):  # cut off when a transfer was killed, or never an entry
        return None
    outs = run.get("outs", [])
    identity = {**run, "outs": [out["path"] for out in outs]}
    key, value = (dict_sha256(it, exclude=["size", "nfiles"]) for it in (identity, run))
    # DVC would take a list of files from the entry itself, and a hash as a path in its cache.
    if name.split("/")[1:] != [key, value] or any(
        "files" in out or not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", str(out.get("md5")))
        for out in outs
    ):
        return None
    return [out["md5"] for out in outs]


def _on_remote(repo: Repo) -> tuple[FileSystem, str]:
    """The remote's file system, and its run cache's folder."""
    store = repo.cloud.get_remote_odb(command="push", hash_name="md5-dos2unix")
    return store.fs, store.fs.join(store.path, "runs")
