"""The run cache between this machine and the remote: what was run before need not run again.

`dvc push --run-cache` sends all entries again each time, one after the other, and the outs of the
present run only; here new entries travel, after their outs, so that an entry is never there without
them.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from dvc.fs import FileSystem, LocalFileSystem, generic, localfs
from dvc.repo import Repo

_FOLDER = "runs"


def runs_there(repo: Repo) -> dict[str, int]:
    """Size of each entry on the remote, by its name there."""
    return _sizes(*_on_remote(repo))


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
    """Bring the entries that this machine lacks; return how many."""
    local = Path(repo.stage_cache.cache_dir)
    remote, folder = _on_remote(repo)
    new = [
        name
        for name, size in sorted(_sizes(remote, folder).items())
        if not (local / name).exists() or (local / name).stat().st_size != size
    ]
    for name in new:
        (local / name).parent.mkdir(parents=True, exist_ok=True)
    if new:
        sources = [remote.join(folder, *name.split("/")) for name in new]
        targets = [str(local / name) for name in new]
        generic.copy(remote, sources, localfs, targets, batch_size=remote.jobs)
    return len(new)


def _on_remote(repo: Repo) -> tuple[FileSystem, str]:
    store = repo.cloud.get_remote_odb(command="push", hash_name="md5-dos2unix")
    return store.fs, store.fs.join(store.path, _FOLDER)


def _sizes(remote: FileSystem, folder: str) -> dict[str, int]:
    """By `aa/<inputs>/<outs>`; a smaller one was cut off when a transfer was killed."""
    if isinstance(remote, LocalFileSystem):
        sizes = {path: Path(path).stat().st_size for path in remote.find(folder)}
    else:
        sizes = {path: info["size"] for path, info in remote.fs.find(folder, detail=True).items()}
    return {"/".join(remote.parts(path)[-3:]): size for path, size in sizes.items()}
