"""Stage runner: logging, arguments, one-line errors, and inputs that must not change meanwhile.

DVC records params and dependencies after a stage's command has ended. An edit made while it ran
would be recorded as what its outputs were made from, so such a stage fails and records nothing.
"""

import errno
import importlib
import json
import logging
import os
import pkgutil
import re
import sqlite3
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from string import Template

import yaml

from motiontransfer.core.errors import (
    ChangedInputError,
    MotionTransferError,
    ParamsError,
    printable,
)
from motiontransfer.core.params import PARAMS_FILE, flattened, load_params, load_section
from motiontransfer.core.stages import STAGES

_logger = logging.getLogger(__name__)

_SYSTEM_PACKAGES = "libgl1 libegl1 libgles2 libglib2.0-0"
"""Debian's, with the shared libraries that OpenCV and MediaPipe load."""

_FAULTS_OF_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.EISDIR, errno.ENOTDIR, errno.ENODEV, errno.ENAMETOOLONG, errno.ELOOP),
}
_REMEDY = "fix this and rerun"
_ON_CPU = "run on the CPU: CUDA_VISIBLE_DEVICES="

_SETTINGS_OF_LIBRARIES = {
    # Threads of PyTorch that spin long while they wait for each other take ten times as long beside
    # another program; threads that sleep at once take 1.4 times as long.
    "GOMP_SPINCOUNT": "2000",
    # OpenCV's operations here are small: beside PyTorch's, its threads take more time than they
    # save, a quarter of a training step with a puppet.
    "OPENCV_FOR_THREADS_NUM": "1",
    # NumPy's products here are small, and its threads spin while they wait.
    "OPENBLAS_NUM_THREADS": "1",
    # PyArrow's own allocator keeps what was freed, twice a clip's keypoints.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Environment variables that are read when the library is loaded; the user's own stay."""

_NAMED_CHANGES = 3

_FileState = tuple[int, int, int]
"""Inode, size in bytes, time of modification in nanoseconds."""


def run(package: str, arguments: Sequence[str], *, pipeline: Path = Path("dvc.yaml")) -> int:
    """Call `main` of `package.<first argument>` with the other arguments; return the status.

    main may return lines that say what was written; they are printed. The pipeline's file is read
    when DVC runs the stage.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if not arguments:
        print(f"usage: python -m {package} STAGE [NAME]", file=sys.stderr)  # noqa: T201 - an entry point speaks to a person
        return 2
    name, *rest = arguments
    for variable, value in _SETTINGS_OF_LIBRARIES.items():
        os.environ.setdefault(variable, value)
    try:
        main = _import_main(package, name)
        try:
            signature(main).bind(*rest)
        except TypeError:
            expected = " ".join(parameter.upper() for parameter in signature(main).parameters)
            print(f"usage: python -m {package} {name} {expected}".rstrip(), file=sys.stderr)  # noqa: T201
            return 2
        with _unchanged_inputs(pipeline):
            made = main(*rest)
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)  # noqa: T201
        return 130
    except Exception as error:
        message = fault(error, stage=name)
        if message is None:
            raise
    else:
        if made:
            _logger.info("%s: %s", " ".join(arguments), made)
        return 0
    for line in message.splitlines():
        print(printable(f"ERROR: {' '.join(arguments)}: {line}"), file=sys.stderr)  # noqa: T201
    return 1


def fault(error: Exception, *, stage: str = "") -> str | None:
    """Message for the user; None for a bug, whose traceback is needed."""
    if isinstance(error, MotionTransferError):
        return str(error)
    if isinstance(error, ImportError):
        return missing_library(error)
    return _fault_of_gpu(error, stage) or _fault_of_machine(error)


def _fault_of_gpu(error: Exception, stage: str) -> str | None:
    """Describe PyTorch's errors of a GPU by their names and texts: not every stage imports it."""
    kind, text = type(error).__name__, str(error).partition("\n")[0]
    if kind == "OutOfMemoryError" or text == "CUDA error: out of memory":
        params = STAGES[stage].gpu_memory_params if stage in STAGES else ""
        lower = f"lower {params}, " if params else ""
        told = text.partition(" GPU ")[0]  # without the sizes of all that is there
        return f"a GPU's memory is full ({told}); {lower}end what else uses it, or {_ON_CPU}"
    if kind == "AcceleratorError" or text.startswith(("CUDA error", "cuDNN error")):
        return f"{text}; run it again, or {_ON_CPU}"
    return None


def _fault_of_machine(error: Exception) -> str | None:
    """Describe a full disk, missing rights and the like; None for other errors."""
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):  # PyTorch's
        return f"out of memory ({error}); {_REMEDY}"
    if isinstance(error, sqlite3.OperationalError):  # of DVC's state
        return f"{error}; {_REMEDY}"
    code = _error_number(error)
    if code not in _FAULTS_OF_MACHINE:
        return None
    file = getattr(error, "filename", None)
    named = f"{str(file).removeprefix('file:')}: " if file else ""
    return f"{named}{os.strerror(code)}; {_REMEDY}"


