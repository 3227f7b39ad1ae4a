"""Films of a project by their content, and dances: one film's motion moved to another's person."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Literal

from motiontransfer.core import layout
from motiontransfer.core.errors import (
    FILMS_FILE,
    MissingFileError,
    MotionTransferError,
    ParamsError,
)
from motiontransfer.core.names import free_name, valid_name
from motiontransfer.core.params import Guide, Scene, Video, load_section, read_text
from motiontransfer.core.storage import params_lock, sha256_of, unchanged_on_error, write_text
from motiontransfer.project.entries import (
    add_transfer,
    add_video,
    files_without_entry,
    load_pairs,
    load_scenes,
    load_transfers,
    load_videos,
    removal_of,
    remove_demo_videos,
    remove_video,
)
from motiontransfer.project.params_editing import add_entry
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.reader import read_metadata


def films() -> dict[str, Path]:
    """Films that are there, by name: of films.yaml, and others in data/videos/ by their files'."""
    found = {name: video.path for name, video in load_videos().items() if video.path.is_file()}
    others = files_without_entry().items()
    return found | {
        name: path for name, path in others if _is_film(path, changed=path.stat().st_mtime_ns)
    }


@cache
def _is_film(path: Path, *, changed: int) -> bool:  # noqa: ARG001 - another film under its name
    try:
        run_isolated(read_metadata, path)
    except MotionTransferError:
        return False
    return True


def same_films(file: Path) -> dict[str, Path]:
    """Those of `films` that have this content."""
    size = file.stat().st_size
    alike = {name: path for name, path in films().items() if path.stat().st_size == size}
    digest = sha256_of(file) if alike else ""
    return {name: path for name, path in alike.items() if sha256_of(path) == digest}


def name_of_file(file: Path, taken: Iterable[str] = ()) -> str:
    """A free name for a film, which no other film in data/videos/ has, entered or not."""
    own = [file.resolve(), file.resolve().with_name(f"{file.name}.dvc")]
    others = (path for path in layout.VIDEOS_FOLDER.resolve().glob("*") if path not in own)
    stems = {stem for path in others for stem in (path.stem, Path(path.stem).stem)}
    subjects = load_section(list[str], "subjects")
    return free_name(valid_name(file.stem), {*load_videos(), *subjects, *stems, *taken})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dance:
    """What `add_dance` entered, and found there."""

    transfer: str
    source: str
    """Video of the dance."""
    target: str
    """Subject that performs it."""
    is_trained: bool
    """Whether there is a film of them, on which networks are trained."""
    new: Mapping[str, Path]
    """Name -> file of the videos that were entered, the dance's first."""
    removed: Sequence[str]
    """Videos of the demo that went."""
    before: str
    """Text of films.yaml."""
    after: str


def add_dance(
    dancer: Path,
    *me: Path,
    scene: Scene = "target",
    crop: Literal["none", "auto"] = "auto",
    other: Dance | None = None,
    entry_only: bool = False,
    root: Path = Path(),
) -> Dance:
    """Add films that are not there yet, and the transfer of the first one's motion to the others'.

    A film is known by its content, not by its name. The demo's videos go. On an error all is as
    it was.

    Args:
        me: films or photos of one person.
        scene: where they perform.
        crop: of the dancer's film, if it is new or has a crop; `none` shows all dancers.
        other: the dance of another of two in this film, in whose result this one is replaced, too.
        entry_only: enter the films where they are, and leave DVC alone.

    Raises:
        MissingFileError: no such film, or no films.yaml.
        ParamsError: films.yaml cannot be edited.
    """
    for file in (dancer, *me):
        if not file.is_file():
            raise MissingFileError(f"{file}: no such file; expected a video")
    with params_lock(root):
        before, videos = read_text(root / FILMS_FILE), load_videos(root)
        whole = {each: video for each, video in videos.items() if video.crop == "none"}
        among = whole if crop == "none" else videos
        source, found = _known_film(dancer, among, is_target=False)
        film = None
        if other is not None:
            film = layout.results_folder(other.transfer) / layout.TRANSFER_FILE
            known = (key for key, its in load_scenes(root).items() if its.film == film)
            source = next(known, name_of_file(Path(f"{other.source}_second")))
            found = videos[other.source].path
        name, own = _known_film(me[0], videos, is_target=True, other=source)
        new = {each: file for each, file in ((source, found), (name, own)) if each not in videos}
        subject = videos[name].subject if name in videos else name
        for file in me[1:]:
            alike = same_films(file)
            shown = {each for each in alike if each in videos and videos[each].subject == subject}
            if not shown and file not in new.values():
                kept = (path for each, path in alike.items() if each not in videos)
                new[name_of_file(Path(subject), new)] = next(kept, file)
        entered = partial(Dance, source=source, target=subject, new=new, before=before)
        try:
            for each, file in new.items():
                is_dance = each == source
                add_video(
                    file,
                    name=each,
                    subject=source if is_dance else subject,
                    crop=crop if is_dance else "auto",
                    role="source" if is_dance else "target",
                    others={"person": "second_largest"} if is_dance and other else {},
                    entry_only=entry_only,
                    root=root,
                )
            transfer = pair(source, subject, scene=scene, film=film, root=root)
            removed = remove_demo_videos(root=root) if new else []
        except BaseException:
            after = read_text(root / FILMS_FILE)
            take_back(entered(transfer="", is_trained=False, removed=(), after=after), root=root)
            raise
        after = read_text(root / FILMS_FILE)
        is_trained = subject in load_section(list[str], "trained", path=root / FILMS_FILE)
        return entered(transfer=transfer, is_trained=is_trained, removed=removed, after=after)


