"""Stage runner: logging, arguments, one-line errors, and params that must not change meanwhile."""

import importlib
import logging
import os
import pkgutil
import re
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from inspect import signature

from motiontransfer.core import events
from motiontransfer.core.errors import MotionTransferError, ParamsError, one_line, printable
from motiontransfer.core.stages import STAGES

_logger = logging.getLogger(__name__)

_SYSTEM_PACKAGES = "libgl1 libegl1 libgles2 libglib2.0-0"
"""Debian's, with the shared libraries that OpenCV and MediaPipe load."""

_REMEDY = "fix this and rerun"
_ON_CPU = "run on the CPU: CUDA_VISIBLE_DEVICES="

_SETTINGS_OF_LIBRARIES = {
    "GOMP_SPINCOUNT": "2000",  # PyTorch's waiting threads: soon asleep, beside another program
    "OPENCV_FOR_THREADS_NUM": "1",  # its images here are small
    "OPENBLAS_NUM_THREADS": "1",  # NumPy's products here are small
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # PyArrow's own keeps what was freed
}
"""Environment variables."""


def set_up_libraries() -> None:
    """Set the variables that libraries read as they load; the user's own stay."""
    for variable, value in _SETTINGS_OF_LIBRARIES.items():
        os.environ.setdefault(variable, value)


def run(package: str, arguments: Sequence[str]) -> int:
    """Call `main` of `package.<first argument>` with the other arguments; return the status.

    main may return lines that say what was written; they are printed.
    """
    _report()
    if not arguments:
        print(f"usage: python -m {package} STAGE [NAME]", file=sys.stderr)  # noqa: T201 - an entry point speaks to a person
        return 2
    name, *rest = arguments
    set_up_libraries()
    from motiontransfer.core.params import unchanged_params  # here: NumPy reads these as it loads

    try:
        main = _import_main(package, name)
        try:
            signature(main).bind(*rest)
        except TypeError:
            expected = " ".join(parameter.upper() for parameter in signature(main).parameters)
            print(f"usage: python -m {package} {name} {expected}".rstrip(), file=sys.stderr)  # noqa: T201
            return 2
        with unchanged_params() if "DVC_STAGE" in os.environ else nullcontext():
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


def _report() -> None:
    """Print what a person reads, and append events to the file that who waits for them names."""
    printer = logging.StreamHandler(sys.stderr)
    printer.setLevel(logging.INFO)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[printer])
    if file := os.environ.get(events.VARIABLE):
        appender = logging.FileHandler(file, encoding="utf-8")
        appender.setFormatter(events.JsonLines())
        logger = logging.getLogger(events.LOGGER)
        logger.setLevel(logging.DEBUG)
        logger.addHandler(appender)


def fault(error: Exception, *, stage: str = "") -> str | None:
    """Message for the user; None for a bug, whose traceback is needed.

    PyTorch's errors go by class name and text, since not every stage imports it. Writers in Rust
    (safetensors, c2pa) say `os error`; numpy.save says how much a full disk took. A note of one
    line is the file that was being written.
    """
    if isinstance(error, MotionTransferError):
        return str(error)
    if isinstance(error, ImportError):
        return missing_library(error)
    kind, text = type(error).__name__, str(error).partition("\n")[0]
    if kind == "OutOfMemoryError" or text == "CUDA error: out of memory":
        params = STAGES[stage].gpu_memory_params if stage in STAGES else ""
        lower = f"lower {params}, " if params else ""
        cause = text.partition(" GPU ")[0]  # without the sizes of all that is there
        return f"a GPU's memory is full ({cause}); {lower}end what else uses it, or {_ON_CPU}"
    if kind == "AcceleratorError" or text.startswith(("CUDA error", "cuDNN error")):
        return f"{text}; run it again, or {_ON_CPU}"
    if isinstance(error, MemoryError) or "can't allocate memory" in text:  # PyTorch's
        return f"out of memory ({text}); {_REMEDY}"
    if isinstance(error, FileNotFoundError):
        return None
    if isinstance(error, OSError) and text.endswith(" written"):
        text = f"the disk is full ({text})"
    elif not isinstance(error, OSError | sqlite3.OperationalError) and "(os error " not in text:
        return None
    files = [note for note in getattr(error, "__notes__", ()) if "\n" not in note]
    return f"{': '.join([*files[:1], text])}; {_REMEDY}"


def missing_library(error: ImportError) -> str | None:
    """Name a shared library that is missing on this machine; None if that is not the cause."""
    if "DLL load failed" in str(error):
        return f"{one_line(error)}; install Microsoft's Visual C++ redistributable, then {_REMEDY}"
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
