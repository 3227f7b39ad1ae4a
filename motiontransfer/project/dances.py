"""Films of a project by their content, and dances: one film's motion moved to another's person."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from motiontransfer.core import layout
from motiontransfer.core.errors import FILMS_FILE, PARAMS_FILE, ParamsError
from motiontransfer.core.names import free_name, valid_name
from motiontransfer.core.params import Films, Pair, SceneChoice, Video, read_films, read_text
from motiontransfer.core.storage import (
    md5_of,
    params_lock,
    replacing,
    sha256_of,
    unchanged_on_error,
    write_text,
)
from motiontransfer.pipeline.dvc_api import errors_of_dvc, opened
from motiontransfer.project.entries import (
    add_transfer,
    add_video,
    check_shows_motion,
    check_there,
    files_without_entry,
    metadata_of,
    pointer_of,
    remove_demo_videos,
    remove_video,
)
from motiontransfer.project.params_editing import film_sections, write_films
from motiontransfer.project.presets import with_values


def films() -> dict[str, Path]:
    """Films that are there, by name: of films.yaml, and others in data/videos/ by their files'."""
    videos = read_films().videos.items()
    found = {name: video.path for name, video in videos if video.path.is_file()}
    others = files_without_entry().items()
    return found | {name: path for name, path in others if metadata_of(path)}


def same_films(file: Path) -> dict[str, Path]:
    """Those of `films` that have this content."""
    size = file.stat().st_size
    alike = {name: path for name, path in films().items() if path.stat().st_size == size}
    digest = sha256_of(file) if alike else ""
    return {name: path for name, path in alike.items() if sha256_of(path) == digest}


def _known(file: Path) -> dict[str, Path]:
    """`same_films`, and those of films.yaml that are not here, as of a teammate, by DVC's MD5."""
    missing = {
        name: (video.path, pointer)
        for name, video in read_films().videos.items()
        if not video.path.exists() and (pointer := pointer_of(video.path)).exists()
    }
    digest = md5_of(file) if missing else ""
    alike = {name: path for name, (path, its) in missing.items() if digest in read_text(its)}
    return same_films(file) | alike


@dataclass(frozen=True, slots=True, kw_only=True)
class _Film:
    """A film that was given, as the video that it is or becomes."""

    given: Path
    name: str
    """Of the video."""
    path: Path
    """Of the video's file, or of one to copy."""


def _put_back(films: Iterable[_Film], *, root: Path) -> None:
    """Copy films to where known ones of their content are missing."""
    for film in films:
        path = root / film.path
        if not path.exists():
            with replacing(path) as temporary:
                shutil.copyfile(film.given, temporary)
            with errors_of_dvc("dvc add"), opened(root, wait=True) as repo:
                repo.add([str(path)])


def _without_entry(films: Iterable[_Film], videos: Mapping[str, Video]) -> dict[str, Path]:
    return {film.name: film.path for film in films if film.name not in videos}


def name_of_file(file: Path, taken: Iterable[str] = ()) -> str:
    """A free name for a film, which no other film in data/videos/ has, entered or not."""
    own = [file.resolve(), pointer_of(file.resolve())]
    others = (path for path in layout.VIDEOS_FOLDER.resolve().glob("*") if path not in own)
    stems = {stem for path in others for stem in (path.stem, Path(path.stem).stem)}
    entered = read_films()
    return free_name(valid_name(file.stem), {*entered.videos, *entered.subjects, *stems, *taken})


@dataclass(frozen=True, slots=True, kw_only=True)
class Dance:
    """What `add_dance` entered, and found there."""

    transfer: str = ""
    source: str
    """Video of the dance."""
    target: str
    """Subject that performs it."""
    is_trained: bool = False
    """Whether there is a film of them, on which networks are trained."""
    new: Mapping[str, Path]
    """Name -> file of the videos that were entered, the dance's first."""
    removed: Sequence[str] = ()
    """Videos of the demo that went."""
    changed: Sequence[str] = ()
    """Params, and keys of entries that were there: what was and what is."""
    before: Mapping[Path, str]
    """Texts of films.yaml and params.yaml."""
    after: Mapping[Path, str] = field(default_factory=dict)

    @property
    def result(self) -> Path:
        return layout.results_folder(self.transfer) / layout.TRANSFER_FILE

    @property
    def changed_stages(self) -> list[str]:
        """Stages that read keys which are others now, of the videos of the dance and of ME."""
        videos = {each.split(".")[1] for each in self.changed if each.startswith("videos.")}
        stages = ("decode", "clean_keypoints")
        return [f"{stage}@{video}" for video in sorted(videos) for stage in stages]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is set beside the films; what is not given stays as it is."""

    of_dance: Mapping[str, object] = field(default_factory=dict)
    """Keys of the dance's entry in `videos`; None: the key goes."""
    of_me: Mapping[str, object] = field(default_factory=dict)
    """The same of the first film or photo of ME."""
    params: Mapping[str, object] = field(default_factory=dict)
    """Values of params.yaml by their dotted keys."""


