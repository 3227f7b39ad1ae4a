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

import yaml

from motiontransfer.errors import ChangedInputError, MotionTransferError, ParamsError, printable
from motiontransfer.params import PARAMS_FILE, load_params

_logger = logging.getLogger(__name__)

_SYSTEM_PACKAGES = "libgl1 libegl1 libgles2 libglib2.0-0"
"""Debian's, with the shared libraries that OpenCV and MediaPipe load."""

_FAULTS_OF_MACHINE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.EISDIR, errno.ENOTDIR, errno.ENODEV, errno.ENAMETOOLONG, errno.ELOOP),
}
_REMEDY = "correct that, then run it again"
_ON_CPU = "run on the CPU: CUDA_VISIBLE_DEVICES="

GPU_MEMORY_PARAMS = {
    "detect_keypoints": "compute.num_workers to 1",
    "train_gan": "train_gan.batch_size, train_gan.num_filters or decode.size",
    "train_face_gan": "train_face_gan.batch_size, train_face_gan.num_filters or decode.size",
    "train_face_cycle": "train_face_cycle.batch_size or train_face_cycle.num_filters",
    "train_forensics": "train_forensics.batch_size or train_forensics.num_filters",
    "render": "train_gan.num_filters or decode.size",
    "evaluate": "train_gan.num_filters or decode.size",
    "evaluate_transfer": "render.height",
}
"""Stage -> params that its memory on a GPU grows with."""

_NAMED_CHANGES = 3

_ABSENT = object()

_FileState = tuple[int, int, int]
"""Inode, size in bytes, time of modification in nanoseconds."""


def run(package: str, arguments: Sequence[str], *, pipeline: Path = Path("dvc.yaml")) -> int:
    """Call `main` of `package.<first argument>` with the other arguments; return the status.

    main may return lines that say what was written; they are printed.

    Args:
        pipeline: where the stage is defined, for when DVC runs it.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if not arguments:
        print(f"usage: python -m {package} STAGE [NAME]", file=sys.stderr)  # noqa: T201 - an entry point speaks to a person
        return 2
    name, *rest = arguments
    # Read when PyTorch is loaded. Threads that spin long while they wait for each other take ten
    # times as long beside another program; threads that sleep at once take 1.4 times as long.
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    # Read when OpenCV is loaded. Its operations here are small: beside PyTorch's, its threads take
    # more time than they save, a quarter of a training step with a puppet.
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    # Read when NumPy is loaded. Its products here are small, and its threads spin while they wait.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Read when PyArrow is loaded. Its own allocator keeps what was freed, twice a clip's keypoints.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
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
    """What a user is told of an error; None for a bug, whose traceback is needed."""
    if isinstance(error, MotionTransferError):
        return str(error)
    if isinstance(error, ImportError):
        return missing_library(error)
    return _fault_of_gpu(error, stage) or _fault_of_machine(error)


def _fault_of_gpu(error: Exception, stage: str) -> str | None:
    """Describe PyTorch's errors of a GPU by their names and texts: not every stage imports it."""
    kind, text = type(error).__name__, str(error).partition("\n")[0]
    if kind == "OutOfMemoryError" or text == "CUDA error: out of memory":
        params = GPU_MEMORY_PARAMS.get(stage)
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
    # Libraries written in Rust only tell by their text.
    told = re.search(r"\(os error (\d+)\)", str(error))
    code = int(told[1]) if told else getattr(error, "errno", None)
    if isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", str(error)):
        code = errno.ENOSPC  # NumPy's
    if code not in _FAULTS_OF_MACHINE:
        return None
    file = getattr(error, "filename", None)
    named = f"{str(file).removeprefix('file:')}: " if file else ""
    return f"{named}{os.strerror(code)}; {_REMEDY}"


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


def stage_inputs(pipeline: Path, name: str) -> tuple[list[str | dict], list[str]]:
    """Return params and dependencies of a stage, e.g. `decode@demo_dance`, as DVC resolves them.

    Of DVC's templating what the project uses: `foreach` over a list or mapping, `${key}`, `${item}`
    and dotted keys, with params.yaml of the working directory as context.
    """
    stages = yaml.load(pipeline.read_text(encoding="utf-8"), yaml.CSafeLoader)["stages"]
    context: dict[str, object] = load_params() if PARAMS_FILE.exists() else {}
    group, _, key = name.partition("@")
    definition = stages[group]
    if "foreach" in definition:
        items = _filled(definition["foreach"], context)
        pairs = items.items() if isinstance(items, dict) else zip(items, items, strict=True)
        item_of = {str(name): item for name, item in pairs}
        if key not in item_of:
            raise ParamsError(f"{PARAMS_FILE}: {key}: missing; it was there when `dvc repro` began")
        context, definition = {**context, "key": key, "item": item_of[key]}, definition["do"]
    return tuple(_filled(definition.get(part, []), context) for part in ("params", "deps"))


_REFERENCE = re.compile(r"\$\{([^}]+)\}")


def _filled(template, context: Mapping[str, object]):  # noqa: ANN001, ANN202 - any YAML value
    if isinstance(template, dict):
        return {key: _filled(value, context) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, context) for value in template]
    if not isinstance(template, str):
        return template
    if whole := _REFERENCE.fullmatch(template):
        return _value_at(context, whole[1])
    return _REFERENCE.sub(lambda reference: str(_value_at(context, reference[1])), template)


def _value_at(content: object, key: str) -> object:
    """Value of a dotted key; `_ABSENT` without one."""
    for part in key.split("."):
        if not isinstance(content, Mapping) or part not in content:
            return _ABSENT
        content = content[part]
    return content


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
            f"{changed}; its outputs are of before and are not recorded. `dvc repro` makes them "
            f"anew; to keep them instead, undo the change and run `dvc commit -f {address}`"
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
    keys_of: dict[str, list[str]] = {}
    for listed in params:
        files = listed if isinstance(listed, dict) else {str(PARAMS_FILE): [listed]}
        for file, keys in files.items():
            keys_of.setdefault(file, []).extend(keys)
    for file, keys in keys_of.items():
        content = load_params(Path(file))
        for key in keys:
            found |= _leaves(f"{file}: {key}", _value_at(content, key))
    for dependency in map(Path, dependencies):
        paths = dependency.rglob("*") if dependency.is_dir() else [dependency]
        for path in sorted(paths):
            if path.is_file() and "__pycache__" not in path.parts:
                state = path.stat()
                found[str(path)] = (state.st_ino, state.st_size, state.st_mtime_ns)
    return found


def _change(before: str | _FileState | None, after: str | _FileState | None) -> str:
    if isinstance(before, str) or isinstance(after, str):
        return f"{before or 'absent'} → {after or 'absent'}"
    if before is None or after is None:
        return "added" if before is None else "removed"
    return "replaced" if before[0] != after[0] else "written to"


def _leaves(name: str, value: object) -> dict[str, str]:
    if value is _ABSENT:
        return {}
    if isinstance(value, dict):
        return {
            leaf: text
            for key, inner in value.items()
            for leaf, text in _leaves(f"{name}.{key}", inner).items()
        }
    return {name: json.dumps(value, default=str, ensure_ascii=False)}
