"""What a remote's errors mean: cause and mend in one line.

Hides the errors of DVC, of S3's client and of ssh's. They come as exceptions or, of single files,
only in DVC's log; the names of a whole chain of them (classes, S3 codes, errno) are looked up in
one table. tests/workspace/test_sharing_errors.py provokes them against real servers.
"""

import errno
import logging
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dvc.exceptions import DvcException
from dvc.progress import Tqdm

from motiontransfer.errors import MotionTransferError, RemoteError

_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of this machine "
    "(`uv run dvc remote modify --local {name} profile PROFILE`)"
)
_URL = "correct the URL: `uv run motiontransfer share URL`"
_WRITE = (
    "ask its owner for the right to write; `uv run motiontransfer join` needs no more than to read"
)


class _Row(NamedTuple):
    names: tuple[str, ...]
    cause: str
    mend: str


# The first row that has one of an error's names is it: the more telling names stand first.
_TABLE = (
    _Row(
        ("ENOSPC", "EDQUOT", "SFTPNoSpaceOnFilesystem", "SFTPQuotaExceeded"),
        "the disk is full, there or here",
        "free some space, then run this again: it goes on where it stopped",
    ),
    _Row(("LockError",), "another dvc is at work in this project", "wait until it is done"),
    _Row(("NoCredentialsError", "PartialCredentialsError"), "no credentials", _CREDENTIALS),
    _Row(("ProfileNotFound",), "this machine's ~/.aws has no such profile", _CREDENTIALS),
    _Row(("InvalidAccessKeyId",), "the store does not know this access key", _CREDENTIALS),
    _Row(("SignatureDoesNotMatch",), "the secret key is wrong", _CREDENTIALS),
    _Row(("ExpiredToken",), "the credentials have expired", _CREDENTIALS),
    _Row(("NoSuchBucket",), "no such bucket", f"create it, or {_URL}"),
    _Row(("InvalidBucketName", "ParamValidationError"), "not a bucket's name", _URL),
    _Row(("RequestTimeTooSkewed",), "this machine's clock is wrong", "set it"),
    _Row(
        ("PermanentRedirect", "AuthorizationHeaderMalformed"),
        "the bucket is in another region",
        "`uv run dvc remote modify {name} region REGION`",
    ),
    _Row(
        ("AccessDenied", "EROFS", "SFTPPermissionDenied", "SFTPWriteProtect", "EACCES"),
        "you may not do this there",
        _WRITE,
    ),
    _Row(("403",), "wrong credentials, or they may not use this bucket", _CREDENTIALS),
    _Row(
        ("PermissionDenied",),
        "ssh did not let this user in",
        "add your key there (`ssh-copy-id`), or name it (`uv run dvc remote modify --local {name} "
        "keyfile PATH`); the user stands in the URL: ssh://user@host/folder",
    ),
    _Row(("gaierror",), "no such host", _URL),
    _Row(
        ("SSLError", "SSLCertVerificationError"),
        "no secure connection, or its certificate is not known",
        "`uv run dvc remote modify {name} ssl_verify CA_BUNDLE`, or an http:// --endpoint",
    ),
    _Row(
        (
            "EndpointConnectionError",
            "ConnectTimeoutError",
            "ReadTimeoutError",
            "ConnectionClosedError",
            "ECONNREFUSED",
            "ECONNRESET",
            "EHOSTUNREACH",
            "ENETUNREACH",
            "ETIMEDOUT",
            "ConnectionLost",
        ),
        "no answer",
        "is it up, is the network, and is the address in .dvc/config right "
        "(`uv run dvc remote list`, --endpoint)?",
    ),
    _Row(
        ("RemoteMissingDepsError",),
        "DVC lacks the package for this kind of remote",
        "install it, e.g. `uv pip install dvc-gs`",
    ),
    _Row(
        ("NotADirectoryError", "SFTPNoSuchFile"),
        "no such folder, and it cannot be made: {said}",
        _URL,
    ),
    _Row(("DownloadError",), "not everything arrived", "run this again; it goes on from here"),
    _Row(
        ("CheckoutError",),
        "files could not be laid out here: {said}",
        "is the disk full, or is one of them open in another program?",
    ),
)

# What is missing is named by file, not by hash, in the error that follows.
_SAID_BETTER = "Some of the cache files do not exist neither locally nor on remote"
_LOGGERS = ("dvc", "dvc_data", "dvc_objects")


@contextmanager
def told_in_one_line(*, name: str, url: str) -> Generator[None]:
    """Pass on DVC's own words and progress, but turn its errors into one with cause and mend.

    Raises:
        RemoteError: anything that the remote, the network or the disk did.
    """
    log = _DvcLog()
    with log.attached():
        try:
            yield
        except MotionTransferError:
            raise
        except Exception as error:
            line = explained([*log.errors, error], name=name, url=url)
            if line is None:
                raise
            raise RemoteError(line) from error


def explained(errors: Iterable[BaseException], *, name: str, url: str) -> str | None:
    """One line: the remote, the cause, in brackets its name in the library, then the mend.

    Errors of DVC and of the system that no row of the table knows are told as they are; others are
    nobody's fault but ours: None.
    """
    chain = [link for error in errors for link in _links(error)]
    named = {name_: link for link in reversed(chain) for name_ in _names(link)}
    for row in _TABLE:
        for found in (name_ for name_ in row.names if name_ in named):
            cause = row.cause.format(said=_one_line(named[found]))
            return f"{url}: {cause} ({found}); {row.mend.format(name=name)}"
    told = dict.fromkeys(
        _one_line(link) for link in chain if isinstance(link, (DvcException, OSError))
    )
    return f"{url}: {'; '.join(told)}" if told else None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _links(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _names(error: BaseException) -> Iterator[str]:
    yield from (kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, OSError) and error.errno:
        yield errno.errorcode.get(error.errno, "")
    response = getattr(error, "response", None)  # what S3 answered, on errors of its client
    if isinstance(response, dict):
        yield str(response.get("Error", {}).get("Code", ""))


class _DvcLog(logging.Handler):
    """DVC's log: shown as the dvc command does, but for errors, which are kept."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.errors: list[BaseException] = []

    @contextmanager
    def attached(self) -> Generator[None]:
        """Stand in for the handlers that DVC installs when it is imported."""
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [(logger, logger.handlers, logger.level) for logger in loggers]
        for logger in loggers:
            logger.handlers = [self]
            logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            for logger, handlers, level in before:
                logger.handlers = handlers
                logger.setLevel(level)

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.errors.append(record.exc_info[1])
        elif record.levelno >= logging.WARNING and not record.msg.startswith(_SAID_BETTER):
            Tqdm.write(f"{record.levelname}: {record.getMessage()}", file=sys.stderr)
        elif record.levelno < logging.WARNING:
            Tqdm.write(record.getMessage(), file=sys.stdout)
