"""CRC-32 checksums of artifacts: a file damaged on disk is refused, never read as other numbers.

Parquet and safetensors files keep them in a JSON text of their metadata, which has one for each
array and one for itself; frame stores in Matroska's own CRC-32 elements
(`motiontransfer.video.matroska_checksums`).
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from motiontransfer.errors import DamagedFileError

_OWN = "crc32"
_OF_ARRAYS = "array_crc32"


def damaged(path: Path, what: str) -> DamagedFileError:
    """The error for a file that is not as it was written."""
    return DamagedFileError(
        f"{path}: damaged: {what}; delete it, then `dvc checkout` or `dvc repro` brings it back"
    )


def array_checksum(array: Shaped[np.ndarray, "..."], *, kind: str | None = None) -> int:
    """CRC-32 of an array's type, shape and bytes.

    Args:
        kind: name of the type, where the array is a view of another library's.
    """
    header = f"{kind or array.dtype.name} {array.shape}".encode()
    return zlib.crc32(np.ascontiguousarray(array).data, zlib.crc32(header))


def seal(content: Mapping[str, object], arrays: Mapping[str, int]) -> str:
    """JSON text of a description and the checksums of the arrays that it comes with."""
    whole = {**content, _OF_ARRAYS: dict(arrays)}
    return json.dumps({**whole, _OWN: _json_checksum(whole)}, sort_keys=True)


def unseal(path: Path, text: str | bytes | None) -> tuple[dict[str, object], dict[str, int]]:
    """Inverse of `seal`: the description, and the checksums to compare with `check_array`.

    Args:
        path: for messages.
        text: None where the file has none.

    Raises:
        DamagedFileError: the text is not as it was written, or holds no checksums.
    """
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
    """Compare checksums of what was read with those of what was written.

    Raises:
        DamagedFileError: an array is missing, unknown or has other bytes; the message names it.
    """
    for name in sorted(got.keys() | expected.keys()):
        if got.get(name) != expected.get(name):
            raise damaged(path, f"the checksum of {name} does not match")


def _json_checksum(content: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
