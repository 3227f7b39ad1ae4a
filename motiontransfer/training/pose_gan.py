"""Pose-to-frame GAN: training step and training of the main generator (Chan et al. 2019, sec. 3.2).

A local enhancer is trained coarse-to-fine (Wang et al. 2018): first its global generator alone, at
half the resolution. Where a puppet is drawn, the shadows in the room are trained alone, at low
resolution, against a discriminator of them.
"""

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, channels_last
from torch.nn import functional

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import WeightsError
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.core.storage import sha256_of
from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.generators import (
    DrawnGenerator,
    FrameGenerator,
    Generated,
    GeneratorConfig,
    build_generator,
    start_from_global,
)
from motiontransfer.models.layers import check_depth, count_parameters, downsample_by_2, initialize
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import write_weights
from motiontransfer.plate.full_size import full_size
from motiontransfer.plate.target_clips import HeldOut, TargetClip, input_files
from motiontransfer.pose.drawing import PoseMapStyle, draw_rgb
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.training.checkpoint import run_folder, run_key
from motiontransfer.training.gan import (
    PosedGan,
    PosedGanTask,
    Scalar,
    VGG19Features,
    foreground_weight,
    relative_sharpness,
    weighted_l1_loss,
)
from motiontransfer.training.params import PoseGanConfig, Schedule
from motiontransfer.training.run_log import Throughput
from motiontransfer.training.trainer import Run, fit, save_results
from motiontransfer.training.windows import (
    Frames,
    Resolution,
    SceneInputs,
    WindowBatch,
    WindowDataset,
    WindowInputs,
    window_losses,
)
from motiontransfer.video.frame_store import FrameStore
from motiontransfer.video.geometry import resize
from motiontransfer.video.tensors import frames_to_tensor, image_grid, tensor_to_frames

_NUM_SAMPLES = 6  # frames, one a column
_SHADOWS_WEIGHT = 30.0
_HIDDEN_SHADOW_WEIGHT = 0.1  # behind the person: visible in another pose only
_SHADOW_FOCUS = 8.0  # more weight per difference from the background image, of images from -1 to 1
_GLOBAL_PERCEPTUAL_SHARE = 0.5  # Chan et al. 2019: 5 for the global generator, 10 with the local
_GLOBAL = "global"  # subfolder of the global generator's training, in run and logs


class GeneratedWindows(NamedTuple):
    frames: Frames
    scenes: Frames | None
    """The background image with shadows, of whole frames; None without a viewport."""


