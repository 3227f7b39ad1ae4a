"""A C2PA manifest whose bytes follow from its content: the same inputs are signed the same way.

c2pa salts every assertion at random, so that one which is taken out later cannot be guessed from
its hash. Nothing is taken out of ours, and with random salts two runs of one stage would never give
the same video. So the salts become zeros, the hashes follow, and the claim is signed anew. All keep
their lengths: no other byte of the file moves (C2PA 2.3, sec. 11.1, and ISO 19566-5, on boxes).
"""

import hashlib
import struct
from collections.abc import Callable, Iterator

_HEADER_BYTES = 8  # length and type of a box
_SALT_BYTES = 16


def without_chance(
    manifest: bytes, *, claim: bytes, signature: bytes, sign: Callable[[bytes], bytes]
) -> bytes:
    """Return the manifest with salts of zeros.

    Args:
        claim: what was signed.
        signature: of the claim, as it stands in the manifest.
        sign: makes a signature of the same length.
    """
    settled, settled_claim = manifest, claim
    for start, end, salt in _salted_boxes(manifest, 0, len(manifest)):
        box = manifest[start:salt] + bytes(_SALT_BYTES) + manifest[salt + _SALT_BYTES : end]
        old, new = (hashlib.sha256(content).digest() for content in (manifest[start:end], box))
        settled = _replaced(settled[:start] + box + settled[end:], old, new)
        settled_claim = _replaced(settled_claim, old, new)
    return _replaced(settled, signature, sign(settled_claim))


def _replaced(content: bytes, old: bytes, new: bytes) -> bytes:
    assert content.count(old) == 1
    assert len(old) == len(new)
    return content.replace(old, new)


def _salted_boxes(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Where the payload of each salted box starts, where it ends, and where the salt is in it.

    A superbox begins with its description, and a salt is a private box at the end of that.
    """
    while start < end:
        length, kind = struct.unpack_from(">I4s", content, start)
        if kind == b"jumb":
            payload = start + _HEADER_BYTES
            description_end = payload + struct.unpack_from(">I", content, payload)[0]
            salt = description_end - _SALT_BYTES
            if content[salt - 4 : salt] == b"c2sh":
                yield payload, start + length, salt
            else:
                yield from _salted_boxes(content, description_end, start + length)
        start += length
