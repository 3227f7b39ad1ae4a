"""Deletion of all that a person, a film or a result has in a clone, DVC's cache included.

What is in the cache goes first, and films.yaml last: after an interruption the same call finds what
is left. An object of the cache stays if another entry, branch, tag or experiment of the clone uses
it. Of the branch that is checked out, what counts is the working tree.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motiontransfer.core import layout
from motiontransfer.core.errors import FILMS_FILE, MotionTransferError, ParamsError
from motiontransfer.core.params import read_films, read_sections
from motiontransfer.core.storage import params_lock, write_text
from motiontransfer.pipeline import remote
from motiontransfer.pipeline.dvc_api import (
    LOCK,
    Repo,
    downstream,
    errors_of_dvc,
    forget_stages,
    in_order,
    lock_repo,
    name_of,
    oid_of,
    opened,
    own_stages,
    read_lock,
    runs_folder,
)
from motiontransfer.pipeline.git import git
from motiontransfer.pipeline.runs import dvc_repro, log_of, stages_that_run
from motiontransfer.project.entries import (
    Entry,
    check_pictures,
    delete,
    files_without_entry,
    going_with,
    pointer_of,
    users_of_file,
    without,
)

_CHECK = "check_params"  # reads films.yaml, and writes anew what its entries say
_LISTED = Path("artifacts/videos")  # where it does
_FOREACH = re.compile(r"\$\{films\.(\w+)\}")
_MD5 = re.compile(r"^\s*(?:- )?md5: ([0-9a-f]{32}(?:\.dir)?)$", re.MULTILINE)
_OF_RESULTS = ("transfers", "in_film", "face_cycles")
_KINDS = {
    "subjects": ("person", ()),
    "videos": ("film", ("videos",)),
    "transfers": ("result", _OF_RESULTS),
    "guides": ("guide", ("guides",)),
}
"""What a name may be of, in the order in which it is looked for, and the sections of its entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Everything that goes with a person, a film, a result or a guide; paths from the project."""

    what: str
    """As `the person eve`."""
    entries: tuple[Entry, ...] = ()
    stages: frozenset[str] = frozenset()
    """In dvc.lock: of the entries, and all that was computed from their outputs."""
    needed: frozenset[str] = frozenset()
    """Stages none of which may run meanwhile: these, and what they read is made by."""
    films: tuple[Path, ...] = ()
    """With their .dvc files."""
    kept: Mapping[Path, str] = field(default_factory=dict)
    """Films that stay, and why."""
    paths: tuple[Path, ...] = ()
    """Outputs of the stages and what lies beside them: logs, checkpoints, pictures, pages."""
    runs: tuple[Path, ...] = ()
    """Past runs in DVC's cache."""
    objects: tuple[Path, ...] = ()
    """Files of DVC's cache that nothing else uses; lists of folders last."""
    used: Mapping[str, int] = field(default_factory=dict)
    """Number of objects that stay, by the branch, tag or experiment that uses them."""
    outside: Path | None = None
    """DVC's cache, if it is not in the project: others may use it."""
    remotes: tuple[str, ...] = ()
    """Of DVC, where copies may be."""


def deletion_of(name: str) -> Deletion:
    """List what goes with a name, or with one of a section as `videos.eve`.

    A name is a person's first, then a film's, a result's, a guide's; then of what an entry left
    that is no longer there.

    Raises:
        ParamsError: nothing has this name.
        MotionTransferError: a stage runs that makes what would go, or what that is made of.
    """
    what, chosen, subjects, leftover = _chosen(name)
    gone = going_with(chosen, subjects)
    films, kept = _films(gone, leftover)
    with errors_of_dvc("delete"), opened(Path()) as repo:
        locked, sections = read_lock(Path()), _sections()
        present = {name_of(stage): stage for stage in own_stages(repo)}
        own = {
            stage
            for stage in {*locked, *present}
            for group, _, key in [stage.partition("@")]
            if (sections.get(group, ""), key) in gone or (key == leftover and stage not in present)
        }
        if not (gone or own or films):
            raise ParamsError(f"{name}: no person, film, result or guide has this name")
        after = downstream(repo, [present[stage] for stage in own & present.keys()])
        stages = {*own, *map(name_of, after)}
        needed = stages | {name_of(stage) for stage in in_order(repo, after)}
        _refuse_running(needed)
        outs = {Path(out["path"]) for out in _locked_outs(stages)}
        outs |= {Path(repo.root_dir) / out.fs_path for stage in after for out in stage.outs}
        outs = {_inside(repo, out) for out in outs}
        videos = {key for section, key in gone if section == "videos"}
        stored = {pointer_of(film).as_posix() for film in films}  # DVC's stages of these
        objects, runs = _cached(repo, {*stages, _CHECK}, {*outs, _LISTED}, films)
        mine, used = _unused(repo, objects, {*outs, *films}, videos)
        lists_last = sorted(mine, key=lambda oid: (oid.endswith(".dir"), oid))
        cache = Path(repo.cache.local.path)
        remotes = tuple(f"{key} ({each['url']})" for key, each in repo.config["remote"].items())
        in_project = cache.resolve().is_relative_to(Path(repo.root_dir).resolve())
        return Deletion(
            what=what,
            entries=gone,
            stages=frozenset(stages & locked.keys()),
            needed=frozenset(needed),
            films=films,
            kept=kept,
            paths=_outermost([*outs, *_beside(gone, stages | stored)]),
            runs=tuple(runs),
            objects=tuple(remote.cached(repo, oid) for oid in lists_last),
            used=used,
            outside=None if in_project else cache,
            remotes=remotes,
        )