def _known_film(
    file: Path, videos: Mapping[str, Video], *, is_target: bool, other: str = ""
) -> tuple[str, Path]:
    """Name of the video that has a film's content, else a new one, and the film's file.

    Of several, a target's is one that is trained, and a dance's one that is not; the same film is
    another video as a target than it is as a dance, unless it is trained.
    """
    alike = same_films(file)
    targets = load_section(list[str], "targets")
    entered = [name for name, path in alike.items() if name in videos and videos[name].path == path]
    trained = [name for name in entered if videos[name].subject in targets]
    others = [name for name in entered if name not in (*trained, other)]
    if known := trained + others if is_target else others + trained:
        return known[0], alike[known[0]]
    kept = next((path for name, path in alike.items() if name not in entered), file)
    return name_of_file(kept, {other, *videos}), kept


def add_guide(
    dancer: Path, me: Path | None, *, check: Callable[..., object], root: Path = Path()
) -> str:
    """Add films that are not there yet, and the guide to the one's dance; return its name.

    Args:
        me: a film of whom it is for, whose films count as filmed; None: for anybody.
        check: called with the new films by name, and as `targets` with those of `me`.

    Raises:
        MissingFileError: no such film, or no films.yaml.
        ParamsError: films.yaml cannot be edited.
    """
    for file in (dancer, me):
        if file is not None and not file.is_file():
            raise MissingFileError(f"{file}: no such file; expected a video")
    with params_lock(root):
        videos = load_videos(root)
        source, found = _known_film(dancer, videos, is_target=False)
        films = {source: found}
        target = source
        if me is not None:
            target, found = _known_film(me, videos, is_target=True, other=source)
            films[target] = found
        new = {name: file for name, file in films.items() if name not in videos}
        check(new, targets=new.keys() - {source})
        for name, file in new.items():
            add_video(file, name=name, subject=name, crop="auto", role="source", root=root)
        videos = load_videos(root)
        entry = Guide(
            source=source, source_subject=videos[source].subject, target=videos[target].subject
        )
        guides = load_pairs("guides", root)
        for name, known in guides.items():
            if known == entry:
                return name
        wanted = source if me is None else f"{valid_name(entry.target)}_for_{valid_name(source)}"
        name = free_name(valid_name(wanted), guides)
        params = read_text(root / FILMS_FILE)
        write_text(root / FILMS_FILE, add_entry(params, "guides", name, entry.model_dump()))
        return name


def take_back(dance: Dance, *, root: Path = Path()) -> None:
    """Remove what `add_dance` entered, and the files that it copied.

    Where nothing else was entered since, films.yaml is as it was before, with the demo's videos.
    """
    with params_lock(root):
        text, videos = read_text(root / FILMS_FILE), load_videos(root)
        for name, file in dance.new.items():
            if name in videos:
                removal = removal_of(name, root=root)
                remove_video(removal, root=root)
                copy = root / removal.path
                if not removal.users_of_file and copy.resolve() != file.resolve():
                    copy.unlink(missing_ok=True)
        if text == dance.after:
            write_text(root / FILMS_FILE, dance.before)


def pair_all(*, source: str | None, target: str | None) -> list[str]:
    """Names of the transfers of one dance to all targets, or of all dances to one of them.

    Those are added that there are not. A dance is a video that is a source, or shows no target.

    Raises:
        ParamsError: there is no such video or subject, or nothing to pair; films.yaml is as it was.
    """
    root = Path()
    with params_lock(root), unchanged_on_error(root / FILMS_FILE):
        videos, targets = load_videos(root), load_section(list[str], "targets")
        sources = {each.source for each in load_transfers(root).values()}
        dances = [name for name in videos if name in sources or videos[name].subject not in targets]
        pairs = [
            (dance, person)
            for dance in ([source] if source else dances)
            for person in ([target] if target else targets)
            if dance not in videos or videos[dance].subject != person
        ]
        if not pairs:
            raise ParamsError(f"{FILMS_FILE}: transfers: no dance and target to pair")
        return [pair(*each, root=root) for each in pairs]


def pair(
    source: str, target: str, *, scene: Scene = "target", film: Path | None = None, root: Path
) -> str:
    """Name of the transfer of a video's motion to a subject, which is added if there is none."""
    transfers, in_film = load_transfers(root), load_pairs("in_film", root)
    for name, known in transfers.items():
        is_wanted = (name in in_film) == (scene == "dancer")
        if is_wanted and (known.source, known.target) == (source, target):
            return name
    where = "_in_film" if scene == "dancer" else ""
    name = free_name(f"{valid_name(target)}_as_{valid_name(source)}{where}", transfers)
    return add_transfer(
        source=source, target=target, name=name, truth="none", scene=scene, film=film, root=root
    )
