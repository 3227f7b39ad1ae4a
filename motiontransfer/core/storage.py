"""Atomic file replacement, JSON files, Parquet tables, safetensors, digests of source code."""

import ast
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from motiontransfer.core.checksums import (
    array_checksum,
    check_arrays,
    checked_text,
    damaged,
    read_checked_text,
)
from motiontransfer.core.errors import ParamsError, one_line
from motiontransfer.core.names import folded

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logging.getLogger(__name__)

AnyArray = Shaped[np.ndarray, "..."]


def overlap(first: Path, second: Path) -> bool:
    """Return True if two paths are the same or one contains the other."""
    return first.is_relative_to(second) or second.is_relative_to(first)


def check_output(output: Path, kept: Iterable[Path]) -> None:
    """Refuse an output that is, holds or lies in a file or folder that stays as it is.

    Links are followed. Names that differ in case alone are the same, as on macOS and Windows.

    Raises:
        ParamsError: it would be overwritten.
    """
    for each in kept:
        is_same = output.exists() and each.exists() and output.samefile(each)  # a hard link, too
        if is_same or overlap(*(Path(folded(str(path.resolve()))) for path in (output, each))):
            raise ParamsError(
                f"{output}: cannot be written: {each} is there, and stays; choose another place"
            )


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
    except Exception as error:
        error.add_note(str(path))  # a full disk's has no name
        raise
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
    except Exception as error:
        error.add_note(str(folder))
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def unchanged_on_error(*files: Path) -> Generator[None]:
    """Restore small files on an error; new ones go, with new folders that are left empty."""
    before = {file: file.read_bytes() if file.exists() else None for file in files}
    new_folders = {folder for file in files for folder in file.parents if not folder.exists()}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        for folder in sorted(new_folders, reverse=True):  # the innermost first
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


@contextmanager
def params_lock(root: Path = Path()) -> Generator[None]:
    """Keep other commands from changing params.yaml and films.yaml; within a thread it nests."""
    from filelock import FileLock, Timeout  # here: stages do without

    if not (root / ".dvc").is_dir():
        yield
        return
    path = root / ".dvc/tmp/params.lock"
    path.parent.mkdir(exist_ok=True)
    lock = FileLock(path, is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _logger.info("waits for another command that changes params.yaml or films.yaml")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")  # the same bytes anywhere


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write indented JSON; a ValueError for a number that is not finite, which JSON lacks."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_checked_json(path: Path, content: Mapping[str, object]) -> None:
    """Write JSON that stages read, with a checksum; `read_checked_json` reads it."""
    write_text(path, checked_text(content, indent=2) + "\n")


def read_checked_json(path: Path) -> dict[str, object]:
    return read_checked_text(path, path.read_bytes())


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def md5_of(path: Path) -> str:
    """What DVC names a file's object after."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def write_table(
    path: Path, columns: Mapping[str, AnyArray], *, key: str, description: Mapping[str, object]
) -> None:
    """Write a table; the same numbers are the same bytes.

    Args:
        columns: 1-D arrays of numbers, whose NaN are null, or of texts; 2-D arrays, stored as
            fixed-size lists, or as bytes.
        key: metadata key of the description.
    """
    import pyarrow as pa  # here: what reads no table does without
    import pyarrow.parquet as pq

    def column(values: np.ndarray) -> pa.Array:
        if values.ndim == 2 and values.dtype == np.uint8:  # a list of bytes takes 15 times as much
            content = pa.py_buffer(np.ascontiguousarray(values))
            kind = pa.binary(values.shape[1])
            return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, content])
        if values.ndim == 1:
            return _numbers(values) if values.dtype.kind in "biuf" else pa.array(values)
        return pa.FixedSizeListArray.from_arrays(_numbers(values.reshape(-1)), values.shape[1])

    checksums = {name: array_checksum(values) for name, values in columns.items()}
    table = pa.table({name: column(values) for name, values in columns.items()})
    table = table.replace_schema_metadata({key: checked_text(description, arrays=checksums)})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _numbers(values: np.ndarray) -> "pa.Array":
    """Numbers with NaN as null, through buffers: PyArrow's own conversion loads pandas."""
    import pyarrow as pa

    is_known = values == values  # which NaN alone is not
    content, validity = (
        pa.py_buffer(np.packbits(bits, bitorder="little") if bits.dtype == bool else bits)
        for bits in (np.ascontiguousarray(values), is_known)
    )
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None if is_known.all() else validity, content])


def read_table(path: Path, *, key: str) -> tuple[dict[str, AnyArray], dict[str, object]]:
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
        description = read_checked_text(path, (schema.metadata or {}).get(key.encode()))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise damaged(
            path, f"not a Parquet file written by motiontransfer: {one_line(error)}"
        ) from error
    check_arrays(path, description, {name: array_checksum(v) for name, v in columns.items()})
    return columns, description


def _array(column: "pa.ChunkedArray") -> np.ndarray:
    import pyarrow as pa

    values, kind = column.combine_chunks(), column.type
    if isinstance(kind, pa.FixedSizeBinaryType):
        content = np.frombuffer(values.buffers()[1], np.uint8)
        return content.reshape(-1, kind.byte_width)[values.offset :][: len(values)]
    if pa.types.is_string(kind) and not values.null_count:
        return values.to_numpy(zero_copy_only=False)
    is_list = isinstance(kind, pa.FixedSizeListType)
    array = _dense(values.flatten() if is_list else values)
    return array.reshape(-1, kind.list_size) if is_list else array


def _dense(values: "pa.Array") -> np.ndarray:
    """Inverse of `_numbers`."""
    import pyarrow as pa

    if pa.types.is_boolean(values.type):
        return np.from_dlpack(values.cast(pa.uint8())).astype(bool)
    if values.null_count and pa.types.is_floating(values.type):
        values = values.fill_null(float("nan"))
    return np.from_dlpack(values)


def source_files(module: str) -> list[Path]:
    """Files of a module and of its transitive imports within the project, sorted.

    Imports are read from the source text, so that those inside functions count and what else the
    process has loaded does not. They are absolute, as everywhere in the project.
    """
    found: set[Path] = set()
    waiting = _files_of([module])
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path)
    return sorted(found)


def source_digests(module: str) -> dict[str, str]:
    """SHA-256 of each file of `source_files`, by its path from the project's root."""
    return {path.relative_to(_root()).as_posix(): sha256_of(path) for path in source_files(module)}


def _root() -> Path:
    return Path(__file__).parents[2]


def _files_of(modules: Iterable[str]) -> list[Path]:
    """Files of those that are the project's."""
    paths = (_root() / f"{module.replace('.', '/')}.py" for module in modules)
    return [path for path in paths if path.is_file()]


@cache
def _imported(path: Path) -> list[Path]:
    """Files of imported modules; of `from a import b` of both, since b may be a module."""
    names = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return _files_of(names)
