"""Train the face generator of one target: `python -m stages train_face_gan ada`."""

from pathlib import Path

from pydantic import Field

from motiontransfer.models.faces import FaceGeneratorConfig
from motiontransfer.models.vgg import check_perceptual, read_perceptual
from motiontransfer.params import load_section
from motiontransfer.storage import write_json
from motiontransfer.training.clips import read_target_clips
from motiontransfer.training.config import TrainingParams
from motiontransfer.training.face_gan import FaceGanConfig, FaceNetworks, train_face_generator
from motiontransfer.training.trainer import RunPaths
from motiontransfer.training.weights import read_generator, write_no_weights


class TrainFaceGanParams(TrainingParams, FaceGanConfig):
    """Section `train_face_gan` of params.yaml, where each value is explained."""

    crop_size: int = Field(ge=32, multiple_of=8)
    perceptual_file: Path | None


def main(target: str) -> None:
    """Read the target's frames, keypoints and main generator, write weights, curves and metrics."""
    params = load_section(TrainFaceGanParams, "train_face_gan")
    check_choices(params)
    paths = RunPaths(
        checkpoints=Path("checkpoints/train_face_gan") / target,
        models=Path("artifacts/models") / target,
        logs=Path("artifacts/training") / target / "face_generator",
    )
    metrics_file = Path(f"artifacts/metrics/train_face_gan/{target}.json")
    if params.steps == 0:
        write_no_weights(paths.models / "face_generator.safetensors", "face_generator")
        paths.logs.mkdir(parents=True, exist_ok=True)
        write_json(metrics_file, {"steps": 0})
        return
    trained = read_generator(paths.models / "generator.safetensors")
    clips = read_target_clips(target, trained.held_out)
    perceptual = read_perceptual(
        "train_face_gan", weight=params.perceptual_weight, file=params.perceptual_file
    )
    with params.launched() as fabric:
        metrics = train_face_generator(
            clips,
            fabric,
            trained,
            networks=FaceNetworks(
                generator=params.fill(
                    FaceGeneratorConfig, pose_channels=trained.style.num_channels
                ),
                discriminator=params.discriminator(),
            ),
            config=params.fill(FaceGanConfig),
            perceptual=perceptual,
            schedule=params.schedule,
            paths=paths,
        )
        if fabric.is_global_zero:
            write_json(metrics_file, metrics)


def check_choices(params: TrainFaceGanParams) -> None:
    """Refuse weights of a loss that is off.

    Raises:
        ParamsError: there are some.
    """
    check_perceptual("train_face_gan", weight=params.perceptual_weight, file=params.perceptual_file)
