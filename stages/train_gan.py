"""Train the main generator of one target: `python -m stages train_gan ada`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from motiontransfer.core import layout
from motiontransfer.core.params import SplitParams, load_section
from motiontransfer.models.generators import (
    BACKGROUNDS,
    Architecture,
    Background,
    GeneratorConfig,
    PreviousFrame,
    Texture,
)
from motiontransfer.models.layers import Upsampling
from motiontransfer.models.weights import read_appearance
from motiontransfer.pose.boxes import fit_viewport
from motiontransfer.pose.drawing import Encoding, PoseMapStyle
from motiontransfer.puppet.target_clips import HeldOut, TargetClip, read_target_clips
from motiontransfer.training.gan import check_perceptual, read_perceptual
from motiontransfer.training.pose_gan import PoseGanConfig, PoseGanNetworks, Target, train_pose_gan
from motiontransfer.training.trainer import LoggingParams, RunPaths, TrainingParams


class TrainGanParams(TrainingParams, PoseGanConfig):
    steps: int = Field(ge=1)
    pose_encoding: Encoding
    line_width_px: float = Field(gt=0)
    heatmap_sigma_px: float = Field(gt=0)
    conditioning_poses: int = Field(ge=1)
    previous_frame: PreviousFrame
    architecture: Architecture
    background: Background
    viewport: Literal["person", "frame"]
    texture: Texture
    max_channels: int = Field(ge=1)
    upsampling: Upsampling
    discriminator_scales: int = Field(ge=1)
    frame_discriminator: bool
    perceptual_file: Path | None

    def conflicts(self) -> Iterator[str]:
        """Settings without effect, and networks that lack what they need."""
        if self.window_frames == 1 and self.previous_frame != "none":
            yield (
                "window_frames: windows of 1 have no previous frame to condition on; set it to 2, "
                "or train_gan.previous_frame to none"
            )
        if self.window_frames == 1 and self.frame_discriminator:
            yield (
                "frame_discriminator: windows of 1 are judged frame by frame anyway; expected "
                "false, got true"
            )
        has_background_image = BACKGROUNDS[self.background].has_image
        if self.viewport == "person" and not has_background_image:
            yield (
                "viewport: person needs a background image around it; set train_gan.background to "
                "plate, or train_gan.viewport to frame"
            )
        if self.texture == "puppet" and not has_background_image:
            yield (
                "texture: puppet needs a background image to segment the person; set "
                "train_gan.background to plate, or train_gan.texture to none"
            )
        if self.texture == "none" and self.part_dropout > 0:
            yield (
                "part_dropout: has no effect where texture is none; expected 0, got "
                f"{self.part_dropout}"
            )
        if self.global_only_fraction > 0:
            if self.architecture != "local":
                yield (
                    "global_only_fraction: has no effect where architecture is not local; "
                    f"expected 0, got {self.global_only_fraction}"
                )
            for name in ("steps", "discriminator_scales"):
                if (value := getattr(self, name)) < 2:
                    yield (
                        f"{name}: expected at least 2 where global_only_fraction is not 0, one for "
                        "the global generator's training and one for the whole one's, got "
                        f"{value}"
                    )
        check_perceptual("train_gan", weight=self.perceptual_weight, file=self.perceptual_file)


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
    params.launch(
        lambda runtime: train_pose_gan(
            Target(
                clips=clips,
                held_out=held_out,
                appearance=read_appearance(appearance),
                appearance_file=appearance,
            ),
            runtime,
            networks=networks,
            config=params,
            perceptual=perceptual,
            schedule=params.schedule(load_section(LoggingParams, "logging")),
            paths=paths,
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
