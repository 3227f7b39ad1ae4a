"""Commands on videos and transfers of films.yaml.

DVC, PyTorch and MediaPipe take seconds to load: each command imports what it needs.
"""

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from motiontransfer.cli.options import Yes, command
from motiontransfer.core import layout
from motiontransfer.core.errors import MissingFileError, MotionTransferError, VideoError
from motiontransfer.core.events import Note, emit
from motiontransfer.core.params import FILM_LISTS, SceneChoice, load_section, read_films

if TYPE_CHECKING:
    from motiontransfer.project.deletion import Deletion
    from motiontransfer.project.video_check import VideoCheck
    from motiontransfer.rendering.inspect import Filmed

LOOKS = Note(text="looks at the films")
"""Said at once: what looks takes seconds to load."""


@command
def add_video(
    file: Annotated[Path, typer.Argument(help="The video file; or of a target a photo.")],
    *,
    subject: Annotated[str, typer.Option(help="The person in it.")],
    name: Annotated[str | None, typer.Option(help="Its name; default: the subject.")] = None,
    crop: Annotated[
        Literal["auto", "none"],
        typer.Option(help="auto: around the person; none: the whole image."),
    ] = "auto",
    target: Annotated[
        bool,
        typer.Option("--target", help="The subject performs; a film of them trains a network."),
    ] = False,
    rotate: Annotated[
        Literal["0", "90", "180", "270"],
        typer.Option(help="Degrees to turn it clockwise, where it is on its side or upside down."),
    ] = "0",
) -> None:
    """Add a video to the project, check it, and print what to fix."""
    emit(LOOKS)
    from motiontransfer.pipeline.plan import forecast, plan, planned, scratch_project
    from motiontransfer.project.entries import add_video as add

    name, degrees = name or subject, int(rotate)
    others = {"rotate": degrees} if degrees else {}
    role = "target" if target else "source"
    add = partial(add, file, name=name, subject=subject, crop=crop, role=role, others=others)
    with scratch_project() as root:
        add(entry_only=True, root=root)
        looks = {name: {"crop": crop, "rotate": degrees}}
        check_films({name: file}, targets=[name] if target else [], looks=looks)
        graph = plan(root=root, is_forecast=True)
        stages = [stage for stage in graph if stage.partition("@")[2] in (name, subject)]
        event = planned(name, forecast(stages, root=root))
    path = add()
    emit(Note(text=f"added videos.{name} to films.yaml; the file is {path}, kept by {path}.dvc"))
    emit(event)
    emit(Note(text="next: `motiontransfer add-transfer --source VIDEO --target SUBJECT`"))


