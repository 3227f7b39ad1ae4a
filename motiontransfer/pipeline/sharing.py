"""Share results over a DVC remote, and join: `dvc push`, and `dvc repro --pull` with its inputs.

`share` sends the outputs of dvc.lock and of every past run that is whole here, then the run cache's
entries. So an interrupted transfer leaves no entry without its outputs.

`join` walks the graph as `dvc repro` does, but pulls all that a stage reads before it runs. `dvc
repro --pull --allow-missing` takes run cache entries unchecked. It fails where a stage reads a
folder that other stages fill and nothing of it is here. Where a part is here it runs on that part.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, urlsplit

from tqdm import tqdm

from motiontransfer.core import layout
from motiontransfer.core.errors import (
    DamagedFileError,
    MissingFileError,
    MotionTransferError,
    RemoteError,
)
from motiontransfer.core.storage import unchanged_on_error
from motiontransfer.pipeline import remote
from motiontransfer.pipeline.dvc_api import (
    CONFIG,
    CheckoutError,
    DownloadError,
    DvcException,
    HashInfo,
    Repo,
    StageCmdFailedError,
    errors_of_dvc,
    in_order,
    is_here,
    lock_repo,
    oid_of,
    opened,
    own_stages,
    params_read_once,
    read_by,
    upstream,
)
from motiontransfer.pipeline.git import git, uncommitted

if TYPE_CHECKING:
    from motiontransfer.pipeline.dvc_api import Output, Stage

_SECRET_WORDS = ("key", "secret", "token", "password", "passwd", "signature", "credential", "sig")
_KEPT_OUT_OF_GIT = (
    "secrets do not go into git. Keep them in the environment (AWS_ACCESS_KEY_ID, "
    "AWS_SECRET_ACCESS_KEY), in a profile (`aws configure`), in an ssh key, or in "
    ".dvc/config.local (`uv run dvc remote modify --local {name} OPTION VALUE`)"
)


def share(
    url: str | None = None,
    *,
    name: str = "team",
    endpoint: str | None = None,
    profile: str | None = None,
) -> list[str]:
    """Push all that the remote lacks; with `url`, make that the project's remote first.

    Returns the report, line by line: what was sent, what is left to do.

    On an error .dvc/config stays as it was.

    Raises:
        MissingFileError: there is no dvc.lock.
        DamagedFileError: an output is not what it was when it was made.
        RemoteError: no remote is set, the URL is malformed or holds a secret, or the remote
            refuses.
    """
    with opened(Path()) as repo, unchanged_on_error(Path(repo.root_dir) / ".dvc/config"):
        if url is not None:
            set_remote(repo, url, name=name, endpoint=endpoint, profile=profile)
        elif endpoint or profile:
            raise RemoteError("--endpoint and --profile belong to a URL: give it too")
        with remote.errors_with_url(repo) as url:
            _check_lock(repo, "; run `dvc repro` first")
            return _send(repo, url)


def set_remote(
    repo: Repo, url: str, *, name: str, endpoint: str | None = None, profile: str | None = None
) -> None:
    """Make `url` the default remote in .dvc/config, with downloads verified by hash.

    Other settings of a remote of that name and kind stay. An S3 store may have an endpoint that is
    not Amazon's, and a profile of ~/.aws.

    Raises:
        RemoteError: the URL or the endpoint holds a secret, is malformed, or is not ASCII.
    """
    scheme = _scheme(url)
    for address in (url, *([endpoint] if endpoint else [])):
        _refuse_secrets(address, name)
        if not address.isascii():
            raise RemoteError(
                f"{address}: DVC can write only ASCII to .dvc/config; make a link with such a name "
                f"(`ln -s '{address}' ~/team`) and share that"
            )
    if endpoint and scheme != "s3":
        raise RemoteError(f"--endpoint: only s3:// remotes have one, got {url}")
    settings = {"url": url, "verify": True, "endpointurl": endpoint, "profile": profile}
    with errors_of_dvc(CONFIG), repo.config.edit("repo") as config:
        before = config["remote"].get(name, {})
        # Settings of another kind of remote would be invalid for this one.
        kept = before if _scheme(str(before.get("url", url))) == scheme else {}
        given = {key: value for key, value in settings.items() if value is not None}
        config["remote"][name] = {**kept, **given}
        config["core"]["remote"] = name


def _scheme(url: str) -> str:
    """Scheme of a URL; empty for a folder, also behind a Windows drive letter."""
    scheme = urlsplit(url).scheme if re.match("[A-Za-z][A-Za-z0-9+]+:", url) else ""
    if scheme and "://" not in url:
        raise RemoteError(f"{url}: not a URL; expected {scheme}://..., or ./{url} for a folder")
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


def _check_lock(repo: Repo, consequence: str) -> None:
    if not (Path(repo.root_dir) / "dvc.lock").exists():
        raise MissingFileError(f"dvc.lock: no such file{consequence}")


def _send(repo: Repo, url: str) -> list[str]:
    there = remote.runs_there(repo)  # first: only of a list S3 says why it is refused
    runs = remote.past_runs(repo)
    named = {oid_of(out) for out in repo.index.outs if out.use_cache} - {""}
    objects = set[str]().union(*runs.values(), *(remote.objects_of(repo, oid) for oid in named))
    here = {oid for oid in objects if repo.cache.local.exists(oid)}
    _check_new(repo, here)
    sent = remote.push(repo, here)
    with lock_repo(repo), params_read_once():
        stale = [
            stage.addressing
            for stage in _changed_stages(repo)
            if all(is_here(out) for out in read_by(repo, stage))
        ]
        not_tracked = untracked(repo)
    to_commit = uncommitted(Path(repo.root_dir))
    size = _size_text(remote.cached(repo, oid) for oid in sent)
    new_runs = runs.keys() - there
    remote.send_runs(repo, new_runs)
    lines = [
        f"sent {len(sent)} files, {size}, and {len(new_runs)} past runs to {url}; "
        f"{len(here) - len(sent)} files were there already"
    ]
    for path in not_tracked:
        command = shlex.join(["uv", "run", "dvc", "add", path])
        lines.append(f"{path} is not tracked: run `{command}`, then share again")
    if stale:
        lines.append(f"not up to date, others will run it: {', '.join(stale)}")
    if to_commit:
        lines.append(f"others need from git: git add {shlex.join(to_commit)}, commit, push")
    return [*lines, "a teammate then types, in a clone: uv run motiontransfer join"]


def _check_new(repo: Repo, oids: Iterable[str]) -> None:
    """Hash the objects that the remote lacks; DVC deletes some that it finds damaged."""
    status = repo.cloud.status([HashInfo("md5", oid) for oid in sorted(oids)])
    for oid in sorted(str(info.value) for info in status.new | status.missing):
        if not remote.is_whole(remote.cached(repo, oid), oid):
            raise DamagedFileError(
                f"{remote.cached(repo, oid)}: damaged: its content is not what it is named after. "
                "Nothing was sent. Delete it and its copy in the project, then `dvc repro` makes "
                "it anew"
            )


def join(*, bring: Literal["needed", "results", "all"]) -> list[str]:
    """Run what changed since dvc.lock was committed, and pull no more than that takes.

    Returns the report, line by line.

    Args:
        bring: `needed`: what the stages that run read; `results`: also results/; `all`: every
            output.

    Raises:
        MissingFileError: no project here, or its dvc.lock was not committed.
        RemoteError: no remote is set, it refuses, or what it holds is missing or damaged.
        MotionTransferError: a stage failed.
    """
    with (
        opened(Path()) as repo,
        remote.errors_with_url(repo) as url,
        lock_repo(repo),
        repo.scm_context(quiet=True),
    ):
        _check_lock(repo, ", so no past run is known; its owner commits it to git")
        num_refused = remote.fetch_runs(repo)
        brought: list[str] = []
        renewed = [
            stage.addressing for stage in _changed_stages(repo) if _renew(repo, stage, brought)
        ]
        if bring != "needed":
            outs = [out for out in repo.index.outs if out.use_cache]
            if bring == "results":
                outs = [
                    out for out in outs if layout.RESULTS_FOLDER in Path(_path(repo, out)).parents
                ]
            brought += pull(repo, outs)
        size = _size_text(Path(repo.root_dir) / path for path in brought)
        lines = [f"brought {len(brought)} outs, {size}, from {url}"]
        if num_refused:
            lines.append(
                f"{num_refused} past runs on {url} were not used: dvc.yaml declares no stage with "
                "their command and outputs, or their files are gone"
            )
        if not renewed:
            return [*lines, "nothing had to run"]
        to_commit = shlex.join(uncommitted(Path(repo.root_dir)))
        return [
            *lines,
            f"rebuilt or restored: {', '.join(renewed)}",
            f"for the others: git add {to_commit}, commit, push, and share",
        ]


def pull(repo: Repo, outs: "Iterable[Output]") -> list[str]:
    """Pull the outputs that are not here, or in part; return their paths.

    Raises:
        RemoteError: some are not on the remote as they were made.
    """
    missing = [out for out in outs if oid_of(out) and not is_here(out)]
    if missing:
        paths = {oid_of(out): _path(repo, out) for out in missing}
        faults = remote.fetch_lists(repo, paths)
        try:
            if not faults:
                repo.pull([out.fs_path for out in missing])
        except (CheckoutError, DownloadError, FileNotFoundError):
            # DVC pulled what it could; it has all three ways to report the rest.
            for out in missing:
                paths |= remote.objects_of(repo, oid_of(out), _path(repo, out))
            absent = [oid for oid in paths if not repo.cache.local.exists(oid)]
            faults = dict.fromkeys(absent, "missing or damaged")
            if not faults:
                raise
        if faults:
            _, url = remote.default_remote(repo)
            listed = (
                f"{paths[oid]} is {fault} there (files/md5/{oid[:2]}/{oid[2:]})"
                for oid, fault in faults.items()
            )
            raise RemoteError(
                f"{url}: {', '.join(listed)}. Its owner deletes a damaged one there and runs `uv "
                "run dvc push` (docs/sharing.md, A damaged file on the remote). Then run this again"
                ", or `uv run dvc repro`, which makes it here"
            )
    return [_path(repo, out) for out in missing]


def _renew(repo: Repo, stage: "Stage", brought: list[str]) -> bool:
    """Pull the inputs and reproduce the stage; return True if it ran or was restored."""
    before = upstream(repo, stage)
    brought += pull(repo, read_by(repo, stage))
    for dep in stage.deps:
        if dep.protocol == "local" and not dep.exists:
            raise RemoteError(
                f"stage {stage.addressing} reads {dep.def_path}, which is not shared; its "
                f"owner runs `uv run dvc add {shlex.quote(dep.def_path)}`, commits "
                f"{dep.def_path}.dvc, and shares again"
            )
    if not (stage.changed_stage() or stage.changed_deps(allow_missing=True, upstream=before)):
        # Its own outputs, of which an interrupted join pulled a part.
        with suppress(DvcException):  # other files are in the way: DVC decides
            brought += pull(repo, [out for out in stage.outs if out.use_cache])
    try:
        done = stage.reproduce(allow_missing=True, pull=True, upstream=before)
    except StageCmdFailedError as error:
        raise MotionTransferError(
            f"stage {stage.addressing} failed; its output above says why, and "
            "`uv run motiontransfer join` goes on from here"
        ) from error
    if done:
        done.dump(update_pipeline=False)
    return bool(done)


def _changed_stages(repo: Repo) -> "Iterator[Stage]":
    """Stages that DVC would run, in its order, with missing files taken as unchanged.

    But for previews that were never made: of photos the result is as soon there.
    """
    for stage in in_order(repo, own_stages(repo)):
        is_unwanted = stage.addressing.startswith("preview@") and not any(map(oid_of, stage.outs))
        if not is_unwanted and stage.changed(allow_missing=True, upstream=upstream(repo, stage)):
            yield stage


def _path(repo: Repo, out: "Output") -> str:
    return Path(out.fs_path).relative_to(repo.root_dir).as_posix()


def untracked(repo: Repo) -> tuple[str, ...]:
    """Files that a stage reads, that git ignores and that are no output or `*.dvc` of DVC."""
    outs = {Path(out.fs_path) for out in repo.index.outs}
    around = {parent for out in outs for parent in out.parents}
    read = {Path(dep.fs_path) for dep in repo.index.deps if dep.protocol == "local" and dep.exists}
    paths = [
        path.relative_to(repo.root_dir).as_posix()
        for path in sorted(read)
        if path not in around and outs.isdisjoint((path, *path.parents))
    ]
    ignored = git(Path(repo.root_dir), "check-ignore", "-z", "--stdin", stdin="\0".join(paths))
    return tuple(filter(None, ignored.split("\0")))


def _size_text(paths: Iterable[Path]) -> str:
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    return tqdm.format_sizeof(sum(file.stat().st_size for file in files if file.is_file()), "B")
