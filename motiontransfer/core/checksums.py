"""CRC-32 checksums of the files that stages read: of arrays, of JSON texts, of blocks of media.

DVC verifies what it checks out, and nothing that a stage reads. Parquet and safetensors have a JSON
text in their metadata, with a checksum for each array and one for itself. A JSON file has its own.
Media files have a checksum for each block of bytes, behind their end. Metrics have none: git knows
their hashes, and `dvc metrics show` would list a checksum as a metric.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from motiontransfer.core.errors import DamagedFileError, MotionTransferError

_OF_TEXT, _OF_ARRAYS = "crc32", "array_crc32"  # keys of a JSON text

_BLOCK_BYTES = 2**16  # of a media file with one checksum
_CHECKSUM = np.dtype("<u4")
_VOID = b"\xec\x01"  # Matroska element that readers skip (RFC 8794); seven bytes of size follow
_VOID_BYTES = 9
_TAIL = struct.Struct("<QI20s")  # length of the media, checksum of the checksums, mark
_MARK = b"motiontransfer crc32"
_POINTER = b"version https://git-lfs"


def check_pointer(path: Path, error: type[MotionTransferError]) -> None:
    """Refuse what Git LFS leaves in place of a file that it has not fetched.

    Raises:
        error: it is such a pointer.
    """
    with path.open("rb") as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise error(f"{path}: is a pointer of Git LFS, not the file; run `git lfs pull` there")


def damaged(path: Path, cause: str) -> DamagedFileError:
    return DamagedFileError(
        f"{path}: damaged: {cause}; delete it, then `dvc checkout` or `dvc repro` brings it back"
    )


def array_checksum(array: Shaped[np.ndarray, "..."]) -> int:
    """CRC-32 of an array's type and shape, as in `float32 (3, 4)`, and of its bytes."""
    data = np.ascontiguousarray(array).data
    kind = array.dtype.name
    if array.dtype.kind in "OU":
        data = "\0".join(array.tolist()).encode()
        kind = "text"
    return zlib.crc32(data, zlib.crc32(f"{kind} {array.shape}".encode()))


def checked_text(
    content: Mapping[str, object],
    *,
    arrays: Mapping[str, int] | None = None,
    indent: int | None = None,
) -> str:
    """JSON text with its checksum, and with those of the arrays that it describes."""
    whole = dict(content) if arrays is None else {**content, _OF_ARRAYS: dict(arrays)}
    checked = {**whole, _OF_TEXT: _text_checksum(whole)}
    return json.dumps(checked, sort_keys=indent is None, indent=indent, allow_nan=False)


def read_checked_text(path: Path, text: str | bytes | None) -> dict[str, object]:
    """Inverse of `checked_text`; `path` is the file that has the text.

    Raises:
        DamagedFileError: it is not as it was written, or has no checksum.
    """
    try:
        content = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its description is not JSON") from error
    if not isinstance(content, dict) or _OF_TEXT not in content:
        raise DamagedFileError(
            f"{path}: expected a description with checksums, got none: written by another version "
            "or program, or damaged; delete it and make it again with `dvc repro`"
        )
    if content.pop(_OF_TEXT) != _text_checksum(content):
        raise damaged(path, "the checksum of its description does not match")
    return content


def _text_checksum(content: Mapping[str, object]) -> int:
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())


def check_arrays(path: Path, content: dict[str, object], got: Mapping[str, int]) -> None:
    """Compare with the checksums in the description of a file, and remove them from it.

    Raises:
        DamagedFileError: an array differs, is missing, or is one too many.
    """
    expected = content.pop(_OF_ARRAYS, None)
    if not isinstance(expected, dict):
        raise damaged(path, "its description has no checksums of arrays")
    for name in sorted(got.keys() | expected.keys()):
        if got.get(name) != expected.get(name):
            raise damaged(path, f"the checksum of {name} does not match")


def append_checksums(path: Path) -> None:
    """Append the checksums of a media file's blocks, as an element that Matroska's readers skip."""
    with path.open("r+b") as file:
        blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
        checksums = np.array([zlib.crc32(block) for block in blocks], _CHECKSUM).tobytes()
        tail = _TAIL.pack(file.tell(), zlib.crc32(checksums), _MARK)
        size = len(checksums) + len(tail)
        file.write(_VOID + size.to_bytes(_VOID_BYTES - len(_VOID)) + checksums + tail)


def check_media(path: Path) -> bool:
    """Compare a media file with the checksums of its blocks, once a process; False if it has none.

    Raises:
        DamagedFileError: it is not as it was written.
    """
    status = path.stat()
    return _check_blocks(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=1024)
def _check_blocks(path: Path, _: int, size: int) -> bool:
    """See `check_media`; of a file that changes, the time does, too."""
    with path.open("rb") as file:
        file.seek(max(size - _TAIL.size, 0))
        tail = file.read()
        if not tail.endswith(_MARK) or len(tail) < _TAIL.size:
            return False
        media_bytes, checksum, _ = _TAIL.unpack(tail)
        starts = range(0, media_bytes, _BLOCK_BYTES)
        checksum_bytes = _CHECKSUM.itemsize * len(starts)
        if media_bytes + _VOID_BYTES + checksum_bytes + _TAIL.size != size:
            raise damaged(path, f"{size} bytes do not fit its checksums")
        file.seek(media_bytes + _VOID_BYTES)
        checksums = file.read(checksum_bytes)
        if zlib.crc32(checksums) != checksum:
            raise damaged(path, "the checksums of its blocks do not match their own")
        file.seek(0)
        for start, expected in zip(starts, np.frombuffer(checksums, _CHECKSUM), strict=True):
            if zlib.crc32(file.read(min(_BLOCK_BYTES, media_bytes - start))) != expected:
                raise damaged(path, f"the checksum of its bytes from {start} on does not match")
    return True
