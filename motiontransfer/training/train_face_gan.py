"""Training of a target's face generator, beside its frozen main generator."""

from dataclasses import asdict, dataclass
from pathlib import Path

from motiontransfer import layout
from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import DiscriminatorConfig, MultiscaleDiscriminator
from motiontransfer.models.faces import FaceGenerator, FaceGeneratorConfig
from motiontransfer.models.layers import check_depth, count_parameters, initialise
from motiontransfer.models.vgg import Perceptual
from motiontransfer.target_clips import TargetClip, input_files
from motiontransfer.training.checkpoint import Throughput, run_key
from motiontransfer.training.config import Schedule
from motiontransfer.training.face_gan import (
    FaceDataset,
    FaceGanConfig,
    FaceGanTask,
    FaceTask,
    face_runs,
    generate_faces,
)
from motiontransfer.training.face_windows import FaceWindowDataset, FaceWindowTask, FullFrameLosses
from motiontransfer.training.trainer import RunPaths, run_training
from motiontransfer.training.weights import TrainedGenerator, write_weights

_TIMES_DRAWN = 10
"""How often each generated face is trained on, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceNetworks:
    """Shapes of the face generator and its discriminator, and the main discriminator if used."""

    generator: FaceGeneratorConfig
    discriminator: DiscriminatorConfig
    full_frame: FullFrameLosses | None = None
    """Losses of the main generator's training; None: none, only crops are compared."""


def train_face_generator(
    clips: list[TargetClip],
    fabric: Fabric,
    main: TrainedGenerator,
    *,
    networks: FaceNetworks,
    config: FaceGanConfig,
    schedule: Schedule,
    paths: RunPaths,
    perceptual: Perceptual | None = None,
) -> dict[str, object]:
    """Train, write the face generator's weights and the logs; return metrics."""
    shape, full_frame = networks.generator, networks.full_frame
    in_windows = shape.previous_frame == "corrected" or full_frame is not None
    files = [*input_files(clips), paths.models / layout.GENERATOR_FILE]
    files += [] if perceptual is None else [perceptual.file]
    num_drawn = schedule.steps * schedule.batch_size
    runs, num_without_face = face_runs(clips, num_faces=-(-num_drawn // _TIMES_DRAWN))
    if full_frame is not None:
        files.append(paths.models / layout.DISCRIMINATOR_FILE)

    def build() -> FaceTask:
        built = (fabric, _build_networks(networks))
        options = {
            "skeleton": clips[0].keypoints.skeleton,
            "config": config,
            "perceptual": None if perceptual is None else perceptual.network,
        }
        if in_windows:
            return FaceWindowTask(*built, main=main, shape=shape, full_frame=full_frame, **options)
        return FaceGanTask(*built, style=main.style, **options)

    def prepare(_: FaceTask, folder: Path) -> tuple[FaceDataset | FaceWindowDataset, Throughput]:
        if in_windows:
            dataset = FaceWindowDataset(
                clips, conditioning_poses=main.config.conditioning_poses, puppet=main.network.puppet
            )
            return dataset, Throughput()
        generated = generate_faces(clips, runs, main, fabric, folder, crop_size=shape.crop_size)
        return FaceDataset(clips, runs, generated, crop_size=shape.crop_size), Throughput()

    def write(task: FaceTask, dataset: FaceDataset | FaceWindowDataset) -> dict[str, object]:
        weights = paths.models / layout.FACE_GENERATOR_FILE
        write_weights(weights, task.ema, description={"face_generator": asdict(shape)})
        return {
            "windows" if in_windows else "faces": len(dataset),
            "frames_without_face": num_without_face,
            "face_generator_parameters": count_parameters(task.generator),
        }

    return run_training(
        build,
        fabric,
        schedule=schedule,
        key=run_key(fabric, [networks, config, schedule], files, code=__name__),
        paths=paths,
        prepare=prepare,
        write=write,
    )


def _build_networks(networks: FaceNetworks) -> tuple[FaceGenerator, MultiscaleDiscriminator]:
    shape = networks.generator
    generator = FaceGenerator(shape)
    crop_size = (shape.crop_size, shape.crop_size)
    check_depth(crop_size, stride=generator.network.stride, section="train_face_gan")
    generator.apply(initialise)  # before the discriminator is built, which draws random numbers
    discriminator = MultiscaleDiscriminator(
        networks.discriminator, condition_channels=shape.pose_channels, image_channels=3
    )
    return generator, discriminator.apply(initialise)
