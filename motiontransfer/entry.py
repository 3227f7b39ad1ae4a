"""How a stage starts and ends.

Logging is set up, one thing is run, and what was made is told in one line; so is a fault of user or
machine, without a traceback.
"""

import importlib
import logging
import pkgutil
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from inspect import signature

from motiontransfer.errors import MissingLibraryError, MotionTransferError, ParamsError

_logger = logging.getLogger(__name__)

_SYSTEM_PACKAGE_OF = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libGLESv2.so.2": "libgles2",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
}


def run(package: str, arguments: Sequence[str]) -> int:
    """Call `main` of `package.<first argument>` with the other arguments; return the status.

    What main returns, if anything, is what was made and where to look, for people.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if not arguments:
        print(f"usage: python -m {package} STAGE [NAME]", file=sys.stderr)  # noqa: T201 - an entry point speaks to a person
        return 2
    name, *rest = arguments
    try:
        with _missing_library_named():
            main = _import_main(package, name)
            if not _takes(main, rest):
                expected = " ".join(parameter.upper() for parameter in signature(main).parameters)
                print(f"usage: python -m {package} {name} {expected}".rstrip(), file=sys.stderr)  # noqa: T201
                return 2
            made = main(*rest)
        if made:
            _logger.info("%s: %s", " ".join(arguments), made)
    except MotionTransferError as error:
        for line in str(error).splitlines():
            print(f"ERROR: {' '.join(arguments)}: {line}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _import_main(package: str, name: str):  # noqa: ANN202 - a callable whose arguments each stage chooses
    try:
        return importlib.import_module(f"{package}.{name}").main
    except ModuleNotFoundError as error:
        if error.name != f"{package}.{name}":
            raise
        folder = importlib.import_module(package).__path__
        known = sorted(m.name for m in pkgutil.iter_modules(folder) if m.name != "__main__")
        raise ParamsError(f"no such stage; there are {', '.join(known)}") from error


def _takes(main: Callable[..., object], arguments: Sequence[str]) -> bool:
    try:
        signature(main).bind(*arguments)
    except TypeError:
        return False
    return True


@contextmanager
def _missing_library_named() -> Generator[None]:
    """Libraries are also loaded while a stage runs: whoever needs OpenCV may import it late."""
    try:
        yield
    except ImportError as error:
        for library, debian_package in _SYSTEM_PACKAGE_OF.items():
            if library in str(error):
                raise MissingLibraryError(
                    f"{library} is missing on this machine; "
                    f"install it, e.g. apt-get install {debian_package}"
                ) from error
        raise
