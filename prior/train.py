"""Train generator and discriminator on all actors at once: `python -m prior train`.

The main graph's own training, with one window of one actor a step. So that mending is learnt, each
clip comes three times: with the puppet as it always is, from few frames, and from a third of the
clip.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from pydantic import Field
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional

from motiontransfer import layout
from motiontransfer.models.generators import FrameGenerator
from motiontransfer.params import Section, load_section
from motiontransfer.pose.boxes import Viewport
from motiontransfer.puppet.appearance import Appearance
from motiontransfer.puppet.warping import Puppet, PuppetClip
from motiontransfer.storage import write_json
from motiontransfer.target_clips import TargetClip, input_files, read_target_clips, spread
from motiontransfer.training.checkpoint import run_folder, run_key
from motiontransfer.training.gan import Scalar
from motiontransfer.training.pose_gan import PoseGanConfig, PoseGanTask, build_networks
from motiontransfer.training.trainer import RunPaths, finish, fit
from motiontransfer.training.weights import read_appearance
from motiontransfer.training.windows import (
    WindowBatch,
    WindowConfig,
    WindowDataset,
    excluded_references,
)
from motiontransfer.video.color import Frame
from motiontransfer.video.tensors import levels_to_images, tensor_to_frames
from prior.prepare import ALL_FRAMES, MAIN_PARAMS
from prior.weights import write_prior
from stages.train_gan import TrainGanParams, generator_networks

PRIOR_FILE = layout.ARTIFACTS_FOLDER / "prior.safetensors"
_LOGS = layout.ARTIFACTS_FOLDER / "training"
_NUM_SAMPLES = 6
_TIMES = 3  # that each clip comes
_SHADOW_BLUR = 1.0  # pixels of the coarse image
_NO_SHADOW = 0.01  # weight of none, far inside the person
_SAMPLE_EVERY_STEPS = 500


class TrainParams(Section):
    """How the prior is trained; all else is as in `train_gan`."""

    actors: int = Field(ge=1)
    steps: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    lr_decay_start: float = Field(ge=0, le=1)
    recolored_share: float = Field(ge=0, le=1)
    fewest_references: int = Field(ge=1)
    most_references: int = Field(ge=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorBatch(WindowBatch):
    """A window of one actor, with the actor's room."""

    background: UInt8[Tensor, "height width 3"]
    shadows: Float[Tensor, "time 3 rows columns"]
    """What the person takes from the room's light; on the person, as around them."""


class ActorWindows(WindowDataset):
    """The windows of all actors, each with its puppet and background image."""

    def __init__(
        self,
        actors: Sequence[tuple[TargetClip, Appearance]],
        config: WindowConfig,
        *,
        params: TrainParams,
        viewport: Viewport | None,
    ) -> None:
        """Choose the references of each clip three times."""
        puppets: list[PuppetClip] = []
        self._backgrounds: list[Tensor] = []
        for number, (clip, appearance) in enumerate(actors):
            puppet = Puppet(appearance, clip.keypoints.image_size)
            near = excluded_references(puppet, [clip], 0)
            rng = np.random.default_rng((22, number))
            for excluded in (near, *_more_excluded(near, appearance.frames[:, 1], params, rng)):
                puppets.append(puppet.follow(clip.keypoints, excluded=excluded))
                self._backgrounds.append(torch.from_numpy(appearance.background))
        clips = [clip for clip, _ in actors for _ in range(_TIMES)]
        super().__init__(clips, config, viewport=viewport, puppets=puppets)
        self._recolored_share = params.recolored_share

    def batch(self, indices: Iterable[int]) -> ActorBatch:
        """Read one window."""
        (index,) = indices
        read = super().batch([index])
        clip, _ = self.windows[index]
        values = {name: getattr(read, name) for name in WindowBatch.__dataclass_fields__}
        nothing = torch.empty(0, 3, 1, 1)
        batch = ActorBatch(**values, background=self._backgrounds[clip], shadows=nothing)
        rng = np.random.default_rng((23, index))
        if rng.random() < self._recolored_share:
            batch = _recolored(batch, rng)
        return replace(batch, shadows=shadows_of(batch))


