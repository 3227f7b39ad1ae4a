"""Checkpoints: everything a run needs to go on to the same bytes, written whole or not at all.

Hides where they lie and what is in them. The folder's name is a hash of all that decides the
result, so changed inputs start anew and unchanged ones resume; it lies outside DVC's outs, which
DVC deletes before each run. Tensors are kept as safetensors; nothing is unpickled.
"""

import fcntl
import hashlib
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from motiontransfer.errors import CheckpointError
from motiontransfer.storage import replacing

_STATE_FILE = "state.safetensors"
_CODE = (
    "keypoints.py",
    "skeleton.py",
    "media/tensors.py",
    "nets/**/*.py",
    "pose/*.py",
    "training/*.py",
)


def run_key(settings: Sequence[object], inputs: Sequence[Path]) -> str:
    """Hash of settings, of the bytes of input files, and of the code that trains."""
    digest = hashlib.sha256(repr(settings).encode())
    package = Path(__file__).parent.parent
    code = [path for pattern in _CODE for path in sorted(package.glob(pattern))]
    for path in [*inputs, *code]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@contextmanager
def run_folder(root: Path, key: str) -> Generator[Path]:
    """Hold the folder of one run; on success it is removed, on an error or kill it stays.

    Raises:
        CheckpointError: another process holds it.
    """
    folder = root / key
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CheckpointError(
                f"{folder}: another process is training this very run; wait for it, or stop it "
                "(`fuser` on the folder's lock file names it)"
            ) from error
        yield folder
        shutil.rmtree(folder)  # still held: nobody can begin in a folder that is about to go


def save_checkpoint(folder: Path, *, step: int, state: Mapping[str, Tensor]) -> None:
    """Replace the folder's checkpoint."""
    tensors = {name: tensor.detach().contiguous().cpu().clone() for name, tensor in state.items()}
    with replacing(folder / _STATE_FILE) as temporary:
        save_file(tensors, temporary, metadata={"step": str(step)})


def load_checkpoint(folder: Path) -> tuple[int, dict[str, Tensor]] | None:
    """Return (steps done, state), or None where the run has no checkpoint yet.

    Raises:
        CheckpointError: the checkpoint is damaged.
    """
    path = folder / _STATE_FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            return int(file.metadata()["step"]), state
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: damaged: {error}; remove {folder} to train from the start"
        ) from error


def module_state(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers under a prefix."""
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def load_module_state(prefix: str, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Inverse of `module_state`."""
    start = f"{prefix}."
    module.load_state_dict(
        {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
    )


def adam_state(prefix: str, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Moments and step counts of Adam under a prefix; empty before the first step."""
    return {
        f"{prefix}.{index}.{name}": torch.as_tensor(value)
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def load_adam_state(prefix: str, optimizer: torch.optim.Adam, state: Mapping[str, Tensor]) -> None:
    """Inverse of `adam_state`; learning rates are the schedule's business."""
    moments: dict[int, dict[str, Tensor]] = {}
    for full_name, value in state.items():
        if full_name.startswith(f"{prefix}."):
            index, name = full_name.removeprefix(f"{prefix}.").split(".", 1)
            moments.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
