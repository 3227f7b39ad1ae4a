"""Train the main generator of one target: `python -m stages train_gan ada`."""

from pathlib import Path

from pydantic import Field

from motiontransfer.nets.frame_generator import Architecture, Background, GeneratorConfig
from motiontransfer.params import Section, load_section
from motiontransfer.pose.drawing import Encoding, PoseMapStyle
from motiontransfer.storage import write_json
from motiontransfer.training.device import Precision, make_fabric
from motiontransfer.training.gan import GanSettings
from motiontransfer.training.generator_training import (
    DiscriminatorConfig,
    MainNetworks,
    RunPaths,
    train_generator,
)
from motiontransfer.training.loop import Schedule
from motiontransfer.training.split import HeldOut
from motiontransfer.training.target_clips import read_target_clips


class TrainGanParams(Section):
    """Section `train_gan` of params.yaml, where each value is explained."""

    seed: int = Field(ge=0)
    steps: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    constant_fraction: float = Field(ge=0, le=1)
    precision: Precision
    held_out_fraction: float = Field(ge=0, lt=1)
    gap_frames: int = Field(ge=0)
    pose_encoding: Encoding
    line_width_px: float = Field(gt=0)
    architecture: Architecture
    background: Background
    num_filters: int = Field(ge=1)
    num_downsamplings: int = Field(ge=1)
    num_residual_blocks: int = Field(ge=0)
    max_channels: int = Field(ge=1)
    discriminator_filters: int = Field(ge=1)
    discriminator_layers: int = Field(ge=1)
    discriminator_scales: int = Field(ge=1)
    adversarial_weight: float = Field(ge=0)
    feature_matching_weight: float = Field(ge=0)
    l1_weight: float = Field(ge=0)
    near_pose_weight: float = Field(ge=1)
    near_pose_radius_px: int = Field(ge=0)
    previous_frame_dropout: float = Field(ge=0, le=1)
    average_decay: float = Field(ge=0, lt=1)
    log_every_steps: int = Field(ge=1)
    sample_every_steps: int = Field(ge=1)
    checkpoint_every_steps: int = Field(ge=1)


def main(target: str) -> None:
    """Read the target's frames and keypoints, write weights, curves and metrics."""
    params = load_section(TrainGanParams, "train_gan")
    held_out = params.fill(HeldOut)
    clips = read_target_clips(
        Path("artifacts/frames") / target, Path("artifacts/keypoints") / target, held_out
    )
    style = PoseMapStyle(encoding=params.pose_encoding, line_width_px=params.line_width_px)
    networks = MainNetworks(
        generator=params.fill(
            GeneratorConfig,
            pose_channels=style.num_channels,
            size=clips[0].keypoints.image_size,
        ),
        discriminator=DiscriminatorConfig(
            num_filters=params.discriminator_filters,
            num_layers=params.discriminator_layers,
            num_scales=params.discriminator_scales,
        ),
        style=style,
    )
    counts = train_generator(
        clips,
        make_fabric(precision=params.precision),
        networks=networks,
        settings=params.fill(GanSettings),
        schedule=params.fill(Schedule, num_steps=params.steps),
        held_out=held_out,
        paths=RunPaths(
            checkpoints=Path("checkpoints/train_gan") / target,
            models=Path("artifacts/models") / target,
            logs=Path("artifacts/training") / target / "generator",
        ),
    )
    write_json(Path(f"artifacts/metrics/train_gan/{target}.json"), counts)
