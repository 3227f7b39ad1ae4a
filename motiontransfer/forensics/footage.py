"""What a project has filmed and can render: for each target the same seconds twice, and transfers.

Hides where a project keeps its files and how little of it is rendered again: seconds spread over
each clip, with a few frames of lead-in. Fakes are rendered anew, not read from results: a result is
already encoded, which a filmed frame of the store is not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_fabric import Fabric

from motiontransfer.errors import MissingFileError
from motiontransfer.forensics.dataset import Twins
from motiontransfer.forensics.stretches import Stretch, cut, spread
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.media.frame_store import FrameStore, FrameWriter
from motiontransfer.params import Transfer
from motiontransfer.progress import track
from motiontransfer.rendering.renderer import FaceMode, Renderer, load_renderer, render_poses
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import TargetClip, read_target_clips

_LEAD_IN_FRAMES = 2  # the first frame is made from nothing, and looks it


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which frames of a clip are used, and for what."""

    held_out: HeldOut
    """How a clip's later part, for calibration and tests, is cut off."""

    max_frames: int
    """About how many frames of a clip are used, of both parts together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFootage:
    """Someone whose appearance was learnt, filmed and rendered."""

    subject: str
    earlier: Sequence[Twins]
    """Of the part of each clip that may be trained on."""
    later: Sequence[Twins]
    """Of the part that is held out."""
    transfers: Sequence[Stretch]
    """Rendered with somebody else's motion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """All of a project."""

    targets: Sequence[TargetFootage]
    bystanders: Sequence[Stretch]
    """Filmed; of subjects whose appearance nobody learnt."""


def project_footage(
    root: Path,
    fabric: Fabric,
    *,
    targets: Sequence[str],
    transfers: Mapping[str, Transfer],
    face: FaceMode,
    share: Share,
    folder: Path,
) -> Footage:
    """Render what is missing in `folder`, and say what there is.

    Args:
        root: the project, with its artifacts.
        folder: where rendered frames are kept; a file that is there is whole and is kept.

    Raises:
        MissingFileError: an artifact is not there.
    """
    sources = {(names.source_subject, names.source) for names in transfers.values()}
    bystanders = [
        stretch
        for subject, clip in sorted(sources)
        if subject not in targets
        for stretch in _filmed(root, subject, clip, share)
    ]
    return Footage(
        targets=[
            _target_footage(
                root,
                load_renderer(root / "artifacts/models" / target, fabric, face=face),
                target,
                [name for name, names in sorted(transfers.items()) if names.target == target],
                share=share,
                folder=folder,
            )
            for target in targets
        ],
        bystanders=bystanders,
    )


def input_files(
    root: Path, *, targets: Sequence[str], transfers: Mapping[str, Transfer]
) -> list[Path]:
    """Every file whose bytes decide what `project_footage` gives.

    Raises:
        MissingFileError: the poses of a transfer are not there.
    """
    artifacts = root / "artifacts"
    subjects = sorted({*targets, *(names.source_subject for names in transfers.values())})
    poses = [artifacts / f"poses/{name}.parquet" for name in sorted(transfers)]
    for path in poses:
        if not path.exists():
            raise MissingFileError(f"{path}: missing; `dvc repro` renders the transfer")
    return [
        *(
            path
            for name in subjects
            for path in sorted((artifacts / "frames" / name).rglob("*.mkv"))
        ),
        *(path for name in targets for path in sorted((artifacts / "keypoints" / name).glob("*"))),
        *(path for name in targets for path in sorted((artifacts / "models" / name).glob("*"))),
        *poses,
    ]


def _target_footage(
    root: Path,
    renderer: Renderer,
    target: str,
    transfers: Sequence[str],
    *,
    share: Share,
    folder: Path,
) -> TargetFootage:
    clips = read_target_clips(
        root / "artifacts/frames" / target, root / "artifacts/keypoints" / target, share.held_out
    )
    parts: list[list[Twins]] = [[], []]
    for clip in clips:
        for part, twins in zip(parts, _twins(clip, target, renderer, share, folder), strict=True):
            part += twins
    rendered = []
    for name in transfers:
        poses = read_keypoints(root / f"artifacts/poses/{name}.parquet")
        chosen = spread(
            cut(range(poses.num_frames), frame_rate=poses.frame_rate), max_frames=share.max_frames
        )
        path = folder / f"{name}.mkv"
        rendered += [
            Stretch(subject=target, clip=name, path=path, frames=frames)
            for frames in _rendered(renderer, poses, chosen, path)
        ]
    earlier, later = parts
    return TargetFootage(subject=target, earlier=earlier, later=later, transfers=rendered)


def _twins(
    clip: TargetClip, target: str, renderer: Renderer, share: Share, folder: Path
) -> tuple[list[Twins], list[Twins]]:
    """Twins of the part that may be trained on, and of the later part."""
    rate, total = clip.keypoints.frame_rate, len(clip.training) + len(clip.held_out)
    chosen = [
        spread(cut(part, frame_rate=rate), max_frames=share.max_frames * len(part) // total)
        for part in (clip.training, clip.held_out)
    ]
    path = folder / f"{target}_{clip.name}.mkv"
    seconds = [*chosen[0], *chosen[1]]
    twins = [
        Twins(
            real=Stretch(subject=target, clip=clip.name, path=clip.frames, frames=filmed),
            fake=Stretch(subject=target, clip=clip.name, path=path, frames=made),
        )
        for filmed, made in zip(
            seconds, _rendered(renderer, clip.keypoints, seconds, path), strict=True
        )
    ]
    return twins[: len(chosen[0])], twins[len(chosen[0]) :]


def _rendered(
    renderer: Renderer, poses: Keypoints, chosen: Sequence[range], path: Path
) -> list[range]:
    """Render stretches one after the other into a frame store; return where each lies in it."""
    lengths = [len(frames) for frames in chosen]
    places = [range(sum(lengths[:k]), sum(lengths[: k + 1])) for k in range(len(lengths))]
    if path.exists():
        return places
    with FrameWriter(path, size=poses.image_size, frame_rate=poses.frame_rate) as writer:
        for frames in track(chosen, f"render {path.stem}", total=len(chosen)):
            start = max(frames.start - _LEAD_IN_FRAMES, 0)
            shown = slice(start, frames.stop)
            part = replace(poses, points=poses.points[shown], score=poses.score[shown], filled=None)
            for index, frame in enumerate(render_poses(renderer, part), start):
                if index >= frames.start:
                    writer.write(frame)
    return places


def _filmed(root: Path, subject: str, clip: str, share: Share) -> list[Stretch]:
    path = root / "artifacts/frames" / subject / clip / "frames.mkv"
    with FrameStore(path) as store:
        seconds = cut(range(len(store)), frame_rate=store.frame_rate)
    return [
        Stretch(subject=subject, clip=clip, path=path, frames=frames)
        for frames in spread(seconds, max_frames=share.max_frames)
    ]
