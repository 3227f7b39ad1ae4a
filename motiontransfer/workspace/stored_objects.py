"""Which stored objects a project names, and which of them are whole.

Hides DVC's storage: an object is a file named after its MD5 hash; a folder is a list of its
members' hashes, stored as an object of its own; a past run is a small file that names the outs it
had. Source: DVC's documentation, "Internal directories and files".
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml
from dvc.repo import Repo

if TYPE_CHECKING:
    from dvc_data.hashfile.db import HashFileDB

Condition = Literal["whole", "damaged", "missing"]
_CHUNK_BYTES = 1 << 20
_FOLDER_SUFFIX = ".dir"


def named_objects(repo: Repo, *, also_in: "HashFileDB | None" = None) -> dict[str, str]:
    """Hash of each object that dvc.lock and the *.dvc files name: the file it is a version of.

    Args:
        also_in: where to look for a folder's list that is not in this machine's cache. Without it
            the members of such a folder are left out.
    """
    objects: dict[str, str] = {}
    for out in repo.index.outs:
        if out.use_cache and out.hash_info and out.hash_info.value:
            path = str(Path(out.fs_path).relative_to(repo.root_dir))
            objects |= objects_of(
                out.hash_info.value,
                path,
                [repo.cache.local, *([also_in] if also_in else [])],
            )
    return objects


def past_runs(repo: Repo) -> dict[Path, dict[str, str]]:
    """Each run that this machine's run cache holds, with the objects of its outs, if all are here.

    A run whose outs are gone, by `dvc gc` or because they were never fetched, is left out: nobody
    could restore it from here.
    """
    runs = {}
    for path in sorted(Path(repo.stage_cache.cache_dir).glob("??/*/*")):
        objects: dict[str, str] = {}
        for out in _outs_of_run(path):
            objects |= objects_of(out["md5"], out["path"], [repo.cache.local])
        if objects and all(repo.cache.local.exists(oid) for oid in objects):
            runs[path] = objects
    return runs


def _outs_of_run(path: Path) -> list[dict[str, str]]:
    try:
        run = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError:  # cut off when a transfer was killed; DVC ignores it too
        return []
    return run.get("outs", []) if isinstance(run, dict) else []


def objects_of(oid: str, path: str, stores: "list[HashFileDB]") -> dict[str, str]:
    """An object and, of a folder, its members, as the first store that has its list says."""
    objects = {oid: path}
    if oid.endswith(_FOLDER_SUFFIX):
        for store in stores:
            if condition(store, oid) == "whole":
                with store.fs.open(store.oid_to_path(oid), "rb") as stream:
                    members = json.load(stream)
                return objects | {entry["md5"]: f"{path}/{entry['relpath']}" for entry in members}
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
