"""Face GAN: data, training step and training of the face generator (Chan et al. 2019, sec. 3.2).

It is trained on crops of frames that the frozen main generator makes once, or of the puppet. The
released code of Chan et al. trains it on windows of whole frames, made anew in each step. So does
this where the corrected frame conditions the next one, or has losses of its own.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import TrainingError
from motiontransfer.core.progress import track
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.core.storage import replacing
from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.faces import (
    Crops,
    FaceGenerator,
    FaceGeneratorConfig,
    add_residuals,
    crop_boxes,
)
from motiontransfer.models.generators import DrawnGenerator
from motiontransfer.models.layers import check_depth, count_parameters, initialize, to_device
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import TrainedGenerator, read_network, write_weights
from motiontransfer.plate.target_clips import TargetClip, input_files, usable_frames
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.rendering.compositing import over_image
from motiontransfer.rendering.torch_networks import generate_clip
from motiontransfer.training.checkpoint import run_folder, run_key
from motiontransfer.training.data import Dataset, FrameCache, TensorBatch
from motiontransfer.training.distributed import barrier
from motiontransfer.training.gan import PosedGan, PosedGanTask, Scalar, VGG19Features
from motiontransfer.training.params import FaceGanConfig, GanLossConfig
from motiontransfer.training.trainer import Run, TaskBatch, fit, save_results
from motiontransfer.training.windows import (
    Frames,
    WindowBatch,
    WindowDataset,
    WindowInputs,
    window_losses,
)
from motiontransfer.video.geometry import resize
from motiontransfer.video.tensors import frames_to_tensor, image_grid, tensor_to_frames

_NUM_SAMPLES = 8  # faces, one a column
_RUN_FRAMES = 8  # that the main generator generates in a row
_TIMES_DRAWN = 10  # how often each generated face is trained on, about
_WINDOW_FRAMES = 2
_LEAST_DISTANCE = 2.0  # % of the body's height, of drawn faces' references: no frame is its own


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceBatch(TensorBatch):
    """Faces with their poses."""

    points: Float[Tensor, "batch joints 2"]
    score: Float[Tensor, "batch joints"]
    boxes: Int[Tensor, "batch 4"]
    real: Crops
    generated: Crops


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceRun:
    """Consecutive training frames, the first generated from zeros, of which some show a face."""

    clip: int
    frames: range
    with_face: list[int]
    """Frame indices."""


def face_runs(
    clips: Sequence[TargetClip], *, num_faces: int | None = None
) -> tuple[list[FaceRun], int]:
    """Evenly spread runs with about so many faces, or all; and the number of frames without one."""
    valid = [face_boxes(clip.keypoints)[1] for clip in clips]
    usable, num_without_face = usable_frames(clips, valid)
    assert usable
    every = max(len(usable) // (num_faces or len(usable)), 1)
    runs: list[FaceRun] = []
    for c, t in usable:
        if runs and runs[-1].clip == c and t < runs[-1].frames.start + every * _RUN_FRAMES:
            continue
        frames = range(t, min(t + _RUN_FRAMES, clips[c].training.stop))
        with_face = [index for index in frames if valid[c][index]]
        runs.append(FaceRun(clip=c, frames=frames, with_face=with_face))
    return runs, num_without_face


class FaceDataset:
    """Faces of runs of training frames, as filmed and as generated."""

    def __init__(
        self,
        clips: Sequence[TargetClip],
        runs: Sequence[FaceRun],
        generated: Sequence[Path],
        *,
        crop_size: int,
    ) -> None:
        """Open the clips' frames; read the files of the generated faces, one a run."""
        self.clips, self._crop_size = list(clips), crop_size
        self.frames = [(run.clip, t) for run in runs for t in run.with_face]
        self._real = FrameCache([clip.frames for clip in clips])
        self._generated = np.concatenate([np.load(path) for path in generated])
        self._boxes = [face_boxes(clip.keypoints)[0] for clip in clips]

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, indices: Iterable[int]) -> FaceBatch:
        items = list(indices)
        chosen = [self.frames[index] for index in items]
        boxes = torch.from_numpy(np.stack([self._boxes[c][t] for c, t in chosen]).astype(np.int64))
        keypoints = [(self.clips[c].keypoints, t) for c, t in chosen]
        real = frames_to_tensor([self._real[c, t] for c, t in chosen])
        return FaceBatch(
            points=torch.from_numpy(np.stack([of_clip.points[t] for of_clip, t in keypoints])),
            score=torch.from_numpy(np.stack([of_clip.score[t] for of_clip, t in keypoints])),
            boxes=boxes,
            real=crop_boxes(real, boxes, crop_size=self._crop_size),
            generated=frames_to_tensor(list(self._generated[items])),
        )