def check_films(
    files: Mapping[str, Path],
    *,
    targets: Collection[str] | None,
    looks: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> dict[str, "VideoCheck"]:
    """Print what to fix in films, by the names of their videos; they are checked at once.

    Args:
        targets: those of whom to render, who may be in photos; None: nothing is added.
        looks: of a film, what `check_video` is told beside; by default an automatic crop.
    """
    from motiontransfer.project.entries import check_shows_motion
    from motiontransfer.project.film_advice import film_checked
    from motiontransfer.project.video_check import check_stages, check_video
    from motiontransfer.video.geometry import WorkingSize
    from motiontransfer.video.isolation import run_isolated

    size = load_section(WorkingSize, "decode.size")
    with ThreadPoolExecutor() as threads:
        checks = threads.map(
            lambda name: run_isolated(check_video, files[name], size=size, **looks.get(name, {})),
            files,
        )
        checked = dict(zip(files, checks, strict=True))
    for name, check in checked.items():
        if targets is not None and name not in targets and check.metadata.is_picture:
            check_shows_motion(files[name])
    for name, check in checked.items():
        emit(film_checked(name, check, is_target=targets is not None and name in targets))
    performing = {name: checked[name] for name in checked if name in (targets or ())}
    others = [{name: checked[name]} for name in checked if name not in performing]
    for subject in [performing, *others] if performing else others:
        try:
            check_stages(subject, is_target=subject is performing)
        except MotionTransferError as error:
            named = ", ".join(str(files[name]) for name in subject)
            raise VideoError(f"{named}: {error}; nothing was added") from error
    return checked


def print_missing_poses(
    transfer: str,
    *,
    source: str,
    target: str,
    checked: Mapping[str, "Filmed"] = MappingProxyType({}),
) -> None:
    """Print how much of a dance a target's films cover, where poses of both are known.

    Args:
        checked: films by the names of their videos; of other videos, what the pipeline made counts.
    """
    from motiontransfer.rendering.inspect import advise_on_poses, expected_path, load_inspection
    from motiontransfer.retargeting.params import FitNormalizationParams, NormalizationParams

    subjects = {name: video.subject for name, video in read_films().videos.items()}
    clips = [name for name, subject in subjects.items() if subject == target] or [target]
    films = {**checked}
    for name in {source, *clips} - {*checked}:
        with suppress(MissingFileError, VideoError):
            films[name] = load_inspection(name, subjects[name])
    filmed = [films[name] for name in clips if name in films]
    if source in films and filmed:
        how = (
            load_section(NormalizationParams, "normalization"),
            load_section(FitNormalizationParams, "fit_normalization"),
        )
        *_, picture = layout.inspections(transfer)
        compared = advise_on_poses(films[source], filmed, name=transfer, picture=picture)
        facts = [*compared.facts]
        if path := expected_path(films[source], filmed, *how):
            facts.append(path)
        if checked.keys() & films.keys():
            facts.append("estimated from a few frames; all frames may show more of the dance")
        emit(compared.model_copy(update={"facts": tuple(facts)}))


@command
def import_dataset(
    folder: Annotated[Path, typer.Argument(help="Its folder, or that of a subject.")],
) -> None:
    """Add the data set of Everybody Dance Now, in its authors' layout."""
    from motiontransfer.project.dataset import import_dataset as import_

    for name in import_(folder):
        emit(Note(text=f"added videos.{name} to films.yaml"))
    emit(Note(text="next: `motiontransfer add-transfer --source VIDEO --target SUBJECT`"))


@command
def add_transfer(
    *,
    source: Annotated[str, typer.Option(help="The video whose motion is copied.")],
    target: Annotated[str, typer.Option(help="The subject that performs it.")],
    name: Annotated[str | None, typer.Option(help="Its name; default: TARGET_as_SUBJECT.")] = None,
    truth: Annotated[
        str, typer.Option(help="Ground truth: a file in data/truth/ of the target.")
    ] = "none",
    scene: Annotated[
        SceneChoice,
        typer.Option(help="Where TARGET performs: in their room, or in the film of SOURCE."),
    ] = "target",
) -> None:
    """Add a transfer to films.yaml."""
    from motiontransfer.project.entries import add_transfer as add

    is_target = target in read_films().targets
    name = add(source=source, target=target, name=name, truth=truth, scene=scene)
    emit(Note(text=f"added transfers.{name} to films.yaml: {target} performs {source}"))
    if is_target:
        emit(Note(text=f"{target} is a target already: this needs no training of its own"))
    elif target not in read_films().trained:
        emit(Note(text=f"added {target} to targets: of photos alone nothing is trained"))
    else:
        emit(
            Note(text=f"added {target} to targets: `dvc repro` will train a generator of {target}")
        )


@command
def delete(
    name: Annotated[
        str,
        typer.Argument(
            help="A person, film, result or guide of films.yaml; the first that has this name, or "
            "as `videos.NAME`."
        ),
    ],
    *,
    yes: Yes = False,
    dry: Annotated[bool, typer.Option("--dry", help="Only say what would go.")] = False,
    cache: Annotated[
        bool, typer.Option("--cache", help="Also from a cache of DVC's outside of the project.")
    ] = False,
) -> None:
    """Delete all that a person, a film or a result has here.

    That is entries, films, what was computed of them, and DVC's cache, but for what another entry,
    branch, tag or experiment uses.
    """
    from motiontransfer.app.runs import Queue
    from motiontransfer.project.deletion import delete_all, deletion_of, size_of

    deletion = deletion_of(name)
    for line in told_of(deletion):
        emit(Note(text=line))
    if dry:
        return
    if not yes:
        typer.confirm("go on?", abort=True)
    has_outside = deletion.outside is not None and deletion.objects
    if has_outside and not (cache or yes):
        cache = typer.confirm(f"delete from {deletion.outside}, which others may use, too?")
    before = deletion.films, deletion.paths, deletion.objects
    with_cache = cache or not has_outside
    num_bytes = sum(map(size_of, before if with_cache else before[:2]))
    delete_all(deletion, with_cache=with_cache)
    Queue().forget()
    emit(Note(text=f"deleted {deletion.what}, {num_bytes / 1e6:.1f} MB"))
    if not with_cache:
        emit(Note(text=f"{deletion.outside} is as it was"))


def told_of(deletion: "Deletion") -> list[str]:
    """What would go, and what stays, line by line."""
    from motiontransfer.project.deletion import size_of

    def told(what: str, paths: Collection[Path]) -> list[str]:
        return [f"{what}: {len(paths)}, {size_of(paths) / 1e6:.1f} MB"] if paths else []

    gone = [
        f"{name} in {section}" if section in FILM_LISTS else f"{section}.{name}"
        for section, name in deletion.entries
    ]
    cache = f"in DVC's cache at {deletion.outside}, outside of the project"
    remotes = f"DVC's remotes {', '.join(deletion.remotes)}" if deletion.remotes else ""
    others = ["git's history", remotes, "copies of teammates", "what was exported or recorded"]
    return [
        f"goes: {deletion.what}",
        f"from films.yaml: {', '.join(gone) or 'nothing'}",
        *(f"film: {film}, {size_of([film]) / 1e6:.1f} MB" for film in deletion.films),
        *told("outputs and what is beside them", deletion.paths),
        *(f"  {path}" for path in deletion.paths),
        *told("in DVC's cache" if deletion.outside is None else cache, deletion.objects),
        *told("past runs", deletion.runs),
        *(f"stays: {path}: {reason}" for path, reason in deletion.kept.items()),
        *(
            f"stays: {number} files of DVC's cache, which {user} uses; without it they would go"
            for user, number in deletion.used.items()
        ),
        f"stays, beyond this command: {', '.join(filter(None, others))}",
    ]
