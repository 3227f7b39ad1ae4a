"""A DVC remote: its address, its errors in one line, and what comes from it, checked before use.

git keeps .dvc/config; credentials belong in .dvc/config.local or the environment. The causes and
fixes of errors are in remote_errors.yaml.

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

import errno
import json
import logging
import os
import re
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Literal

import yaml
from dvc.exceptions import DownloadError, DvcException, NotDvcRepoError
from dvc.fs import FileSystem, LocalFileSystem, generic, localfs
from dvc.progress import Tqdm
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.utils import dict_sha256
from dvc.utils.serialize import ParseError, load_yaml
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from voluptuous import Invalid

from motiontransfer.core.errors import MissingFileError, MotionTransferError, RemoteError, one_line

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB

CONFIG = ".dvc/config or .dvc/config.local"


@contextmanager
def opened(root: Path, *, wait: bool = False) -> Generator[Repo]:
    """DVC's view of the project at `root`; perhaps after waiting for others to release its lock.

    Raises:
        MissingFileError: DVC finds no project there.
    """
    with errors_of_dvc(CONFIG):
        try:
            repo = Repo(str(root), _wait_for_lock=wait)
        except NotDvcRepoError as error:
            raise MissingFileError(
                f"{root.resolve()}: no DVC project with git here; run from the project's root, or, "
                "without git, first `uv run dvc config --local core.no_scm true`"
            ) from error
    with repo:
        yield repo


@contextmanager
def errors_of_dvc(context: str) -> Generator[None]:
    try:
        yield
    except (DvcException, yaml.YAMLError) as error:
        raise MotionTransferError(f"{context}: {one_line(error)}") from error


@contextmanager
def unchanged_on_error(*files: Path) -> Generator[None]:
    """Restore small files on an error; new ones go, with new folders that are left empty."""
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    new_folders = {folder for file in files for folder in file.parents if not folder.exists()}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        for folder in sorted(new_folders, reverse=True):  # the innermost first
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


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


@contextmanager
def errors_in_one_line(repo: Repo) -> Generator[str]:
    """Show DVC's messages and progress, but turn its errors into one with cause and fix.

    Yields the URL of the default remote.

    Raises:
        RemoteError: there is none; or an error of the remote, the network or the disk.
    """
    name, url = default_remote(repo)
    log = _DvcLog()
    with log.attached():
        try:
            yield url
        except MotionTransferError:
            raise
        except Exception as error:
            line = explain([*log.errors, error], name=name, url=url)
            if line is None:
                raise
            raise RemoteError(line) from error


def explain(errors: Iterable[BaseException], *, name: str, url: str) -> str | None:
    """Remote, cause, in brackets the library's name of the error, and fix in one line.

    Errors of DVC and of the system that are not in the table keep their own text. None: others,
    which are bugs.
    """
    chain = [link for error in errors for link in _chain(error)]
    named = {error_name: link for link in reversed(chain) for error_name in _names(link)}
    table = Path(__file__).with_name("remote_errors.yaml").read_text(encoding="utf-8")
    for known in yaml.safe_load(table):
        for error_name in known["names"]:
            if error_name in named:
                cause = known["cause"].format(message=one_line(named[error_name]))
                return f"{url}: {cause} ({error_name}); {known['fix'].format(name=name)}"
    texts = dict.fromkeys(
        one_line(link) for link in chain if isinstance(link, (DvcException, OSError))
    )
    return f"{url}: {'; '.join(texts)}" if texts else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _names(error: BaseException) -> Iterator[str]:
    yield from (kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, OSError) and error.errno:
        yield errno.errorcode.get(error.errno, "")
    response = getattr(error, "response", None)  # of S3, on errors of its client
    if isinstance(response, dict):
        yield str(response.get("Error", {}).get("Code", ""))


# Missing files are named by path, not by hash, in the error that follows.
_REPEATED = "Some of the cache files do not exist neither locally nor on remote"
_LOGGERS = ("dvc", "dvc_data", "dvc_objects")


class _DvcLog(logging.Handler):
    """DVC's log: shown as the dvc command does, except errors, which are kept."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.errors: list[BaseException] = []

    @contextmanager
    def attached(self) -> Generator[None]:
        """Replace the handlers that DVC installs when it is imported."""
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [(logger, logger.handlers, logger.level) for logger in loggers]
        for logger in loggers:
            logger.handlers = [self]
            logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            for logger, handlers, level in before:
                logger.handlers = handlers
                logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])
        elif record.levelno >= logging.WARNING and not record.msg.startswith(_REPEATED):
            Tqdm.write(f"{record.levelname}: {record.getMessage()}", file=sys.stderr)
        elif record.levelno < logging.WARNING:
            Tqdm.write(record.getMessage(), file=sys.stdout)


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

    def is_inside(path: PureWindowsPath) -> bool:  # which knows every separator
        is_relative = bool(path.parts) and not path.anchor and ".." not in path.parts
        return is_relative and b"\0" not in os.fsencode(path)  # no file has one in its name

    is_whole = file_md5(str(file), localfs) == oid.removesuffix(_LIST_SUFFIX)
    try:
        members = json.loads(file.read_text(encoding="utf-8"))
        is_usable = isinstance(members, list) and all(
            member.keys() == {"md5", "relpath"}
            and re.fullmatch(r"[0-9a-f]{32}", member["md5"])
            and is_inside(PureWindowsPath(member["relpath"]))
            for member in members
        )
    except ValueError:  # cut off or rotten, unless it was written like this
        is_usable = not is_whole
    except (AttributeError, TypeError, RecursionError):
        is_usable = False
    if not is_usable:
        return "forged"
    return "whole" if is_whole else "damaged"


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
