"""Real/fake pairs of one-second segments of a project's videos: split, corruptions, augmentation.

A fake segment is rendered from the poses of its real one, so that both show the same motion.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import av
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motiontransfer.core import layout
from motiontransfer.core.arrays import Box, Frame
from motiontransfer.core.errors import MissingFileError, TrainingError
from motiontransfer.core.params import Transfer
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.forensics.model import AnyFrames
from motiontransfer.models.runtime import Runtime
from motiontransfer.plate.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.keypoints_file import read_keypoints
from motiontransfer.rendering.frame import Renderer, render_poses
from motiontransfer.rendering.rendered import FaceMode
from motiontransfer.rendering.renderer import load_renderer
from motiontransfer.training.data import FrameCache, TensorBatch
from motiontransfer.video.color import to_srgb
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize
from motiontransfer.video.tensors import frames_to_tensor
from motiontransfer.video.writer import set_up_x264, to_yuv

_FRAME_RATE = Fraction(25)  # Hz; decides only how x264 spends bits over time
_MIN_SCALE = 0.5  # of an augmentation's height and width
_CRFS = range(14, 37)  # of augmentations
_UNCOMPRESSED_SHARE = 0.25  # of augmentations
_ITEMS_PER_SEGMENT = 1000  # augmentations before they repeat
_ENCODED_FRAMES = 6  # an item: some are predicted from others, as in any video
_FRAME_PAIRS_PER_ITEM = 2
_WARMUP_FRAMES = 2  # rendered before a segment: the first has no previous frame
_NOISE_LEVELS = 4  # of 255, of both videos together: a smaller change is no motion


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """Downscaling, then compression; by default neither."""

    scale: float = 1.0
    """Factor of height and width."""
    crf: int | None = None
    """x264's quality, 0 (lossless) to 51; None: not compressed."""
    preset: str = "medium"
    """x264's speed; `medium` is its default and this project's."""


EXACT = "exact"
CORRUPTIONS = {
    EXACT: Corruption(),
    "crf_18": Corruption(crf=18),
    "crf_28": Corruption(crf=28),
    "crf_35": Corruption(crf=35),
    "half_size": Corruption(scale=0.5, crf=18),
}
"""Corruptions of calibration and evaluation, by their names in the metrics."""


def corrupt(frames: AnyFrames, corruption: Corruption) -> AnyFrames:
    """The frames as a player shows them after downscaling and compression."""
    height, width = (round(side * corruption.scale) for side in frames.shape[1:3])
    resized = np.stack([resize(frame, (height, width)) for frame in frames])
    if corruption.crf is None:
        return resized
    decoder = _codec("h264", "r")
    packets = [*_encode(resized, crf=corruption.crf, preset=corruption.preset), None]
    decoded = [frame for packet in packets for frame in decoder.decode(packet)]
    assert len(decoded) == len(frames)
    return np.stack([to_srgb(frame)[:height, :width] for frame in decoded])


def _encode(frames: AnyFrames, *, crf: int, preset: str) -> Iterator[av.Packet]:
    encoder = _codec("libx264", "w")
    set_up_x264(encoder, frames.shape[1:], crf=crf, preset=preset)
    encoder.framerate, encoder.time_base = _FRAME_RATE, 1 / _FRAME_RATE
    for index, frame in enumerate(frames):
        yield from encoder.encode(to_yuv(frame, index, _FRAME_RATE))
    yield from encoder.encode(None)


def _codec(name: str, mode: Literal["r", "w"]) -> av.VideoCodecContext:
    context = av.CodecContext.create(name, mode)
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1  # x264's output depends on it, and segments are read in parallel
    return context


class Augmentation(NamedTuple):
    """A square crop, resized, perhaps mirrored, and corrupted."""

    box: Box
    """Square, in pixels of the frames."""
    size: int
    """Height and width to which it is resized."""
    corruption: Corruption
    mirrored: bool

    def apply(self, frames: AnyFrames) -> AnyFrames:
        x0, y0, x1, y1 = self.box
        size = (self.size, self.size)
        crop = np.stack([resize(frame, size) for frame in frames[:, y0:y1, x0:x1]])
        return corrupt(crop[:, :, ::-1] if self.mirrored else crop, self.corruption)


