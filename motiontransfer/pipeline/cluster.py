"""Stages as tasks of a Ray cluster; their inputs and outputs travel by the DVC remote.

Ray brings the project's folder to its machines: what git keeps, without what DVC stores. A task
copies it, pulls what its stage reads, runs `dvc repro --single-item`, and pushes what it made. Its
entry of the run cache is the task's result: with it a `dvc repro --single-item` here restores the
outputs and records them.
"""

import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import psutil

from motiontransfer.core.errors import ComputeError, MissingFileError, one_line
from motiontransfer.core.params import load_section
from motiontransfer.core.stage_runner import fault
from motiontransfer.core.stages import STAGES
from motiontransfer.pipeline import remote
from motiontransfer.pipeline.dvc_api import Repo, has_past_run, lock_repo, oid_of, opened, read_by
from motiontransfer.pipeline.runs import LocalExecutor, dvc_repro, first_error, log_of, share_cores
from motiontransfer.pipeline.sharing import pull, untracked
from motiontransfer.pose.detectors import DETECTORS

if TYPE_CHECKING:
    from types import ModuleType

_OPTION = "--ray"
_CONNECT_SECONDS = 10
_POLL_SECONDS = 0.2
_MAX_RETRIES = 2  # of a task whose worker or machine is lost
_MODULE = "motiontransfer.pipeline.cluster"
_NOT_SENT = (".dvc/cache", ".dvc/tmp", ".dvc/config.local", "checkpoints")


