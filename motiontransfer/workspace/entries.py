"""Adding and removing a project's videos and transfers, all of it or nothing.

A video is three things: an entry in params.yaml, a file in data/videos/, and the .dvc file by which
git knows it. params.yaml is written last, so that what fails before leaves no trace. With a video
go its subject and target, if no other video shows them, and the transfers that use either.
"""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.params import PARAMS_FILE, Name, load_params
from motiontransfer.storage import replacing
from motiontransfer.video.geometry import Box
from motiontransfer.workspace.dvc_command import run_dvc
from motiontransfer.workspace.params_entries import (
    with_entry,
    with_item,
    without_entry,
    without_item,
)

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
