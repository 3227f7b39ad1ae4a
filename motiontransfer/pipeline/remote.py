"""A DVC remote: its address, its errors in one line, and what comes from it, checked before use.

git keeps .dvc/config; credentials belong in .dvc/config.local or the environment.

An object is a file named after its MD5 hash. A folder is an object that lists its members' paths
and hashes. DVC joins these to its own paths. Lists are brought into this machine's cache, where DVC
looks for them first. Only those come whose hash is right and that stay in their folder.

An entry of the run cache, `aa/KEY/VALUE`, is a YAML file with command, inputs, params and outputs
of one run. DVC finds it by KEY, the hash of all but the outputs' hashes, and trusts its content.
Here it must have the command and the outputs of a stage in dvc.yaml, so that a restored run writes
nothing else. `dvc push --run-cache` sends every entry each time and only the present outputs. Here
new entries are sent, after their outputs.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

import yaml
from pydantic_core import from_json

from motiontransfer.core.errors import MotionTransferError, RemoteError, one_line
from motiontransfer.core.params import SectionsLoader
from motiontransfer.core.storage import md5_of, replacing
from motiontransfer.pipeline.dvc_api import (
    DownloadError,
    HashInfo,
    Repo,
    UploadError,
    generic,
    localfs,
    opened,
    runs_folder,
    runs_on_remote,
)

_LIST_SUFFIX = ".dir"
_NAME_OF_RUN = re.compile(r"([0-9a-f]{2})/\1[0-9a-f]{62}/[0-9a-f]{64}")
_OID = re.compile(r"[0-9a-f]{32}(\.dir)?")
_KEYS_OF_OUT = {"path", "hash", "md5", "size", "nfiles", "isexec"}
"""Of an output in the run cache: by others DVC would take its files from elsewhere."""


def default_remote(repo: Repo) -> tuple[str, str]:
    """Name of the project's default remote, and its address as it was given.

    Raises:
        RemoteError: there is none.
    """
    name = repo.config["core"].get("remote")
    if not name or name not in repo.config["remote"]:
        raise RemoteError(
            "the project names no remote; its owner runs `uv run motiontransfer share URL` "
            "and commits .dvc/config"
        )
    return name, str(repo.config["remote"][name]["url"])


def has_remote() -> bool:
    """Whether the project names a default remote."""
    with opened(Path()) as repo:
        return bool(repo.config["core"].get("remote"))


@contextmanager
def errors_with_url(repo: Repo) -> Generator[str]:
    """Put the remote's URL before the message of an error of DVC, the network or the disk.

    Yields the URL of the default remote.

    Raises:
        RemoteError: there is none; or such an error.
    """
    _, url = default_remote(repo)
    try:
        yield url
    except MotionTransferError:
        raise
    except Exception as error:
        # A library's, as of S3 or ssh, is no bug; other built-in errors are.
        if type(error).__module__ == "builtins" and not isinstance(error, (OSError, ImportError)):
            raise
        raise RemoteError(
            f"{url}: {one_line(error)} ({type(error).__name__}); see docs/sharing.md, Which remote"
        ) from error


def is_whole(path: Path, oid: str) -> bool:
    """Read a stored object, if there is one, and compare its hash with its name."""
    return path.exists() and md5_of(path) == oid.removesuffix(_LIST_SUFFIX)


def cached(repo: Repo, oid: str) -> Path:
    """Where an object is in this machine's cache."""
    return Path(repo.cache.local.oid_to_path(oid))


def objects_of(repo: Repo, oid: str, path: str = "") -> dict[str, str]:
    """An object's path by its hash and, of a folder whose list is here, its members'."""
    objects = {oid: path}
    if oid.endswith(_LIST_SUFFIX) and is_whole(cached(repo, oid), oid):
        members = json.loads(cached(repo, oid).read_text(encoding="utf-8"))
        objects |= {member["md5"]: f"{path}/{member['relpath']}" for member in members}
    return objects


def push(repo: Repo, oids: Iterable[str]) -> set[str]:
    """Send what the remote lacks of these objects, the members of folders included.

    Returns the hashes of what was sent.
    """
    objects = set[str]().union(*(objects_of(repo, oid) for oid in oids))
    result = repo.cloud.push([HashInfo("md5", oid) for oid in sorted(objects)])
    if result.failed:
        raise UploadError(len(result.failed))  # the causes are in DVC's log
    return {str(info.value) for info in result.transferred}


def fetch_lists(repo: Repo, oids: Iterable[str]) -> dict[str, str]:
    """Bring the folders' lists among these objects here; return what is wrong with others."""
    store, faults = repo.cloud.get_remote_odb(command="pull"), {}
    for oid in sorted({oid for oid in oids if oid.endswith(_LIST_SUFFIX)}):
        path = cached(repo, oid)
        if is_whole(path, oid):
            continue
        try:
            with store.fs.open(store.oid_to_path(oid), "rb") as file:
                content = file.read()
        except FileNotFoundError:
            faults[oid] = "missing"
            continue
        if not _stays_inside(content):
            faults[oid] = "no list of files of the project"
        elif hashlib.md5(content, usedforsecurity=False).hexdigest() + _LIST_SUFFIX != oid:
            faults[oid] = "damaged"
        else:
            with replacing(path) as temporary:
                temporary.write_bytes(content)
                temporary.chmod(0o444)  # as DVC keeps objects
    return faults


