"""CycleGAN between aligned faces of source and target (Zhu et al. 2017)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor

from motiontransfer.core import layout
from motiontransfer.core.arrays import Frame
from motiontransfer.core.errors import TrainingError
from motiontransfer.core.sampling import evenly_spaced
from motiontransfer.models.discriminators import DiscriminatorConfig, split_real_fake
from motiontransfer.models.faces import (
    Crops,
    FaceDiscriminators,
    FaceTranslatorConfig,
    FaceTranslators,
    Translations,
    warp,
)
from motiontransfer.models.layers import check_depth, count_parameters, initialize
from motiontransfer.models.runtime import Runtime
from motiontransfer.models.weights import write_weights
from motiontransfer.plate.target_clips import TargetClip, input_files, usable_frames
from motiontransfer.pose.boxes import face_alignments
from motiontransfer.training.checkpoint import run_folder, run_key
from motiontransfer.training.data import FrameCache, TensorBatch, draw_uniform
from motiontransfer.training.distributed import gather_tensors
from motiontransfer.training.gan import GanTask, Scalar, adversarial_loss
from motiontransfer.training.params import FaceCycleConfig
from motiontransfer.training.trainer import Run, fit, save_results
from motiontransfer.video.tensors import Images, frames_to_tensor, image_grid

_EARLIER_SHARE = 0.5  # of the images that a discriminator sees, once the pool is full
_NUM_SAMPLES = 8  # pairs of faces, one a column
_SECTION = "train_face_cycle"


class ImagePool:
    """History of generated images, for the discriminator (Shrivastava et al. 2017)."""

    def __init__(
        self, *, pool_size: int, batch_size: int, crop_size: int, seed: int, device: torch.device
    ) -> None:
        """Start empty; the size is rounded up to a multiple of `batch_size`."""
        self._seed, self._num_slots = seed, -(-pool_size // batch_size)
        shape = (batch_size, self._num_slots, 3, crop_size, crop_size)
        self.images = torch.zeros(shape, device=device)
        """All that changes from step to step."""

    def sample(self, images: Images, indices: range, *, step: int) -> Images:
        """Replace each image, half of the time, by an earlier one of its index."""
        slots = self._slots(indices, step)
        earlier = step >= self._num_slots
        return torch.stack(
            [
                image if slot is None or not earlier else self.images[index, slot]
                for image, index, slot in zip(images.detach(), indices, slots, strict=True)
            ]
        )

    def keep(self, images: Images, *, step: int) -> None:
        """Store the images of a step's whole batch in the slots of those that were replaced."""
        for index, slot in enumerate(self._slots(range(len(images)), step)):
            if slot is not None:
                self.images[index, slot] = images[index].detach()

    def _slots(self, indices: range, step: int) -> list[int | None]:
        """Slot of each index's image; None where it is not stored."""
        if step < self._num_slots:
            return [step] * len(indices)
        draws = draw_uniform(indices, seed=self._seed, step=step).tolist()
        return [
            int(draw / _EARLIER_SHARE * self._num_slots)
            if self._num_slots and draw < _EARLIER_SHARE
            else None
            for draw in draws
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceCycleBatch(TensorBatch):
    """Faces of both people; unpaired."""

    source: Crops
    target: Crops


class AlignedFaces:
    """Every training frame with a visible face of one person, aligned."""

    def __init__(self, clips: Sequence[TargetClip], *, crop_size: int, person: str) -> None:
        """Find the faces; the message where there are none names the person."""
        self._frames = FrameCache([clip.frames for clip in clips])
        self._crop_size = crop_size
        found = [face_alignments(clip.keypoints, crop_size=crop_size) for clip in clips]
        self._maps = [maps for maps, _ in found]
        self.frames, self.num_frames_without_face = usable_frames(clips, [v for _, v in found])
        if not self.frames:
            raise TrainingError(
                f"no usable frame shows the face of the {person}, so none can be translated. Take "
                "this transfer out of face_cycles in films.yaml. If no other is there, set "
                "render.face to residual or none"
            )

    def __len__(self) -> int:
        return len(self.frames)

    def crops(self, indices: Iterable[int]) -> Crops:
        """Cut out the faces with these indices."""
        chosen = [self.frames[index] for index in indices]
        return warp(
            frames_to_tensor([self._frames[index] for index in chosen]),
            np.stack([self._maps[clip][t] for clip, t in chosen]),
            size=(self._crop_size, self._crop_size),
        )


class FaceCycleDataset:
    """Pairs of faces, as many as the longer of the two lists has."""

    def __init__(self, source: AlignedFaces, target: AlignedFaces) -> None:
        self.source, self.target = source, target

    def __len__(self) -> int:
        return max(len(self.source), len(self.target))

    def batch(self, indices: Iterable[int]) -> FaceCycleBatch:
        chosen = list(indices)
        crops = [
            faces.crops(index * len(faces) // len(self) for index in chosen)
            for faces in (self.source, self.target)
        ]
        return FaceCycleBatch(source=crops[0], target=crops[1])


class FaceCycleTask(GanTask[FaceCycleBatch, FaceCycleDataset]):
    description = "train face cycle"

    ema: FaceTranslators

    def __init__(
        self,
        runtime: Runtime,
        translators: FaceTranslators,
        discriminators: FaceDiscriminators,
        *,
        config: FaceCycleConfig,
        batch_size: int,
        crop_size: int,
        seed: int,
    ) -> None:
        super().__init__(runtime, translators, discriminators, config=config)
        self.translators, self._config = translators, config
        self._pools = {
            name: ImagePool(
                pool_size=config.pool_size,
                batch_size=batch_size,
                crop_size=crop_size,
                seed=2 * seed + number,  # the two pools are independent
                device=runtime.device,
            )
            for number, name in enumerate(("to_source", "to_target"))
        }

    def step(self, batch: FaceCycleBatch, *, step: int, learning_rate: float) -> dict[str, Scalar]:
        batch = batch.to(self.runtime.device)
        with self.runtime.autocast():
            fake: Translations = self.generator(batch.source, batch.target)
        losses_of = {
            "generator": self._generator_losses(batch, fake),
            "discriminator": self._discriminator_losses(batch, fake, step),
        }
        losses = self.update(losses_of, step=step, learning_rate=learning_rate)
        for name, pool in self._pools.items():
            gathered = gather_tensors(self.runtime, getattr(fake, name).detach())
            pool.keep(gathered.flatten(0, 1), step=step)  # the ranks' pools stay the same
        return losses

    def state(self) -> dict[str, Tensor]:
        pools = {f"{name}_pool": pool.images for name, pool in self._pools.items()}
        return {**super().state(), **pools}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        super().load_state(state)
        for name, pool in self._pools.items():
            pool.images.copy_(state[f"{name}_pool"])

    def sample(self, dataset: FaceCycleDataset) -> Frame:
        """One column a pair: source, as the target, back; target, as the source, back."""
        shown = evenly_spaced(range(len(dataset)), count=_NUM_SAMPLES)
        batch = dataset.batch(shown).to(self.runtime.device)
        with torch.inference_mode():
            fake: Translations = self.ema(batch.source, batch.target)
        of_source = (batch.source, fake.to_target, fake.back_to_source)
        return image_grid([*of_source, batch.target, fake.to_source, fake.back_to_target])

    def _generator_losses(self, batch: FaceCycleBatch, fake: Translations) -> dict[str, Scalar]:
        config = self._config
        with self.runtime.autocast():
            source_outputs, target_outputs = self.discriminator(fake.to_source, fake.to_target)
        losses = {
            "adversarial_source": adversarial_loss(source_outputs, is_real=True),
            "adversarial_target": adversarial_loss(target_outputs, is_real=True),
            "cycle_source": config.cycle_weight * _l1(fake.back_to_source, batch.source),
            "cycle_target": config.cycle_weight * _l1(fake.back_to_target, batch.target),
        }
        if config.identity_weight:
            with self.runtime.autocast():
                same_source = self.translators.to_source(batch.source)
                same_target = self.translators.to_target(batch.target)
            losses |= {
                "identity_source": config.identity_weight * _l1(same_source, batch.source),
                "identity_target": config.identity_weight * _l1(same_target, batch.target),
            }
        return losses

    def _discriminator_losses(
        self, batch: FaceCycleBatch, fake: Translations, step: int
    ) -> dict[str, Scalar]:
        indices = self.runtime.indices(len(batch.source))
        fakes = {
            name: pool.sample(getattr(fake, name), indices, step=step)
            for name, pool in self._pools.items()
        }
        with self.runtime.autocast():
            outputs = self.discriminator(
                torch.cat([batch.source, fakes["to_source"]]),
                torch.cat([batch.target, fakes["to_target"]]),
            )
        losses = {}
        for person, scores in zip(("source", "target"), outputs, strict=True):
            on_real, on_fake = split_real_fake(scores)
            of_real = adversarial_loss(on_real, is_real=True)
            of_fake = adversarial_loss(on_fake, is_real=False)
            losses[f"adversarial_{person}"] = 0.5 * (of_real + of_fake)
        return losses


def _l1(faces: Tensor, wanted: Tensor) -> Scalar:
    return (faces - wanted).abs().mean()


def train_face_cycle(
    source: Sequence[TargetClip],
    target: Sequence[TargetClip],
    run: Run,
    *,
    translator: FaceTranslatorConfig,
    discriminator: DiscriminatorConfig,
    config: FaceCycleConfig,
) -> dict[str, object]:
    """Train, write the weights of the translator to the target and the logs; return metrics."""
    crop_size = translator.crop_size
    _check_depths(translator, discriminator)
    dataset = FaceCycleDataset(
        AlignedFaces(source, crop_size=crop_size, person="source subject"),
        AlignedFaces(target, crop_size=crop_size, person="target subject"),
    )

    torch.manual_seed(run.schedule.seed)
    translators = FaceTranslators(translator)
    discriminators = FaceDiscriminators(discriminator)
    task = FaceCycleTask(
        run.runtime,
        translators.apply(initialize),
        discriminators.apply(initialize),
        config=config,
        batch_size=run.schedule.batch_size,
        crop_size=crop_size,
        seed=run.schedule.seed,
    )
    used = [[clip.training for clip in clips] for clips in (source, target)]
    settings = [translator, discriminator, config, run.schedule, used]
    key = run_key(run.runtime, settings, input_files([*source, *target]), code=__name__)
    with run_folder(run.runtime, run.paths.checkpoints, key) as folder:
        throughput = fit(task, dataset, run, folder)
        if not run.runtime.is_first:
            return {}
        write_weights(
            run.paths.models / layout.FACE_CYCLE_FILE,
            task.ema.to_target,
            description={"face_translator": asdict(translator)},
        )
        return {
            **save_results(throughput, run, folder),
            "source_faces": len(dataset.source),
            "target_faces": len(dataset.target),
            "source_frames_without_face": dataset.source.num_frames_without_face,
            "target_frames_without_face": dataset.target.num_frames_without_face,
            "face_translator_parameters": count_parameters(task.translators.to_target),
        }


def _check_depths(translator: FaceTranslatorConfig, discriminator: DiscriminatorConfig) -> None:
    crop_size = translator.crop_size
    stride = 2**translator.num_downsamplings
    check_depth((crop_size, crop_size), stride=stride, section=_SECTION)
    # The last normalized layer is one patch smaller, and needs neighbors to normalize over.
    if crop_size // 2**discriminator.num_layers < 3:
        raise TrainingError(
            f"{_SECTION}.discriminator_layers: faces of {crop_size}x{crop_size} pixels shrink to "
            f"{crop_size // 2**discriminator.num_layers} patches a side; expected at least "
            "3; use fewer, or a larger crop_size"
        )
