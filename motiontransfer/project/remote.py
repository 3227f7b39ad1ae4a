"""Remote of a project: its address in .dvc/config, and its errors in one line.

git keeps .dvc/config; credentials belong in .dvc/config.local or the environment. The causes and
fixes of errors are in remote_errors.yaml.
"""

import errno
import logging
import re
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import yaml
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.progress import Tqdm
from dvc.repo import Repo

from motiontransfer.errors import MissingFileError, MotionTransferError, RemoteError, one_line

_SECRET_WORDS = ("key", "secret", "token", "password", "passwd", "signature", "credential", "sig")
_KEPT_OUT_OF_GIT = (
    "secrets do not go into git: leave them out of the URL, and keep them in the environment "
    "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), in a profile (`aws configure`), in an ssh key, or "
    "in .dvc/config.local (`uv run dvc remote modify --local {name} OPTION VALUE`)"
)
_CONFIG = ".dvc/config or .dvc/config.local"


@contextmanager
def opened(root: Path, *, wait: bool = False) -> Generator[Repo]:
    """DVC's view of the project at `root`; perhaps after waiting for others to release its lock.

    Raises:
        MissingFileError: DVC finds no project there.
    """
    with errors_of_dvc(_CONFIG):
        try:
            repo = Repo(str(root), _wait_for_lock=wait)
        except NotDvcRepoError as error:
            raise MissingFileError(
                f"{root.resolve()}: no DVC project with git here; run from the project's root, or, "
                "without git, first `uv run dvc config --local core.no_scm true`"
            ) from error
    with repo:
        yield repo


@contextmanager
def errors_of_dvc(context: str) -> Generator[None]:
    try:
        yield
    except (DvcException, yaml.YAMLError) as error:
        raise MotionTransferError(f"{context}: {one_line(error)}") from error


def set_remote(
    repo: Repo, url: str, *, name: str, endpoint: str | None = None, profile: str | None = None
) -> None:
    """Make `url` the default remote in .dvc/config, with downloads verified by hash.

    Other settings of a remote of that name and kind stay. An S3 store may have an endpoint that is
    not Amazon's, and a profile of ~/.aws.

    Raises:
        RemoteError: the URL or the endpoint holds a secret, or is malformed.
    """
    scheme = _scheme(url)
    for address in (url, *([endpoint] if endpoint else [])):
        _refuse_secrets(address, name)
    if endpoint and scheme != "s3":
        raise RemoteError(f"--endpoint: only s3:// remotes have one, got {url}")
    settings = {"url": url, "verify": True, "endpointurl": endpoint, "profile": profile}
    with errors_of_dvc(_CONFIG), repo.config.edit("repo") as config:
        before = config["remote"].get(name, {})
        # Settings of another kind of remote would be invalid for this one.
        kept = before if _scheme(str(before.get("url", url))) == scheme else {}
        given = {key: value for key, value in settings.items() if value is not None}
        config["remote"][name] = {**kept, **given}
        config["core"]["remote"] = name


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


def default_remote(repo: Repo) -> tuple[str, str]:
    """Name of the project's default remote, and its address as it was given.

    Raises:
        RemoteError: there is none.
    """
    name = repo.config["core"].get("remote")
    if not name or name not in repo.config["remote"]:
        raise RemoteError(
            "the project names no remote; its owner runs `uv run motiontransfer share URL` "
            "and commits .dvc/config"
        )
    return name, str(repo.config["remote"][name]["url"])


def _scheme(url: str) -> str:
    """Scheme of a URL; empty for a folder, also behind a Windows drive letter."""
    match = re.match(r"([a-z][a-z0-9+]+):(/*)", url, re.IGNORECASE)
    if match is None:
        return ""
    scheme = match[1].lower()
    if match[2] != "//":
        raise RemoteError(
            f"{url}: not a URL; expected {scheme}://{url[match.end() :]} "
            f"(or ./{url} for a folder of that name)"
        )
    return scheme


def _refuse_secrets(address: str, name: str) -> None:
    parts = urlsplit(address)
    shown = address.replace(parts.netloc, parts.netloc.rsplit("@", 1)[-1]).split("?")[0]
    # A user's name alone is no secret for ssh; before an @ in s3:// there can only be a key.
    is_key = parts.scheme == "s3" and "@" in parts.netloc
    queried = [key for key, _ in parse_qsl(parts.query, keep_blank_values=True)]
    if (
        is_key
        or parts.password is not None
        or any(word in key.lower() for key in queried for word in _SECRET_WORDS)
    ):
        raise RemoteError(f"{shown}: {_KEPT_OUT_OF_GIT.format(name=name)}")


@contextmanager
def errors_in_one_line(*, name: str, url: str) -> Generator[None]:
    """Show DVC's messages and progress, but turn its errors into one with cause and fix.

    Raises:
        RemoteError: an error of the remote, the network or the disk.
    """
    log = _DvcLog()
    with log.attached():
        try:
            yield
        except MotionTransferError:
            raise
        except Exception as error:
            line = explain([*log.errors, error], name=name, url=url)
            if line is None:
                raise
            raise RemoteError(line) from error


def explain(errors: Iterable[BaseException], *, name: str, url: str) -> str | None:
    """Remote, cause, in brackets the library's name of the error, and fix in one line.

    Errors of DVC and of the system that are not in the table keep their own text. None: others,
    which are bugs.
    """
    chain = [link for error in errors for link in _chain(error)]
    named = {error_name: link for link in reversed(chain) for error_name in _names(link)}
    table = Path(__file__).with_name("remote_errors.yaml").read_text(encoding="utf-8")
    for known in yaml.safe_load(table):
        for error_name in known["names"]:
            if error_name in named:
                cause = known["cause"].format(message=one_line(named[error_name]))
                return f"{url}: {cause} ({error_name}); {known['fix'].format(name=name)}"
    texts = dict.fromkeys(
        one_line(link) for link in chain if isinstance(link, (DvcException, OSError))
    )
    return f"{url}: {'; '.join(texts)}" if texts else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _names(error: BaseException) -> Iterator[str]:
    yield from (kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, OSError) and error.errno:
        yield errno.errorcode.get(error.errno, "")
    response = getattr(error, "response", None)  # of S3, on errors of its client
    if isinstance(response, dict):
        yield str(response.get("Error", {}).get("Code", ""))


# Missing files are named by path, not by hash, in the error that follows.
_REPEATED = "Some of the cache files do not exist neither locally nor on remote"
_LOGGERS = ("dvc", "dvc_data", "dvc_objects")


class _DvcLog(logging.Handler):
    """DVC's log: shown as the dvc command does, except errors, which are kept."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.errors: list[BaseException] = []

    @contextmanager
    def attached(self) -> Generator[None]:
        """Replace the handlers that DVC installs when it is imported."""
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
        elif record.levelno >= logging.WARNING and not record.msg.startswith(_REPEATED):
            Tqdm.write(f"{record.levelname}: {record.getMessage()}", file=sys.stderr)
        elif record.levelno < logging.WARNING:
            Tqdm.write(record.getMessage(), file=sys.stdout)
