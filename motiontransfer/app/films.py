"""Films and transfers of the project as the page lists them."""

import itertools
import re
from pathlib import Path

from motiontransfer.app.runs import Queue
from motiontransfer.core import layout
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.params import Transfer, load_section
from motiontransfer.core.storage import sha256_of
from motiontransfer.project.entries import load_transfers, load_videos
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.reader import read_metadata

DONE, WAITING, NOT_YET = "done", "waiting", "not yet"
_NO_FILMS = {".dvc", ".gitignore", ".tmp"}


def films() -> dict[str, Path]:
    """Films that are there, by name: of params.yaml, and others in data/videos/."""
    entered = {name: video.path for name, video in load_videos().items() if video.path.is_file()}
    others = {
        path.stem: path
        for path in sorted(layout.VIDEOS_FOLDER.glob("[!.]*"))
        if path.is_file() and path.suffix not in _NO_FILMS and path not in entered.values()
    }
    return {**others, **entered}


def keep_film(upload: Path) -> Path:
    """Move an uploaded film to data/videos/, or delete it if the same one is there; return which.

    Raises:
        VideoError: it is no video; it is deleted.
    """
    try:
        run_isolated(read_metadata, upload)
    except MotionTransferError:
        upload.unlink()
        raise
    size = upload.stat().st_size
    for path in films().values():
        if path.stat().st_size == size and sha256_of(path) == sha256_of(upload):
            upload.unlink()
            return path
    stem = re.sub(r"[^\w-]+", "_", upload.stem).strip("_-")[:40] or "film"
    names = (f"{stem}_{number}" if number else stem for number in itertools.count())
    taken = {path.stem for path in layout.VIDEOS_FOLDER.glob("*")} | {*films()}
    name = next(name for name in names if name not in taken)
    path = layout.VIDEOS_FOLDER / f"{name}{upload.suffix.lower()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return upload.replace(path)


def people() -> dict[str, Path]:
    """A film of each target."""
    targets = load_section(list[str], "targets")
    shown = {video.subject: video.path for video in load_videos().values()}
    return {target: shown[target] for target in targets if target in shown}


def dances() -> dict[str, Path]:
    """Videos whose motion is copied, or could be: they do not show a target."""
    targets, sources = people(), {each.source for each in load_transfers(Path()).values()}
    return {
        name: video.path
        for name, video in load_videos().items()
        if name in sources or video.subject not in targets
    }


def states(queue: Queue) -> dict[tuple[str, str], str]:
    """Of each target and dance: whether its result is there, runs, waits, or is not there yet."""
    begun = {(run.me, run.dancer): run.state for run in queue.runs() if not run.is_over}
    done = {(each.target, each.source) for each in finished().values()}
    videos = {name: video.subject for name, video in load_videos().items()}
    found = {}
    for (target, me), (name, dancer) in itertools.product(people().items(), dances().items()):
        if videos[name] == target:
            continue
        state = begun.get((str(me), str(dancer)))
        found[target, name] = state or (DONE if (target, name) in done else NOT_YET)
    return found


def finished() -> dict[str, Transfer]:
    """Transfers of params.yaml that have a result."""
    return {
        name: each
        for name, each in load_transfers(Path()).items()
        if (layout.results_folder(name) / layout.TRANSFER_FILE).exists()
    }


def newest_sample(transfer: str, *, since: float) -> Path | None:
    """The newest sample image of the trainings that a transfer needs, made since a Unix time."""
    names = {transfer}
    if known := load_transfers(Path()).get(transfer):
        names.add(known.target)
    made = {
        image.stat().st_mtime: image
        for name in names
        for image in layout.training_folder(name).rglob("images/*.png")
    }
    newest = max(made, default=0.0)
    return made[newest] if newest >= since and made else None