def delete_all(deletion: Deletion, *, with_cache: bool = True) -> None:
    """Delete what is listed; `check_params` runs then, so that nothing else has to.

    Args:
        with_cache: whether what is in DVC's cache goes, too.

    Raises:
        ParamsError: films.yaml cannot be edited.
        MotionTransferError: a stage runs that makes what would go, or DVC's lock is held.
    """
    with params_lock():
        with errors_of_dvc("delete"), opened(Path(), wait=True) as repo, lock_repo(repo):
            _refuse_running(deletion.needed)
            for file in (*deletion.objects, *deletion.runs) if with_cache else ():
                if file.exists():
                    file.chmod(0o600)  # DVC protects them, on Windows also from this
                    file.unlink()
            for folder in runs_folder(repo).glob("*/*"):  # DVC fails at one with no run in it
                if not any(folder.iterdir()):
                    folder.rmdir()
        delete(deletion.paths)
        names = {*deletion.stages, _CHECK}
        if names & read_lock(Path()).keys():
            with opened(Path(), wait=True) as repo, lock_repo(repo):
                forget_stages(Path(), names)
        for film in deletion.films:
            _delete_film(film)
        write_text(FILMS_FILE, without(deletion.entries))
    if _CHECK in _groups():
        subprocess.run(dvc_repro(_CHECK), capture_output=True, check=False)


def size_of(paths: Iterable[Path]) -> int:
    """Bytes of files and of folders with all that is in them."""
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else [path]))
    return sum(file.lstat().st_size for file in files if file.is_file() or file.is_symlink())


def _chosen(name: str) -> tuple[str, set[Entry], list[str], str]:
    """What a name is of, its entries, persons who go, and the name where it has no entry."""
    films = read_films()
    asked, _, key = name.rpartition(".")
    for section, (what, sections) in _KINDS.items():
        if asked in ("", section) and key in getattr(films, section):
            if section == "subjects":
                shown = {name for name, video in films.videos.items() if video.subject == key}
                return f"the {what} {key}", {("videos", name) for name in shown}, [key], ""
            return f"the {what} {key}", {(each, key) for each in sections}, [], ""
    return f"what is left of {name}", set(), [], name


def _films(entries: Collection[Entry], leftover: str) -> tuple[tuple[Path, ...], dict[Path, str]]:
    """Films and ground truths that go with entries, and those that stay, and why."""
    known = read_films()
    of_entries = [known.videos[key].path for section, key in entries if section == "videos"]
    truths = [known.transfers[key].truth_path for section, key in entries if section == "transfers"]
    of_entries += filter(None, truths)
    kept: dict[Path, str] = {}
    for path in dict.fromkeys(of_entries):
        if users := users_of_file(path, entries):
            kept[path] = f"{', '.join(users)} uses it"
        elif path.parts[:2] != layout.VIDEOS_FOLDER.parts and not pointer_of(path).exists():
            kept[path] = f"it is not of those in {layout.VIDEOS_FOLDER}"
    lone = [path for key, path in files_without_entry().items() if key == leftover]
    return tuple(path for path in dict.fromkeys([*of_entries, *lone]) if path not in kept), kept


def _sections() -> dict[str, str]:
    """Section of films.yaml for whose entries a group of stages is."""
    return {
        group: found[1]
        for group, stage in _groups().items()
        if (found := _FOREACH.fullmatch(str(stage.get("foreach", ""))))
    }


def _groups() -> dict[str, dict]:
    stages = read_sections(Path("dvc.yaml")).get("stages")
    return stages if isinstance(stages, dict) else {}


def _refuse_running(stages: Collection[str]) -> None:
    running = {name: pid for name, pid in stages_that_run().items() if name in stages}
    if running:
        told = ", ".join(f"{name} (process {pid})" for name, pid in sorted(running.items()))
        raise MotionTransferError(
            f"{told} runs, which makes what would go, or what that is made of; stop it first, or "
            "wait; nothing was deleted"
        )


