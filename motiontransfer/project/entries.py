"""Adding and removing a project's videos and transfers, all of it or nothing.

A video is three things: an entry in params.yaml, a file in data/videos/, and the .dvc file by which
git knows it. params.yaml is written last, so that what fails before leaves no trace. With a video
go its subject and target, if no other video shows them, and the transfers that use either.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from dvc.exceptions import DvcException
from dvc.repo import lock_repo
from pydantic import TypeAdapter, ValidationError

from motiontransfer.errors import MissingFileError, MotionTransferError, ParamsError
from motiontransfer.params import PARAMS_FILE, Name, load_params
from motiontransfer.project.params_entries import (
    with_entry,
    with_item,
    without_entry,
    without_item,
)
from motiontransfer.project.remote import opened
from motiontransfer.storage import replacing
from motiontransfer.video.geometry import Box

VIDEOS_FOLDER = Path("data/videos")

Role = Literal["source", "target"]
"""Whether a video's subject lends their motion or is also learnt."""


def check_new_video(name: str, subject: str, *, root: Path = Path()) -> None:
    """Check that a video of this name and subject can be added.

    Raises:
        ParamsError: a name is taken or is not one that stages can have.
        MissingFileError: no params.yaml.
    """
    _check_name("--name", name)
    _check_name("--subject", subject)
    videos = _section_of(root, "videos")
    if name in videos:
        raise ParamsError(
            f"{PARAMS_FILE}: videos.{name}: is there; give another name with --name, or first "
            f"`motiontransfer remove-video {name}`"
        )


def add_video(
    file: Path,
    *,
    name: str,
    subject: str,
    crop: Literal["none", "auto"] | Box,
    role: Role,
    root: Path = Path(),
) -> Path:
    """Put a video into data/videos/, give it to DVC and add it to params.yaml; return its path.

    Args:
        file: anywhere; a copy is made unless it lies in data/videos/ already.

    Raises:
        ParamsError: a name is taken or not valid, or params.yaml cannot be edited.
        MissingFileError: no such file, or no params.yaml.
        MotionTransferError: DVC cannot take the file.
    """
    check_new_video(name, subject, root=root)
    if not file.is_file():
        raise MissingFileError(f"{file}: no such file; expected a video")
    path = _place_for(file, name, root)
    text = _read_text(root)
    written = list(crop) if isinstance(crop, tuple) else crop
    entry = {"path": path.as_posix(), "subject": subject, "crop": written}
    text = with_item(with_entry(text, "videos", name, entry), "subjects", subject)
    if role == "target":
        text = with_item(text, "targets", subject)
    with _undone_on_error(root, path):
        if not (root / path).exists():
            with replacing(root / path) as temporary:
                shutil.copyfile(file, temporary)
        run_dvc(root, "add", "--quiet", str(path))
        _write_text(root, text)
    return path


