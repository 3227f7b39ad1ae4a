"""How a stage starts and ends.

Logging is set up, one thing is run, and a fault of user or machine is told in one line without a
traceback.
"""

import importlib
import logging
import sys
from collections.abc import Sequence

from motiontransfer.errors import MissingLibraryError, MotionTransferError

_SYSTEM_PACKAGE_OF = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libGLESv2.so.2": "libgles2",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libglib-2.0.so.0": "libglib2.0-0",
}


def run(package: str, arguments: Sequence[str]) -> int:
    """Call `main` of `package.<first argument>` with the other arguments; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if not arguments:
        print(f"usage: python -m {package} STAGE [NAME]", file=sys.stderr)  # noqa: T201 - an entry point speaks to a person
        return 2
    name, *rest = arguments
    try:
        _import_main(package, name)(*rest)
    except MotionTransferError as error:
        for line in str(error).splitlines():
            print(f"ERROR: {name} {' '.join(rest)}: {line}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _import_main(package: str, name: str):  # noqa: ANN202 - a callable whose arguments each stage chooses
    try:
        return importlib.import_module(f"{package}.{name}").main
    except ImportError as error:
        for library, debian_package in _SYSTEM_PACKAGE_OF.items():
            if library in str(error):
                raise MissingLibraryError(
                    f"{library} is missing on this machine; "
                    f"install it, e.g. apt-get install {debian_package}"
                ) from error
        raise
