"""What a run was made of: files by the MD5 under which DVC keeps them, and what its stages counted.

No date, machine or commit stands in a page that DVC caches: it would be that of the first run and
not of the one that took it from the cache. The MD5 leads to the commit, by way of dvc.lock.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.errors import MissingFileError, MotionTransferError

_UNITS = ("bytes", "kB", "MB", "GB")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """One file that a result depends on."""

    role: str
    """What it is to the result."""

    path: str
    """Where it lies in the project."""

    md5: str
    """Its name in DVC's cache."""

    size: str
    """How large it is, for people."""


def file_facts(files: Mapping[str, Path]) -> tuple[FileFact, ...]:
    """Describe files.

    Args:
        files: what each is to the result -> where it is.

    Raises:
        MissingFileError: one of them is not there.
    """
    return tuple(
        FileFact(
            role=role,
            path=path.as_posix(),
            md5=_md5(path),
            size=size_text(path.stat().st_size),
        )
        for role, path in files.items()
    )


def read_metrics(path: Path) -> dict[str, object]:
    """Read a metrics file.

    Raises:
        MissingFileError: no such file.
        MotionTransferError: not a JSON object.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such metrics; `dvc repro` writes them")
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise MotionTransferError(f"{path}: expected metrics, a JSON object: {error}") from error
    if not isinstance(content, dict):
        raise MotionTransferError(
            f"{path}: expected metrics, a JSON object, got {type(content).__name__}"
        )
    return content


def size_text(num_bytes: int) -> str:
    """Write a size as people do: 364.7 kB."""
    value, unit = float(num_bytes), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[0]}" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def flattened(tree: object, prefix: str = "") -> dict[str, str]:
    """Every leaf of nested params or metrics, by its dotted key, as it would stand in YAML."""
    if isinstance(tree, Mapping) and tree:
        leaves: dict[str, str] = {}
        for key, child in tree.items():
            leaves |= flattened(child, f"{prefix}.{key}" if prefix else str(key))
        return leaves
    return {prefix: tree if isinstance(tree, str) else json.dumps(tree, default=str)}


def _md5(path: Path) -> str:
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
