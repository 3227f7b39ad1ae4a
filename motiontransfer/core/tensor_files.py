"""Safetensors with a JSON description and checksums, written and read without PyTorch."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from motiontransfer.core.checksums import (
    array_checksum,
    check_arrays,
    checked_text,
    damaged,
    read_checked_text,
)
from motiontransfer.core.errors import MissingFileError, WeightsError, one_line
from motiontransfer.core.storage import replacing

ARRAYS_KEY = "motiontransfer"
"""Key of the metadata."""
_VERSION = 1  # of the format
_Described = TypeVar("_Described")


def write_arrays(
    path: Path, arrays: Mapping[str, np.ndarray], *, description: Mapping[str, object]
) -> None:
    """Write safetensors, atomically."""
    from safetensors.numpy import save_file

    checksums = {name: array_checksum(array) for name, array in arrays.items()}
    content = {"format_version": _VERSION, "description": dict(description)}
    # One entry only: safetensors writes several in an order that changes from run to run.
    metadata = {ARRAYS_KEY: checked_text(content, arrays=checksums)}
    with replacing(path) as temporary:
        save_file(dict(arrays), temporary, metadata=metadata)


def write_no_weights(path: Path, key: str) -> None:
    """Write that there is no network of this kind."""
    write_arrays(path, {}, description={key: None})


def read_description(path: Path) -> dict[str, object]:
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it")
    with _opened(path) as file:
        content = read_checked_text(path, (file.metadata() or {}).get(ARRAYS_KEY))
    if content.get("format_version") != _VERSION:
        got = content.get("format_version")
        raise WeightsError(f"{path}: expected weights format {_VERSION}, got {got}")
    description = content.get("description")
    if not isinstance(description, dict):
        raise WeightsError(f"{path}: expected a description of the network, got {description!r}")
    return description


def read_described(path: Path, key: str, schema: type[_Described]) -> _Described:
    """Read and check one part of a weights file's description."""
    description = read_description(path)
    if key not in description:
        raise WeightsError(
            f"{path}: expected a description of the {key}, got {sorted(description)}"
        )
    try:
        return TypeAdapter(schema).validate_python(description[key])
    except ValidationError as error:
        raise WeightsError(
            f"{path}: its description of the {key} was not written by motiontransfer: "
            f"{one_line(error)}"
        ) from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of a file that `write_arrays` wrote."""
    with _opened(path) as file:
        description = read_checked_text(path, (file.metadata() or {}).get(ARRAYS_KEY))
        arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
    check_arrays(path, description, {name: array_checksum(each) for name, each in arrays.items()})
    return arrays


@contextmanager
def _opened(path: Path) -> Generator[safe_open]:
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except SafetensorError as error:
        raise damaged(path, f"not a safetensors file: {error}") from error
