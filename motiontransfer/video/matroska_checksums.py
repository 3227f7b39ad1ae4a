"""Matroska's CRC-32 elements (RFC 8794, sec. 11.3.1), which FFmpeg writes but never checks.

Each element below the segment has one: the description, the index, each cluster of frames. The
bytes outside of them, identifiers and sizes, must be consistent up to the end of the file.
"""

import os
import weakref
import zlib
from array import array
from bisect import bisect_right
from pathlib import Path

from motiontransfer.storage import damaged

CHECKED = "motiontransfer"
"""Comment in files whose checksums are checked whatever their codec."""

_EBML, _SEGMENT, _CLUSTER, _VOID = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xEC
_CRC_32 = b"\xbf\x84"  # identifier and size; a checksum of four bytes follows, then its subject
_MAX_HEAD_BYTES = 12


class MatroskaChecksums:
    """Checks a file's description when opened, and each cluster of frames before use."""

    def __init__(self, path: Path) -> None:
        """Read the elements' headers, and check all but the clusters."""
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        # Of each cluster, in bytes: plain numbers, as a frame has one and a file may have millions.
        self._starts, self._ends = array("q"), array("q")
        self._is_checked = bytearray()
        self._walk()

    def _walk(self) -> None:
        _, _, position = self._element(0, _EBML)
        _, position, end = self._element(position, _SEGMENT)
        size = os.fstat(self._descriptor).st_size
        if size != end:
            raise damaged(self._path, f"expected {end} bytes, got {size}")
        while position < end:
            identifier, start, position = self._element(position)
            if position > end:
                raise damaged(self._path, f"an element ends at byte {position} of {end}")
            if identifier == _CLUSTER:
                self._starts.append(start)
                self._ends.append(position)
                self._is_checked.append(False)
            elif identifier != _VOID:
                self._check_content(start, position, "its description")

    def _element(self, position: int, expected: int | None = None) -> tuple[int, int, int]:
        """Identifier of an element, and where its content starts and ends."""
        head = self._read(position, _MAX_HEAD_BYTES)
        length = _number_bytes(head)
        start = length + _number_bytes(head[length:])
        identifier = int.from_bytes(head[:length])
        if not 0 < length < start <= len(head) or expected not in {None, identifier}:
            raise damaged(self._path, f"no Matroska element at byte {position}")
        size = int.from_bytes(head[length:start]) & ~(1 << 7 * (start - length))
        return identifier, position + start, position + start + size

    def check(self, position: int, what: str) -> None:
        """Check the cluster around a byte position once; `what` is its content, for messages."""
        index = bisect_right(self._starts, position) - 1
        if index < 0:
            self._check_content(0, 0, what)
        elif not self._is_checked[index]:
            self._check_content(self._starts[index], self._ends[index], what)
            self._is_checked[index] = True

    def _check_content(self, start: int, end: int, what: str) -> None:
        content = memoryview(self._read(start, end - start))
        expected = int.from_bytes(content[2:6], "little")
        if content[:2] != _CRC_32 or zlib.crc32(content[6:]) != expected:
            raise damaged(self._path, f"the checksum of {what} does not match")

    def _read(self, position: int, size: int) -> bytes:
        # A forked process reads here too, so that no file position may be shared.
        return os.pread(self._descriptor, size, position)


def _number_bytes(head: bytes) -> int:
    """Length of a number whose first byte has as many leading zeros as bytes follow (RFC 8794)."""
    return 9 - head[0].bit_length() if head else 0
