"""Stages as tasks of a Ray cluster: their inputs and outputs travel by the DVC remote.

For each stage the head packs all that DVC reads and does not store: stages, params, code and
metrics, as they are in its working tree, committed or not. A worker unpacks that into an empty
folder, pulls what the stage reads, runs `dvc repro --single-item`, and pushes what it made with its
entry of the run cache. The entry is the task's result: with it the head's `dvc repro --single-item`
restores the outputs and records them. What `sharing` checks of a remote is checked here too.

A task that ends with its worker or machine is run again by Ray.
"""

import importlib
import io
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING

from dvc.exceptions import UploadError
from dvc.fs import localfs
from dvc.repo import Repo, lock_repo
from dvc.stage.cache import RunCacheNotFoundError
from dvc_data.hashfile.hash_info import HashInfo

from motiontransfer.core.errors import ComputeError, MissingFileError, one_line
from motiontransfer.core.params import load_section
from motiontransfer.core.stage_runner import fault
from motiontransfer.core.stages import STAGES
from motiontransfer.pipeline import remote
from motiontransfer.pipeline.runs import dvc_repro, share_cores
from motiontransfer.pipeline.sharing import pull, read_by, untracked
from motiontransfer.pose.detectors import DETECTORS

if TYPE_CHECKING:
    from dvc.stage import Stage

_OPTION = "--ray"
_CONNECT_SECONDS = 10
_MAX_RETRIES = 2  # of a task whose worker or machine is lost
_MODULE = "motiontransfer.pipeline.cluster"
_ENTRIES = ".dvc/cache/runs"
_GUARD = 'exec 3<&0; { cat <&3; kill -KILL "-$0"; rm -rf "$1"; } &'
"""Ends a stage and removes its folder once its input is closed, also by the death of who holds it.

In the background, as Ray kills the children of a process that it ends.
"""


def share_cluster(address: str, jobs: int | None) -> list[dict[str, str]]:
    """Environment variables of each of the stages that run at once: so many, or one a machine.

    Machines have the same number of stages, each of which has its part of the smallest one.

    Raises:
        MissingFileError: a stage reads a file that neither git nor DVC tracks.
        ComputeError: there is no such cluster, or Ray is not installed.
    """
    with remote.opened(Path()) as repo:
        remote.default_remote(repo)
        if paths := untracked(repo):
            raise MissingFileError(
                f"{', '.join(paths)}: git ignores it and DVC does not track it, so no worker would "
                "have it; `uv run dvc add` it"
            )
    ray = _connect(address)
    nodes = [it["Resources"] for it in ray.nodes() if it["Alive"] and "CPU" in it["Resources"]]
    ray.shutdown()
    if not nodes:
        raise ComputeError(f"{_OPTION} {address}: no machine of this cluster has cores")
    at_once = jobs or len(nodes)
    each = share_cores(
        -(-at_once // len(nodes)),
        cores=int(min(node["CPU"] for node in nodes)),
        memory=int(min(node["memory"] for node in nodes)),
    )
    return (each * len(nodes))[:at_once]


def _connect(address: str, *, log_to_driver: bool = False) -> ModuleType:
    """Import Ray and join a cluster that runs; `log_to_driver`: print here what tasks print."""
    ray = import_ray()
    try:  # of a cluster that does not answer, Ray itself would wait for minutes
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
        ray.init(address, log_to_driver=log_to_driver, configure_logging=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise ComputeError(
            f"{_OPTION}: no Ray cluster at {address}: {one_line(error)}; expected "
            "ray://host:10001 or host:6379 of one that runs; if it wants a token, set "
            "RAY_AUTH_MODE=token here too"
        ) from error
    return ray


def import_ray() -> ModuleType:
    """Import Ray.

    Raises:
        ComputeError: it is not installed.
    """
    # Below `uv run`, Ray would make an environment for its workers; they have the one they are in.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ComputeError(
            f"{_OPTION}: the package ray is not installed; `uv sync --extra ray` installs it"
        ) from error


def repro_on(address: str, name: str) -> list[str]:
    """Command that has a stage run on the cluster, and then becomes the `dvc repro` of it.

    An interrupt reaches the first part, as it does a stage's command, and not DVC.
    """
    script = '"$0" "$1" "$2" "$3" "$4" "$5" && shift 5 && exec "$@"'
    first = [sys.executable, "-um", _MODULE, "head", address, name]
    return ["sh", "-c", script, *first, *dvc_repro("--single-item", name)]


def _head(address: str, name: str) -> None:
    """Have a stage run, unless a past run of it is here, and bring its outputs into the cache."""
    with remote.opened(Path(), wait=True) as repo:
        with lock_repo(repo):
            (stage,) = repo.stage.collect(name)
            # A *.dvc file has no command.
            if not stage.cmd or not stage.changed() or _has_run(repo, stage):
                return
            read = [str(out.hash_info.value) for out in read_by(repo, stage) if out.hash_info]
            archive = _pack(repo)
        with remote.errors_in_one_line(repo):
            _push(repo, set[str]().union(*(remote.objects_of(repo, oid) for oid in read)))
        entries = _run_on(address, name, archive)
        with remote.errors_in_one_line(repo):
            for entry, content in entries.items():
                remote.accept_run(repo, entry, content)


def _has_run(repo: Repo, stage: "Stage") -> bool:
    """Return True if `dvc repro` will restore the stage from a past run."""
    stage.save_deps()
    for out in stage.outs:
        out.hash_info = HashInfo()  # those in dvc.lock may be of other inputs
    try:
        repo.stage_cache.restore(stage, dry=True)
    except RunCacheNotFoundError:
        return False
    return True


def _push(repo: Repo, oids: Iterable[str]) -> None:
    if failed := repo.cloud.push([HashInfo("md5", oid) for oid in sorted(oids)]).failed:
        raise UploadError(len(failed))


def _pack(repo: Repo) -> bytes:
    """A tar file with all that DVC reads and does not store, and the address of the remote."""
    root, stored = Path(repo.root_dir), {out.fs_path for out in repo.index.outs if out.use_cache}
    pipelines = {Path(stage.path) for stage in repo.index.stages}
    paths = {*pipelines, *(path.with_suffix(".lock") for path in pipelines)}
    paths |= {root / ".dvcignore", root / ".dvc/config"}
    paths |= {Path(out.fs_path) for out in repo.index.outs if not out.use_cache}
    for dep in repo.index.deps:
        path = Path(dep.fs_path)
        paths |= {Path(it) for it in repo.dvcignore.find(localfs, dep.fs_path)} | {path}
    name, url = remote.default_remote(repo)
    settings = f"[core]\n    no_scm = true\n    remote = {name}\n[cache]\n    dir = cache\n"
    settings += f"['remote \"{name}\"']\n    url = {url}\n"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(paths):
            if path.is_file() and not any(str(it) in stored for it in (path, *path.parents)):
                archive.add(path, path.relative_to(root))
        local = tarfile.TarInfo(".dvc/config.local")
        local.size = len(settings)
        archive.addfile(local, io.BytesIO(settings.encode()))
    return content.getvalue()


def _run_on(address: str, name: str, archive: bytes) -> dict[str, bytes]:
    """Run a stage as a task; return its entry of the run cache by name."""
    os.environ |= {"RAY_DEDUP_LOGS": "0", "RAY_COLOR_PREFIX": "0"}
    ray = _connect(address, log_to_driver=True)
    cores = os.environ["LOKY_MAX_CPU_COUNT"]
    variables = {"OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"], "LOKY_MAX_CPU_COUNT": cores}
    gpus = _num_gpus(name) if ray.cluster_resources().get("GPU") else 0
    if not gpus:
        variables["CUDA_VISIBLE_DEVICES"] = ""
    task = ray.remote(_run_in_folder).options(
        name=name, num_cpus=int(cores), num_gpus=gpus, max_retries=_MAX_RETRIES
    )
    sys.stdout.write("waits for a place on the cluster\n")
    try:
        status, output, entries = ray.get(task.remote(archive, name, variables))
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines()
        raise ComputeError(f"on the cluster: {lines[-1]}") from error
    if status:
        sys.stdout.write(output)
        if status < 0:
            raise ComputeError(f"killed by signal {-status} on the cluster")
        sys.exit(status)
    return entries


