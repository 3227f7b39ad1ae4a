"""Checks before a run: packages, GPU; weights, videos, git, remote, disk, locks.

Checks exercise each component instead of comparing versions, and download nothing. DVC is imported
late: whether it loads is one of the checks.
"""

import importlib
import os
import platform
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import loky
from filelock import FileLock, Timeout
from tqdm import tqdm

from motiontransfer.core import layout
from motiontransfer.core.device import find_gpu_fault
from motiontransfer.core.errors import GitError, MotionTransferError, ParamsError, one_line
from motiontransfer.core.parallel import memory_bytes
from motiontransfer.core.params import check_params, load_section, read_films
from motiontransfer.core.stage_runner import missing_library
from motiontransfer.pose.detectors import pretrained_weights
from motiontransfer.project.entries import pointer_of
from motiontransfer.training.params import TrainFaceGanParams, TrainGanParams

if TYPE_CHECKING:
    from motiontransfer.pipeline.dvc_api import Repo

_MODULES = ("av", "cv2", "mediapipe", "torch", "torchvision", "pyarrow", "dvc")
_LITTLE_MEMORY = 4e9
_LITTLE_GPU_MEMORY = 6e9
_LITTLE_DISK = 5e9
_TIMEOUT_SECONDS = 15.0


class CheckResult(NamedTuple):
    """One line of `motiontransfer doctor`."""

    level: Literal["ok", "warning", "fault"]
    """`fault`: a run would fail; `warning`: it works with limits."""
    subject: str
    """E.g. `disk`, `locks`."""
    message: str

    fix: str | None = None
    """Instruction in the imperative; None if none is needed."""


ok = partial(CheckResult, "ok")
warning = partial(CheckResult, "warning")
fault = partial(CheckResult, "fault")


def check_all(root: Path) -> Iterator[CheckResult]:
    """Check the machine, and the project if the machine's packages load."""
    packages = list(check_packages())
    yield from packages
    yield check_processor()
    if all(result.level != "fault" for result in packages):
        yield check_gpu()
        yield from check_project(root)


def check_packages() -> Iterator[CheckResult]:
    loaded = []
    for name in _MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            reason, _, fix = (missing_library(error) or f"{error}; uv sync").rpartition("; ")
            yield fault("packages", f"{name} does not load: {reason}", fix)
        else:
            loaded.append(name)
    if len(loaded) == len(_MODULES):
        found = f"Python {platform.python_version()}, PyTorch {version('torch')}"
        yield ok("packages", f"all load; {found}, DVC {version('dvc')}")
    if sys.dont_write_bytecode:
        message = "each stage compiles its modules anew, which takes up to 2 s"
        yield warning("packages", message, "unset PYTHONDONTWRITEBYTECODE")


def check_processor() -> CheckResult:
    memory = memory_bytes()
    message = f"{loky.cpu_count()} cores, {tqdm.format_sizeof(memory, 'B')} of memory"
    fix = "with less than 4 GB set compute.num_workers: 1 in params.yaml"
    is_little = memory < _LITTLE_MEMORY
    return warning("processor", message, fix) if is_little else ok("processor", message)


def check_gpu() -> CheckResult:
    import torch

    driver, failure = _driver()
    if failure and torch.cuda.device_count() == 0:
        fix = "if this machine has a GPU, restart it, or install its driver anew"
        return warning("GPU", f"nvidia-smi fails: {failure}; all runs on the processor", fix)
    if driver and torch.version.cuda is None:
        message = f"there is one (driver {driver}), and this PyTorch is built without CUDA"
        fix = "install PyTorch with CUDA: https://pytorch.org/get-started/locally"
        return fault("GPU", message, fix)
    if torch.cuda.device_count() == 0 and (driver is None or "CUDA_VISIBLE_DEVICES" in os.environ):
        found = f"hidden by CUDA_VISIBLE_DEVICES (driver {driver})" if driver else "none"
        return ok("GPU", f"{found}; all runs on the processor")
    if unusable := find_gpu_fault():
        reason, _, fix = unusable.rpartition("; ")
        message = f"it cannot be used: {reason}; driver {driver or 'not found'}"
        return fault("GPU", message, f"{fix}; or hide it: CUDA_VISIBLE_DEVICES=")
    free, total = torch.cuda.mem_get_info(0)
    message = (
        f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, "
        f"{tqdm.format_sizeof(free, 'B')} of {tqdm.format_sizeof(total, 'B')} free; driver {driver}"
        f", PyTorch for CUDA {torch.version.cuda} ({' '.join(torch.cuda.get_arch_list())})"
    )
    if free < _LITTLE_GPU_MEMORY:
        return warning("GPU", message, "end what else uses it, or use fewer filters or a size")
    return ok("GPU", message)