def shadows_of(batch: ActorBatch) -> Float[Tensor, "time 3 rows columns"]:
    """Difference of the frames from the empty room, as what the main graph trains would give it."""
    assert batch.whole is not None
    frames = levels_to_images(batch.whole.coarse[0])
    size = (frames.shape[2], frames.shape[3])
    room = functional.interpolate(levels_to_images(batch.background)[None], size, mode="area")
    seen = batch.whole.is_room[0, :, None].float().numpy()

    def blurred(values: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(values, (0, 0, _SHADOW_BLUR, _SHADOW_BLUR))

    shadows = blurred((frames - room).numpy() * seen) / (blurred(seen) + _NO_SHADOW)
    return torch.from_numpy(shadows)


def _more_excluded(
    near: Bool[np.ndarray, "frames references"],
    frames: np.ndarray,
    params: TrainParams,
    rng: np.random.Generator,
) -> list[Bool[np.ndarray, "frames references"]]:
    """All but a few references, and all but those of a third of the clip."""
    count = rng.integers(params.fewest_references, params.most_references, endpoint=True)
    few = np.isin(np.arange(len(frames)), rng.choice(len(frames), count, replace=False))
    third = frames * 3 // len(near) == rng.integers(3)
    return [near | ~few, near | ~third]


def _recolored(batch: ActorBatch, rng: np.random.Generator) -> ActorBatch:
    """Other colors of person and room alike: channels permuted, then scaled and shifted."""
    channels = torch.from_numpy(rng.permutation(3))
    scale = torch.tensor(rng.uniform(0.55, 1, 3), dtype=torch.float32)
    shift = torch.tensor(rng.uniform(0, 1, 3), dtype=torch.float32) * 255 * (1 - scale)

    def changed(pixels: Tensor, coverage: Tensor | float = 1.0) -> Tensor:
        return (pixels[..., channels] * scale + shift * coverage).round().to(torch.uint8)

    assert batch.textures is not None
    assert batch.whole is not None
    textures = batch.textures.clone()
    textures[..., :3] = changed(textures[..., :3], textures[..., 3:4] / 255)
    return replace(
        batch,
        frames=changed(batch.frames),
        textures=textures,
        background=changed(batch.background),
        whole=replace(batch.whole, coarse=changed(batch.whole.coarse)),
    )


class KnownShadows(nn.Module):
    """Stands for the network that adds shadows, which is of one room."""

    shadows: Tensor

    def forward(self, coarse_poses: Tensor) -> Float[Tensor, "time 3 rows columns"]:
        """Return the window's shadows."""
        return self.shadows.to(coarse_poses)


class PriorTask(PoseGanTask):
    """The training step of one person, whose room changes with each window."""

    def step(self, batch: WindowBatch, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        """Train on one window of one actor."""
        assert isinstance(batch, ActorBatch)
        _enter_room(self.generator, batch)
        return super().step(batch, step=step, learning_rate=learning_rate)

    def sample(self, dataset: WindowDataset) -> Frame:
        """One column a window: the real frame, the puppet over the room, and the EMA's output."""
        rows = []
        generator, self.generator = self.generator, self.ema
        for index in spread(range(len(dataset)), count=_NUM_SAMPLES):
            batch = dataset.batch([index])
            assert isinstance(batch, ActorBatch)
            assert batch.textures is not None
            _enter_room(self.ema, batch)
            with torch.no_grad(), self.runtime.autocast():
                fake = self._generate(batch.inputs(self._drawer))
            puppet = batch.textures[0, -1, :, :, :3].numpy()
            (generated,) = tensor_to_frames(fake.frames[:, -1])
            row = np.concatenate([batch.frames[0, -1].numpy(), puppet, generated], axis=1)
            height, width = batch.background.shape[:2]
            padding = (0, height - row.shape[0]), (0, 3 * width - row.shape[1]), (0, 0)
            rows.append(np.pad(row, padding))
        self.generator = generator
        return np.concatenate(rows)


def _enter_room(generator: FrameGenerator, batch: ActorBatch) -> None:
    assert isinstance(generator.shadows, KnownShadows)
    assert generator.background_image is not None
    generator.background_image = levels_to_images(batch.background).to(generator.background_image)
    generator.shadows.shadows = batch.shadows


def main() -> str:
    """Train, or go on with a training that was stopped; write the weights."""
    params = load_section(TrainParams, "train")
    own = {"steps": params.steps, "learning_rate": params.learning_rate, "max_minutes": None}
    own |= {"lr_decay_start": params.lr_decay_start, "sample_every_steps": _SAMPLE_EVERY_STEPS}
    gan = load_section(TrainGanParams, "train_gan", path=MAIN_PARAMS).model_copy(update=own)
    clips = [
        clip for actor in range(params.actors) for clip in read_target_clips(str(actor), ALL_FRAMES)
    ]
    networks, config = generator_networks(gan, clips), gan.fill(PoseGanConfig)
    people = [(clip, read_appearance(layout.appearance_file(clip.name))) for clip in clips]
    dataset = ActorWindows(people, config, params=params, viewport=networks.generator.viewport)
    files = [*input_files(clips), *(layout.appearance_file(clip.name) for clip in clips)]
    paths = RunPaths(checkpoints=layout.CHECKPOINTS_FOLDER, models=PRIOR_FILE, logs=_LOGS)
    with gan.launched() as runtime:
        key = run_key(runtime, [networks, config, gan.schedule, params], files, code=__name__)
        torch.manual_seed(gan.seed)
        black = torch.zeros(3, *networks.generator.size)
        generator, discriminator = build_networks(networks, config, runtime, background_image=black)
        generator.shadows = KnownShadows()
        task = PriorTask(
            runtime,
            (generator, discriminator),
            style=networks.style,
            skeleton=clips[0].keypoints.skeleton,
            config=config,
            seed=gan.seed,
        )
        with run_folder(runtime, paths.checkpoints, key) as folder:
            throughput = fit(task, schedule=gan.schedule, dataset=dataset, folder=folder)
            write_prior(PRIOR_FILE, task.ema, task.discriminator)
            metrics = finish(throughput, folder=folder, paths=paths)
    write_json(layout.metrics_file("train", "prior"), {**metrics, "windows": len(dataset)})
    return f"{PRIOR_FILE}: {PRIOR_FILE.stat().st_size / 1e6:.1f} MB"