def add_transfer(
    *,
    source: str,
    target: str,
    name: str | None,
    truth: str,
    root: Path = Path(),
) -> str:
    """Add a transfer to params.yaml, and its target to `targets`; return its name.

    Args:
        source: a video.
        target: a subject.
        name: None: `<target>_as_<the source's subject>`.

    Raises:
        ParamsError: a name is unknown, taken or not valid.
        MissingFileError: no params.yaml, or no such truth.
    """
    videos = _section_of(root, "videos")
    if source not in videos:
        raise ParamsError(f"--source: no video {source!r}; videos has {_listed(videos)}")
    subjects = {name: _subject_of(video) for name, video in videos.items()}
    if target not in subjects.values():
        raise ParamsError(
            f"--target: no video shows {target!r}; there are {_listed(set(subjects.values()))}"
        )
    if truth != "none" and not (root / "data/truth" / truth).exists():
        raise MissingFileError(f"data/truth/{truth}: no such file; use --truth none")
    name = name or f"{target}_as_{subjects[source]}"
    _check_name("--name", name)
    if name in _section_of(root, "transfers"):
        raise ParamsError(f"{PARAMS_FILE}: transfers.{name}: is there; give another with --name")
    entry = {
        "source": source,
        "source_subject": subjects[source],
        "target": target,
        "truth": truth,
    }
    text = with_item(_read_text(root), "targets", target)
    _write_text(root, with_entry(text, "transfers", name, entry))
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What goes with a video."""

    video: str
    """Its name."""

    path: Path
    """Its file."""

    transfers: tuple[str, ...]
    """Transfers that use it, or whose target nobody knows without it."""

    subject: str | None
    """Its subject, if no other video shows them."""

    target: str | None
    """The same, if they are a target."""


def removal_of(name: str, *, root: Path = Path()) -> Removal:
    """Say what goes with a video.

    Raises:
        ParamsError: there is none of this name.
    """
    videos = _section_of(root, "videos")
    if name not in videos:
        raise ParamsError(f"no video {name!r}; videos has {_listed(videos)}")
    subject = _subject_of(videos[name])
    others = {_subject_of(video) for other, video in videos.items() if other != name}
    gone = None if subject in others else subject
    targets = load_params(root / PARAMS_FILE).get("targets")
    video = videos[name]
    return Removal(
        video=name,
        path=Path(str(video.get("path")) if isinstance(video, Mapping) else ""),
        transfers=tuple(
            key
            for key, transfer in _section_of(root, "transfers").items()
            if isinstance(transfer, Mapping)
            and (transfer.get("source") == name or (gone and transfer.get("target") == gone))
        ),
        subject=gone,
        target=gone if isinstance(targets, list) and gone in targets else None,
    )


def remove_video(removal: Removal, *, root: Path = Path()) -> None:
    """Take a video and what goes with it out of params.yaml and from DVC; its file stays.

    Raises:
        ParamsError: params.yaml has changed since, or cannot be edited.
        MotionTransferError: DVC cannot let go of the file.
    """
    text = without_entry(_read_text(root), "videos", removal.video)
    for transfer in removal.transfers:
        text = without_entry(text, "transfers", transfer)
    if removal.subject is not None:
        text = without_item(text, "subjects", removal.subject)
    if removal.target is not None:
        text = without_item(text, "targets", removal.target)
    pointer = removal.path.with_name(f"{removal.path.name}.dvc")
    if (root / pointer).exists():
        run_dvc(root, "remove", "--quiet", str(pointer))
    _write_text(root, text)


@contextmanager
def _undone_on_error(root: Path, video: Path) -> Generator[None]:
    """Put the video's file, its .dvc file and its folder's .gitignore back as they were."""
    path = root / video
    beside = [path.with_name(f"{path.name}.dvc"), path.with_name(".gitignore")]
    before = {file: file.read_bytes() if file.exists() else None for file in beside}
    had_video = path.exists()
    new_folders = [it for it in path.parents if not it.exists()]
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        if not had_video:
            path.unlink(missing_ok=True)
        for folder in new_folders:
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
        raise


def _place_for(file: Path, name: str, root: Path) -> Path:
    """Where the video is, or is to be, in the project.

    Raises:
        ParamsError: another file is there.
    """
    folder = (root / VIDEOS_FOLDER).resolve()
    if file.resolve().is_relative_to(folder):
        return VIDEOS_FOLDER / file.resolve().relative_to(folder)
    path = VIDEOS_FOLDER / f"{name}{file.suffix.lower()}"
    if (root / path).exists() or (root / path.with_name(f"{path.name}.dvc")).exists():
        raise ParamsError(f"{path}: is there; give another name with --name, or add that file")
    return path


def _check_name(option: str, name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ParamsError(
            f"{option}: expected letters, digits, _ and -, not beginning with -, got {name!r}"
        ) from error


def _section_of(root: Path, name: str) -> Mapping[str, object]:
    """A section of names of params.yaml; empty where there is none."""
    section = load_params(root / PARAMS_FILE).get(name)
    return section if isinstance(section, Mapping) else {}


def _subject_of(video: object) -> str:
    """Who is in a video, by its entry."""
    return str(video.get("subject")) if isinstance(video, Mapping) else ""


def _listed(names: Mapping[str, object] | set[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(map(str, names))) or "none"


def _read_text(root: Path) -> str:
    """params.yaml as it is written, line ends and all.

    Raises:
        MissingFileError: there is none.
    """
    path = root / PARAMS_FILE
    if not path.exists():
        raise MissingFileError(f"{path}: no such file; run from the project's root")
    return path.read_bytes().decode("utf-8")


def _write_text(root: Path, text: str) -> None:
    """Put another text in its place."""
    with replacing(root / PARAMS_FILE) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def orphaned_outputs(root: Path) -> list[Path]:
    """Files and folders that no stage makes any more, relative to `root`, sorted.

    Raises:
        MissingFileError: there is no dvc.lock, so nothing is known of what was made.
        MotionTransferError: DVC cannot list the stages, or dvc.lock cannot be read.
    """
    lock = root / "dvc.lock"
    if not lock.exists():
        raise MissingFileError(f"{lock}: no such file; run `dvc repro` first")
    try:
        with opened(root) as repo:
            stages = [stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"]
            names = {stage.addressing for stage in stages}
            owned = {Path(out.fs_path).resolve() for out in repo.index.outs}
        recorded = yaml.safe_load(lock.read_text(encoding="utf-8"))["stages"]
    except (DvcException, yaml.YAMLError) as error:
        raise MotionTransferError(f"{lock}: {' '.join(str(error).split())}") from error
    made = {
        Path(out["path"])
        for name, stage in recorded.items()
        if name not in names
        for out in stage.get("outs", [])
    }
    return sorted(
        path
        for path in made
        if ((root / path).exists() or (root / path).is_symlink())
        and not any(_overlap((root / path).resolve(), out) for out in owned)
    )


def delete(root: Path, paths: Iterable[Path]) -> None:
    """Delete outputs while no DVC command is at work, and folders that this leaves empty.

    Raises:
        MotionTransferError: a DVC command is at work.
    """
    try:
        with opened(root) as repo, lock_repo(repo):
            for path in paths:
                if (root / path).is_dir() and not (root / path).is_symlink():
                    shutil.rmtree(root / path)
                else:
                    (root / path).unlink()
                for folder in list(path.parents)[:-2]:  # artifacts/ and results/ stay
                    if any((root / folder).iterdir()):
                        break
                    (root / folder).rmdir()
    except DvcException as error:
        raise MotionTransferError(" ".join(str(error).split())) from error


def _overlap(path: Path, out: Path) -> bool:
    return path == out or path in out.parents or out in path.parents


def dvc_program() -> list[str]:
    """DVC as this Python has it, whatever is in the PATH."""
    return [sys.executable, "-m", "dvc"]


def dvc_environment() -> dict[str, str]:
    """The environment, with this Python's folder first: stages call `python`."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}"}


def run_dvc(root: Path, *arguments: str) -> str:
    """Run a DVC command in a project and return what it prints.

    Raises:
        MotionTransferError: it failed; the message is DVC's.
    """
    done = subprocess.run(
        [*dvc_program(), *arguments],
        cwd=root,
        env=dvc_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        cause = told[-1].removeprefix("ERROR: ") if told else f"status {done.returncode}"
        raise MotionTransferError(f"dvc {arguments[0]} failed: {cause}")
    return done.stdout
