"""The remote of a project: where it is written down, and what must not be written there.

Hides DVC's config. What git keeps (.dvc/config) says where the data lies and that every download
is checked; secrets live in .dvc/config.local, which git ignores, or in the environment.
"""

import errno
import importlib.util
import logging
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from dvc.config import ConfigError
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.progress import Tqdm
from dvc.repo import Repo

from motiontransfer.errors import (
    MissingFileError,
    MissingLibraryError,
    MotionTransferError,
    RemoteError,
)

_PACKAGE_OF = {"s3": "dvc_s3", "ssh": "dvc_ssh"}
_SECRET_WORDS = ("key", "secret", "token", "password", "passwd", "signature", "credential", "sig")
_KEPT_OUT_OF_GIT = (
    "secrets do not go into git: leave them out of the URL, and keep them in the environment "
    "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), in a profile (`aws configure`), in an ssh key, or "
    "in .dvc/config.local (`uv run dvc remote modify --local {name} OPTION VALUE`)"
)


@contextmanager
def opened(root: Path) -> Generator[Repo]:
    """The project at `root`, as DVC sees it.

    Raises:
        MissingFileError: DVC finds no project there.
    """
    try:
        with _config_told():
            repo = Repo(str(root))
    except NotDvcRepoError as error:
        raise MissingFileError(
            f"{root.resolve()}: no DVC project with git here; run from the project's root, or, "
            "without git, first `uv run dvc config --local core.no_scm true`"
        ) from error
    with repo:
        yield repo


def set_remote(
    repo: Repo, url: str, *, name: str, endpoint: str | None = None, profile: str | None = None
) -> None:
    """Make `url` the default remote in .dvc/config, with every download checked by its hash.

    What else is set for a remote of that name stays.

    Args:
        endpoint: the address of an S3 store that is not Amazon's.
        profile: which of the credentials that this machine's ~/.aws knows.

    Raises:
        RemoteError: the URL or the endpoint holds a secret, or is no address.
        MissingLibraryError: the package for this kind of remote is not installed.
    """
    scheme = _scheme(url)
    for address in (url, *([endpoint] if endpoint else [])):
        _refuse_secrets(address, name)
    if endpoint and scheme != "s3":
        raise RemoteError(f"--endpoint: only s3:// remotes have one, got {url}")
    require_package(url)
    settings = {"url": url, "verify": True, "endpointurl": endpoint, "profile": profile}
    with _config_told(), repo.config.edit("repo") as config:
        before = config["remote"].get(name, {})
        # What was set for another kind of remote would not even be valid for this one.
        kept = before if _scheme(str(before.get("url", url))) == scheme else {}
        given = {key: value for key, value in settings.items() if value is not None}
        config["remote"][name] = {**kept, **given}
        config["core"]["remote"] = name


def default_remote(repo: Repo) -> str:
    """Name of the project's default remote.

    Raises:
        RemoteError: there is none.
        MissingLibraryError: the package for this kind of remote is not installed.
    """
    name = repo.config["core"].get("remote")
    if not name or name not in repo.config["remote"]:
        raise RemoteError(
            "the project names no remote; its owner runs `uv run motiontransfer share URL` "
            "and commits .dvc/config"
        )
    require_package(remote_url(repo))
    return name


def remote_url(repo: Repo) -> str:
    """Address of the default remote, as a person reads it."""
    return str(repo.config["remote"][repo.config["core"]["remote"]]["url"])


@contextmanager
def _config_told() -> Generator[None]:
    try:
        yield
    except ConfigError as error:
        raise RemoteError(
            f".dvc/config or .dvc/config.local: {' '.join(str(error).split())}; correct it there"
        ) from error


def require_package(url: str) -> None:
    """Check that the package for this kind of remote is installed.

    Raises:
        MissingLibraryError: it is not; the message names the extra.
    """
    scheme = _scheme(url)
    package = _PACKAGE_OF.get(scheme)
    if package and importlib.util.find_spec(package) is None:
        raise MissingLibraryError(
            f"{scheme}:// remotes need one more package; run `uv sync --extra {scheme}`"
        )


def _scheme(url: str) -> str:
    """Empty for a folder; a Windows drive letter is none."""
    match = re.match(r"([a-z0-9+]{2,})://", url, re.IGNORECASE)
    return match[1].lower() if match else ""


def _refuse_secrets(address: str, name: str) -> None:
    parts = urlsplit(address)
    told = address.replace(parts.netloc, parts.netloc.rsplit("@", 1)[-1]).split("?")[0]
    # A user's name alone is no secret for ssh; before an @ in s3:// nothing but a key can stand.
    is_key = parts.scheme == "s3" and "@" in parts.netloc
    queried = [key for key, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if (
        is_key
        or parts.password is not None
        or any(word in key.lower() for key in queried for word in _SECRET_WORDS)
    ):
        raise RemoteError(f"{told}: {_KEPT_OUT_OF_GIT.format(name=name)}")


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
