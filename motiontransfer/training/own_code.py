"""Which files of this package decide what a module does: its own and all that it imports.

Hides how they are found: in the text, not among what the process has imported, which may be more,
or less so far. Imports inside functions count; imports are absolute, as everywhere in the project.
"""

import ast
from collections.abc import Iterator
from pathlib import Path


def code_behind(module: str) -> list[Path]:
    """Return a module's file and those of all modules of its package behind it, sorted.

    Args:
        module: its full name, as in `__name__`.
    """
    root, package = Path(__file__).parents[2], module.split(".")[0]
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = root / f"{waiting.pop().replace('.', '/')}.py"
        if path not in found and path.is_file():
            found.add(path)
            waiting += [name for name in _imported(path) if name.startswith(f"{package}.")]
    return sorted(found)


def _imported(path: Path) -> Iterator[str]:
    """Names of what is imported; of `from a import b` both, since b may be a module."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
