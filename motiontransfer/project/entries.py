"""Videos and transfers of films.yaml: add, remove, and delete the outputs that this orphans.

A video is an entry in films.yaml, a file in data/videos/, and its .dvc file in git. The entry is
written last, so a failure before leaves no trace. With a video go its subject and target, unless
another video shows them, and the transfers that use either.
"""

import shutil
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from motiontransfer.core import layout
from motiontransfer.core.errors import (
    FILMS_FILE,
    MissingFileError,
    MotionTransferError,
    ParamsError,
    VideoError,
)
from motiontransfer.core.names import CASE_ONLY, folded, is_plain, valid_name
from motiontransfer.core.params import (
    FILM_LISTS,
    NAME_BYTES,
    Name,
    SceneChoice,
    read_films,
    read_text,
)
from motiontransfer.core.storage import (
    overlap,
    params_lock,
    replacing,
    unchanged_on_error,
    write_text,
)
from motiontransfer.pipeline.dvc_api import (
    LOCK,
    errors_of_dvc,
    lock_repo,
    name_of,
    opened,
    own_stages,
    read_lock,
)
from motiontransfer.project.params_editing import film_sections, with_films, write_films
from motiontransfer.project.presets import translates_faces
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.reader import VideoMetadata, read_metadata

Entry = tuple[str, str]
"""A section of films.yaml, and a name in it."""
Role = Literal["source", "target"]
"""A generator is trained of a target; of a source only the motion is used."""
CHECKS_FOLDER = Path(".dvc/tmp/checks")
"""Pictures of films that were checked, whether they were added or not."""


def check_pictures(name: str) -> tuple[Path, Path, Path]:
    """Of a film's check: what was found, a strip of its frames, and the most people at once."""
    ends = (".png", "_strip.jpg", "_crowd.jpg")
    found, strip, crowd = (CHECKS_FOLDER / f"{name}{end}" for end in ends)
    return found, strip, crowd


def pointer_of(film: Path) -> Path:
    """DVC's file beside a film."""
    return film.with_name(f"{film.name}.dvc")


def files_without_entry(root: Path = Path()) -> dict[str, Path]:
    """Files in data/videos/ that no video has, by name; with the suffix where that is taken."""
    videos = read_films(root).videos
    used = {(root / video.path).resolve() for video in videos.values()}
    found: dict[str, Path] = {}
    for path in sorted((root / layout.VIDEOS_FOLDER).glob("[!.]*")):
        if path.is_file() and path.suffix != ".dvc" and path.resolve() not in used:
            name = path.name if path.stem in {*videos, *found} else path.stem
            found[name] = path.relative_to(root)
    return found


def check_there(*files: Path) -> None:
    for file in files:
        if not file.is_file():
            told = "is a folder" if file.is_dir() else "no such file"
            raise MissingFileError(f"{file}: {told}; expected a video")


def check_shows_motion(file: Path) -> None:
    """Check that a file, which is to be a dance, is no photo.

    Raises:
        VideoError: it is one picture.
    """
    if is_picture(file):
        raise VideoError(
            f"{file}: is one picture; a dance is a film, and of whom to render a photo is the last "
            "argument of `dance`, or `add-video --target`"
        )


def suffix_of(file: Path) -> str:
    """The suffix of a film, unless it is one by chance."""
    suffix = file.suffix.lower()
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) < 6 else ""


def check_new_video(name: str, subject: str, *, root: Path = Path()) -> None:
    """Check that a video of this name and subject can be added.

    Raises:
        ParamsError: a name is taken or not valid.
        MissingFileError: no films.yaml.
    """
    _check_name("--name", name)
    _check_name("--subject", subject)
    videos = read_films(root).videos
    if name in videos:
        raise ParamsError(
            f"{FILMS_FILE}: videos.{name}: already exists; choose another name with --name, or "
            f"first `motiontransfer delete videos.{name}`"
        )
    subjects = (video.subject for video in videos.values())
    for option, own, others in ("--name", name, videos), ("--subject", subject, subjects):
        for other in others:
            if own != other and folded(own) == folded(other):
                raise ParamsError(f"{option}: {CASE_ONLY.format(own, other)}")


def add_video(
    file: Path,
    *,
    name: str,
    subject: str,
    crop: Literal["none", "auto"],
    role: Role,
    others: Mapping[str, object] = MappingProxyType({}),
    entry_only: bool = False,
    root: Path = Path(),
) -> Path:
    """Copy a video to data/videos/, `dvc add` it and enter it in films.yaml; return its path.

    Args:
        file: anywhere; in data/videos/ it is not copied.
        others: keys of its entry; with a detector of its own the file may be a folder.
        entry_only: enter the file as it is, and leave DVC alone.

    Raises:
        ParamsError: a name is taken or not valid, or films.yaml cannot be edited.
        MissingFileError: no such file, or no films.yaml.
    """
    check_new_video(name, subject, root=root)
    if "detector" not in others:
        check_there(file)
    with params_lock(root):
        path = file.resolve() if entry_only else _destination(file, name, root)
        films = film_sections(root)
        entry = {"path": path.as_posix(), "subject": subject, "crop": crop, **others}
        films["videos"][name] = entry
        _include(films["subjects"], subject)
        if role == "target":
            _add_target(films, subject, [file])
        text = with_films(read_text(root / FILMS_FILE), films)
        if entry_only:
            write_text(root / FILMS_FILE, text)
            return path
        video = root / path
        new_video = [] if video.exists() else [video]
        beside = [pointer_of(video), video.with_name(".gitignore")]
        with unchanged_on_error(*new_video, *beside):
            if new_video:
                with replacing(video) as temporary:
                    shutil.copyfile(file, temporary)
            with errors_of_dvc("dvc add"), opened(root, wait=True) as repo:
                repo.add([str(video)])
            write_text(root / FILMS_FILE, text)
        return path


