"""Source fingerprint: digests of a module and of its transitive imports within the project.

Imports are read from the source text, so that those inside functions count and what else the
process has loaded does not. They are absolute, as everywhere in the project.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path


def source_files(module: str) -> list[Path]:
    """Return the files of a module and of its transitive imports within the project, sorted."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        path = _root() / f"{waiting.pop().replace('.', '/')}.py"
        if path not in found and path.is_file():
            found.add(path)
            waiting += _imported(path)
    return sorted(found)


def source_digests(module: str) -> dict[str, str]:
    """SHA-256 of each file of `source_files`, by its path from the project's root."""
    return {
        path.relative_to(_root()).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in source_files(module)
    }


def _root() -> Path:
    return Path(__file__).parents[1]


@cache
def _imported(path: Path) -> tuple[str, ...]:
    """Names of imported modules; of `from a import b` both, since b may be a module."""
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)