def _driver() -> tuple[str | None, str]:
    """Version of NVIDIA's driver, None where there is none, and why it cannot be asked."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    if shutil.which(command[0]) is None:
        return None, ""
    try:
        done = subprocess.run(command, text=True, timeout=20, capture_output=True, check=True)
    except (OSError, subprocess.SubprocessError) as error:  # it prints errors as it does answers
        return None, one_line(getattr(error, "stdout", None) or str(error))
    return done.stdout.partition("\n")[0].strip() or None, ""


def check_weights() -> Iterator[CheckResult]:
    from motiontransfer.training.gan import vgg19_weights

    needed = pretrained_weights()
    for stage, schema in (("train_gan", TrainGanParams), ("train_face_gan", TrainFaceGanParams)):
        training = load_section(schema, stage)
        if training.perceptual_weight and training.perceptual_file is None:
            needed.append(vgg19_weights(stage))
    for weights in needed:
        if weights.cached.exists():
            yield ok("weights", f"those of {weights.needed_by} are in {weights.cached.parent}")
        else:
            message = f"those of {weights.needed_by} are not in {weights.cached.parent}"
            fix = f"they are downloaded at their first use; to do without, {weights.without}"
            yield warning("weights", message, fix)
    if not needed:
        yield ok("weights", "these params need none but those in MediaPipe's package")


def check_project(root: Path) -> Iterator[CheckResult]:
    """Check a project, in the order in which it would stop a run."""
    from motiontransfer.pipeline.dvc_api import opened
    from motiontransfer.pipeline.plan import forecast, plan, planned

    try:
        if wrong := [*check_values(root)]:
            yield from wrong
        else:
            yield from check_weights()
            yield from check_videos(root)
        with opened(root) as repo:
            yield check_git(root, repo)
            yield check_remote(repo)
            yield from check_locks(root)
            yield from check_checkpoints(root)
            yield (disk := check_disk(root))
        if not wrong and disk.level != "fault" and (stages := plan(root=root, is_forecast=True)):
            duration = planned("", forecast(stages, root=root)).duration
            yield ok("forecast", f"the next `dvc repro` takes {duration}")
    except MotionTransferError as error:
        yield fault("project", str(error), "run from the project's root, with its params.yaml")


def check_values(root: Path) -> Iterator[CheckResult]:
    """What the first stage of a run would refuse in params.yaml and films.yaml."""
    try:
        check_params(root)
    except ParamsError as error:
        for line in str(error).splitlines():
            yield fault("params", line, "correct it there; `dvc repro` refuses it as it is")


def check_git(root: Path, repo: "Repo") -> CheckResult:
    from motiontransfer.pipeline.git import has_commit, uncommitted

    needed = "experiments and comparisons need it"
    if repo.config["core"].get("no_scm"):
        fix = "git init && dvc config --local --unset core.no_scm && git add -A && git commit"
        return warning("git", f"this project does without; {needed}", fix)
    if shutil.which("git") is None:
        return warning("git", "it is not installed here", f"install it: {needed}")
    try:
        if not has_commit(root):
            return fault("git", "there is no commit yet", "git add -A && git commit -m start")
        changed = uncommitted(root)
    except GitError as error:
        reason, _, fix = str(error).rpartition("; ")
        return fault("git", reason, fix)
    if changed:
        listed = textwrap.shorten(", ".join(changed), 80, placeholder=" ...")
        fix = "git add -A && git commit: others, and `dvc metrics diff`, see only what is committed"
        return warning("git", f"not committed: {listed}", fix)
    return ok("git", "all is committed")


def check_remote(repo: "Repo") -> CheckResult:
    """Check that the remote answers and that its downloads are verified."""
    from motiontransfer.pipeline.remote import default_remote, errors_with_url

    def find_fault() -> str | None:
        try:
            with errors_with_url(repo):
                store = repo.cloud.get_remote_odb(name)
                store.fs.exists(store.path)
        except MotionTransferError as error:
            return str(error)
        is_absent = "://" not in url and not Path(url).exists()
        return f"{url}: there is no such folder" if is_absent else None

    try:
        name, url = default_remote(repo)
    except MotionTransferError:
        none = "none: what you compute is on this disk alone"
        return warning("remote", none, "motiontransfer share URL (a folder, ssh:// or s3://)")
    found: list[str | None] = []
    asking = threading.Thread(target=lambda: found.append(find_fault()), daemon=True)
    asking.start()
    asking.join(_TIMEOUT_SECONDS)
    unanswered = f"{url}: no answer within {_TIMEOUT_SECONDS:.0f} s"
    if reason := found[0] if found else unanswered:
        return warning("remote", reason, "runs do without it; sharing does not")
    if not repo.config["remote"][name].get("verify"):
        unverified = f"{name} ({url}) answers, but what comes from it is not checked"
        return warning("remote", unverified, f"dvc remote modify {name} verify true")
    return ok("remote", f"{name} ({url}) answers, and what comes from it is checked")


def check_disk(root: Path) -> CheckResult:
    if not os.access(root, os.W_OK):
        return fault("disk", f"{root.resolve()}: is read-only for this user", "let it write there")
    free = shutil.disk_usage(root).free
    message = f"{tqdm.format_sizeof(free, 'B')} free"
    fix = (
        "free some, or lower decode.size; `dvc gc` deletes old runs; `dvc config cache.type "
        "hardlink,copy && dvc checkout --relink` keeps each file once"
    )
    return warning("disk", message, fix) if free < _LITTLE_DISK else ok("disk", message)


def check_videos(root: Path) -> Iterator[CheckResult]:
    for name, video in read_films(root).videos.items():
        file = root / video.path
        if not file.exists() and pointer_of(file).exists():
            yield fault("videos", f"videos.{name}: {video.path} is not here", "dvc pull")


def check_locks(root: Path) -> Iterator[CheckResult]:
    running = {root / ".dvc/tmp/lock": "a dvc command is running"} | {
        training: "{} {} is being trained".format(*training.relative_to(root).parts[1:3])
        for training in sorted(root.glob(f"{layout.CHECKPOINTS_FOLDER}/*/*/*/lock"))
    }
    busy = [message for lock, message in running.items() if lock.exists() and _is_locked(lock)]
    fix = "wait for it, or end it by its id: dvc, killed alone, leaves its stage running"
    yield from (warning("locks", message, fix) for message in busy)
    if not busy:
        yield ok("locks", "no dvc command or training is running")


def _is_locked(lock: Path) -> bool:
    try:
        with FileLock(lock, blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # nobody writes in a folder that is read-only
        return False


def check_checkpoints(root: Path) -> Iterator[CheckResult]:
    """Interrupted trainings and the step from which they resume."""
    folder = root / layout.CHECKPOINTS_FOLDER
    runs = sorted({path.parent for path in folder.glob("*/*/*/step_*.safetensors")})
    for run in runs:
        stage, target, key = run.relative_to(folder).parts
        step = max(int(path.stem.removeprefix("step_")) for path in run.glob("step_*.safetensors"))
        yield ok(
            "checkpoints",
            f"{stage}@{target} was stopped after step {step} (run {key}); it goes on from there if "
            "its inputs, params and code are as they were then",
        )
    if not runs:
        yield ok("checkpoints", "no training was interrupted")