class RayExecutor(LocalExecutor):
    """Runs stages on a cluster, with one connection to it for all, and records them here."""

    def __init__(self, address: str, jobs: int | None) -> None:
        """Connect; `jobs` stages run at once, by default one a machine.

        Machines have the same number of stages, each of which has its part of the smallest one.

        Raises:
            MissingFileError: a stage reads a file that neither git nor DVC tracks.
            ComputeError: there is no such cluster, or Ray is not installed.
        """
        with opened(Path()) as repo:
            self._remote = remote.default_remote(repo)
            if paths := untracked(repo):
                raise MissingFileError(
                    f"{', '.join(paths)}: git ignores it and DVC does not track it, so no machine "
                    "of the cluster would have it; `uv run dvc add` it"
                )
            stored = [out.def_path for out in repo.index.outs if out.use_cache]
        self._ray = _connect(address, excludes=[f"/{path}" for path in (*_NOT_SENT, *stored)])
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        nodes = [resources for resources in nodes if "CPU" in resources]
        if not nodes:
            raise ComputeError(f"{_OPTION} {address}: no machine of this cluster has cores")
        at_once = jobs or len(nodes)
        each = share_cores(
            -(-at_once // len(nodes)),
            cores=int(min(node["CPU"] for node in nodes)),
            memory=int(min(node["memory"] for node in nodes)),
        )
        super().__init__((each * len(nodes))[:at_once])
        self._has_gpus = any(node.get("GPU") for node in nodes)
        self._tasks: set = set()
        self._dvc = Lock()  # DVC's own is between processes

    def run(self, stage: str, share: Mapping[str, str]) -> None:
        """Run a stage as a task, unless a past run of it is here, and record it here."""
        with self._dvc, opened(Path(), wait=True) as repo, lock_repo(repo):
            (found,) = repo.stage.collect(stage)
            # A *.dvc file has no command.
            runs_there = found.cmd and found.changed() and not has_past_run(repo, found)
            if runs_there:
                with remote.errors_with_url(repo):
                    inputs = [oid_of(out) for out in read_by(repo, found)]
                    remote.push(repo, filter(None, inputs))
                files = _small_files(repo)
        if runs_there:
            entries = self._run_there(stage, share, files)
            with self._dvc, opened(Path(), wait=True) as repo, remote.errors_with_url(repo):
                remote.accept_runs(repo, entries)
                remote.fetch_outputs(repo, entries)
        super().run(stage, share)

    def _run_there(
        self, stage: str, share: Mapping[str, str], files: Mapping[str, bytes]
    ) -> dict[str, bytes]:
        """Entries of the run cache that a stage makes on the cluster."""
        log = log_of(stage)
        gpus = num_gpus(stage) if self._has_gpus else 0
        variables = {**share, **({} if gpus else {"CUDA_VISIBLE_DEVICES": ""})}
        remote_function = self._ray.remote(num_returns="streaming")(run_in_copy).options(
            name=stage, num_cpus=int(share["LOKY_MAX_CPU_COUNT"]), num_gpus=gpus,
            max_retries=_MAX_RETRIES,
        )  # fmt: skip
        task = remote_function.remote(stage, files, self._remote, variables)
        self._tasks.add(task)
        try:
            with log.open("a", encoding="utf-8") as file:
                for reference in task:
                    value = self._ray.get(reference)
                    if not isinstance(value, str):
                        return value
                    file.write(value)
                    file.flush()
        except self._ray.exceptions.RayError as error:
            reason = first_error(log) or str(error).strip().rpartition("\n")[2]
            raise ComputeError(f"on the cluster: {reason}") from error
        finally:
            self._tasks.discard(task)
        raise ComputeError("on the cluster: its task ended without a result")

    def interrupt(self) -> None:
        for task in [*self._tasks]:
            self._ray.cancel(task)
        super().interrupt()

    def kill(self) -> None:
        self._ray.shutdown()
        super().kill()


def _connect(address: str, *, excludes: list[str]) -> "ModuleType":
    """Import Ray and connect to a cluster that runs."""
    # Below `uv run`, Ray would make an environment for its workers; they have the one they are in.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    try:
        ray = importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ComputeError(
            f"{_OPTION}: the package ray is not installed; `uv sync --extra ray` installs it"
        ) from error
    try:  # of a cluster that does not answer, Ray itself would wait for minutes
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
        ray.init(
            address, log_to_driver=False, configure_logging=False,
            runtime_env={"working_dir": ".", "excludes": excludes},
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError) as error:
        raise ComputeError(
            f"{_OPTION}: no Ray cluster at {address}: {one_line(error)}; expected host:6379 of one "
            "that runs; if it wants a token, set RAY_AUTH_MODE=token here too"
        ) from error
    return ray


def num_gpus(name: str) -> int:
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


def _small_files(repo: Repo) -> dict[str, bytes]:
    """What the stages that ran since the start have changed in git: locks and metrics."""
    locks = {Path(stage.path).with_name("dvc.lock") for stage in repo.index.stages}
    metrics = {Path(out.fs_path) for out in repo.index.outs if not out.use_cache}
    return {
        path.relative_to(repo.root_dir).as_posix(): path.read_bytes()
        for path in sorted(locks | metrics)
        if path.is_file()
    }


def run_in_copy(
    name: str, files: Mapping[str, bytes], remote: tuple[str, str], variables: Mapping[str, str]
) -> Iterator[str | dict[str, bytes]]:
    """Run a stage in a copy of this folder; yield its output, then the run cache's entries.

    Checkpoints stay, for when Ray runs the task again.
    """
    # Ray cancels by SIGINT, which programs ignore that a script starts in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        project = Path(folder) / "project"
        shutil.copytree(".", project)
        settings = (
            "[core]\n    no_scm = true\n    remote = {0}\n['remote \"{0}\"']\n    url = {1}\n"
        )
        local = {".dvc/config.local": settings.format(*remote).encode()}
        for path, content in {**files, **local}.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_bytes(content)
        checkpoints = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        checkpoints /= "motiontransfer/checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        (project / "checkpoints").symlink_to(checkpoints)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        own = {"DVC_SITE_CACHE_DIR": f"{folder}/site", "PATH": path, "PYTHONPATH": str(project)}
        log = Path(folder, "log")
        with log.open("w") as output, log.open(encoding="utf-8", errors="replace") as printed:
            stage = subprocess.Popen(
                [sys.executable, "-um", _MODULE, name], cwd=project,
                env={**os.environ, **variables, **own},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                has_ended = False
                while not has_ended:  # Ray cancels between statements, not while one waits
                    time.sleep(_POLL_SECONDS)
                    has_ended = stage.poll() is not None
                    if text := printed.read():
                        yield text
            finally:  # also where Ray ends this process
                for process in psutil.Process().children(recursive=True):
                    process.kill()
                stage.wait()
        if status := stage.returncode:
            killed = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
            raise ComputeError(killed)
        made = project / ".dvc/cache/runs"
        yield {path.relative_to(made).as_posix(): path.read_bytes() for path in made.glob("*/*/*")}


def _run(name: str) -> None:
    """Pull what a stage reads, run it, and push what it made."""
    with opened(Path()) as repo, remote.errors_with_url(repo):
        (stage,) = repo.stage.collect(name)
        pull(repo, read_by(repo, stage))
    if status := subprocess.call(dvc_repro("--single-item", name)):
        sys.exit(status)
    with opened(Path()) as repo, remote.errors_with_url(repo):
        remote.push(repo, set[str]().union(*remote.past_runs(repo).values()))


if __name__ == "__main__":
    try:
        _run(sys.argv[1])
    except Exception as error:
        if (message := fault(error)) is None:
            raise
        sys.exit(f"ERROR: {message}")
