"""The names of DVC beyond its commands and `dvc.api` that this project uses.

DVC does not promise them: pyproject.toml names the versions, tests/project/test_dvc_api.py has a
test for each. Source: DVC's documentation, "Internal directories and files".
"""

import json
import re
from collections import OrderedDict
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dvc.cli.parser  # which `dvc.cli.main` loads, as dvc.scm
import dvc.config
import dvc.dependency.param
import dvc.dvcfile
import dvc.lock
import dvc.repo
import dvc.rwlock
import dvc.scm
import yaml
from dvc.api import DVCFileSystem
from dvc.exceptions import CheckoutError, DownloadError, DvcException, NotDvcRepoError, UploadError
from dvc.fs import FileSystem, generic, localfs
from dvc.repo import Repo
from dvc.repo.reproduce import plan_repro
from dvc.stage.cache import RunCacheNotFoundError
from dvc.stage.exceptions import StageCmdFailedError
from dvc.utils.serialize import dumps_yaml, load_yaml
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.index import DataIndexDirError
from scmrepo.exceptions import SCMError

from motiontransfer.core.errors import MissingFileError, MotionTransferError, one_line
from motiontransfer.core.storage import overlap, write_text

if TYPE_CHECKING:
    from dvc.output import Output
    from dvc.stage import Stage

__all__ = [
    "CheckoutError",
    "DVCFileSystem",
    "DataIndexDirError",
    "DownloadError",
    "DvcException",
    "HashInfo",
    "Repo",
    "SCMError",
    "StageCmdFailedError",
    "UploadError",
    "generic",
    "localfs",
]

CONFIG = ".dvc/config or .dvc/config.local"
LOCK = Path("dvc.lock")


def run_dvc(arguments: list[str]) -> int:
    """Run a command of DVC, which looks 20 times a second whether a lock is free, not twice.

    dvc.lock has no comments: it is read without looking for them, and written by libyaml. For each
    stage that takes as long as all else that DVC does.
    """
    vars(dvc.lock).update(DEFAULT_TIMEOUT=0.3)  # seconds, for six attempts
    vars(dvc.dvcfile).update(modify_yaml=_modified_without_comments)
    return dvc.cli.main(arguments)


@contextmanager
def _modified_without_comments(path: str, fs: FileSystem) -> Generator[dict]:
    content = load_yaml(path, fs=fs) if fs.exists(path) else {}
    yield content
    text = yaml.dump(content, Dumper=_LockDumper, sort_keys=False, allow_unicode=True)
    with fs.open(path, "w", encoding="utf-8") as file:
        file.write(text)


class _LockDumper(yaml.CSafeDumper):
    """Writes YAML 1.2, as DVC does: 12e45678, which is a hash, and 08 are numbers there."""


_NULL, _FLOAT = "tag:yaml.org,2002:null", "tag:yaml.org,2002:float"
_NUMBER = re.compile(r"[-+]?(0o[0-7]+|0x[0-9a-f]+|[0-9.]+(e[-+]?[0-9]+)?)$", re.IGNORECASE)
_LockDumper.add_implicit_resolver(_FLOAT, _NUMBER, None)
_LockDumper.add_representer(OrderedDict, lambda to, value: to.represent_dict(value))
_LockDumper.add_representer(type(None), lambda to, _: to.represent_scalar(_NULL, ""))
_LockDumper.add_representer(float, lambda to, value: to.represent_scalar(_FLOAT, repr(value)))


@contextmanager
def opened(root: Path, *, wait: bool = False) -> Generator[Repo]:
    """DVC's view of the project at `root`.

    Args:
        wait: until other processes release DVC's lock, when it is taken.

    Raises:
        MissingFileError: DVC finds no project there.
    """
    with errors_of_dvc(CONFIG):
        try:
            repo = Repo(str(root), _wait_for_lock=wait)
        except (NotDvcRepoError, dvc.scm.SCMError) as error:
            raise MissingFileError(
                f"{root.resolve()}: no DVC project with git here; run from the project's root, or, "
                "without git, first `uv run dvc config --local core.no_scm true`"
            ) from error
    repo.scm_context.quiet = True  # what to commit is said by `share`
    with repo:
        yield repo


def does_without_git(root: Path) -> bool:
    """Whether the project has `core.no_scm` set."""
    with errors_of_dvc(CONFIG):
        return bool(dvc.config.Config(str(root / ".dvc"))["core"].get("no_scm"))


