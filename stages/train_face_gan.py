"""Train the face generator of one target: `python -m stages train_face_gan ada`."""

from motiontransfer.core import layout
from motiontransfer.core.params import load_section
from motiontransfer.core.tensor_files import write_no_weights
from motiontransfer.models.faces import FaceGeneratorConfig
from motiontransfer.models.weights import read_generator
from motiontransfer.plate.target_clips import held_out_by, read_target_clips
from motiontransfer.pose.boxes import face_boxes
from motiontransfer.training.face_gan import FaceNetworks, read_full_frame_losses, train_face_gan
from motiontransfer.training.gan import read_perceptual
from motiontransfer.training.params import (
    GanLossConfig,
    TrainFaceGanParams,
    TrainGanParams,
    perceptual_weight,
)
from motiontransfer.training.paths import RunPaths
from motiontransfer.training.trainer import launch


def main(target: str) -> None:
    params = load_section(TrainFaceGanParams, "train_face_gan")
    params.check_conflicts()
    paths = RunPaths.of_stage(
        "train_face_gan",
        target,
        models=layout.models_folder(target),
        logs=layout.training_folder(target) / "face_generator",
    )
    generator = paths.models / layout.GENERATOR_FILE
    clips = read_target_clips(target, held_out_by(generator)) if params.steps else []
    if not any(face_boxes(clip.keypoints)[1][clip.training].any() for clip in clips):
        write_no_weights(paths.models / layout.FACE_GENERATOR_FILE, "face_generator")
        # DVC warns of a folder with nothing in it, and would show a file as a plot.
        (paths.logs / "images").mkdir(parents=True, exist_ok=True)
        paths.write_counts({"steps": 0})
        return
    trained = read_generator(generator)
    main_params = load_section(TrainGanParams, "train_gan")
    full_frame = None
    if params.full_frame_weight > 0:
        full_frame = read_full_frame_losses(
            paths.models / layout.DISCRIMINATOR_FILE,
            trained.style,
            config=main_params.to_config(GanLossConfig),
            weight=params.full_frame_weight,
        )
    weight = perceptual_weight(params, main_params)
    perceptual = read_perceptual("train_face_gan", weight=weight, file=params.perceptual_file)
    launch(
        params,
        lambda run: train_face_gan(
            clips,
            run,
            trained,
            networks=FaceNetworks(
                generator=params.to_config(
                    FaceGeneratorConfig,
                    pose_channels=trained.style.num_channels,
                    upsampling=main_params.upsampling,
                ),
                discriminator=params.discriminator(),
                full_frame=full_frame,
            ),
            config=params,
            perceptual=perceptual,
        ),
        paths=paths,
    )
