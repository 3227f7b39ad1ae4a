"""The remote of a project: where it is written down, and what must not be written there.

Hides DVC's config. What git keeps (.dvc/config) says where the data lies and that every download
is checked; secrets live in .dvc/config.local, which git ignores, or in the environment.
"""

import importlib.util
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from dvc.config import ConfigError
from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo

from motiontransfer.errors import MissingFileError, MissingLibraryError, RemoteError

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