class PoseGanTask(PosedGanTask[WindowBatch, WindowDataset]):
    generator: FrameGenerator
    ema: FrameGenerator
    discriminator: MultiscaleDiscriminator
    _config: PoseGanConfig

    def __init__(self, gan: PosedGan, *, resolution: Resolution = "full") -> None:
        """Set up; at resolution `half`, frames and pose maps are downsampled by 2."""
        super().__init__(gan)
        self.description = "train generator" if resolution == "full" else "train global generator"
        self._resolution: Resolution = resolution
        self.adam_steps = self._config.adam_steps

    def step(self, batch: WindowBatch, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        inputs = batch.inputs(self._drawer, resolution=self._resolution)
        with self.runtime.autocast():
            fake = self._generate(self.generator, inputs)
        losses = window_losses(
            self,
            self.discriminator,
            inputs.pose_maps,
            inputs.real,
            fake.frames,
            config=self._config,
            others=self._image_losses(inputs, fake),
        )
        curves = self.update(losses, step=step, learning_rate=learning_rate)
        images = fake.frames.detach().flatten(0, 1), inputs.real.flatten(0, 1)
        return curves | {"generator/sharpness": relative_sharpness(*images)}

    def sample(self, dataset: WindowDataset) -> Frame:
        """One column a window: its last pose, that frame as filmed, and as the EMA makes it."""
        batch = dataset.batch(evenly_spaced(range(len(dataset)), count=_NUM_SAMPLES))
        inputs = batch.inputs(self._drawer, resolution=self._resolution)
        with torch.inference_mode():
            fake = self._generate(self.ema, inputs).frames[:, -1]
        (height, width), (rows, columns) = batch.frames.shape[2:4], fake.shape[2:]
        draw = partial(draw_rgb, skeleton=self._drawer.skeleton, style=self._drawer.style)
        poses = [
            resize(draw(points.numpy(), score.numpy(), size=(height, width)), (rows, columns))
            for points, score in zip(batch.points[:, -1], batch.score[:, -1], strict=True)
        ]
        images = image_grid([inputs.real[:, -1], fake])
        return np.concatenate([np.concatenate(poses, axis=1), images])

    def _generate(self, generator: FrameGenerator, inputs: WindowInputs) -> GeneratedWindows:
        real, scenes, background = inputs.real, None, None
        if inputs.scene is not None:
            maps = inputs.scene.pose_maps
            scenes = generator.scene(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
            # What is in the viewport would teach the shadows' network the person's colors.
            background = inputs.scene.crop(scenes.detach(), (real.shape[3], real.shape[4]))
        previous = torch.zeros_like(real[:, 0])
        generated: list[Generated] = []
        for time in range(real.shape[1]):
            behind = None if background is None else background[:, time]
            generated.append(generator(inputs.conditioning[:, time], previous, behind))
            previous = generated[-1].frame
        frames = torch.stack([each.frame for each in generated], dim=1)
        return GeneratedWindows(frames, scenes)

    def _image_losses(self, inputs: WindowInputs, fake: GeneratedWindows) -> dict[str, Scalar]:
        """Weighted L1 losses of the frames and of shadows."""
        weight = foreground_weight(
            inputs.pose_maps.flatten(0, 1),
            radius_px=self._config.foreground_radius_px,
            weight=self._config.foreground_l1_weight,
        )
        # Each window by itself: the ranks' shares of a batch have the same mean as all of it.
        windows = zip(
            fake.frames, inputs.real, weight.unflatten(0, fake.frames.shape[:2]), strict=True
        )
        l1 = torch.stack([weighted_l1_loss(*window) for window in windows]).mean()
        losses = {"l1": self._config.l1_weight * l1}
        if inputs.scene is not None and fake.scenes is not None:
            background = coarse_background(self.generator, inputs.scene)
            coarse = functional.interpolate(
                fake.scenes.flatten(0, 1), size=background.shape[2:], mode="area"
            )
            coarse = coarse.unflatten(0, fake.scenes.shape[:2])
            losses["shadows"] = shadows_loss(coarse, background, inputs.scene)
        return losses


class ShadowGanTask(PosedGanTask[WindowBatch, WindowDataset]):
    """Training step of the shadows alone, on whole frames at low resolution.

    Where a frame shows the person, the discriminator sees the background image in both.
    """

    description = "train shadows"
    generator: DrawnGenerator
    ema: DrawnGenerator
    _config: PoseGanConfig

    def step(self, batch: WindowBatch, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        scene = batch.scene(self._drawer)
        with self.runtime.autocast():
            shadows = self.generator.coarse_shadows(scene.pose_maps.flatten(0, 1))
        background = coarse_background(self.generator, scene)
        fake = background + shadows.unflatten(0, scene.real.shape[:2])
        seen = [_beside_person(images, background, scene) for images in (scene.real, fake)]
        losses = window_losses(
            self,
            self.discriminator,
            scene.pose_maps,
            *seen,
            config=self._config,
            others={"shadows": shadows_loss(fake, background, scene)},
        )
        return self.update(losses, step=step, learning_rate=learning_rate)

    def sample(self, dataset: WindowDataset) -> Frame:
        """One column a frame: the real frame, and the room with the EMA's shadows."""
        clip, columns = dataset.clips[0], []
        with FrameStore(clip.frames) as store, torch.inference_mode():
            for index in evenly_spaced(clip.training, count=_NUM_SAMPLES):
                pose = clip.keypoints.part(range(index, index + 1))
                maps = self._drawer.draw_coarse(pose.points, pose.score, size=pose.image_size)
                columns.append(
                    np.concatenate([store[index], *tensor_to_frames(self.ema.scene(maps))])
                )
        return np.concatenate(columns, axis=1)


def coarse_background(
    generator: FrameGenerator | DrawnGenerator, scene: SceneInputs
) -> Float[Tensor, "1 3 rows columns"]:
    """The background image, at the low resolution of `draw_coarse`."""
    assert generator.background_image is not None
    return functional.interpolate(
        generator.background_image[None], size=scene.real.shape[3:], mode="area"
    )


def shadows_loss(
    fake: Frames, background: Float[Tensor, "1 3 rows columns"], scene: SceneInputs
) -> Scalar:
    """Weighted L1 of the scenes, at low resolution.

    Weighted by the real shadow, which most pixels lack. Behind the person the target is the
    background image without shadow, with weight `_HIDDEN_SHADOW_WEIGHT`.
    """
    real = _beside_person(scene.real, background, scene)
    shadow = (real - background).abs()
    is_background = scene.is_background[:, :, None]
    weight = torch.where(is_background, 1 + _SHADOW_FOCUS * shadow, _HIDDEN_SHADOW_WEIGHT)
    return _SHADOWS_WEIGHT * ((fake - real).abs() * weight).mean()


def _beside_person(
    images: Frames, background: Float[Tensor, "1 3 rows columns"], scene: SceneInputs
) -> Frames:
    return torch.where(scene.is_background[:, :, None], images, background)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Clips, their split and the appearance that a main generator is trained on."""

    clips: list[TargetClip]
    held_out: HeldOut
    appearance: Appearance
    appearance_file: Path

    def __post_init__(self) -> None:
        """Check that the background image has the size of the frames, as both come from disk."""
        expected, got = full_size(self.clips), self.appearance.background.shape[:2]
        if got != expected:
            raise WeightsError(
                f"{self.appearance_file}: expected a background image of the clips' {expected} px, "
                f"got {got}; `dvc repro` makes it"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseGanNetworks:
    """Shapes of the main generator and its discriminator, and the pose maps that they read."""

    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    style: PoseMapStyle


def train_pose_gan(
    target: Target,
    run: Run,
    *,
    networks: PoseGanNetworks,
    config: PoseGanConfig,
    perceptual: VGG19Features | None = None,
) -> dict[str, object]:
    """Train, write generator and discriminator weights and the logs; return metrics on rank 0."""
    clips, shape = target.clips, networks.generator
    runtime, schedule = run.runtime, run.schedule
    background = background_image = None
    if shape.has_background_image:
        background = resize(target.appearance.background, shape.size)
        background_image = frames_to_tensor([background])[0]
    dataset = WindowDataset(
        clips,
        window_frames=config.window_frames,
        conditioning_poses=shape.conditioning_poses,
        viewport=shape.viewport,
        background=None if shape.viewport is None else background,
    )

    def build(
        networks: PoseGanNetworks, config: PoseGanConfig, background_image: Tensor | None
    ) -> PosedGan:
        return PosedGan(
            runtime=runtime,
            networks=build_networks(networks, config, runtime, background_image=background_image),
            style=networks.style,
            skeleton=clips[0].keypoints.skeleton,
            config=config,
            perceptual=None if shape.texture == "puppet" else perceptual,
        )

    files = [*input_files(clips), target.appearance_file]
    files += [] if shape.viewport is None else [clip.masks_file for clip in clips]
    files += [] if perceptual is None else [perceptual.file]
    key = run_key(runtime, [networks, config, schedule, target.held_out], files, code=__name__)
    torch.manual_seed(schedule.seed)
    gan = build(networks, config, background_image)
    task = ShadowGanTask(gan) if shape.texture == "puppet" else PoseGanTask(gan)
    with run_folder(runtime, run.paths.checkpoints, key) as folder:
        pretraining = Throughput()
        if config.global_only_fraction > 0:
            coarse, rest = split_schedule(schedule, share=config.global_only_fraction)
            half = None if background_image is None else downsample_by_2(background_image[None])[0]
            early = build(global_networks(networks), global_config(config, networks), half)
            trained = PoseGanTask(early, resolution="half")
            paths = replace(run.paths, logs=run.paths.logs / _GLOBAL)
            first = replace(run, schedule=coarse, paths=paths)
            pretraining = fit(trained, dataset, first, folder / _GLOBAL)
            run = replace(run, schedule=rest)
            assert isinstance(task, PoseGanTask)
            start_from_coarse(task, trained)
        throughput = pretraining + fit(task, dataset, run, folder)
        if not runtime.is_first:
            return {}
        _write(task, run.paths.models, target, networks, config)
        return {
            **save_results(throughput, run, folder),
            "windows": len(dataset),
            "windows_without_body": dataset.num_windows_without_body,
            "generator_parameters": count_parameters(task.generator),
            "discriminator_parameters": count_parameters(task.discriminator),
        }


def _write(
    task: PoseGanTask | ShadowGanTask,
    models: Path,
    target: Target,
    networks: PoseGanNetworks,
    config: PoseGanConfig,
) -> None:
    generator: dict[str, object] = {
        "generator": asdict(networks.generator),
        "pose_map": asdict(networks.style),
        "held_out": asdict(target.held_out),
    }
    if networks.generator.texture == "puppet":
        generator["appearance_sha256"] = sha256_of(target.appearance_file)
    discriminator = {
        "discriminator": asdict(networks.discriminator),
        "window_frames": config.window_frames,
    }
    write_weights(models / layout.GENERATOR_FILE, task.ema, description=generator)
    write_weights(models / layout.DISCRIMINATOR_FILE, task.discriminator, description=discriminator)


def build_networks(
    networks: PoseGanNetworks,
    config: PoseGanConfig,
    runtime: Runtime,
    *,
    background_image: Float[Tensor, "3 height width"] | None,
) -> tuple[FrameGenerator | DrawnGenerator, MultiscaleDiscriminator]:
    """Build both networks with initial weights, drawn from torch's global random generator."""
    generator = build_generator(networks.generator, background_image=background_image)
    if isinstance(generator, FrameGenerator):
        check_depth(networks.generator.size, stride=generator.network.stride, section="train_gan")
    generator.apply(initialize)  # before the discriminator is built, which draws random numbers
    discriminator = MultiscaleDiscriminator(
        networks.discriminator,
        condition_channels=config.window_frames * networks.style.num_channels,
        image_channels=config.window_frames * 3,
    )
    discriminator.apply(initialize)
    is_wide = isinstance(generator, FrameGenerator) and generator.network.prefers_channels_last
    if is_wide and runtime.precision == "bf16-mixed":
        generator.to(memory_format=channels_last)
        discriminator.to(memory_format=channels_last)
    return generator, discriminator


def split_schedule(schedule: Schedule, *, share: float) -> tuple[Schedule, Schedule]:
    """This share of steps and `max_minutes`, for the global generator; and the rest."""
    num_coarse = min(max(round(schedule.steps * share), 1), schedule.steps - 1)
    return (
        schedule.part(num_coarse, share=share),
        schedule.part(schedule.steps - num_coarse, share=1 - share),
    )


def global_networks(networks: PoseGanNetworks) -> PoseGanNetworks:
    """Networks of the first training: the global generator, one discriminator scale fewer."""
    height, width = networks.generator.size
    return replace(
        networks,
        generator=replace(
            networks.generator, architecture="global", size=(-(-height // 2), -(-width // 2))
        ),
        discriminator=replace(
            networks.discriminator, num_scales=networks.discriminator.num_scales - 1
        ),
    )


def global_config(config: PoseGanConfig, networks: PoseGanNetworks) -> PoseGanConfig:
    """Config of the first training, for half the resolution and one discriminator scale fewer."""
    num_scales = networks.discriminator.num_scales
    return config.model_copy(
        update={
            "adversarial_weight": config.adversarial_weight * (num_scales - 1) / num_scales,
            "foreground_radius_px": round(config.foreground_radius_px / 2),
            "perceptual_weight": config.perceptual_weight * _GLOBAL_PERCEPTUAL_SHARE,
        }
    )


def start_from_coarse(task: PoseGanTask, trained: PoseGanTask) -> None:
    """Start generator, its EMA and discriminator from those of the first training."""
    for generator in (task.generator, task.ema):
        start_from_global(generator, trained.ema)
    task.discriminator.start_from(trained.discriminator)
