"""Taking a video out of a project, with all that makes no sense without it.

Hides which names follow from a video: its subject, if no other video shows them, a target, and the
transfers that use either. The file stays, and so does what was computed: `clean` is for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from motiontransfer.errors import ParamsError
from motiontransfer.params import PARAMS_FILE, load_params
from motiontransfer.workspace.dvc_command import run_dvc
from motiontransfer.workspace.entries import (
    listed,
    read_text,
    section_of,
    subject_of,
    write_text,
)
from motiontransfer.workspace.params_entries import without_entry, without_item


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
    videos = section_of(root, "videos")
    if name not in videos:
        raise ParamsError(f"no video {name!r}; videos has {listed(videos)}")
    subject = subject_of(videos[name])
    others = {subject_of(video) for other, video in videos.items() if other != name}
    gone = None if subject in others else subject
    targets = load_params(root / PARAMS_FILE).get("targets")
    video = videos[name]
    return Removal(
        video=name,
        path=Path(str(video.get("path")) if isinstance(video, Mapping) else ""),
        transfers=tuple(
            key
            for key, transfer in section_of(root, "transfers").items()
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
    text = without_entry(read_text(root), "videos", removal.video)
    for transfer in removal.transfers:
        text = without_entry(text, "transfers", transfer)
    if removal.subject is not None:
        text = without_item(text, "subjects", removal.subject)
    if removal.target is not None:
        text = without_item(text, "targets", removal.target)
    pointer = removal.path.with_name(f"{removal.path.name}.dvc")
    if (root / pointer).exists():
        run_dvc(root, "remove", "--quiet", str(pointer))
    write_text(root, text)