def _stays_inside(content: bytes) -> bool:
    """Whether DVC would read and write nothing outside the folder of which this is the list."""

    def is_inside(path: PureWindowsPath) -> bool:  # which knows every separator
        is_relative = bool(path.parts) and not path.anchor and ".." not in path.parts
        return is_relative and b"\0" not in os.fsencode(path)  # no file has one in its name

    try:
        members = from_json(content)
        return isinstance(members, list) and all(
            member.keys() == {"md5", "relpath"}
            and re.fullmatch(r"[0-9a-f]{32}", member["md5"])
            and is_inside(PureWindowsPath(member["relpath"]))
            for member in members
        )
    except (ValueError, AttributeError, TypeError):
        return False


def past_runs(repo: Repo) -> dict[str, set[str]]:
    """Objects of the outputs of each entry of this machine's run cache, if all are here.

    A run whose outputs are gone, by `dvc gc` or because they were never fetched, is left out: it
    could not be restored from here.
    """
    runs, declared = {}, _declared(repo)
    for name, path in _runs_here(repo).items():
        oids = _outputs_of_run(path.read_bytes(), declared) or ()
        objects = {member for oid in oids for member in objects_of(repo, oid)}
        if objects and all(repo.cache.local.exists(oid) for oid in objects):
            runs[name] = objects
    return runs


def _runs_here(repo: Repo) -> dict[str, Path]:
    """Each local entry by `aa/KEY/VALUE`."""
    folder = runs_folder(repo)
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob("??/*/*"))}


def runs_there(repo: Repo) -> dict[str, str]:
    """Path of each entry on the remote, by `aa/KEY/VALUE`."""
    remote, folder = runs_on_remote(repo)
    return {"/".join(remote.parts(path)[-3:]): path for path in remote.find(folder)}


def send_runs(repo: Repo, names: Iterable[str]) -> None:
    remote, folder = runs_on_remote(repo)
    targets = {remote.join(folder, *name.split("/")): runs_folder(repo) / name for name in names}
    for parent in sorted({remote.parent(target) for target in targets}):
        remote.makedirs(parent, exist_ok=True)
    sources = [str(path) for path in targets.values()]
    generic.copy(localfs, sources, remote, [*targets], batch_size=remote.jobs)


def fetch_runs(repo: Repo) -> int:
    """Accept the entries that this machine lacks; return how many were refused."""
    remote, _ = runs_on_remote(repo)
    there, here = runs_there(repo), _runs_here(repo)
    names = sorted(there.keys() - here.keys())
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(index) for index in range(len(names))]
        sources, targets = [there[name] for name in names], list(map(str, copies))
        generic.copy(remote, sources, localfs, targets, batch_size=remote.jobs)
        entries = [path.read_bytes() for path in copies]
    return accept_runs(repo, dict(zip(names, entries, strict=True)))


def accept_runs(repo: Repo, entries: Mapping[str, bytes]) -> int:
    """Keep entries whose command and outputs are those of a stage; return how many are refused.

    An entry of a folder without an obtainable list is not kept: it could be restored only with an
    unchecked list.
    """
    declared, num_refused = _declared(repo), 0
    for name, content in entries.items():
        oids = _outputs_of_run(content, declared) if _NAME_OF_RUN.fullmatch(name) else None
        faults = {} if oids is None else fetch_lists(repo, oids)
        if oids is None or faults:
            num_refused += 1
            continue
        with replacing(runs_folder(repo) / name) as temporary:
            temporary.write_bytes(content)
    return num_refused


def fetch_outputs(repo: Repo, entries: Mapping[str, bytes]) -> None:
    """Bring the outputs of entries that were accepted into the cache.

    Raises:
        DownloadError: they are not whole on the remote.
    """
    oids = [oid for run in entries.values() for oid in _outputs_of_run(run, _declared(repo)) or ()]
    # Members one by one: DVC takes a list that is here for its whole folder.
    objects = set[str]().union(*(objects_of(repo, oid) for oid in oids))
    pulled = repo.cloud.pull([HashInfo("md5", oid) for oid in sorted(objects)])
    if pulled.failed:
        raise DownloadError(len(pulled.failed))


def _declared(repo: Repo) -> set[tuple[str, frozenset[str]]]:
    """Command and outputs of each stage that dvc.yaml declares."""
    return {
        (str(stage.cmd), frozenset(out.def_path for out in stage.outs))
        for stage in repo.index.stages
    }


def _outputs_of_run(content: bytes, declared: set[tuple[str, frozenset[str]]]) -> list[str] | None:
    """Hashes of the outputs of an entry; None if no stage is declared like it."""
    try:
        run = yaml.load(content, SectionsLoader)
        outs = run["outs"]
        is_declared = (str(run["cmd"]), frozenset(out["path"] for out in outs)) in declared
        is_plain = all(
            out.keys() <= _KEYS_OF_OUT
            and _OID.fullmatch(out["md5"])
            and ".." not in Path(out["path"]).parts
            for out in outs
        )
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError):
        return None  # cut off when a transfer was killed, or never an entry
    return [out["md5"] for out in outs] if is_declared and is_plain else None