def _error_number(error: Exception) -> int | None:
    """The system's error number; from the text where a writer leaves `errno` empty."""
    if told := re.search(r"\(os error (\d+)\)", str(error)):  # safetensors and c2pa, in Rust
        return int(told[1])
    if isinstance(error, OSError) and str(error).endswith(" written"):  # numpy.save: disk is full
        return errno.ENOSPC
    return getattr(error, "errno", None)


def missing_library(error: ImportError) -> str | None:
    """Name a shared library that is missing on this machine; None if that is not the cause."""
    library = re.search(r"lib[\w.+-]+\.so[\d.]*", str(error))
    return library and (
        f"{library[0]} is missing on this machine; "
        f"install it, e.g. apt-get install {_SYSTEM_PACKAGES}"
    )


def _import_main(package: str, name: str):  # noqa: ANN202 - a callable whose arguments each stage chooses
    try:
        return importlib.import_module(f"{package}.{name}").main
    except ModuleNotFoundError as error:
        if error.name != f"{package}.{name}":
            raise
        folder = importlib.import_module(package).__path__
        known = sorted(m.name for m in pkgutil.iter_modules(folder) if m.name != "__main__")
        raise ParamsError(f"no such stage; there are {', '.join(known)}") from error


class _Reference(Template):
    """`${item.path}`, as in dvc.yaml."""

    braceidpattern = r"[\w.]+"


def stage_inputs(pipeline: Path, name: str) -> tuple[list[str | dict], list[str]]:
    """Return params and dependencies of a stage, e.g. `decode@demo_dance`, as DVC resolves them.

    Stages of this project refer to `key`, `item` and the entries of `item`, nothing else. DVC's own
    resolver would take longer to import than most stages to run.
    """
    group, _, key = name.partition("@")
    stages = yaml.load(pipeline.read_text(encoding="utf-8"), yaml.CSafeLoader)["stages"]
    definition, values = stages[group], {}
    if "foreach" in definition:
        items = definition["foreach"]
        if isinstance(items, str):
            items = load_section(dict | list, items.removeprefix("${").removesuffix("}"))
        named = items if isinstance(items, dict) else {str(item): item for item in items}
        item = named.get(key)
        if item is None:
            raise ParamsError(f"{PARAMS_FILE}: {key}: missing; it was there when `dvc repro` began")
        entries = item if isinstance(item, dict) else {}
        values = {"key": key, "item": item, **{f"item.{k}": v for k, v in entries.items()}}
        definition = definition["do"]
    escaped = {name: json.dumps(str(value))[1:-1] for name, value in values.items()}
    inputs = json.dumps([definition.get("params", []), definition.get("deps", [])])
    return tuple(json.loads(_Reference(inputs).substitute(escaped)))


@contextmanager
def _unchanged_inputs(pipeline: Path) -> Generator[None]:
    """Compare the params and dependencies of the stage that DVC runs, before and after.

    Files are compared by inode, size and time of modification, since an overwritten file cannot be
    hashed.
    """
    address = os.environ.get("DVC_STAGE")
    if address is None:
        yield
        return
    params, dependencies = stage_inputs(pipeline, address.rpartition(":")[2])
    before = _inputs(params, dependencies)
    try:
        yield
    except (OSError, MotionTransferError) as error:
        if changed := _changes(before, _inputs(params, dependencies)):
            raise ChangedInputError(f"{error}; {changed}; run `dvc repro` again") from error
        raise
    if changed := _changes(before, _inputs(params, dependencies)):
        raise ChangedInputError(
            f"{changed}; its outputs are stale and were not recorded. `dvc repro` makes them "
            f"again; to keep them instead, undo the change and run `dvc commit -f {address}`"
        )


def _changes(before: Mapping[str, str | _FileState], after: Mapping[str, str | _FileState]) -> str:
    """The first few differences, and that they happened meanwhile; empty for none."""
    changes = [
        f"{name} ({_change(before.get(name), after.get(name))})"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    more = len(changes) - _NAMED_CHANGES
    named = [*changes[:_NAMED_CHANGES], *([f"and {more} more"] if more > 0 else [])]
    return f"changed while this stage ran: {', '.join(named)}" if changes else ""


def _inputs(params: list[str | dict], dependencies: list[str]) -> dict[str, str | _FileState]:
    """Params as JSON by `file: dotted.key`, files of dependencies by path."""
    found: dict[str, str | _FileState] = {}
    for listed in params:
        files = listed if isinstance(listed, dict) else {str(PARAMS_FILE): [listed]}
        for file, keys in files.items():
            within = tuple(f"{key}." for key in keys)
            found |= {
                f"{file}: {key}": json.dumps(leaf, default=str, ensure_ascii=False)
                for key, leaf in flattened(load_params(Path(file))).items()
                if f"{key}.".startswith(within)
            }
    for dependency in map(Path, dependencies):
        paths = dependency.rglob("*") if dependency.is_dir() else [dependency]
        for path in sorted(paths):
            if path.is_file() and "__pycache__" not in path.parts:
                state = path.stat()
                found[str(path)] = (state.st_ino, state.st_size, state.st_mtime_ns)
    return found


def _change(before: str | _FileState | None, after: str | _FileState | None) -> str:
    if before is None:
        return "added"
    if after is None:
        return "removed"
    return f"{before} → {after}" if isinstance(before, str) else "overwritten"
