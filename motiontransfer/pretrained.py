"""Files of pretrained networks that the project does not carry: yours, cached, or downloaded.

Hides where the cache is and how a file gets into it: over an interrupted connection, beside another
process that wants the same file, and only with the SHA-256 that is pinned here in the code.
"""

import fcntl
import hashlib
import logging
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path

from motiontransfer.errors import MissingFileError, WeightsError
from motiontransfer.progress import track

CACHE_VARIABLE = "MOTIONTRANSFER_CACHE"

_logger = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30
_NUM_ATTEMPTS = 3  # each goes on where the one before was cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretrained:
    """A published file, and what to tell someone who cannot get it."""

    name: str
    """The file's name, e.g. pose_landmarker_full.task."""

    url: str
    """Where it is published; a versioned address, whose content does not change."""

    sha256: str
    """What its bytes must add up to, 64 hexadecimal digits."""

    needed_by: str
    """What cannot be had without it: `the detector mediapipe_tasks`."""

    file_param: str
    """The param that takes a file of the user's own, e.g. `detect_keypoints.model`."""

    without: str
    """How to go on without it, as an order: `set detect_keypoints.model: wheel`."""

    @property
    def remedies(self) -> str:
        """What to do where the file cannot be had: the tail of every message."""
        return (
            f"put {self.url} (SHA-256 {self.sha256}) on this machine and name it in"
            f" {self.file_param}, or {self.without}"
        )


class _InterruptedDownloadError(Exception):
    """The connection ended before the file did."""


_INTERRUPTIONS = (
    _InterruptedDownloadError,
    IncompleteRead,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
)


def cache_folder() -> Path:
    """Where downloads are kept: `$MOTIONTRANSFER_CACHE`, or a folder in the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    users = os.environ.get("XDG_CACHE_HOME")
    return (Path(users) if users else Path.home() / ".cache") / "motiontransfer"


def pretrained_file(pretrained: Pretrained, *, file: Path | None) -> Path:
    """Where the file is on this machine, downloaded if need be.

    Args:
        file: the user's own; taken as it is, though it is said when it bears the published file's
            name and not its bytes.

    Raises:
        MissingFileError: the user's file is absent, or the download failed.
        WeightsError: what was downloaded is not the published file.
    """
    if file is not None:
        return _users_file(pretrained, file)
    # Two versions of a file may bear one name.
    cached = cache_folder() / f"{pretrained.sha256[:8]}_{pretrained.name}"
    if cached.exists():  # it got this name after its bytes were checked
        return cached
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        with _only_process(cached):
            if not cached.exists():
                _download(pretrained, cached)
    except MissingFileError:
        raise
    except OSError as error:
        raise MissingFileError(
            f"{pretrained.name}: missing, {pretrained.needed_by} needs it, and {cached.parent}"
            f" cannot keep it ({error}); set ${CACHE_VARIABLE} to a folder that can,"
            f" {pretrained.remedies}"
        ) from error
    return cached


def _users_file(pretrained: Pretrained, file: Path) -> Path:
    if not file.is_file():
        raise MissingFileError(
            f"{file}: no such file, asked for by {pretrained.file_param}; {pretrained.remedies}"
        )
    if file.name == pretrained.name and (got := _sha256(file)) != pretrained.sha256:
        _logger.warning(
            "%s: not the published %s: expected SHA-256 %s, got %s; used all the same",
            file,
            pretrained.name,
            pretrained.sha256,
            got,
        )
    return file


@contextmanager
def _only_process(cached: Path) -> Generator[None]:
    """Wait until no other process of this machine is downloading this file."""
    with cached.with_name(f".{cached.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _download(pretrained: Pretrained, cached: Path) -> None:
    part = cached.with_name(f".{cached.name}.part")
    was_begun = part.exists()
    _fetch_whole(pretrained, part)
    if was_begun and _sha256(part) != pretrained.sha256:
        part.unlink()  # what an earlier run had left was no part of this file: start anew
        _fetch_whole(pretrained, part)
    got = _sha256(part)
    if got != pretrained.sha256:
        part.unlink()
        raise WeightsError(
            f"{pretrained.name}: expected SHA-256 {pretrained.sha256}, got {got} from"
            f" {pretrained.url}: another file, or one changed on its way; nothing is kept;"
            f" {pretrained.remedies}"
        )
    part.replace(cached)


def _fetch_whole(pretrained: Pretrained, part: Path) -> None:
    cause: Exception | None = None
    for _ in range(_NUM_ATTEMPTS):
        try:
            _fetch(pretrained, part)
        except _INTERRUPTIONS as error:
            cause = error
        except (urllib.error.URLError, HTTPException) as error:
            cause = error
            break
        else:
            return
    raise MissingFileError(
        f"{pretrained.name}: missing, {pretrained.needed_by} needs it, and the download failed"
        f" ({cause}); {pretrained.remedies}"
    ) from cause


def _fetch(pretrained: Pretrained, part: Path) -> None:
    """Add to `part` what it lacks, or start anew where the server cannot go on in the middle."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(pretrained.url)
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if not (start and error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
            raise
        return  # there is nothing behind what we have: it is whole, or not this file
    with response, part.open("ab") as out:
        if start and response.status != HTTPStatus.PARTIAL_CONTENT:
            out.truncate(0)
            start = 0
        length = int(response.headers.get("Content-Length") or 0)
        num_bytes = 0
        for chunk in track(
            _chunks(response),
            f"downloading {pretrained.name} (MiB)",
            total=-(-length // _CHUNK_BYTES),
        ):
            out.write(chunk)
            num_bytes += len(chunk)
    if num_bytes < length:
        raise _InterruptedDownloadError(
            f"the connection ended after {start + num_bytes} of {start + length} bytes"
        )


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK_BYTES):
        yield chunk


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
