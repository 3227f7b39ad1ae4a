"""Atomic file replacement, JSON files, Parquet tables, checksums of artifacts and source code.

DVC hashes what it checks out, and nothing that a stage reads. Parquet and safetensors files
therefore keep checksums in a JSON text of their metadata, one for each array and one for itself:
Parquet's own cover neither the metadata nor safetensors. Frame stores have Matroska's CRC-32
elements (`motiontransfer.video.frame_store`).
"""

import ast
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from motiontransfer.core.errors import DamagedFileError, one_line

if TYPE_CHECKING:
    import pyarrow as pa

ARRAYS_KEY = "motiontransfer"
"""Key of the metadata of safetensors."""
WEIGHTS_VERSION = 1
"""Version of the format of safetensors."""
Array = Shaped[np.ndarray, "..."]

_OWN = "crc32"
_OF_ARRAYS = "array_crc32"


def overlap(first: Path, second: Path) -> bool:
    """Return True if two paths are the same or one contains the other."""
    return first.is_relative_to(second) or second.is_relative_to(first)


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yield a temporary path in the same folder, with the same suffix.

    On success it becomes `path`; on an error it is deleted.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Generator[Path]:
    """Yield an empty folder; on success it replaces `folder`, on an error it is deleted."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write indented JSON; a ValueError for a number that is not finite, which JSON lacks."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def damaged(path: Path, cause: str) -> DamagedFileError:
    return DamagedFileError(
        f"{path}: damaged: {cause}; delete it, then `dvc checkout` or `dvc repro` brings it back"
    )


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_checksum(array: Shaped[np.ndarray, "..."], *, kind: str | None = None) -> int:
    """CRC-32 of an array's type, or the `kind` that it is a view of, its shape and its bytes."""
    header = f"{kind or array.dtype.name} {array.shape}".encode()
    return zlib.crc32(np.ascontiguousarray(array).data, zlib.crc32(header))


def seal(content: Mapping[str, object], arrays: Mapping[str, int]) -> str:
    """JSON text of a description and the checksums of the arrays that it comes with."""
    whole = {**content, _OF_ARRAYS: dict(arrays)}
    return json.dumps({**whole, _OWN: _json_checksum(whole)}, sort_keys=True)


def unseal(path: Path, text: str | bytes | None) -> tuple[dict[str, object], dict[str, int]]:
    """Inverse of `seal`: the description, and the checksums to compare with `check_arrays`."""
    try:
        content = json.loads(text or "{}")
    except ValueError as error:
        raise damaged(path, "its metadata is not JSON") from error
    if not isinstance(content, dict) or _OWN not in content:
        raise DamagedFileError(
            f"{path}: expected checksums in its metadata, got none: written by an older version or "
            "another program, or damaged; delete it and make it again with `dvc repro`"
        )
    if content.pop(_OWN) != _json_checksum(content):
        raise damaged(path, "the checksum of its metadata does not match")
    arrays = content.pop(_OF_ARRAYS)
    return content, arrays


def check_arrays(path: Path, got: Mapping[str, int], expected: Mapping[str, int]) -> None:
    for name in sorted(got.keys() | expected.keys()):
        if got.get(name) != expected.get(name):
            raise damaged(path, f"the checksum of {name} does not match")


def _json_checksum(content: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def versioned(description: Mapping[str, object]) -> dict[str, object]:
    """A description as it is in the metadata of safetensors."""
    return {"format_version": WEIGHTS_VERSION, "description": dict(description)}


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], *, description: Mapping[str, object]
) -> None:
    """Write safetensors, atomically, as PyTorch's tensors of these types would be."""
    from safetensors.numpy import save_file

    checksums = {
        name: array_checksum(
            np.ascontiguousarray(array).reshape(-1).view(np.uint8),
            kind=f"torch.{array.dtype} {array.shape}",
        )
        for name, array in arrays.items()
    }
    with replacing(path) as temporary:
        save_file(
            dict(arrays), temporary, metadata={ARRAYS_KEY: seal(versioned(description), checksums)}
        )


def write_table(
    path: Path, columns: Mapping[str, Array], *, key: str, description: Mapping[str, object]
) -> None:
    """Write a table; the same numbers are the same bytes.

    Args:
        columns: 1-D arrays, or 2-D arrays (stored as fixed-size lists, or as bytes).
        key: metadata key of the description.
    """
    import pyarrow as pa  # here: what reads no table does without
    import pyarrow.parquet as pq

    def column(values: np.ndarray) -> pa.Array:
        if values.ndim == 2 and values.dtype == np.uint8:  # a list of bytes takes 15 times as much
            content = pa.py_buffer(np.ascontiguousarray(values))
            kind = pa.binary(values.shape[1])
            return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, content])
        numbers = pa.array(np.ascontiguousarray(values).reshape(-1))
        if values.ndim == 1:
            return numbers
        return pa.FixedSizeListArray.from_arrays(numbers, values.shape[1])

    checksums = {name: array_checksum(values) for name, values in columns.items()}
    table = pa.table({name: column(values) for name, values in columns.items()})
    table = table.replace_schema_metadata({key: seal(description, checksums)})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, *, key: str) -> tuple[dict[str, Array], dict[str, object]]:
    """Columns and description of a table that `write_table` wrote.

    Raises:
        DamagedFileError: it is not as it was written, or not such a file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            # One after another: what decoding takes is as large as what it gives.
            columns = {
                name: _array(file.read([name], use_threads=False).column(name))
                for name in schema.names
            }
        description, checksums = unseal(path, (schema.metadata or {}).get(key.encode()))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(
            path, f"not a Parquet file written by motiontransfer: {one_line(error)}"
        ) from error
    check_arrays(path, {name: array_checksum(v) for name, v in columns.items()}, checksums)
    return columns, description


def _array(column: "pa.ChunkedArray") -> np.ndarray:
    import pyarrow as pa

    values = column.combine_chunks()
    if isinstance(column.type, pa.FixedSizeBinaryType):
        content = np.frombuffer(values.buffers()[1], np.uint8)
        return content.reshape(-1, column.type.byte_width)[values.offset :][: len(values)]
    if not isinstance(column.type, pa.FixedSizeListType):
        return values.to_numpy(zero_copy_only=False)
    numbers = values.flatten().to_numpy(zero_copy_only=False)
    return numbers.reshape(-1, column.type.list_size)


def source_files(module: str) -> list[Path]:
    """Files of a module and of its transitive imports within the project, sorted.

    Imports are read from the source text, so that those inside functions count and what else the
    process has loaded does not. They are absolute, as everywhere in the project.
    """
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
    return {path.relative_to(_root()).as_posix(): sha256_of(path) for path in source_files(module)}


def _root() -> Path:
    return Path(__file__).parents[2]


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
