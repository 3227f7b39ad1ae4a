"""Checks of this machine: Python, packages, memory, GPU, encoders, pretrained weights.

Everything is tried, nothing is guessed from version numbers alone, and nothing is downloaded.
"""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import loky
from tqdm import tqdm

from motiontransfer.downloads import cache_folder

_PYTHONS = ((3, 11), (3, 12))
_MODULES = ("av", "cv2", "mediapipe", "torch", "torchvision", "pyarrow", "dvc")
_ENCODERS = {"libx264": "H.264, of the results", "ffv1": "the frame store", "aac": "their sound"}
_LITTLE_MEMORY = 4e9
_LITTLE_GPU_MEMORY = 6e9


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One line of `motiontransfer doctor`."""

    level: Literal["ok", "warning", "fault"]
    """`fault`: a run would fail; `warning`: it works, but not as well as it could."""

    subject: str
    """What was looked at: `disk`, `locks`."""

    message: str
    """What was found."""

    fix: str | None = None
    """What to do; None where nothing is to be done."""


def ok(subject: str, message: str) -> CheckResult:
    """Nothing to do."""
    return CheckResult(level="ok", subject=subject, message=message)


def warning(subject: str, message: str, fix: str) -> CheckResult:
    """A run works, but not as well as it could."""
    return CheckResult(level="warning", subject=subject, message=message, fix=fix)


def fault(subject: str, message: str, fix: str) -> CheckResult:
    """A run would fail."""
    return CheckResult(level="fault", subject=subject, message=message, fix=fix)


def check_machine() -> Iterator[CheckResult]:
    """Check all of the machine but the weights; without its packages, only those."""
    yield check_python()
    packages = list(check_packages())
    yield from packages
    yield check_processor()
    if all(result.level == "ok" for result in packages):
        yield check_gpu()
        yield check_encoders()


def check_python() -> CheckResult:
    """The version of Python, and where it is."""
    running = ".".join(map(str, sys.version_info[:3]))
    place = Path(sys.prefix)
    if place.is_relative_to(Path.cwd()):
        place = place.relative_to(Path.cwd())
    if sys.version_info[:2] in _PYTHONS:
        return ok("Python", f"{running} in {place}")
    return fault(
        "Python", f"{running}; MediaPipe has wheels for 3.11 and 3.12", "uv sync --python 3.12"
    )


def check_packages() -> Iterator[CheckResult]:
    """Whether the packages with native code load."""
    loaded = []
    for name in _MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield _not_loaded(name, error)
        else:
            loaded.append(name)
    if len(loaded) == len(_MODULES):
        versions = [f"PyTorch {version('torch')}", f"DVC {version('dvc')}"]
        yield ok("packages", f"all load; {', '.join(versions)}")


def _not_loaded(name: str, error: ImportError) -> CheckResult:
    library = re.search(r"lib[\w.+-]+\.so[\d.]*", str(error))
    if library is None:
        return fault("packages", f"{name} does not load: {error}", "uv sync")
    return fault(
        "packages",
        f"{name} does not load: {library[0]} is missing on this machine",
        "apt-get install libgl1 libegl1 libgles2 libglib2.0-0",
    )


def check_processor() -> CheckResult:
    """Cores and memory."""
    memory = _memory_bytes()
    message = f"{loky.cpu_count()} cores, {tqdm.format_sizeof(memory, 'B')} of memory"
    if memory < _LITTLE_MEMORY:
        return warning(
            "processor", message, "with less than 4 GB set compute.num_workers: 1 in params.yaml"
        )
    return ok("processor", message)


def _memory_bytes() -> int:
    """Memory of the machine, or of the container, where that is less."""
    of_machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return of_machine
    return min(of_machine, int(limit)) if limit.isdigit() else of_machine


def check_gpu() -> CheckResult:
    """The GPU that PyTorch can use, and why it cannot where there is one."""
    import torch

    driver = _driver()
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info(0)
        message = (
            f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}, "
            f"{tqdm.format_sizeof(free, 'B')} of {tqdm.format_sizeof(total, 'B')} free; "
            f"driver {driver}, PyTorch for CUDA {torch.version.cuda}"
        )
        if free < _LITTLE_GPU_MEMORY:
            return warning("GPU", message, "end what else uses it, or use fewer filters or a size")
        return ok("GPU", message)
    if driver is None:
        return ok("GPU", "none; all runs on the processor")
    if torch.version.cuda is None:
        return fault(
            "GPU",
            f"there is one (driver {driver}), and this PyTorch is built without CUDA",
            "install PyTorch with CUDA: https://pytorch.org/get-started/locally",
        )
    return fault(
        "GPU",
        f"there is one, and PyTorch for CUDA {torch.version.cuda} cannot use it with driver "
        f"{driver}",
        "update the driver, or hide the GPU: CUDA_VISIBLE_DEVICES=",
    )


def _driver() -> str | None:
    """Version of NVIDIA's driver; None where there is none."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.split("\n", 1)[0].strip() or None if done.returncode == 0 else None


def check_encoders() -> CheckResult:
    """Whether PyAV's FFmpeg can write what the pipeline writes."""
    missing = [f"{name} ({use})" for name, use in _ENCODERS.items() if not _can_encode(name)]
    if missing:
        return fault(
            "encoders", f"PyAV lacks {', '.join(missing)}", "uv sync --reinstall-package av"
        )
    return ok("encoders", "H.264, FFV1 and AAC")


def _can_encode(name: str) -> bool:
    from av.codec import Codec

    try:
        Codec(name, "w")
    except ValueError:
        return False
    return True


def check_weights(params: Mapping[str, object]) -> Iterator[CheckResult]:
    """Whether the pretrained weights that these params ask for are at hand."""
    needed = list(_needed_weights(params))
    for use, pattern, without in needed:
        if any(cache_folder().glob(pattern)):
            yield ok("weights", f"those of {use} are in {cache_folder()}")
        else:
            yield warning(
                "weights",
                f"those of {use} are not in {cache_folder()}",
                f"they are downloaded at their first use; to do without, {without}",
            )
    if not needed:
        yield ok("weights", "these params need none but those in MediaPipe's package")


def _needed_weights(params: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Use, pattern of the file in the cache, and how to do without."""
    for stage in ("train_gan", "train_face_gan"):
        training = _section(params, stage)
        if training.get("perceptual_weight") and training.get("perceptual_file") is None:
            without = f"set {stage}.perceptual_weight: 0"
            yield f"the perceptual loss of {stage}", "*_vgg19-*.pth", without
    detecting = _section(params, "detect_keypoints")
    if detecting.get("detector") == "keypointrcnn" and detecting.get("model") is None:
        yield (
            "the detector keypointrcnn",
            "*_keypointrcnn_*.pth",
            "set detect_keypoints.detector: mediapipe_tasks",
        )


def _section(params: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = params.get(name)
    return section if isinstance(section, Mapping) else {}
