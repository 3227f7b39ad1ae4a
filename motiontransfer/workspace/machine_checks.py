"""Whether this machine can run the pipeline: Python, packages, memory, GPU, encoders, weights.

Hides what each needs. Everything is tried, nothing is guessed from version numbers alone, and
nothing is downloaded.
"""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from motiontransfer.pretrained import cache_folder
from motiontransfer.workspace.amounts import size_text
from motiontransfer.workspace.findings import Finding, fault, fine, warning
from motiontransfer.workspace.machine import find_gpu, memory_bytes, num_cores

_PYTHONS = ((3, 11), (3, 12))
_MODULES = ("av", "cv2", "mediapipe", "torch", "torchvision", "pyarrow", "dvc")
_ENCODERS = {"libx264": "H.264, of the results", "ffv1": "the frame store", "aac": "their sound"}
_LITTLE_MEMORY = 4e9
_LITTLE_GPU_MEMORY = 6e9


def check_python() -> Finding:
    """The version of Python, and where it is."""
    running = ".".join(map(str, sys.version_info[:3]))
    place = Path(sys.prefix)
    if place.is_relative_to(Path.cwd()):
        place = place.relative_to(Path.cwd())
    if sys.version_info[:2] in _PYTHONS:
        return fine("Python", f"{running} in {place}")
    return fault(
        "Python", f"{running}; MediaPipe has wheels for 3.11 and 3.12", "uv sync --python 3.12"
    )


def check_packages() -> Iterator[Finding]:
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
        yield fine("packages", f"all load; {', '.join(versions)}")


def _not_loaded(name: str, error: ImportError) -> Finding:
    library = re.search(r"lib[\w.+-]+\.so[\d.]*", str(error))
    if library is None:
        return fault("packages", f"{name} does not load: {error}", "uv sync")
    return fault(
        "packages",
        f"{name} does not load: {library[0]} is missing on this machine",
        "apt-get install libgl1 libegl1 libgles2 libglib2.0-0",
    )


def check_processor() -> Finding:
    """Cores and memory."""
    told = f"{num_cores()} cores, {size_text(memory_bytes())} of memory"
    if memory_bytes() < _LITTLE_MEMORY:
        return warning(
            "processor", told, "with less than 4 GB set compute.num_workers: 1 in params.yaml"
        )
    return fine("processor", told)


def check_gpu() -> Finding:
    """The GPU that PyTorch can use, and why it cannot where there is one."""
    import torch

    driver = _driver()
    gpu = find_gpu()
    if gpu is not None:
        told = (
            f"{gpu.count} x {gpu.name}, {size_text(gpu.free_bytes)} of "
            f"{size_text(gpu.memory_bytes)} free; driver {driver}, PyTorch for CUDA "
            f"{torch.version.cuda}"
        )
        if gpu.free_bytes < _LITTLE_GPU_MEMORY:
            return warning("GPU", told, "end what else uses it, or use fewer filters or a size")
        return fine("GPU", told)
    if driver is None:
        return fine("GPU", "none; all runs on the processor")
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


def check_encoders() -> Finding:
    """Whether PyAV's FFmpeg can write what the pipeline writes."""
    missing = [f"{name} ({use})" for name, use in _ENCODERS.items() if not _can_encode(name)]
    if missing:
        return fault(
            "encoders", f"PyAV lacks {', '.join(missing)}", "uv sync --reinstall-package av"
        )
    return fine("encoders", "H.264, FFV1 and AAC")


def _can_encode(name: str) -> bool:
    from av.codec import Codec

    try:
        Codec(name, "w")
    except ValueError:
        return False
    return True


def check_weights(params: Mapping[str, object]) -> Iterator[Finding]:
    """Whether the pretrained weights that these params ask for are at hand."""
    needed = list(_needed_weights(params))
    for use, pattern, without in needed:
        if any(cache_folder().glob(pattern)):
            yield fine("weights", f"those of {use} are in {cache_folder()}")
        else:
            yield warning(
                "weights",
                f"those of {use} are not in {cache_folder()}",
                f"they are downloaded at their first use; to do without, {without}",
            )
    if not needed:
        yield fine("weights", "these params need none but those in MediaPipe's package")


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