def add_transfer(
    *,
    source: str,
    target: str,
    name: str | None,
    truth: str,
    scene: SceneChoice = "target",
    film: Path | None = None,
    root: Path = Path(),
) -> str:
    """Add a transfer to films.yaml, and its target to those who perform; return its name.

    Args:
        name: None: `<target>_as_<the source's subject>`.
        truth: a file in data/truth/, or `none`.
        scene: where the target performs.
        film: of the scene, where that is not the source video.

    Raises:
        ParamsError: a name is unknown, taken or not valid.
        MissingFileError: no films.yaml, or no such ground truth.
    """
    with params_lock(root):
        known, films = read_films(root), film_sections(root)
        videos = known.videos
        if source not in videos:
            raise ParamsError(f"--source: no video {source!r}; videos has {_listed(videos)}")
        subjects = {video.subject for video in videos.values()}
        if target not in subjects:
            raise ParamsError(f"--target: no video shows {target!r}; there are {_listed(subjects)}")
        if truth != "none" and not (root / layout.TRUTH_FOLDER / truth).exists():
            raise MissingFileError(f"{layout.TRUTH_FOLDER / truth}: no such file; use --truth none")
        subject = videos[source].subject
        name = name or f"{target}_as_{subject}"
        _check_name("--name", name)
        if name in known.transfers:
            raise ParamsError(
                f"{FILMS_FILE}: transfers.{name}: already exists; choose another name with --name"
            )
        entry = {"source": source, "source_subject": subject, "target": target}
        shown = [root / video.path for video in videos.values() if video.subject == target]
        if target not in films["targets"]:
            _add_target(films, target, shown)  # their files need not be here
        films["transfers"][name] = {**entry, "truth": truth}
        if scene == "dancer":
            films["in_film"][name] = entry
            of_dancer = {"subject": subject, "film": (film or videos[source].path).as_posix()}
            films["scenes"].setdefault(source, of_dancer)
        if target in films["trained"] and translates_faces(root):
            films["face_cycles"][name] = entry
        write_films(films, root=root)
        return name


def _add_target(films: dict[str, Any], subject: str, files: Iterable[Path]) -> None:
    """Enter a subject in `targets`, and in `trained` where one of their files is a film."""
    _include(films["targets"], subject)
    if not all(map(is_picture, files)):
        _include(films["trained"], subject)


def _include(names: list[str], name: str) -> None:
    if name not in names:
        names.append(name)


def is_picture(file: Path) -> bool:
    """Whether a file is one picture, as far as it is here and can be read."""
    metadata = metadata_of(file) if file.is_file() else None
    return metadata is not None and metadata.is_picture


def metadata_of(file: Path) -> VideoMetadata | None:
    """Metadata of a file that is here; None where it is no film and no photo.

    A process asks once: it takes .14 s, and .5 s of a large film.
    """
    return _metadata(file.resolve(), file.stat().st_mtime_ns)


@cache
def _metadata(file: Path, changed: int) -> VideoMetadata | None:  # noqa: ARG001 - another film under its name
    try:
        return run_isolated(read_metadata, file)
    except MotionTransferError:
        return None


def going_with(
    chosen: Collection[Entry], subjects: Collection[str] = (), *, root: Path = Path()
) -> tuple[Entry, ...]:
    """What goes from films.yaml with some entries and subjects, these included.

    These are transfers and guides that cannot be without them, and in each list the subjects whom
    no other video shows. Photos keep nobody in `trained`.
    """
    films = read_films(root)
    gone = {name: video for name, video in films.videos.items() if ("videos", name) in chosen}
    videos = [video for name, video in films.videos.items() if name not in gone]
    shown = {video.subject for video in videos}
    touched = dict.fromkeys([*(video.subject for video in gone.values()), *subjects])
    unseen = [subject for subject in touched if subject not in shown]
    entries = [
        (section, key)
        for section in ("transfers", "guides", "in_film", "face_cycles")
        for key, pair in getattr(films, section).items()
        if (section, key) in chosen or pair.source in gone or pair.target in unseen
    ]
    results = {layout.results_folder(key) for section, key in entries if section == "in_film"}
    inside = {video for video, scene in films.scenes.items() if scene.film.parent in results}
    seconds = [key for key, pair in films.in_film.items() if pair.source in inside]
    entries += [(section, key) for key in seconds for section in ("transfers", "in_film")]
    left = {pair.source for key, pair in films.in_film.items() if ("in_film", key) not in entries}
    entries += [("scenes", key) for key in films.scenes if key not in left]
    for subject in touched:
        lists = ("subjects", "targets", "trained") if subject in unseen else ()
        if all(is_picture(root / video.path) for video in videos if video.subject == subject):
            lists = lists or ("trained",)
        entries += [(each, subject) for each in lists if subject in getattr(films, each)]
    return (*(("videos", key) for key in gone), *dict.fromkeys(entries))