@contextmanager
def lock_repo(repo: Repo) -> Generator[None]:
    """Keep other commands of DVC from reading and writing the project meanwhile.

    What says which paths they use is forgotten where a command that was killed has left it half
    written: else no other one would run.
    """
    with dvc.repo.lock_repo(repo):
        folder = Path(repo.tmp_dir or "")
        used = folder / dvc.rwlock.RWLOCK_FILE
        hardlink = repo.config["core"].get("hardlink_lock", False)
        guard = str(folder / dvc.rwlock.RWLOCK_LOCK)
        with dvc.lock.make_lock(guard, tmp_dir=str(folder), hardlink_lock=hardlink):
            try:
                json.loads(used.read_bytes() if used.exists() else b"{}")
            except ValueError:
                used.unlink()
        yield


@contextmanager
def params_read_once() -> Generator[None]:
    """Let DVC read each file of params once within the block, not for each stage anew."""
    module, known = vars(dvc.dependency.param), {}
    read = module["load_path"]

    def load_path(path: str, *arguments: object, **options: object) -> object:
        if path not in known:
            known[path] = read(path, *arguments, **options)
        return known[path]

    module["load_path"] = load_path
    try:
        yield
    finally:
        module["load_path"] = read


@contextmanager
def errors_of_dvc(context: str) -> Generator[None]:
    """Turn DVC's errors into one of this project's that names a file or command."""
    try:
        yield
    except (DvcException, yaml.YAMLError) as error:
        raise MotionTransferError(f"{context}: {one_line(error)}") from error


def in_order(repo: Repo, stages: "list[Stage]") -> "list[Stage]":
    """These stages and all that they depend on, in the order of `dvc repro`."""
    return plan_repro(repo.index.graph, stages)


def upstream(repo: Repo, stage: "Stage") -> "list[Stage]":
    """Stages whose outputs a stage reads."""
    return list(repo.index.graph.successors(stage))


def own_stages(repo: Repo) -> "list[Stage]":
    """Stages of ./dvc.yaml."""
    return [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]


def name_of(stage: "Stage") -> str:
    """Name on the command line: behind its file where that is another than ./dvc.yaml."""
    file, address = Path(stage.path_in_repo).as_posix(), stage.addressing
    name = address.rpartition("dvc.yaml:")[2] if file.endswith("dvc.yaml") else ""
    return name if file == "dvc.yaml" else f"{file}:{name}".rstrip(":")


def downstream(repo: Repo, stages: "Iterable[Stage]") -> "list[Stage]":
    """These stages and all that depend on them."""
    found = [*stages]
    for stage in found:
        found += [user for user in repo.index.graph.predecessors(stage) if user not in found]
    return found


def read_lock(root: Path) -> dict[str, dict]:
    """Stages in dvc.lock, with what they read and wrote; none where there is no such file."""
    lock = root / LOCK
    return load_yaml(str(lock)).get("stages", {}) if lock.exists() else {}


def forget_stages(root: Path, names: Collection[str]) -> None:
    """Take stages out of dvc.lock, where DVC leaves those that dvc.yaml no longer has."""
    lock = load_yaml(str(root / LOCK))
    lock["stages"] = {name: each for name, each in lock["stages"].items() if name not in names}
    write_text(root / LOCK, dumps_yaml(lock))


def read_by(repo: Repo, stage: "Stage") -> "list[Output]":
    """Outputs in DVC's cache that a stage reads: a file, a folder, or all in a folder."""
    paths = [Path(dep.fs_path) for dep in stage.deps if dep.protocol == "local"]
    return [
        out
        for out in repo.index.outs
        if out.use_cache and any(overlap(path, Path(out.fs_path)) for path in paths)
    ]


def oid_of(out: "Output") -> str:
    """Hash of an output in dvc.lock or its *.dvc file; empty if it was never made."""
    return str(out.hash_info.value) if out.hash_info else ""


def is_here(out: "Output") -> bool:
    """Whether an output is complete in the working tree, and as in dvc.lock."""
    return out.exists and not out.changed_checksum()


def has_past_run(repo: Repo, stage: "Stage") -> bool:
    """Whether `dvc repro` would restore a stage from the run cache; changes `stage`."""
    stage.save_deps()
    for out in stage.outs:
        out.hash_info = HashInfo()  # those in dvc.lock may be of other inputs
    try:
        repo.stage_cache.restore(stage, dry=True)
    except RunCacheNotFoundError:
        return False
    return True


def runs_folder(repo: Repo) -> Path:
    """The run cache of this machine: an entry is `aa/KEY/VALUE`, a YAML file."""
    return Path(repo.stage_cache.cache_dir)


def runs_on_remote(repo: Repo) -> tuple[FileSystem, str]:
    """File system of the remote, and its run cache's folder."""
    store = repo.cloud.get_remote_odb(command="push", hash_name="md5-dos2unix")
    return store.fs, store.fs.join(store.path, "runs")