def generate_faces(
    clips: Sequence[TargetClip],
    runs: Sequence[FaceRun],
    main: TrainedGenerator,
    runtime: Runtime,
    folder: Path,
    *,
    crop_size: int,
) -> list[Path]:
    """Roll the main generator out over each run once; the runs are shared among the processes."""
    paths = [folder / f"generated_{run.clip}_{run.frames.start}.npy" for run in runs]
    to_device(main.network, runtime.device)
    boxes = [face_boxes(clip.keypoints)[0] for clip in clips]
    share = list(zip(runs, paths, strict=True))[runtime.rank :: runtime.world_size]
    for run, path in track(share, "main generator's faces", total=len(share)):
        if path.exists():  # then it is whole
            continue
        of_faces = boxes[run.clip][run.with_face]
        if isinstance(main.network, DrawnGenerator):
            crops = _drawn_faces(main.network, clips, run, of_faces, crop_size=crop_size)
        else:
            poses = clips[run.clip].keypoints.part(run.frames)
            images = generate_clip(main.network, poses, style=main.style, autocast=runtime.autocast)
            generated = dict(zip(run.frames, images, strict=True))
            with_face = torch.cat([generated[t] for t in run.with_face])
            crops = tensor_to_frames(
                crop_boxes(with_face, torch.from_numpy(of_faces), crop_size=crop_size)
            )
        with replacing(path) as temporary:
            np.save(temporary, np.stack(crops))
    barrier(runtime)
    return paths


def _drawn_faces(
    network: DrawnGenerator,
    clips: Sequence[TargetClip],
    run: FaceRun,
    boxes: Int[np.ndarray, "faces 4"],
    *,
    crop_size: int,
) -> list[Frame]:
    """The puppet's faces in a run, from frames in other poses, over the room."""
    assert network.puppet is not None
    assert network.background_image is not None
    poses = clips[run.clip].keypoints.part(run.frames)
    clip = network.puppet.beyond(_LEAST_DISTANCE).follow(poses)
    (room,) = tensor_to_frames(network.background_image[None])
    size = crop_size, crop_size
    return [
        over_image(
            clip.draw(t - run.frames.start, box=(x0, y0, x1, y1), size=size),
            resize(room[y0:y1, x0:x1], size),
        )
        for t, (x0, y0, x1, y1) in zip(run.with_face, boxes.tolist(), strict=True)
    ]