def draw_augmentation(
    real: AnyFrames, fake: AnyFrames, *, crop_size: int, rng: np.random.Generator
) -> Augmentation:
    """Draw one augmentation for both of a real/fake pair, centered where something moves."""
    height, width = real.shape[1:3]
    scale = float(rng.choice([1.0, rng.uniform(_MIN_SCALE, 1.0)]))
    side = min(round(crop_size / scale), height, width)
    y, x = _draw_moving_pixel(real, fake, rng)
    x0 = min(max(x - side // 2, 0), width - side)
    y0 = min(max(y - side // 2, 0), height - side)
    is_compressed = rng.random() >= _UNCOMPRESSED_SHARE
    crf = int(rng.integers(_CRFS.start, _CRFS.stop))
    return Augmentation(
        box=(x0, y0, x0 + side, y0 + side),
        size=crop_size,
        corruption=Corruption(crf=crf if is_compressed else None, preset="veryfast"),
        mirrored=bool(rng.random() < 0.5),
    )


def _draw_moving_pixel(
    real: AnyFrames, fake: AnyFrames, rng: np.random.Generator
) -> tuple[int, int]:
    """Draw a pixel (y, x) in proportion to its change in both; uniformly where none changes."""
    # Green alone: nearest to brightness, and this runs for every item.
    first, last = (
        np.stack([frames[time, :, :, 1] for frames in (real, fake)]).astype(np.int16)
        for time in (0, -1)
    )
    change = np.abs(last - first).sum(axis=0)
    cumulative = np.cumsum(np.maximum(change - _NOISE_LEVELS, 0), dtype=np.float64)
    if cumulative[-1] == 0:
        cumulative = np.arange(1, cumulative.size + 1, dtype=np.float64)
    index = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
    y, x = divmod(index, real.shape[2])
    return y, x


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """About a second of consecutive frames of a video."""

    subject: str
    """Person whose appearance it shows."""
    video: str
    """Name of the video, unique for a subject."""
    path: Path
    """The video file or frame store."""
    frames: range
    """Indices; at least two."""

    def read(self) -> AnyFrames:
        with FrameStore(self.path) as store:
            return np.stack(list(store.frames(self.frames.start, self.frames.stop)))

    @property
    def height(self) -> int:
        with FrameStore(self.path) as store:
            return store.size[0]


class SecondPair(NamedTuple):
    """The same second as it was filmed, and rendered from its poses."""

    real: Second
    fake: Second


class SecondSet(NamedTuple):
    """Real and fake segments."""

    real: Sequence[Second]
    fake: Sequence[Second]

    @property
    def description(self) -> dict[str, object]:
        return {
            "real": sorted({f"{segment.subject}/{segment.video}" for segment in self.real}),
            "fake": sorted({f"{segment.subject}/{segment.video}" for segment in self.fake}),
            "seconds": {"real": len(self.real), "fake": len(self.fake)},
        }


def both_sides(pairs: Sequence[SecondPair]) -> SecondSet:
    return SecondSet(real=[pair.real for pair in pairs], fake=[pair.fake for pair in pairs])


def sampled_seconds(frames: range, *, frame_rate: Fraction, max_frames: int) -> list[range]:
    """Cut frames into seconds and sample them evenly, down to about `max_frames` frames.

    Each second has the first frame of the next, too; the last may be shorter.
    """
    step = max(1, round(frame_rate))
    starts = range(frames.start, frames.stop - 1, step)
    seconds = [range(start, min(start + step + 1, frames.stop)) for start in starts]
    total = sum(map(len, seconds))
    count = max(1, len(seconds) * max_frames // max(total, 1))
    return evenly_spaced(seconds, count=count)


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePairBatch(TensorBatch):
    """Pairs of consecutive frames, as many real as fake, in the same order."""

    real: Float[Tensor, "pairs 2 3 crop_size crop_size"]
    fake: Float[Tensor, "pairs 2 3 crop_size crop_size"]


class RealFakeDataset:
    """Frame pairs of every segment pair many times over, augmented differently each time."""

    def __init__(self, pairs: Sequence[SecondPair], *, crop_size: int, seed: int) -> None:
        self.pairs, self._crop_size, self._seed = list(pairs), crop_size, seed
        paths = sorted({segment.path for pair in pairs for segment in (pair.real, pair.fake)})
        self._store_of = {path: index for index, path in enumerate(paths)}
        self._frames = FrameCache(paths)

    def __len__(self) -> int:
        return len(self.pairs) * _ITEMS_PER_SEGMENT

    def batch(self, indices: Iterable[int]) -> FramePairBatch:
        """Read the items with these indices; each has the same number of frame pairs."""
        items = [self._item(index) for index in indices]
        return FramePairBatch(
            real=torch.cat([real for real, _ in items]), fake=torch.cat([fake for _, fake in items])
        )

    def _item(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng([self._seed, index])
        pair = self.pairs[index % len(self.pairs)]
        num_frames = len(pair.real.frames)
        count = min(num_frames, _ENCODED_FRAMES)
        first = int(rng.integers(num_frames - count + 1))
        real, fake = (
            np.stack([self._frames[self._store_of[path], k] for k in frames[first:][:count]])
            for path, frames in ((segment.path, segment.frames) for segment in pair)
        )
        augmentation = draw_augmentation(real, fake, crop_size=self._crop_size, rng=rng)
        has_too_few = count <= _FRAME_PAIRS_PER_ITEM
        starts = rng.choice(count - 1, _FRAME_PAIRS_PER_ITEM, replace=has_too_few).tolist()
        real, fake = (frames_to_tensor(list(augmentation.apply(each))) for each in (real, fake))
        pairs = torch.tensor(starts)[:, None] + torch.arange(2)
        return real[pairs], fake[pairs]


class TargetSegments(NamedTuple):
    """Segments of a subject that a generator was trained on."""

    subject: str
    training: Sequence[SecondPair]
    """Segments of the part of each video that may be trained on."""
    held_out: Sequence[SecondPair]
    transfers: Sequence[Second]
    """Segments rendered with another subject's motion."""


def project_segments(
    runtime: Runtime,
    *,
    targets: Sequence[str],
    transfers: Mapping[str, Transfer],
    face: FaceMode,
    held_out: HeldOut,
    max_frames: int,
    folder: Path,
) -> tuple[list[TargetSegments], list[Second]]:
    """List segments of the targets, and filmed ones of subjects that no network was trained on.

    Args:
        max_frames: about how many frames of a video are used, of both parts together.
        folder: where missing frames are rendered; a file that is there is complete and is kept.
    """
    unseen, sampled = [], partial(sampled_seconds, max_frames=max_frames)
    sources = {(each.source_subject, each.source) for each in transfers.values()}
    for subject, video in sorted(sources):
        if subject not in targets:
            path = layout.frames_file(subject, video)
            with FrameStore(path) as store:
                seconds = sampled(range(len(store)), frame_rate=store.frame_rate)
            unseen += _segments(subject, video, path, seconds)
    target_segments = []
    for target in targets:
        renderer = load_renderer(layout.models_folder(target), runtime, face=face)
        training, later = [], []
        for video in read_target_clips(target, held_out):
            path = folder / f"{target}_{video.name}.mkv"
            early, late = _segment_pairs(video, target, renderer, path, max_frames=max_frames)
            training += early
            later += late
        rendered = []
        for name in sorted(name for name, each in transfers.items() if each.target == target):
            poses = read_keypoints(layout.poses_file(name))
            seconds = sampled(range(poses.num_frames), frame_rate=poses.frame_rate)
            rendered += _rendered(target, name, renderer, poses, seconds, folder / f"{name}.mkv")
        target_segments.append(
            TargetSegments(subject=target, training=training, held_out=later, transfers=rendered)
        )
    return target_segments, unseen


def _segment_pairs(
    video: TargetClip, target: str, renderer: Renderer, path: Path, *, max_frames: int
) -> tuple[list[SecondPair], list[SecondPair]]:
    """Pairs of the video's training part and of its held-out part, rendered to `path`."""
    total = len(video.training) + len(video.held_out)
    training, held_out = (
        sampled_seconds(
            part, frame_rate=video.keypoints.frame_rate, max_frames=max_frames * len(part) // total
        )
        for part in (video.training, video.held_out)
    )
    ranges = [*training, *held_out]
    real = _segments(target, video.name, video.frames, ranges)
    fake = _rendered(target, video.name, renderer, video.keypoints, ranges, path)
    pairs = [SecondPair(real=one, fake=other) for one, other in zip(real, fake, strict=True)]
    return pairs[: len(training)], pairs[len(training) :]


def _segments(subject: str, video: str, path: Path, ranges: Sequence[range]) -> list[Second]:
    return [Second(subject=subject, video=video, path=path, frames=frames) for frames in ranges]


def _rendered(
    subject: str,
    video: str,
    renderer: Renderer,
    poses: Keypoints,
    ranges: Sequence[range],
    path: Path,
) -> list[Second]:
    """Render ranges of frames one after the other into a file, unless it is there."""
    stops = np.cumsum([len(frames) for frames in ranges]).tolist()
    in_file = [range(stop - len(frames), stop) for frames, stop in zip(ranges, stops, strict=True)]
    segments = _segments(subject, video, path, in_file)
    if path.exists():
        return segments

    def frames_of_ranges() -> Iterator[Frame]:
        for frames in track(ranges, f"render {path.stem}", total=len(ranges)):
            start = max(frames.start - _WARMUP_FRAMES, 0)
            shown = poses.part(range(start, frames.stop))
            yield from islice(render_poses(renderer, shown), frames.start - start, None)

    write_frames(path, frames_of_ranges(), frame_rate=poses.frame_rate)
    return segments


def input_files(*, targets: Sequence[str], transfers: Mapping[str, Transfer]) -> list[Path]:
    """Every file of this project whose bytes decide what `project_segments` gives.

    Raises:
        MissingFileError: the poses of a transfer are not there.
    """
    subjects = sorted({*targets, *(each.source_subject for each in transfers.values())})
    poses = [layout.poses_file(name) for name in sorted(transfers)]
    for path in poses:
        if not path.exists():
            raise MissingFileError(f"{path}: missing; `dvc repro` renders the transfer")
    folders = [
        *((layout.clips_folder(name), "**/*.mkv") for name in subjects),
        *((layout.keypoints_folder(name), "*") for name in targets),
        *((layout.models_folder(name), "*") for name in targets),
    ]
    return [*(path for folder, files in folders for path in sorted(folder.glob(files))), *poses]


class Split(NamedTuple):
    """Disjoint segments for training, calibration and test."""

    training: Sequence[SecondPair]
    calibration: Sequence[SecondPair]
    test: SecondSet
    held_out_subject: str | None
    """Target that is in the test set only; None where there is only one target."""


def split_segments(targets: Sequence[TargetSegments], unseen: Sequence[Second]) -> Split:
    """Hold out the last target if there is another, else the later part of the only one.

    Raises:
        TrainingError: nothing is left to train on, or to calibrate on.
    """
    *known, last = targets
    if known:
        training = [pair for target in known for pair in target.training]
        calibration = [pair for target in known for pair in target.held_out]
        tested = [*last.training, *last.held_out]
    else:
        middle = (len(last.held_out) + 1) // 2
        training, calibration = last.training, last.held_out[:middle]
        tested = last.held_out[middle:]
    if not (training and calibration):
        subjects = ", ".join(target.subject for target in known or [last])
        raise TrainingError(
            f"expected seconds to train the detector and others to calibrate it, got "
            f"{len(training)} and {len(calibration)} of {subjects}. Use longer clips, change "
            "train_forensics.held_out_fraction, or take it out of `detectors`"
        )
    test = both_sides(tested)
    return Split(
        training=training,
        calibration=calibration,
        test=SecondSet(real=[*test.real, *unseen], fake=[*test.fake, *last.transfers]),
        held_out_subject=last.subject if known else None,
    )
