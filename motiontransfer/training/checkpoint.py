"""Folder of a training run, and atomic checkpoints for exact resume.

The folder's name is a hash of all that determines the result: changed inputs start anew, unchanged
ones resume. It is outside DVC's outs, which DVC deletes before each run.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter
from torch import Tensor, nn

from motiontransfer.core.errors import CheckpointError, DamagedFileError
from motiontransfer.core.params import Section
from motiontransfer.core.storage import replacing, sha256_of, source_files
from motiontransfer.core.tensor_files import read_description, write_arrays
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import as_arrays, read_tensors
from motiontransfer.training.distributed import all_gather
from motiontransfer.training.params import DECIDES_NO_WEIGHTS
from motiontransfer.training.run_log import Throughput

_logger = logging.getLogger(__name__)

_MAX_CHECKPOINTS = 2  # a run: one is left if a file is damaged
_MAX_RUNS = 3  # a training: to go back to earlier params


def run_key(runtime: Runtime, config: Sequence[object], files: Sequence[Path], *, code: str) -> str:
    """Hash of all that decides a run's result, but the number of processes.

    Args:
        config: values whose `repr` shows all that decides; of params what is not marked.
        files: whose bytes decide.
        code: the module that trains, as in `__name__`; all that it imports counts.
    """
    deciding = [*map(_deciding, config), runtime.device.type, runtime.precision]
    digest = hashlib.sha256(repr(deciding).encode())
    for path in [*files, *source_files(code)]:
        digest.update(bytes.fromhex(sha256_of(path)))
    return digest.hexdigest()[:16]


def _deciding(value: object) -> object:
    if not isinstance(value, Section):
        return value
    marked = (
        name
        for name, field in type(value).model_fields.items()
        if DECIDES_NO_WEIGHTS in field.metadata
    )
    return value.model_dump(exclude={*marked})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    throughput: Throughput
    """Steps done, and their time."""
    state: Mapping[str, Tensor]
    """Everything that changes from step to step."""


@contextmanager
def run_folder(runtime: Runtime, root: Path, key: str) -> Generator[Path]:
    """Lock the folder of one run; on success it is removed, on an error or kill it stays.

    Of the runs in the same place that did not end, the latest ones are kept, and any that another
    process has locked.

    Raises:
        CheckpointError: another training has locked it.
    """
    folder = root / key
    with ExitStack() as stack:
        is_locked = True
        if runtime.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            is_locked = _try_lock(stack, folder)
        if not all_gather(runtime, [float(is_locked)])[0, 0]:
            raise CheckpointError(
                f"{folder}: another process is training this very run; wait for it, or stop it "
                "(`fuser` on the folder's lock file names it)"
            )
        if runtime.is_first:
            for path in folder.rglob(".*.tmp*"):  # of a process that was killed while it wrote
                path.unlink()
            _remove_old_runs(folder)
        yield folder
        if runtime.is_first:
            _remove_run(folder, stack)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Add a checkpoint, and remove all but the last two."""
    throughput = checkpoint.throughput
    with replacing(folder / f"step_{throughput.steps:08d}.safetensors") as temporary:
        write_arrays(temporary, as_arrays(checkpoint.state), description=asdict(throughput))
        # Its name must not survive a power cut that its bytes do not survive.
        with temporary.open("r+b") as file:  # Windows writes no file back that is open to read
            os.fsync(file.fileno())
    for path in _checkpoint_files(folder)[:-_MAX_CHECKPOINTS]:
        path.unlink()


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the last checkpoint, or None where the run has none yet."""
    files = _checkpoint_files(folder)
    if not files:
        return None
    path = files[-1]
    try:
        state, description = read_tensors(path), read_description(path)
    except DamagedFileError as error:
        before = f"step {int(files[-2].stem[5:])}" if len(files) > 1 else "the start"
        raise CheckpointError(f"{path}: damaged; remove it to go on from {before}") from error
    return Checkpoint(TypeAdapter(Throughput).validate_python(description), state)


def load_module_state(prefix: str, module: nn.Module, state: Mapping[str, Tensor]) -> None:
    module.load_state_dict({name: state[f"{prefix}.{name}"] for name in module.state_dict()})


def _remove_old_runs(current: Path) -> None:
    others = [path for path in current.parent.iterdir() if path != current]
    # Those in which a training was; on Windows its lock is gone.
    others = [path for path in others if (path / "lock").exists() or _checkpoint_files(path)]
    others.sort(key=lambda path: path.stat().st_mtime_ns)
    for folder in others[: 1 - _MAX_RUNS]:
        with ExitStack() as stack:
            if _try_lock(stack, folder):
                _remove_run(folder, stack)
                _logger.info("%s: removed: there are %d later runs", folder, _MAX_RUNS)


def _remove_run(folder: Path, locked: ExitStack) -> None:
    """Remove a run whose lock is held."""
    try:
        shutil.rmtree(folder)  # while it is locked: no process can begin in it
    except PermissionError:  # Windows removes no file that is open
        locked.close()
        shutil.rmtree(folder)


def _try_lock(stack: ExitStack, folder: Path) -> bool:
    """Lock a folder until the stack is left; False where another process has locked it."""
    try:
        stack.enter_context(FileLock(folder / "lock").acquire(blocking=False))
    except Timeout:
        return False
    return True


def _checkpoint_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step_*.safetensors"))
