"""DVC's content-addressed objects and run cache, verified when they come from a remote.

An object is a file named after its MD5 hash; a folder is an object that lists its members' paths
and hashes. Source: DVC's documentation, "Internal directories and files".

An entry of the run cache, `aa/KEY/VALUE`, is a YAML file with command, inputs, params and outputs
of one run. KEY is the SHA-256 of all but the outputs' hashes, VALUE of all. DVC finds entries by
KEY and trusts their content; here, those whose name does not match are refused, so that a restored
run writes only outputs that dvc.yaml declares. `dvc push --run-cache` sends every entry each time
and only the present outputs; here new entries are sent, after their outputs.
"""

import copy
import re
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Literal
from unittest import mock

from dvc.fs import FileSystem, LocalFileSystem, generic, localfs
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.stage.cache import _get_cache_hash
from dvc.utils.serialize import ParseError, load_yaml
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from voluptuous import Invalid

from motiontransfer.errors import RemoteError

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB


Condition = Literal["whole", "damaged", "missing"]
_FOLDER_SUFFIX = ".dir"
_RUNS = "runs"
_NAME_OF_RUN = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}/[0-9a-f]{64}")


@contextmanager
def checked_lists(url: str) -> Generator[None]:
    """Refuse a folder's list with members outside the folder before DVC uses it.

    DVC joins the listed paths to the folder's and the listed hashes to the cache's, and reads lists
    from the remote before it checks their hash, all by `Tree.from_list`.

    Raises:
        RemoteError: inside the context, when DVC reads such a list.
    """
    from_list = Tree.from_list

    def checked(members: list[object], hash_name: str | None = None) -> Tree:
        for member in members:
            if not (
                isinstance(member, dict)
                and _is_inside(member.get("relpath"))
                and _is_hash(member.get("md5"))
            ):
                raise RemoteError(
                    f"{url}: the list of a folder names a path outside it, {member!r}; "
                    "it was not used: ask who may write there"
                )
        return from_list(members, hash_name)

    with mock.patch.object(Tree, "from_list", checked):
        yield


def _is_hash(value: object) -> bool:
    """Return True for the hash of an object; DVC would make a path of any text."""
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{32}(\.dir)?", value))


def _is_inside(path: object) -> bool:
    """By the rules of Windows, which know every separator."""
    if not isinstance(path, str):
        return False
    read = PureWindowsPath(path)
    return bool(read.parts) and not read.anchor and ".." not in read.parts


def named_objects(repo: Repo) -> set[str]:
    """Hash of each object in dvc.lock and the *.dvc files.

    The members of a folder whose list is not in this machine's cache are left out.
    """
    return {
        oid
        for out in repo.index.outs
        if out.use_cache and out.hash_info and out.hash_info.value
        for oid in objects_of(out.hash_info.value, "", [repo.cache.local])
    }


def objects_of(oid: str, path: str, stores: "Iterable[HashFileDB]") -> dict[str, str]:
    """An object and, of a folder, its members, as the first store that has its list says."""
    objects = {oid: path}
    if oid.endswith(_FOLDER_SUFFIX):
        for store in stores:
            if condition(store, oid) == "whole":
                members = Tree.load(store, HashInfo("md5", oid))
                return objects | {
                    str(member.value): "/".join((path, *parts)) for parts, _, member in members
                }
    return objects


def condition(store: "HashFileDB", oid: str) -> Condition:
    """Read a stored object and hash it."""
    try:
        digest = file_md5(store.oid_to_path(oid), store.fs)
    except FileNotFoundError:
        return "missing"
    return "whole" if digest == oid.removesuffix(_FOLDER_SUFFIX) else "damaged"


def past_runs(repo: Repo) -> dict[Path, set[str]]:
    """Each entry of this machine's run cache, with the objects of its outputs, if all are here.

    A run whose outputs are gone, by `dvc gc` or because they were never fetched, is left out: it
    could not be restored from here.
    """
    local = Path(repo.stage_cache.cache_dir)
    runs = {}
    for path in sorted(local.glob("??/*/*")):
        outs = _outs_of_run(path, path.relative_to(local).as_posix()) or []
        objects = {oid for out in outs for oid in objects_of(out["md5"], "", [repo.cache.local])}
        if objects and all(repo.cache.local.exists(oid) for oid in objects):
            runs[path] = objects
    return runs


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
    local = Path(repo.stage_cache.cache_dir)
    remote, folder = _on_remote(repo)
    new = [
        path
        for path in runs
        if there.get(path.relative_to(local).as_posix(), ("", 0))[1] != path.stat().st_size
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
    remote, _ = _on_remote(repo)
    new = {
        name: source
        for name, (source, size) in sorted(runs_there(repo).items())
        if not (local / name).exists() or (local / name).stat().st_size != size
    }
    named = [name for name in new if _NAME_OF_RUN.fullmatch(name)]
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


def _outs_of_run(path: Path, name: str) -> list[dict[str, str]] | None:
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
        or any("files" in out or not _is_hash(out.get("md5")) for out in outs)
    ):
        return None
    return outs


def _on_remote(repo: Repo) -> tuple[FileSystem, str]:
    store = repo.cloud.get_remote_odb(command="push", hash_name="md5-dos2unix")
    return store.fs, store.fs.join(store.path, _RUNS)
