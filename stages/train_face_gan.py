"""Train the face generator of one target: `python -m stages train_face_gan ada`."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from motiontransfer.core import layout
from motiontransfer.core.params import load_section
from motiontransfer.models.faces import CarriedFrame, FaceGeneratorConfig
from motiontransfer.models.weights import read_generator, write_no_weights
from motiontransfer.puppet.target_clips import read_target_clips
from motiontransfer.training.face_gan import (
    FaceGanConfig,
    FaceNetworks,
    read_full_frame_losses,
    train_face_gan,
)
from motiontransfer.training.gan import GanLossConfig, check_perceptual, read_perceptual
from motiontransfer.training.trainer import LoggingParams, RunPaths, TrainingParams
from stages.train_gan import TrainGanParams


class TrainFaceGanParams(TrainingParams, FaceGanConfig):
    crop_size: int = Field(ge=32, le=1024, multiple_of=8)
    previous_frame: CarriedFrame
    full_frame_weight: float = Field(ge=0)
    perceptual_file: Path | None

    def conflicts(self) -> Iterator[str]:
        """Settings that do not go with those of `train_gan`."""
        main = load_section(TrainGanParams, "train_gan")
        weight = _perceptual_weight(self, main)
        check_perceptual("train_face_gan", weight=weight, file=self.perceptual_file)
        is_corrected = self.previous_frame == "corrected"
        has_full_frame = self.full_frame_weight > 0
        if is_corrected and main.previous_frame == "none":
            yield (
                "previous_frame: has no effect where that of train_gan is none; expected "
                "generated, got corrected"
            )
        if has_full_frame and main.window_frames == 1:
            yield (
                "full_frame_weight: needs discriminators of frame pairs; set "
                "train_gan.window_frames to 2, or this to 0"
            )
        if main.viewport != "frame":
            for name, is_chosen in (
                ("previous_frame: corrected", is_corrected),
                ("full_frame_weight: above 0", has_full_frame),
            ):
                if is_chosen:
                    yield f"{name} needs whole frames; set train_gan.viewport to frame"


def main(target: str) -> None:
    params = load_section(TrainFaceGanParams, "train_face_gan")
    params.check_conflicts()
    paths = RunPaths.of_stage(
        "train_face_gan",
        target,
        models=layout.models_folder(target),
        logs=layout.training_folder(target) / "face_generator",
    )
    if params.steps == 0:
        write_no_weights(paths.models / layout.FACE_GENERATOR_FILE, "face_generator")
        paths.logs.mkdir(parents=True, exist_ok=True)
        paths.write_counts({"steps": 0})
        return
    trained = read_generator(paths.models / layout.GENERATOR_FILE)
    main_params = load_section(TrainGanParams, "train_gan")
    full_frame = None
    if params.full_frame_weight > 0:
        full_frame = read_full_frame_losses(
            paths.models / layout.DISCRIMINATOR_FILE,
            trained.style,
            config=main_params.to_config(GanLossConfig),
            weight=params.full_frame_weight,
        )
    clips = read_target_clips(target, trained.held_out)
    weight = _perceptual_weight(params, main_params)
    perceptual = read_perceptual("train_face_gan", weight=weight, file=params.perceptual_file)
    params.launch(
        lambda runtime: train_face_gan(
            clips,
            runtime,
            trained,
            networks=FaceNetworks(
                generator=params.to_config(
                    FaceGeneratorConfig, pose_channels=trained.style.num_channels
                ),
                discriminator=params.discriminator(),
                full_frame=full_frame,
            ),
            config=params,
            perceptual=perceptual,
            schedule=params.schedule(load_section(LoggingParams, "logging")),
            paths=paths,
        ),
        paths=paths,
    )


def _perceptual_weight(params: TrainFaceGanParams, main: TrainGanParams) -> float:
    """Sum of the crops' and the full frame's: above 0 where VGG19 is needed."""
    return params.perceptual_weight + params.full_frame_weight * main.perceptual_weight