def _num_gpus(name: str) -> int:
    """How many GPUs a stage uses where there are some."""
    group = name.rpartition(":")[2].partition("@")[0]
    if group not in STAGES or not STAGES[group].gpu_memory_params:
        return 0
    params = load_section(dict, group)
    detector = DETECTORS.get(str(params.get("detector")))
    if detector and not detector.uses_gpu:
        return 0
    devices = params.get("devices", 1)
    return devices if isinstance(devices, int) else 1


def _run_in_folder(
    archive: bytes, name: str, variables: Mapping[str, str]
) -> tuple[int, str, dict[str, bytes]]:
    """Unpack and run a stage, on a machine that has only the libraries: this is sent to it.

    Checkpoints stay, for when the task is run again. If this process is killed, the stage goes too.

    Returns its exit status, output, and entries of the run cache.
    """
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(folder, filter="data")
        checkpoints = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        checkpoints /= "motiontransfer/checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        Path(folder, "checkpoints").symlink_to(checkpoints)
        variables = {**variables, "DVC_SITE_CACHE_DIR": f"{folder}/.dvc/site"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        stage = subprocess.Popen(
            [sys.executable, "-um", _MODULE, "worker", name],
            cwd=folder, env={**os.environ, **variables, "PATH": path}, process_group=0, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(stage.pid), folder], process_group=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        lines = []

        def show() -> None:
            for line in stage.stdout or ():
                lines.append(line)
                sys.stdout.write(line)
                sys.stdout.flush()

        reader = Thread(target=show)
        reader.start()
        try:
            status = stage.wait()
            made = Path(folder, _ENTRIES)
            entries = {str(it.relative_to(made)): it.read_bytes() for it in made.glob("*/*/*")}
        finally:  # also where Ray ends this process by SIGTERM
            guard.communicate()
            reader.join()
        return status, "".join(lines), entries


def _worker(name: str) -> None:
    """Run a stage in a folder with nothing but what the head packed, and push what it made."""
    with remote.opened(Path()) as repo, remote.errors_in_one_line(repo):
        (stage,) = repo.stage.collect(name)
        pull(repo, read_by(repo, stage))
    if status := subprocess.call(dvc_repro("--single-item", name)):
        sys.exit(status)
    with remote.opened(Path()) as repo, remote.errors_in_one_line(repo):
        runs = remote.past_runs(repo)
        _push(repo, set[str]().union(*runs.values()))
        remote.send_runs(repo, runs, there={})


if __name__ == "__main__":
    try:
        {"head": _head, "worker": _worker}[sys.argv[1]](*sys.argv[2:])
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except Exception as error:
        if (message := fault(error)) is None:
            raise
        sys.exit(f"ERROR: {message}")
