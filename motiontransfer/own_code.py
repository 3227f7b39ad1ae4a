"""Which files of the project decide what a module does: its own and all that it imports.

Hides how they are found: in the text, not among what the process has imported, which may be more,
or less so far. Imports inside functions count; imports are absolute, as everywhere in the project.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path


def code_behind(module: str) -> list[Path]:
    """Return a module's file and those of all modules of this project behind it, sorted.

    Args:
        module: its full name, as in `__name__`.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = _root() / f"{waiting.pop().replace('.', '/')}.py"
        if path not in found and path.is_file():
            found.add(path)
            waiting += _imported(path)
    return sorted(found)


def code_digests(module: str) -> dict[str, str]:
    """SHA-256 of each file of `code_behind`, by its path from the project's root."""
    return {
        path.relative_to(_root()).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in code_behind(module)
    }


def _root() -> Path:
    """Where the project's packages lie; installed packages of others are nowhere below it."""
    return Path(__file__).parents[1]


def _imported(path: Path) -> Iterator[str]:
    """Names of what is imported; of `from a import b` both, since b may be a module."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
