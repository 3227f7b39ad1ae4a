"""Parquet tables of numbers with a JSON description and checksums."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Shaped

from motiontransfer.storage import array_checksum, check_arrays, damaged, replacing, seal, unseal


def write_table(
    path: Path,
    columns: Mapping[str, Shaped[np.ndarray, "..."]],
    *,
    key: str,
    description: Mapping[str, object],
) -> None:
    """Write a table; the same numbers are the same bytes.

    Args:
        columns: 1-D arrays, or 2-D arrays (stored as fixed-size lists).
        key: metadata key of the description.
    """
    checksums = {name: array_checksum(values) for name, values in columns.items()}
    table = pa.table({name: _column(values) for name, values in columns.items()})
    table = table.replace_schema_metadata({key: seal(description, checksums)})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(
    path: Path, *, key: str
) -> tuple[dict[str, Shaped[np.ndarray, "..."]], dict[str, object]]:
    """Columns and description of a table that `write_table` wrote.

    Raises:
        DamagedFileError: it is not as it was written, or not such a file.
    """
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
        reason = " ".join(str(error).split())
        raise damaged(path, f"not a Parquet file written by motiontransfer: {reason}") from error
    check_arrays(path, {name: array_checksum(v) for name, v in columns.items()}, checksums)
    return columns, description


def _column(values: np.ndarray) -> pa.Array:
    numbers = pa.array(np.ascontiguousarray(values).reshape(-1))
    if values.ndim == 1:
        return numbers
    return pa.FixedSizeListArray.from_arrays(numbers, values.shape[1])


def _array(column: pa.ChunkedArray) -> np.ndarray:
    values = column.combine_chunks()
    if not isinstance(column.type, pa.FixedSizeListType):
        return values.to_numpy(zero_copy_only=False)
    numbers = values.flatten().to_numpy(zero_copy_only=False)
    return numbers.reshape(-1, column.type.list_size)
