"""Train the main generator of one target: `python -m stages train_gan ada`."""

from dataclasses import replace

from motiontransfer.core import layout
from motiontransfer.core.params import SplitParams, load_section
from motiontransfer.models.generators import GeneratorConfig
from motiontransfer.plate.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.pose.boxes import fit_viewport
from motiontransfer.pose.drawing import PoseMapStyle
from motiontransfer.puppet.appearance_file import read_appearance
from motiontransfer.training.gan import read_perceptual
from motiontransfer.training.params import TrainGanParams
from motiontransfer.training.paths import RunPaths
from motiontransfer.training.pose_gan import PoseGanNetworks, Target, train_pose_gan
from motiontransfer.training.trainer import launch


def main(target: str) -> None:
    params = load_section(TrainGanParams, "train_gan")
    params.check_conflicts()
    held_out = load_section(SplitParams, "split").to_config(HeldOut)
    clips = read_target_clips(target, held_out)
    networks = generator_networks(params, clips)
    appearance = layout.appearance_file(target)
    paths = RunPaths.of_stage(
        "train_gan",
        target,
        models=layout.models_folder(target),
        logs=layout.training_folder(target) / "generator",
    )
    perceptual = read_perceptual(
        "train_gan", weight=params.perceptual_weight, file=params.perceptual_file
    )
    launch(
        params,
        lambda run: train_pose_gan(
            Target(
                clips=clips,
                held_out=held_out,
                appearance=read_appearance(appearance),
                appearance_file=appearance,
            ),
            run,
            networks=networks,
            config=params,
            perceptual=perceptual,
        ),
        paths=paths,
    )


def generator_networks(params: TrainGanParams, clips: list[TargetClip]) -> PoseGanNetworks:
    """Shapes of the networks for a target's clips."""
    style = params.to_config(PoseMapStyle, encoding=params.pose_encoding)
    viewport = None
    if params.viewport == "person":
        poses = [clip.training_keypoints for clip in clips]
        viewport = fit_viewport(poses, multiple_of=2 ** (params.num_downsamplings + 1))
    return PoseGanNetworks(
        generator=params.to_config(
            GeneratorConfig,
            pose_channels=style.num_channels,
            size=clips[0].keypoints.image_size,
            viewport=viewport,
        ),
        discriminator=replace(
            params.discriminator(num_scales=params.discriminator_scales),
            frames_apart=params.window_frames if params.frame_discriminator else 0,
        ),
        style=style,
    )
