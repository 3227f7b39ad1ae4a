"""DVC's run cache on the remote: which past runs are sent, and which are accepted from there.

An entry `aa/KEY/VALUE` is a small YAML file with command, inputs, params and outputs of one run.
KEY is the SHA-256 of all that but the outputs' hashes, VALUE of the whole. DVC looks entries up by
KEY but trusts what they hold; here, those that are not what their name says are not accepted, so
that a restored run writes the outputs that dvc.yaml declares and nothing else.

`dvc push --run-cache` sends all entries again each time, one after the other, and the outputs of
the present run only; here new entries are sent, after their outputs.
"""

import copy
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict

from dvc.fs import FileSystem, LocalFileSystem, generic, localfs
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.stage.cache import _get_cache_hash
from dvc.utils.serialize import ParseError, load_yaml
from voluptuous import Invalid

from motiontransfer.workspace.stored_objects import is_hash, objects_of

_FOLDER = "runs"
_NAME = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}/[0-9a-f]{64}")


class _Out(TypedDict):
    path: str
    md5: str


def past_runs(repo: Repo) -> dict[Path, dict[str, str]]:
    """Each entry of this machine's run cache, with the objects of its outputs, if all are here.

    A run whose outputs are gone, by `dvc gc` or because they were never fetched, is left out: it
    could not be restored from here.
    """
    local = Path(repo.stage_cache.cache_dir)
    runs = {}
    for path in sorted(local.glob("??/*/*")):
        objects: dict[str, str] = {}
        for out in _outs_of_run(path, path.relative_to(local).as_posix()) or []:
            objects |= objects_of(out["md5"], out["path"], [repo.cache.local])
        if objects and all(repo.cache.local.exists(oid) for oid in objects):
            runs[path] = objects
    return runs


def runs_there(repo: Repo) -> dict[str, int]:
    """Size of each entry on the remote, by its name there."""
    return {name: size for name, (_, size) in _listed(*_on_remote(repo)).items()}


def send_runs(repo: Repo, runs: Iterable[Path], *, there: Mapping[str, int]) -> int:
    """Send the entries that are not `there`; return how many."""
    local = Path(repo.stage_cache.cache_dir)
    remote, folder = _on_remote(repo)
    new = [
        path
        for path in runs
        if there.get(path.relative_to(local).as_posix()) != path.stat().st_size
    ]
    if new:
        targets = [remote.join(folder, *path.relative_to(local).parts) for path in new]
        for parent in sorted({remote.parent(target) for target in targets}):
            remote.makedirs(parent, exist_ok=True)
        generic.copy(localfs, [str(path) for path in new], remote, targets, batch_size=remote.jobs)
    return len(new)


def fetch_runs(repo: Repo) -> int:
    """Accept the entries that this machine lacks; return how many were not accepted."""
    local = Path(repo.stage_cache.cache_dir)
    remote, folder = _on_remote(repo)
    listed = _listed(remote, folder)
    new = {
        name: source
        for name, (source, size) in sorted(listed.items())
        if not (local / name).exists() or (local / name).stat().st_size != size
    }
    named = [name for name in new if _NAME.fullmatch(name)]
    num_refused = len(new) - len(named)
    if not named:
        return num_refused
    local.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=local.parent) as unchecked:
        arrived = [Path(unchecked) / str(index) for index in range(len(named))]
        sources = [new[name] for name in named]
        generic.copy(remote, sources, localfs, [*map(str, arrived)], batch_size=remote.jobs)
        for name, path in zip(named, arrived, strict=True):
            if _outs_of_run(path, name) is None:
                num_refused += 1
            else:
                (local / name).parent.mkdir(parents=True, exist_ok=True)
                path.replace(local / name)
    return num_refused


def _outs_of_run(path: Path, name: str) -> list[_Out] | None:
    """The outputs of an entry; None if it is not what its name says."""
    try:
        run = COMPILED_LOCK_FILE_STAGE_SCHEMA(load_yaml(path))
    except (ParseError, Invalid):  # cut off when a transfer was killed, or never an entry
        return None
    *_, key, value = name.split("/")
    outs = run.get("outs", [])
    if (
        _get_cache_hash(copy.deepcopy(run), key=True) != key
        or _get_cache_hash(run) != value
        # DVC would take a list of files from the entry itself, and a hash as a path in its cache.
        or any("files" in out or not is_hash(out.get("md5")) for out in outs)
    ):
        return None
    return outs


def _on_remote(repo: Repo) -> tuple[FileSystem, str]:
    store = repo.cloud.get_remote_odb(command="push", hash_name="md5-dos2unix")
    return store.fs, store.fs.join(store.path, _FOLDER)


def _listed(remote: FileSystem, folder: str) -> dict[str, tuple[str, int]]:
    """Path and size by `aa/KEY/VALUE`; a smaller one was cut off when a transfer was killed."""
    if isinstance(remote, LocalFileSystem):
        sizes = {path: Path(path).stat().st_size for path in remote.find(folder)}
    else:
        sizes = {path: info["size"] for path, info in remote.fs.find(folder, detail=True).items()}
    return {"/".join(remote.parts(path)[-3:]): (path, size) for path, size in sizes.items()}
