"""Content-addressed objects that a project names, in DVC's cache and on its remote.

An object is a file named after its MD5 hash; a folder is a list of its members' paths and hashes,
stored as an object of its own. Source: DVC's documentation, "Internal directories and files".
"""

import hashlib
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Literal
from unittest import mock

from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree

from motiontransfer.errors import RemoteError

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB

Condition = Literal["whole", "damaged", "missing"]
_CHUNK_BYTES = 1 << 20
_FOLDER_SUFFIX = ".dir"


def is_hash(value: object) -> bool:
    """Whether it names an object: DVC makes a path of whatever stands there."""
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{32}(\.dir)?", value))


@contextmanager
def checked_lists(url: str) -> Generator[None]:
    """Refuse the list of a folder whose members would lie outside it, before DVC uses it.

    DVC joins what a list says to the folder's path and its hashes to the cache's, and reads lists
    from the remote before it checks their hash. All of that passes through `Tree.from_list`.

    Raises:
        RemoteError: inside the context, when DVC reads such a list.
    """
    from_list = Tree.from_list

    def checked(members: list[object], hash_name: str | None = None) -> Tree:
        for member in members:
            if not (
                isinstance(member, dict)
                and _is_inside(member.get("relpath"))
                and is_hash(member.get("md5"))
            ):
                raise RemoteError(
                    f"{url}: the list of a folder names what lies outside it, {member!r}; "
                    "it was not used: ask who may write there"
                )
        return from_list(members, hash_name)

    with mock.patch.object(Tree, "from_list", checked):
        yield


def _is_inside(path: object) -> bool:
    """By the rules of Windows, which know every separator."""
    if not isinstance(path, str):
        return False
    read = PureWindowsPath(path)
    return bool(read.parts) and not read.anchor and ".." not in read.parts


def named_objects(repo: Repo) -> dict[str, str]:
    """Hash of each object that dvc.lock and the *.dvc files name: the file it is a version of.

    The members of a folder whose list is not in this machine's cache are left out.
    """
    objects: dict[str, str] = {}
    for out in repo.index.outs:
        if out.use_cache and out.hash_info and out.hash_info.value:
            path = str(Path(out.fs_path).relative_to(repo.root_dir))
            objects |= objects_of(out.hash_info.value, path, [repo.cache.local])
    return objects


def objects_of(oid: str, path: str, stores: "Iterable[HashFileDB]") -> dict[str, str]:
    """An object and, of a folder, its members, as the first store that has its list says."""
    objects = {oid: path}
    if oid.endswith(_FOLDER_SUFFIX):
        for store in stores:
            if condition(store, oid) == "whole":
                members = Tree.load(store, HashInfo("md5", oid))
                return objects | {
                    str(member.value): "/".join((path, *parts)) for parts, _, member in members
                }
    return objects


def condition(store: "HashFileDB", oid: str) -> Condition:
    """Read a stored object and hash it."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with store.fs.open(store.oid_to_path(oid), "rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return "missing"
    return "whole" if digest.hexdigest() == oid.removesuffix(_FOLDER_SUFFIX) else "damaged"


def num_bytes(repo: Repo, oid: str) -> int:
    """Size of an object in this machine's cache; 0 if it is not there."""
    path = Path(repo.cache.local.oid_to_path(oid))
    return path.stat().st_size if path.exists() else 0