_NO_WISHES = Wishes()
_LONGEST = 32  # letters of a transfer's name; `dvc metrics show` has 86 characters beside it


def add_dance(
    dancer: Path,
    *me: Path,
    scene: SceneChoice = "target",
    crop: Literal["none", "auto"] = "auto",
    other: Dance | None = None,
    wishes: Wishes = _NO_WISHES,
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
        wishes: what is set beside the films.
        entry_only: enter the films where they are, and leave DVC alone.

    Raises:
        MissingFileError: no such film, or no films.yaml.
        ParamsError: films.yaml cannot be edited.
    """
    check_there(dancer, *me)
    with params_lock(root):
        before = _texts(root)
        films = read_films(root)
        videos = films.videos
        if other is None:
            whole = {name: video for name, video in videos.items() if video.crop == "none"}
            danced = _known_film(dancer, whole if crop == "none" else videos, is_target=False)
        else:
            danced = _second_dancer(dancer, other, films)
        mine = _films_of_me(me, videos, source=danced.name)
        source = danced.name
        first = mine[0].name
        subject = _subject_of(first, videos)
        new = _without_entry([danced, *mine], videos)
        entered = Dance(source=source, target=subject, new=new, before=before)
        second = {"person": "second_largest"} if other else {}
        keys = {source: {**second, **wishes.of_dance}, first: wishes.of_me}
        try:
            if not entry_only:
                _put_back([danced, *mine], root=root)
            for name, file in new.items():
                is_dance = name == source
                add_video(
                    file,
                    name=name,
                    subject=source if is_dance else subject,
                    crop=crop if is_dance else "auto",
                    role="source" if is_dance else "target",
                    entry_only=entry_only,
                    root=root,
                )
            changed = []
            for name, its in keys.items():
                changes = _set_keys(name, its, root=root)
                changed += [] if name in new else changes
            changed += _set_params(wishes.params, root=root)
            film = other.result if other else None
            return replace(
                entered,
                transfer=pair(source, subject, scene=scene, film=film, root=root),
                removed=remove_demo_videos(root=root) if new else [],
                changed=changed,
                is_trained=subject in read_films(root).trained,
                after=_texts(root),
            )
        except BaseException:
            take_back(replace(entered, after=_texts(root)), root=root)
            raise


def _second_dancer(dancer: Path, other: Dance, films: Films) -> _Film:
    """The second of two dancers, whose place is a result in which the first one is replaced."""
    known = (name for name, scene in films.scenes.items() if scene.film == other.result)
    name = next(known, None) or name_of_file(Path(f"{other.source}_second"))
    return _Film(given=dancer, name=name, path=films.videos[other.source].path)


def _films_of_me(me: Sequence[Path], videos: Mapping[str, Video], *, source: str) -> list[_Film]:
    """Films or photos of one person, who is the subject of the first."""
    found = [_known_film(me[0], videos, is_target=True, other=source)]
    subject = _subject_of(found[0].name, videos)
    for file in [*dict.fromkeys(me)][1:]:
        alike = _known(file)
        shown = [name for name in alike if name in videos and videos[name].subject == subject]
        found += [_Film(given=file, name=name, path=alike[name]) for name in shown]
        if not shown:
            name = name_of_file(Path(subject), [source, *(film.name for film in found)])
            kept = (path for name, path in alike.items() if name not in videos)
            found.append(_Film(given=file, name=name, path=next(kept, file)))
    return found


def _subject_of(name: str, videos: Mapping[str, Video]) -> str:
    """Of a video; a new one of a person shows a new subject of its name."""
    return videos[name].subject if name in videos else name


def _texts(root: Path) -> dict[Path, str]:
    files = (file for file in (FILMS_FILE, PARAMS_FILE) if (root / file).exists())
    return {file: read_text(root / file) for file in files}


def _set_keys(name: str, keys: Mapping[str, object], *, root: Path) -> list[str]:
    """Set keys of a video's entry; return what changed."""
    if not keys:
        return []
    films = film_sections(root)
    before = films["videos"][name]
    after = {key: value for key, value in {**before, **keys}.items() if value is not None}
    films["videos"][name] = after
    write_films(films, root=root)
    return [
        f"videos.{name}.{key}: {before.get(key, 'none')} -> {after.get(key, 'none')}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def _set_params(values: Mapping[str, object], *, root: Path) -> list[str]:
    """Set values of params.yaml; return what changed."""
    if not values:
        return []
    text, changes = with_values(read_text(root / PARAMS_FILE), values)
    if changes:
        write_text(root / PARAMS_FILE, text)
    return [f"{change.key}: {change.old} -> {change.new}" for change in changes]


def _known_film(
    file: Path, videos: Mapping[str, Video], *, is_target: bool, other: str = ""
) -> _Film:
    """The video that has a film's content, else a new one.

    If several have it, a target's is a trained one, and a dance's one that is not. The same film is
    two videos as a target and as a dance, unless it is trained.
    """
    if not is_target:
        check_shows_motion(file)
    alike = _known(file)
    targets = read_films().targets
    entered = [name for name, path in alike.items() if name in videos and videos[name].path == path]
    trained = [name for name in entered if videos[name].subject in targets]
    others = [name for name in entered if name not in (*trained, other)]
    if known := trained + others if is_target else others + trained:
        return _Film(given=file, name=known[0], path=alike[known[0]])
    kept = next((path for name, path in alike.items() if name not in entered), file)
    return _Film(given=file, name=name_of_file(kept, {other, *videos}), path=kept)


def add_guide(
    dancer: Path, me: Path | None, *, entry_only: bool = False, root: Path = Path()
) -> tuple[str, str, dict[str, Path]]:
    """Add films that are not there yet, and the guide to the one's dance.

    Args:
        me: a film of whom it is for, whose films count as filmed; None: for anybody.
        entry_only: enter the films where they are, and leave DVC alone.

    Returns:
        Its name, that of the dance's video, and the files of new videos by name.

    Raises:
        MissingFileError: no such film, or no films.yaml.
        ParamsError: films.yaml cannot be edited.
    """
    check_there(dancer, *([me] if me else []))
    with params_lock(root):
        videos = read_films(root).videos
        films = [_known_film(dancer, videos, is_target=False)]
        source = films[0].name
        if me is not None:
            films.append(_known_film(me, videos, is_target=True, other=source))
        target = films[-1].name
        new = _without_entry(films, videos)
        if not entry_only:
            _put_back(films, root=root)
        add = partial(add_video, crop="auto", role="source", entry_only=entry_only, root=root)
        for name, file in new.items():
            add(file, name=name, subject=name)
        known = read_films(root)
        entry = Pair(
            source=source,
            source_subject=known.videos[source].subject,
            target=known.videos[target].subject,
        )
        for name, guide in known.guides.items():
            if guide == entry:
                return name, source, new
        wanted = source if me is None else f"{valid_name(entry.target)}_for_{valid_name(source)}"
        name = free_name(valid_name(wanted), known.guides)
        sections = film_sections(root)
        sections["guides"][name] = entry.model_dump()
        write_films(sections, root=root)
        return name, source, new


def take_back(dance: Dance, *, root: Path = Path()) -> None:
    """Remove what `add_dance` entered, and the files that it copied.

    Where nothing else changed since, films.yaml is as it was before, with the demo's videos, and
    params.yaml, too.
    """
    with params_lock(root):
        texts, videos = _texts(root), read_films(root).videos
        for name, file in dance.new.items():
            if name in videos:
                copy = remove_video(name, root=root)
                if copy and (root / copy).resolve() != file.resolve():
                    (root / copy).unlink(missing_ok=True)
        for file, before in dance.before.items():
            if texts[file] == dance.after[file]:
                write_text(root / file, before)


def dances_of(films: Films) -> dict[str, Path]:
    """Videos whose motion is copied, or could be: they do not show a target."""
    sources = {each.source for each in films.transfers.values()}
    return {
        name: video.path
        for name, video in films.videos.items()
        if name in sources or video.subject not in films.targets
    }


def pair_all(*, source: str | None, target: str | None) -> list[str]:
    """Names of the transfers of one dance to all targets, or of all dances to one of them.

    Those are added that there are not.

    Raises:
        ParamsError: there is no such video or subject, or nothing to pair; films.yaml is as it was.
    """
    root = Path()
    with params_lock(root), unchanged_on_error(root / FILMS_FILE):
        films = read_films(root)
        pairs = [
            (dance, person)
            for dance in ([source] if source else dances_of(films))
            for person in ([target] if target else films.targets)
            if dance not in films.videos or films.videos[dance].subject != person
        ]
        if not pairs:
            raise ParamsError(f"{FILMS_FILE}: transfers: no dance and target to pair")
        return [pair(*each, root=root) for each in pairs]


def pair(
    source: str, target: str, *, scene: SceneChoice = "target", film: Path | None = None, root: Path
) -> str:
    """Name of the transfer of a video's motion to a subject, which is added if there is none."""
    films = read_films(root)
    for name, known in films.transfers.items():
        is_wanted = (name in films.in_film) == (scene == "dancer")
        if is_wanted and (known.source, known.target) == (source, target):
            return name
    where = "_in_film" if scene == "dancer" else ""
    dance = f"{valid_name(target)}_as_{valid_name(source)}"[: _LONGEST - len(where)]
    name = free_name(valid_name(dance) + where, films.transfers)
    return add_transfer(
        source=source, target=target, name=name, truth="none", scene=scene, film=film, root=root
    )