class FaceWindowDataset(WindowDataset):
    """Every window of two training frames that both show a face."""

    def __init__(self, clips: Sequence[TargetClip], *, conditioning_poses: int) -> None:
        super().__init__(clips, window_frames=_WINDOW_FRAMES, conditioning_poses=conditioning_poses)
        found = [face_boxes(clip.keypoints) for clip in clips]
        self._face_boxes = [boxes for boxes, _ in found]
        self.windows = [
            (c, t) for c, t in self.windows if found[c][1][t : t + _WINDOW_FRAMES].all()
        ]
        if not self.windows:
            raise TrainingError(
                "no two consecutive training frames show a face; see the head in "
                "artifacts/quality, or set train_face_gan.steps to 0"
            )

    def batch(self, indices: Iterable[int]) -> WindowBatch:
        items = list(indices)
        chosen = [self.windows[index] for index in items]
        boxes = [self._face_boxes[c][t : t + _WINDOW_FRAMES] for c, t in chosen]
        return replace(super().batch(items), face_boxes=torch.from_numpy(np.stack(boxes)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FullFrameLosses:
    """Losses of the main generator's training but L1, on its frames with the face."""

    discriminator: nn.Module
    """Main discriminator, frozen."""
    config: GanLossConfig
    weight: float


def read_full_frame_losses(
    path: Path, style: PoseMapStyle, *, config: GanLossConfig, weight: float
) -> FullFrameLosses:
    """Read the main discriminator, which scores pairs of frames, from its weights file."""

    def build(shape: DiscriminatorConfig) -> MultiscaleDiscriminator:
        condition_channels = _WINDOW_FRAMES * style.num_channels
        return MultiscaleDiscriminator(
            shape, condition_channels=condition_channels, image_channels=_WINDOW_FRAMES * 3
        )

    discriminator, _ = read_network(path, "discriminator", DiscriminatorConfig, build)
    return FullFrameLosses(discriminator=discriminator, config=config, weight=weight)


class FaceWindows(NamedTuple):
    """Windows of whole frames."""

    inputs: WindowInputs
    corrected: Frames


class Faces(NamedTuple):
    """Crops as the discriminator reads them, and what the residual is added to."""

    poses: Float[Tensor, "faces channels crop_size crop_size"]
    real: Crops
    generated: Crops
    corrected: Crops
    windows: FaceWindows | None = None
    """That the crops are of, where these are generated in the step."""


class FaceTask(PosedGanTask[TaskBatch, Dataset[TaskBatch]]):
    """Base of training face generator and face discriminator."""

    description = "train face generator"
    _config: FaceGanConfig
    _full_frame: FullFrameLosses | None = None

    @abstractmethod
    def correct(self, generator: nn.Module, batch: TaskBatch) -> Faces:
        """Add the residuals of a face generator to the faces of a batch, which is on the CPU."""

    def step(self, batch: TaskBatch, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        faces = self.correct(self.generator, batch)
        crops = [images[:, None] for images in (faces.poses, faces.real, faces.corrected)]
        l1 = self._config.l1_weight * (faces.corrected - faces.real).abs().mean()
        losses = window_losses(
            self, self.discriminator, *crops, config=self._config, others={"l1": l1}
        )
        if (full := self._full_frame) is not None:
            assert faces.windows is not None
            inputs, corrected = faces.windows
            of_frames = window_losses(
                self,
                full.discriminator,
                inputs.pose_maps,
                inputs.real,
                corrected,
                config=full.config,
            )
            losses["generator"] |= {
                f"full_frame_{name}": full.weight * loss
                for name, loss in of_frames["generator"].items()
            }
        return self.update(losses, step=step, learning_rate=learning_rate)

    def sample(self, dataset: Dataset[TaskBatch]) -> Frame:
        """One column a face: real, from the main generator, with the EMA's residual."""
        shown = evenly_spaced(range(len(dataset)), count=_NUM_SAMPLES)
        with torch.inference_mode():  # one at a time: a batch may be of whole frames
            faces = [self.correct(self.ema, dataset.batch([index])) for index in shown]
        rows = ([each.real, each.generated, each.corrected] for each in faces)
        return image_grid([torch.cat(crops) for crops in zip(*rows, strict=True)])


class FaceGanTask(FaceTask[FaceBatch]):
    """Training step on crops."""

    def correct(self, generator: nn.Module, batch: FaceBatch) -> Faces:
        crop_size = batch.real.shape[-1]
        poses = self._drawer.draw_crops(batch.points, batch.score, batch.boxes, crop_size=crop_size)
        faces = batch.to(self.runtime.device)
        with self.runtime.autocast():
            corrected = faces.generated + generator(poses, faces.generated)
        return Faces(poses, faces.real, faces.generated, corrected)


class FaceWindowTask(FaceTask[WindowBatch]):
    """Training step of the face networks on windows that the main generator makes in the step."""

    def __init__(self, gan: PosedGan, main: nn.Module, networks: "FaceNetworks") -> None:
        """Move the networks to the device, the main generator among them."""
        super().__init__(gan)
        device = self.runtime.device
        self._main, self._shape = to_device(main, device), networks.generator
        self._full_frame = networks.full_frame
        if self._full_frame is not None:
            to_device(self._full_frame.discriminator, device)

    def correct(self, generator: nn.Module, batch: WindowBatch) -> Faces:
        """Generate the windows, each frame from what the one before it became."""
        assert batch.face_boxes is not None
        num_frames, size = batch.face_boxes.shape[1], self._shape.crop_size
        inputs, draw = batch.inputs(self._drawer), self._drawer.draw_crops
        points, score = batch.points[:, -num_frames:], batch.score[:, -num_frames:]
        previous = torch.zeros_like(inputs.real[:, 0])
        faces, corrected = [], []
        for time in range(num_frames):
            boxes = batch.face_boxes[:, time]
            poses = draw(points[:, time], score[:, time], boxes, crop_size=size)
            with self.runtime.autocast():
                fake = self._main(inputs.conditioning[:, time], previous).frame
                crop = crop_boxes(fake, boxes, crop_size=size)
                residual = generator(poses, crop)
            real_crop = crop_boxes(inputs.real[:, time], boxes, crop_size=size)
            faces.append((poses, real_crop, crop, crop + residual))
            corrected.append(add_residuals(fake, residual, boxes))
            previous = corrected[-1] if self._shape.previous_frame == "corrected" else fake
        crops = (torch.cat(images) for images in zip(*faces, strict=True))
        return Faces(*crops, FaceWindows(inputs, torch.stack(corrected, dim=1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceNetworks:
    """Shapes of the face generator and its discriminator, and the main discriminator if used."""

    generator: FaceGeneratorConfig
    discriminator: DiscriminatorConfig
    full_frame: FullFrameLosses | None = None
    """Losses of the main generator's training; None: none, only crops are compared."""


def train_face_gan(
    clips: list[TargetClip],
    run: Run,
    main: TrainedGenerator,
    *,
    networks: FaceNetworks,
    config: FaceGanConfig,
    perceptual: VGG19Features | None = None,
) -> dict[str, object]:
    """Train, write the face generator's weights and the logs; return metrics."""
    shape, full_frame = networks.generator, networks.full_frame
    runtime, models, schedule = run.runtime, run.paths.models, run.schedule
    in_windows = shape.previous_frame == "corrected" or full_frame is not None
    files = [*input_files(clips), models / layout.GENERATOR_FILE]
    files += [] if perceptual is None else [perceptual.file]
    files += [] if full_frame is None else [models / layout.DISCRIMINATOR_FILE]
    key = run_key(runtime, [networks, config, schedule], files, code=__name__)
    num_drawn = schedule.steps * schedule.batch_size
    runs, num_without_face = face_runs(clips, num_faces=-(-num_drawn // _TIMES_DRAWN))
    torch.manual_seed(schedule.seed)
    gan = PosedGan(
        runtime=runtime,
        networks=_build_networks(networks),
        style=main.style,
        skeleton=clips[0].keypoints.skeleton,
        config=config,
        perceptual=perceptual,
    )
    task: FaceTask
    dataset: Dataset
    with run_folder(runtime, run.paths.checkpoints, key) as folder:
        if in_windows:
            task = FaceWindowTask(gan, main.network, networks)
            dataset = FaceWindowDataset(clips, conditioning_poses=main.config.conditioning_poses)
        else:
            task = FaceGanTask(gan)
            faces = generate_faces(clips, runs, main, runtime, folder, crop_size=shape.crop_size)
            dataset = FaceDataset(clips, runs, faces, crop_size=shape.crop_size)
        throughput = fit(task, dataset, run, folder)
        if not runtime.is_first:
            return {}
        weights = models / layout.FACE_GENERATOR_FILE
        write_weights(weights, task.ema, description={"face_generator": asdict(shape)})
        return {
            **save_results(throughput, run, folder),
            "windows" if in_windows else "faces": len(dataset),
            "frames_without_face": num_without_face,
            "face_generator_parameters": count_parameters(task.generator),
        }


def _build_networks(networks: FaceNetworks) -> tuple[FaceGenerator, MultiscaleDiscriminator]:
    shape = networks.generator
    generator = FaceGenerator(shape)
    crop_size = (shape.crop_size, shape.crop_size)
    check_depth(crop_size, stride=generator.network.stride, section="train_face_gan")
    generator.apply(initialize)  # before the discriminator is built, which draws random numbers
    discriminator = MultiscaleDiscriminator(
        networks.discriminator, condition_channels=shape.pose_channels, image_channels=3
    )
    return generator, discriminator.apply(initialize)