def _inside(repo: Repo, path: Path) -> Path:
    """Path from the project's root."""
    root = Path(repo.root_dir)
    return path.relative_to(root) if path.is_absolute() else path


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Those of these paths that are there, without what is in another of them."""
    there = {path for path in paths if path.exists() or path.is_symlink()}
    return tuple(sorted(path for path in there if there.isdisjoint(path.parents)))


def _beside(gone: Collection[Entry], stages: Collection[str]) -> list[Path]:
    """Where there may be what is no output and yet of these entries."""
    folders: Mapping[str, Callable[[str], Path]] = {
        "transfers": layout.results_folder,
        "guides": layout.guide_folder,
        "videos": _LISTED.joinpath,
    }
    names, groups = {key for _, key in gone}, {stage.partition("@")[0] for stage in stages}
    found = [folders[section](key) for section, key in gone if section in folders]
    found += [layout.CHECKPOINTS_FOLDER / group / name for group in groups for name in names]
    for name in names:
        found += [layout.times_file("", name).parent, *layout.inspections(name)]
        found += check_pictures(name)
        is_of = re.compile(rf"(^|_){re.escape(name)}(_|$)")
        pages = layout.COMPARISONS_FOLDER.glob("*.html")
        found += [page for page in pages if is_of.search(page.stem)]
    return found + [log_of(each).with_suffix(end) for each in stages for end in (".log", ".jsonl")]


def _cached(
    repo: Repo, stages: Collection[str], outs: Collection[Path], films: Iterable[Path]
) -> tuple[set[str], list[Path]]:
    """Objects of these outputs and films, now and in past runs, and these runs."""
    paths = {path.as_posix() for path in outs}
    oids = {str(out.get("md5", "")) for out in _locked_outs(stages)}
    for film in films:
        pointer = pointer_of(film)
        oids |= {*_MD5.findall(pointer.read_text(encoding="utf-8"))} if pointer.exists() else set()
    runs = []
    for run in sorted(path for path in runs_folder(repo).glob("*/*/*") if path.is_file()):
        if any(path in run.read_text(encoding="utf-8") for path in paths):  # sooner seen than read
            written: Any = read_sections(run).get("outs") or ()
            past = [out for out in written if isinstance(out, dict)]
            if any(out.get("path") in paths for out in past):
                runs.append(run)
                oids |= {str(out.get("md5", "")) for out in past}
    return {member for oid in oids - {""} for member in remote.objects_of(repo, oid)}, runs


def _locked_outs(stages: Iterable[str]) -> list[dict[str, Any]]:
    """Outputs of stages as dvc.lock has them."""
    locked = read_lock(Path())
    return [out for stage in stages for out in locked.get(stage, {}).get("outs", [])]


def _unused(
    repo: Repo, objects: Collection[str], going: Collection[Path], videos: Collection[str]
) -> tuple[set[str], dict[str, int]]:
    """Those of these objects that are here and that nothing else uses; and who uses how many.

    Args:
        going: outputs and films that go.
        videos: those that do; what `check_params` wrote of others is used.
    """
    used: set[str] = set()
    for out in repo.index.outs:
        path, oid = _inside(repo, Path(out.fs_path)), oid_of(out)
        if path == _LISTED:
            members = remote.objects_of(repo, oid)
            used |= {each for each, at in members.items() if at and at.split("/")[1] not in videos}
        elif out.use_cache and path not in going and oid:
            used |= {*remote.objects_of(repo, oid)}
    here = {oid for oid in objects if oid not in used and remote.cached(repo, oid).exists()}
    users: dict[str, int] = {}
    for name, named in _named_by_refs().items():
        members = {each for oid in named for each in remote.objects_of(repo, oid)}
        if shared := here & members:
            users[name] = len(shared)
        used |= members
    return here - used, users


def _named_by_refs() -> dict[str, set[str]]:
    """Hashes in the dvc.lock and *.dvc files of other branches, of tags and of experiments."""
    current = git(Path(), "symbolic-ref", "--quiet", "HEAD").strip()
    listed = git(
        Path(), "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags", "refs/exps"
    )
    found: dict[str, set[str]] = {}
    blobs: dict[str, set[str]] = {}
    for ref in listed.splitlines():
        if ref == current or ref.startswith("refs/exps/exec/"):
            continue
        kind, _, name = ref.removeprefix("refs/").partition("/")
        told = {"heads": "branch", "tags": "tag"}.get(kind) or "experiment"
        name = name.rpartition("/")[2] if told == "experiment" else name
        oids = found.setdefault(f"{told} {name}", set())
        for line in git(Path(), "ls-tree", "-r", "-z", "--full-tree", ref).split("\0")[:-1]:
            about, _, path = line.partition("\t")
            if Path(path).name == str(LOCK) or path.endswith(".dvc"):
                blob = about.split()[2]
                if blob not in blobs:
                    blobs[blob] = {*_MD5.findall(git(Path(), "cat-file", "blob", blob))}
                oids |= blobs[blob]
    return found


def _delete_film(film: Path) -> None:
    """Delete a film, and its .dvc file last."""
    if film.is_dir() and not film.is_symlink():
        shutil.rmtree(film)
    else:
        film.unlink(missing_ok=True)
    if pointer_of(film).exists():
        with errors_of_dvc("dvc remove"), opened(Path(), wait=True) as repo:
            repo.remove(str(pointer_of(film)))
