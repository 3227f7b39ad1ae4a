"""Weights of pretrained networks: the user's own file, or one downloaded once and verified (pooch).

Every published file is pinned by its SHA-256 in the code.
"""

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import pooch
from filelock import FileLock

from motiontransfer.core.checksums import check_pointer
from motiontransfer.core.errors import MissingFileError, WeightsError

if TYPE_CHECKING:
    from torch import Tensor

CACHE_VARIABLE = "MOTIONTRANSFER_CACHE"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained:
    """A published weights file, and the fix where it is not available."""

    name: str
    """File name, e.g. pose_landmarker_full.task."""
    url: str
    """A versioned URL, whose content does not change."""
    sha256: str
    needed_by: str
    """The feature that needs it, e.g. `the detector mediapipe_tasks`."""
    file_param: str
    """The param that takes a local file, e.g. `detect_keypoints.model`."""
    without: str
    """Alternative in the imperative, e.g. `set detect_keypoints.model: wheel`."""

    @property
    def cached(self) -> Path:
        """Where a download is kept. Two versions of a file may have the same name."""
        return cache_folder() / f"{self.sha256[:8]}_{self.name}"

    @property
    def remedies(self) -> str:
        return (
            f"put {self.url} (SHA-256 {self.sha256}) on this machine and name it in"
            f" {self.file_param}, or {self.without}"
        )


def cache_folder() -> Path:
    """Folder of the downloads: `$MOTIONTRANSFER_CACHE`, or one in the user's cache."""
    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("motiontransfer"))


def pretrained_file(pretrained: Pretrained, *, file: Path | None) -> Path:
    """Return the path of the file, downloaded if necessary.

    Args:
        file: a local file; used as it is, with a warning where it has the published file's name
            but other bytes.

    Raises:
        MissingFileError: the local file is absent, or the download failed.
        WeightsError: the download is not the published file, or the local one is a pointer.
    """
    if file is None:
        if not pretrained.cached.exists():  # it gets this name only after its bytes were verified
            _download(pretrained, pretrained.cached)
        return pretrained.cached
    if not file.is_file():
        raise MissingFileError(
            f"{file}: no such file, asked for by {pretrained.file_param}; {pretrained.remedies}"
        )
    check_pointer(file, WeightsError)
    if file.name == pretrained.name and (got := pooch.file_hash(str(file))) != pretrained.sha256:
        _logger.warning(
            "%s: not the published %s: expected SHA-256 %s, got %s; used all the same",
            file,
            pretrained.name,
            pretrained.sha256,
            got,
        )
    return file


def _download(pretrained: Pretrained, cached: Path) -> None:
    lock = FileLock(cached.with_name(f".{cached.name}.lock"))
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()  # workers that start together download it once
    except OSError as error:
        raise MissingFileError(
            f"{pretrained.name}: missing, {pretrained.needed_by} needs it, and {cached.parent}"
            f" cannot keep it ({error}); set ${CACHE_VARIABLE} to a folder that can,"
            f" {pretrained.remedies}"
        ) from error
    try:
        pooch.retrieve(
            pretrained.url,
            pretrained.sha256,
            fname=cached.name,
            path=cached.parent,
            progressbar=sys.stderr.isatty(),
        )
    except OSError as error:
        raise MissingFileError(
            f"{pretrained.name}: missing, {pretrained.needed_by} needs it, and the download"
            f" failed ({error}); {pretrained.remedies}"
        ) from error
    except ValueError as error:
        reason = str(error).rstrip(".")
        raise WeightsError(f"{pretrained.name}: {reason}; {pretrained.remedies}") from error
    finally:
        lock.release()
    cached.chmod(0o644)  # pooch leaves 0600, and caches may be shared


def read_tensors(path: Path, pretrained: Pretrained) -> "Mapping[str, Tensor]":
    """Read third-party tensors from `.safetensors` or what torch saved, without executing code.

    Raises:
        WeightsError: not a file of plain tensors.
    """
    import torch  # here: what only downloads does without
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        # torch's own message recommends `weights_only=False`, which executes code in the file.
        raise WeightsError(
            f"{path}: not a file of plain tensors, as torch.save and safetensors write them; "
            f"{pretrained.remedies}"
        ) from error
    if not isinstance(tensors, dict):
        raise WeightsError(
            f"{path}: expected tensors by name, got {type(tensors).__name__}; {pretrained.remedies}"
        )
    return {name: value for name, value in tensors.items() if isinstance(value, torch.Tensor)}
