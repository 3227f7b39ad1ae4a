"""Merges of dvc.lock and films.yaml by entries, as a merge driver of git.

Entries are independent, and two people's new ones stand in the same place, which git takes for a
conflict. `share` and `join` set the driver up in a clone; .gitattributes names it. Source: git's
documentation, gitattributes, "Defining a custom merge driver".
"""

import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from motiontransfer.core.errors import FILMS_FILE, MotionTransferError
from motiontransfer.core.params import FILM_SECTIONS, FILMS, SectionsLoader
from motiontransfer.core.storage import md5_of, write_text
from motiontransfer.pipeline.git import git
from motiontransfer.project.params_editing import with_films

LOCK_FILE = Path("dvc.lock")
_DRIVER = "motiontransfer"
_ENTRY = re.compile(r"^  (\S.*):\n(?:    .*\n)*", re.MULTILINE)


def set_up(root: Path) -> None:
    """Let git merge both files in this clone by this module."""
    command = f"{shlex.quote(sys.executable)} -m motiontransfer.project.merging %O %A %B %P"
    git(root, "rev-parse", "--git-dir")  # where it fails, `git config` does not say why
    for key, value in (("name", "entries of dvc.lock and films.yaml"), ("driver", command)):
        git(root, "config", f"merge.{_DRIVER}.{key}", value)


def settle(root: Path) -> list[str]:
    """Merge what git has left in conflict of both files, as in a clone that was not set up."""
    lines = (line.split(maxsplit=3) for line in git(root, "ls-files", "--unmerged").splitlines())
    left = {(name, stage): blob for _, blob, stage, name in lines}
    settled = []
    for name in sorted({name for name, _ in left} & {str(LOCK_FILE), str(FILMS_FILE)}):
        blobs = [left.get((name, stage)) for stage in "123"]  # no base of what both have added
        texts = [git(root, "cat-file", "blob", blob) if blob else "" for blob in blobs]
        merged = merge(*texts, root=root)
        if merged is not None:
            write_text(root / name, merged)
            git(root, "add", name)
            settled.append(name)
    return settled


def merge(base: str, ours: str, theirs: str, *, root: Path) -> str | None:
    """The merged text; None where both sides have changed an entry of films.yaml in two ways."""
    is_films = any(re.search(rf"^\ufeff?{FILMS}:", text, re.MULTILINE) for text in (ours, theirs))
    if is_films:
        return _merged_films(base, ours, theirs)
    return _merged_lock(*(text.replace("\r\n", "\n") for text in (base, ours, theirs)), root)


def _merged_lock(base: str, ours: str, theirs: str, root: Path) -> str:
    """dvc.lock with each entry that one side has changed.

    If both have changed one, the entry whose outputs are here stays. If there is none, the stage is
    restored from a past run or runs again.
    """
    sides = ({each[1]: each[0] for each in _ENTRY.finditer(text)} for text in (base, ours, theirs))
    before, own, others = sides
    head = (ours or theirs).partition("stages:\n")[0]
    is_here = partial(_is_here, root=root)
    kept = [
        _chosen(before.get(name), own.get(name), others.get(name), is_here)
        for name in {**own, **others}
    ]
    return "".join([head, "stages:\n", *filter(None, kept)])


def _chosen(
    before: str | None, own: str | None, other: str | None, is_here: Callable[[str], bool]
) -> str | None:
    if own == other or other == before:
        return own
    if own == before:
        return other
    return next((entry for entry in (own, other) if entry and is_here(entry)), None)


def _is_here(entry: str, *, root: Path) -> bool:
    """Whether all outputs of an entry of dvc.lock are in the project as they were recorded."""
    (stage,) = yaml.safe_load(entry).values()
    return all(_hash(root / out["path"]) == out.get("md5") for out in stage.get("outs", ()))


def _hash(path: Path) -> str:
    """Hash that DVC gives a file or a folder; empty where there is none."""
    if path.is_file():
        return md5_of(path)
    if not path.is_dir():
        return ""
    files = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    members = [{"md5": _hash(path / name), "relpath": name} for name in files]
    return hashlib.md5(json.dumps(members).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _merged_films(base: str, ours: str, theirs: str) -> str | None:
    """Our films.yaml with what the other side has added, changed and removed since the base."""
    sides = (yaml.load(text, SectionsLoader) or {} for text in (base, ours, theirs))
    before, own, others = (side.get(FILMS) or {} for side in sides)
    merged: dict[str, Any] = {}
    for section in FILM_SECTIONS:
        was, mine, new = (side.get(section) or {} for side in (before, own, others))
        if isinstance(was or mine or new, list):
            kept = [item for item in mine if item in new or item not in was]
            merged[section] = kept + [item for item in new if item not in (*was, *mine)]
            continue
        changed = [
            name for name in {**was, **new} if new.get(name) not in (was.get(name), mine.get(name))
        ]
        if any(mine.get(name) != was.get(name) for name in changed):
            return None
        entries = {**mine, **{name: new.get(name) for name in changed}}
        merged[section] = {name: entry for name, entry in entries.items() if entry is not None}
    return with_films(ours, merged)


def main(base: str, ours: str, theirs: str, path: str = "") -> int:
    """Write the merged text to `ours`; 1 where a conflict is left in it.

    Args:
        path: of the file in git's repository, in whose folder the project is.
    """
    try:
        texts = (Path(path).read_bytes().decode() for path in (base, ours, theirs))
        merged = merge(*texts, root=Path(path).parent)
    except (
        MotionTransferError,
        yaml.YAMLError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ):
        merged = None
    if merged is None:  # as git without a driver
        return subprocess.call(["git", "merge-file", ours, base, theirs])
    Path(ours).write_bytes(merged.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
