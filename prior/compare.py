"""Compare starts of the main generator on held-out frames.

    python -m prior compare FOLDER 48 49 ../../somewhere/else:ada

An actor is named by number; another target as PROJECT:NAME, whose project has made its appearance.
A transfer of that target which has a ground truth is measured too. Written to FOLDER/<target>/,
once for each training and seed: its frames, and its figures; and FOLDER/results.md, a table of the
means over the seeds. A training that is there already is not repeated. Faces are as the main
generator makes them.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple

import cv2
import numpy as np
import torch
import yaml
from pydantic import Field

from benchmarks.transfer.wholeness import wholeness
from motiontransfer import layout
from motiontransfer.evaluation.frames import all_regions
from motiontransfer.evaluation.image_metrics import frame_metrics, gradients
from motiontransfer.keypoints import Keypoints, read_keypoints
from motiontransfer.models.rollout import generate_clip
from motiontransfer.params import Section, load_section
from motiontransfer.puppet.silhouette import read_masks
from motiontransfer.puppet.warping import Puppet
from motiontransfer.storage import write_json
from motiontransfer.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.training.distributed import Runtime
from motiontransfer.training.pose_gan import PoseGanConfig, PoseGanTask, build_networks
from motiontransfer.training.trainer import fit
from motiontransfer.training.weights import read_appearance
from motiontransfer.training.windows import WindowDataset, puppets_of_clips
from motiontransfer.video.color import Frame
from motiontransfer.video.frame_store import FrameStore, write_frames
from motiontransfer.video.geometry import resize
from motiontransfer.video.tensors import frames_to_tensor, tensor_to_frames
from prior.prepare import MAIN_PARAMS, held_out_of
from prior.train import PRIOR_FILE
from prior.weights import start_from_prior
from stages.train_gan import TrainGanParams, generator_networks

_FIGURES = (
    *("person", "face", "hands", "sharpness", "sharpness inside", "l1"),
    *("holes", "stray", "left over", "seams", "shadow"),
)
_BOXES = {"person": "person", "face": "face", "left_hand": "hands", "right_hand": "hands"}
_MARGIN = 0.1
_PUPPET = "puppet"


class Training(NamedTuple):
    """A training that is compared."""

    start: Literal["prior", "scratch"]
    steps: int
    learning_rate: float

    def __str__(self) -> str:
        return f"{self.start} {self.steps} {self.learning_rate:g}"


class CompareParams(Section):
    """What is compared."""

    trainings: list[Training]
    seeds: int = Field(ge=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """Real frames, and the poses that they are generated from."""

    poses: Keypoints
    frames: list[Frame]
    masks: list[np.ndarray | None]
    """Where the person is."""
    background: Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    root: Path
    target: str
    clips: list[TargetClip]

    @classmethod
    def read(cls, named: str) -> "_Person":
        root, _, target = named.rpartition(":")
        held_out = held_out_of(int(target)) if not root else _held_out(Path(root))
        clips = read_target_clips(target, held_out, root=Path(root))
        return cls(root=Path(root), target=target, clips=clips)

    def shown(self) -> Iterator[tuple[str, _Shown]]:
        """The held-out frames, and transfers that have a truth."""
        (clip,) = self.clips
        with FrameStore(clip.frames) as store:
            frames = [store[index] for index in clip.held_out]
        appearance = read_appearance(self.root / layout.appearance_file(self.target))
        room = resize(appearance.background, clip.keypoints.image_size)
        masks = read_masks(clip.masks_file)
        known = set(masks.frames_of(clip.held_out))
        shapes = [masks[index] if index in known else None for index in clip.held_out]
        poses = clip.keypoints.part(clip.held_out)
        yield self.target, _Shown(poses=poses, frames=frames, masks=shapes, background=room)
        for path in sorted((self.root / "artifacts/poses").glob(f"{self.target}_as_*.parquet")):
            truth = self.root / layout.TRUTH_FOLDER / "demo.mp4"
            with FrameStore(truth) as store:
                frames = [store[index] for index in range(len(store))]
            poses = read_keypoints(path)
            unknown = [None] * len(frames)
            yield path.stem, _Shown(poses=poses, frames=frames, masks=unknown, background=room)


def main(folder: str, *named: str) -> str:
    """Train, generate and measure what is not there yet; write the table."""
    rows = []
    params = load_section(CompareParams, "compare")
    gan = load_section(TrainGanParams, "train_gan", path=MAIN_PARAMS)
    with gan.launched() as runtime:
        for name in named:
            person = _Person.read(name)
            for training in (None, *params.trainings):
                seeds = range(1 if training is None else params.seeds)
                rows += _rows(Path(folder), person, training, gan, seeds, runtime)
    head = f"| clip | start, steps, learning rate | {' | '.join(_FIGURES)} | CPU s |"
    table = "\n".join([head, "|---" * (len(_FIGURES) + 3) + "|", *rows])
    results = Path(folder) / "results.md"
    results.write_text(f"{table}\n", encoding="utf-8")
    return str(results)


def _held_out(root: Path) -> HeldOut:
    section = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["train_gan"]
    return HeldOut(held_out_fraction=section["held_out_fraction"], gap_frames=section["gap_frames"])


def _rows(
    folder: Path,
    person: _Person,
    training: Training | None,
    gan: TrainGanParams,
    seeds: range,
    runtime: Runtime,
) -> Iterator[str]:
    """Rows of the table; None is the puppet by itself."""
    name = str(training or _PUPPET)
    of_seeds = []
    for seed in seeds:
        file = folder / person.target / f"{name.replace(' ', '_')}_{seed}.json"
        if not file.exists():
            seeded = gan.model_copy(update={"seed": seed})
            write_json(file, _figures(file, person, training, seeded, runtime))
        of_seeds.append(json.loads(file.read_text(encoding="utf-8")))
    for shown in of_seeds[0]:
        cells = [_mean_and_range([found[shown].get(it) for found in of_seeds]) for it in _FIGURES]
        cpu_s = np.mean([found[shown]["cpu_s"] for found in of_seeds])
        yield f"| {shown} | {name} | {' | '.join(cells)} | {cpu_s:.0f} |"


def _mean_and_range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    spread = f" ({min(known):.3f} to {max(known):.3f})" if len(known) > 1 else ""
    return f"{np.mean(known):.3f}{spread}"


def _figures(
    file: Path, person: _Person, training: Training | None, gan: TrainGanParams, runtime: Runtime
) -> dict[str, dict[str, float]]:
    """Train; measure and write what is shown, beside `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    task = _trained(person, training, gan, runtime)
    cpu_s = time.process_time() - start
    found = {}
    for shown, footage in person.shown():
        made = list(_generated(task, footage, alone=training is None))
        rate = footage.poses.frame_rate
        write_frames(file.with_name(f"{shown}_{file.stem}.mkv"), made, frame_rate=rate)
        write_frames(file.with_name(f"{shown}_film.mkv"), footage.frames, frame_rate=rate)
        found[shown] = {**_measured(footage, made), "cpu_s": cpu_s}
    return found


def _trained(
    person: _Person, training: Training | None, gan: TrainGanParams, runtime: Runtime
) -> PoseGanTask:
    clips, config = person.clips, gan.fill(PoseGanConfig)
    networks = generator_networks(gan, clips)
    appearance = read_appearance(person.root / layout.appearance_file(person.target))
    size = networks.generator.size
    puppet, background = Puppet(appearance, size), resize(appearance.background, size)
    torch.manual_seed(gan.seed)
    task = PoseGanTask(
        runtime,
        build_networks(
            networks,
            config,
            runtime,
            background_image=frames_to_tensor([background])[0],
            puppet=puppet,
        ),
        style=networks.style,
        skeleton=clips[0].keypoints.skeleton,
        config=config,
        seed=gan.seed,
    )
    if training is None:
        return task
    if training.start == "prior":
        start_from_prior([task.generator, task.ema], task.discriminator, PRIOR_FILE)
    if training.steps:
        dataset = WindowDataset(
            clips,
            config,
            conditioning_poses=networks.generator.conditioning_poses,
            viewport=networks.generator.viewport,
            puppets=puppets_of_clips(puppet, clips),
            background=background,
        )
        schedule = gan.schedule.model_copy(
            update={**training._asdict(), "max_minutes": None, "sample_every_steps": 10**6}
        )
        with TemporaryDirectory() as scratch:
            fit(task, schedule=schedule, dataset=dataset, folder=Path(scratch))
    return task


def _generated(task: PoseGanTask, footage: _Shown, *, alone: bool) -> Iterator[Frame]:
    """The EMA's frames, or the puppet before the background image."""
    poses, ema = footage.poses, task.ema
    assert ema.puppet is not None
    if not alone:
        style, autocast = task._drawer.style, task.runtime.autocast
        images = generate_clip(ema, poses, style=style, autocast=autocast)
        yield from (frame for image in images for frame in tensor_to_frames(image))
        return
    height, width = poses.image_size
    followed = ema.puppet.follow(poses)
    for index in range(poses.num_frames):
        drawn = followed.draw(index, box=(0, 0, width, height)).astype(np.float32)
        pixels = drawn[..., :3] + footage.background * (1 - drawn[..., 3:4] / 255)
        yield np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _measured(footage: _Shown, made: Sequence[Frame]) -> Mapping[str, float]:
    """Means over the frames; sharpness is the ratio of the mean gradients."""
    regions = all_regions(footage.poses, margin=_MARGIN)
    found: dict[str, list[float]] = {figure: [] for figure in (*_FIGURES, "real", "real inside")}
    for index, (real, fake) in enumerate(zip(footage.frames, made, strict=True)):
        boxes = {name: regions[name][index] for name in _BOXES}
        for name, metrics in frame_metrics(real, fake, boxes=boxes).items():
            if metrics:
                found[_BOXES[name]].append(metrics["shift_tolerant_ssim"])
        box = boxes["person"]
        if box is None:
            continue
        x0, y0, x1, y1 = box
        found["l1"].append(float(np.abs(real - fake.astype(float))[y0:y1, x0:x1].mean()))
        steep = {"real": gradients(real), "sharpness": gradients(fake)}
        for name, values in steep.items():
            found[name].append(float(values[y0:y1, x0:x1].mean()))
        mask = footage.masks[index]
        if mask is not None:
            inside = cv2.resize(mask, real.shape[1::-1]) > 127
            found["real inside"].append(float(steep["real"][inside].mean()))
            found["sharpness inside"].append(float(steep["sharpness"][inside].mean()))
    means = {name: float(np.mean(values)) for name, values in found.items() if values}
    for name, real in (("sharpness", "real"), ("sharpness inside", "real inside")):
        if real in means:
            means[name] /= means.pop(real)
    return means | wholeness(footage.poses, footage.frames, made, footage.background)
