"""Real/fake pairs for forensics: footage of a project, splits by frames or by subject."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor

from motiontransfer.errors import MissingFileError, TrainingError
from motiontransfer.forensics.corruptions import Frames, Stretch, cut, draw_view, spread
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.params import Transfer
from motiontransfer.progress import track
from motiontransfer.rendering.renderer import FaceMode, Renderer, load_renderer, render_poses
from motiontransfer.training.clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.training.data import FrameCache
from motiontransfer.video.frame_store import FrameStore, FrameWriter
from motiontransfer.video.tensors import frames_to_tensor

_DRAWS_OF_EACH = 1000  # before chance repeats itself
_ENCODED_FRAMES = 6  # some of which are predicted from others, as in any video
_PAIRS_OF_EACH = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Twins:
    """The same second twice: as it was filmed, and rendered from its poses."""

    real: Stretch
    fake: Stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinBatch:
    """Pairs of consecutive frames; those at the same place are twins."""

    real: Float[Tensor, "pairs 2 3 crop_size crop_size"]
    fake: Float[Tensor, "pairs 2 3 crop_size crop_size"]

    def to(self, device: torch.device) -> "TwinBatch":
        """Copy to a device; from pinned memory it goes on by itself."""
        return TwinBatch(
            real=self.real.to(device, non_blocking=True),
            fake=self.fake.to(device, non_blocking=True),
        )


class TwinDataset:
    """Every second of the twins many times over, seen differently each time."""

    def __init__(self, twins: Sequence[Twins], *, crop_size: int, seed: int) -> None:
        self._twins, self._crop_size, self._seed = list(twins), crop_size, seed
        paths = sorted({each.path for pair in twins for each in (pair.real, pair.fake)})
        self._store_of = {path: index for index, path in enumerate(paths)}
        self._frames = FrameCache(paths)

    def __len__(self) -> int:
        return len(self._twins) * _DRAWS_OF_EACH

    def batch(self, indices: Iterable[int]) -> TwinBatch:
        """Read the items with these indices; each gives the same number of pairs."""
        items = [self._item(index) for index in indices]
        return TwinBatch(
            real=torch.cat([real for real, _ in items]),
            fake=torch.cat([fake for _, fake in items]),
        )

    def _item(self, index: int) -> tuple[Tensor, Tensor]:
        draws = np.random.default_rng([self._seed, index])
        twins = self._twins[index % len(self._twins)]
        num_frames = len(twins.real.frames)
        count = min(num_frames, _ENCODED_FRAMES)
        first = int(draws.integers(num_frames - count + 1))
        real = self._read(twins.real, first, count)
        fake = self._read(twins.fake, first, count)
        view = draw_view(real, fake, crop_size=self._crop_size, draws=draws)
        starts = draws.choice(count - 1, _PAIRS_OF_EACH, replace=count <= _PAIRS_OF_EACH).tolist()
        return _pairs(view.of(real), starts), _pairs(view.of(fake), starts)

    def _read(self, stretch: Stretch, first: int, count: int) -> Frames:
        store = self._store_of[stretch.path]
        chosen = stretch.frames[first : first + count]
        return np.stack([self._frames[store, index] for index in chosen])


def _pairs(frames: Frames, starts: Sequence[int]) -> Float[Tensor, "pairs 2 3 height width"]:
    tensor = frames_to_tensor(list(frames))
    return torch.stack([tensor[start : start + 2] for start in starts])


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Seconds:
    """Filmed and rendered seconds."""

    real: Sequence[Stretch]
    fake: Sequence[Stretch]

    @property
    def description(self) -> dict[str, object]:
        """For people: whose they are, and how many."""
        return {
            "real": sorted({f"{each.subject}/{each.clip}" for each in self.real}),
            "fake": sorted({f"{each.subject}/{each.clip}" for each in self.fake}),
            "seconds": {"real": len(self.real), "fake": len(self.fake)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """What is used for what."""

    training: Sequence[Twins]
    calibration: Sequence[Twins]
    test: Seconds
    held_out_subject: str | None
    """Tested on and not trained on; None where there is only one target."""


def divide(footage: Footage) -> Division:
    """Hold out the last target if there is another, else the later part of the only one.

    Raises:
        TrainingError: nothing is left to train on, or to calibrate on.
    """
    *known, last = footage.targets
    if known:
        return _division(known, [*last.earlier, *last.later], last, footage, last.subject)
    middle = (len(last.later) + 1) // 2
    only = TargetFootage(
        subject=last.subject,
        earlier=last.earlier,
        later=last.later[:middle],
        transfers=last.transfers,
    )
    return _division([only], last.later[middle:], last, footage, None)


def seconds_of(twins: Sequence[Twins]) -> Seconds:
    """Both sides of twins."""
    return Seconds(real=[each.real for each in twins], fake=[each.fake for each in twins])


def _division(
    known: Sequence[TargetFootage],
    tested: Sequence[Twins],
    last: TargetFootage,
    footage: Footage,
    held_out_subject: str | None,
) -> Division:
    training = [twins for target in known for twins in target.earlier]
    calibration = [twins for target in known for twins in target.later]
    if not (training and calibration):
        raise TrainingError(
            f"expected seconds to train the detector and others to calibrate it on, got "
            f"{len(training)} and {len(calibration)} of {', '.join(t.subject for t in known)}; use "
            "longer clips, change train_forensics.held_out_fraction, or take it out of `detectors`"
        )
    twins = seconds_of(tested)
    return Division(
        training=training,
        calibration=calibration,
        test=Seconds(real=[*twins.real, *footage.bystanders], fake=[*twins.fake, *last.transfers]),
        held_out_subject=held_out_subject,
    )