def users_of_file(path: Path, gone: Collection[Entry], *, root: Path = Path()) -> tuple[str, ...]:
    """Entries with a file, as `videos.walk`, beside those that go."""
    films = read_films(root)
    files = {("videos", key): video.path for key, video in films.videos.items()}
    truths = {("transfers", key): each.truth_path for key, each in films.transfers.items()}
    return tuple(
        ".".join(key)
        for key, file in (files | truths).items()
        if file and key not in gone and (root / file).resolve() == (root / path).resolve()
    )


def remove_video(name: str, *, root: Path = Path()) -> Path | None:
    """Remove a video and what goes with it from films.yaml, and its .dvc file; its own file stays.

    Returns:
        That file, relative to the project; None if another entry has it, too.

    Raises:
        ParamsError: films.yaml cannot be edited.
    """
    with params_lock(root):
        path = read_films(root).videos[name].path
        entries = going_with({("videos", name)}, root=root)
        is_shared = bool(users_of_file(path, entries, root=root))
        text = without(entries, root=root)
        pointer = pointer_of(root / path)
        if pointer.exists() and not is_shared:
            with errors_of_dvc("dvc remove"), opened(root, wait=True) as repo:
                repo.remove(str(pointer))
        write_text(root / FILMS_FILE, text)
        return None if is_shared else path


def without(entries: Iterable[Entry], *, root: Path = Path()) -> str:
    """Text of films.yaml without some entries."""
    films = film_sections(root)
    for section, name in entries:
        if name in films[section]:
            remove = films[section].remove if section in FILM_LISTS else films[section].pop
            remove(name)
    return with_films(read_text(root / FILMS_FILE), films)


def remove_demo_videos(*, root: Path) -> list[str]:
    """Remove the demo's videos, unless a transfer pairs one with another film; return them."""
    with params_lock(root):
        films = read_films(root)
        demo = {name for name, it in films.videos.items() if it.path.parts[0] == "demo"}
        actors = {films.videos[name].subject for name in demo}
        transfers = films.transfers.values()
        if any((each.source in demo) != (each.target in actors) for each in transfers):
            return []
        for name in demo:
            remove_video(name, root=root)
        return sorted(demo)


def orphaned_outputs() -> list[Path]:
    """Outputs in dvc.lock whose stage is no longer in dvc.yaml, sorted.

    DVC leaves them, and a stage that reads a whole folder would go on reading them. Files of the
    user and temporary files are not listed.

    Raises:
        MissingFileError: there is no dvc.lock.
    """
    if not LOCK.exists():
        raise MissingFileError(f"{LOCK}: no such file; run `dvc repro` first")
    with errors_of_dvc(str(LOCK)), opened(Path()) as repo:
        names = {name_of(stage) for stage in own_stages(repo)}
        declared = {Path(out.fs_path).resolve() for out in repo.index.outs}
        stages = [stage for name, stage in read_lock(Path()).items() if name not in names]
    paths = {Path(out["path"]) for stage in stages for out in stage.get("outs", [])}
    return sorted(
        path
        for path in paths
        if (path.exists() or path.is_symlink())
        and not any(overlap(path.resolve(), out) for out in declared)
    )


def delete(paths: Iterable[Path]) -> None:
    """Delete outputs, and folders that this leaves empty."""
    with errors_of_dvc("clean"), opened(Path()) as repo, lock_repo(repo):
        for path in paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            for folder in list(path.parents)[:-2]:  # artifacts/ and results/ stay
                if any(folder.iterdir()):
                    break
                folder.rmdir()


def _destination(file: Path, name: str, root: Path) -> Path:
    """Path of the video in the project, where it is or is copied to.

    DVC's commands take `:` in a path for what stands before the name of a stage.
    """
    folder = (root / layout.VIDEOS_FOLDER).resolve()
    if file.resolve().is_relative_to(folder) and ":" not in file.name:
        return layout.VIDEOS_FOLDER / file.resolve().relative_to(folder)
    path = layout.VIDEOS_FOLDER / f"{name}{suffix_of(file)}"
    if (root / path).exists() or pointer_of(root / path).exists():
        raise ParamsError(
            f"{path}: already exists; choose another name with --name, or add that file"
        )
    return path


def _check_name(option: str, name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise ParamsError(
            f"{option}: expected letters, digits, _ and -, not beginning with -, and at most "
            f"{NAME_BYTES} bytes, got {name!r}; try {valid_name(name)}"
        ) from error
    if not is_plain(name):
        raise ParamsError(
            f"{option}: {name!r} is a number, a date, a truth value or a device for some programs; "
            f"try {valid_name(name)}"
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
