"""Sections of params.yaml that trainings read.

Nothing here needs PyTorch, so that checking params.yaml does not wait for it.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from motiontransfer.core.device import Precision
from motiontransfer.core.params import Idle, Section, load_section
from motiontransfer.models.choices import (
    HAS_IMAGE,
    Architecture,
    BackgroundChoice,
    CarriedFrame,
    NumDownsamplings,
    NumResidualBlocks,
    PreviousFrame,
    TextureChoice,
    Upsampling,
)
from motiontransfer.pose.drawing import Encoding
from motiontransfer.rendering.rendered import FaceMode

if TYPE_CHECKING:
    from motiontransfer.models.discriminators import DiscriminatorConfig

LEAST_LOGGED = 40
"""Points of a curve at the least, in a training of as many steps."""

Devices = Literal["auto"] | Annotated[int, Field(ge=1)]
Objective = Literal["least_squares", "log"]


DECIDES_NO_WEIGHTS = "decides no weights"
"""Mark of a param in its annotation: a run goes on where it is another one."""
_Interval = Annotated[int, Field(ge=1), DECIDES_NO_WEIGHTS]


class LoggingParams(Section):
    """Intervals of all trainings."""

    affects_outputs = False

    log_every_steps: _Interval
    sample_every_steps: _Interval
    checkpoint_every_steps: _Interval


class LengthParams(Section):
    """Length, batch size and learning rate of a training."""

    seed: int = Field(ge=0)
    steps: int = Field(ge=0)
    max_minutes: float | None = Field(gt=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    lr_decay_start: float = Field(ge=0, le=1)


class Schedule(LengthParams, LoggingParams):
    """Length, batch size, learning rate and intervals of a training.

    With `max_minutes` the result depends on how fast the machine is. Without it it is a function of
    configuration and inputs, however often the run is stopped and resumed.
    """

    @property
    def steps_between_logs(self) -> int:
        """`log_every_steps`, or fewer where a curve would have less than `LEAST_LOGGED` points."""
        apart = self.steps // LEAST_LOGGED or self.log_every_steps
        return min(self.log_every_steps, apart)

    def learning_rate_at(self, step: int, *, minutes: float = 0.0) -> float:
        """Learning rate of a step, counted from 0, that begins after so many own minutes."""
        constant = self.steps * self.lr_decay_start
        progress = step
        if self.max_minutes is not None:
            progress = max(step, min(minutes / self.max_minutes, 1.0) * self.steps)
        if progress < constant or constant == self.steps:
            return self.learning_rate
        return self.learning_rate * (self.steps - progress) / (self.steps - constant)

    def is_over(self, done: int, *, minutes: float) -> bool:
        """True if training ends after these steps and own minutes."""
        late = self.max_minutes is not None and minutes >= self.max_minutes
        return late or done >= self.steps

    def seconds_left(self, minutes: float) -> float:
        """Own time that is left after so many minutes; infinite without `max_minutes`."""
        return math.inf if self.max_minutes is None else max(60 * (self.max_minutes - minutes), 0.0)

    def part(self, steps: int, *, share: float) -> "Schedule":
        """Return the schedule of some of the steps, which has this share of the time."""
        minutes = None if self.max_minutes is None else share * self.max_minutes
        return self.model_copy(update={"steps": steps, "max_minutes": minutes})


class RunParams(LengthParams):
    """Base of every training stage's section: its length, and where it runs."""

    devices: Annotated[Devices, DECIDES_NO_WEIGHTS]
    precision: Annotated[Precision, DECIDES_NO_WEIGHTS]  # but what it comes to on this machine does

    def schedule(self, logging: LoggingParams) -> Schedule:
        return self.to_config(Schedule, **logging.model_dump())


class TrainingParams(RunParams):
    """Base of the sections that train generators against discriminators: the networks' shapes."""

    num_filters: int = Field(ge=1, le=1024)
    num_downsamplings: NumDownsamplings
    num_residual_blocks: NumResidualBlocks
    discriminator_filters: int = Field(ge=1, le=1024)
    discriminator_layers: int = Field(ge=1, le=8)

    def discriminator(self, *, num_scales: int = 1) -> "DiscriminatorConfig":
        from motiontransfer.models.discriminators import DiscriminatorConfig

        return DiscriminatorConfig(
            num_filters=self.discriminator_filters,
            num_layers=self.discriminator_layers,
            num_scales=num_scales,
        )


class GanLossConfig(Section):
    """Weights of the losses of generator and discriminator; 0 turns a loss off."""

    objective: Objective
    adversarial_weight: float = Field(ge=0)
    feature_matching_weight: float = Field(ge=0)
    l1_weight: float = Field(ge=0)
    perceptual_weight: float = Field(ge=0)


class GanConfig(Section):
    ema_decay: float = Field(ge=0, lt=1)


class PoseGanConfig(GanLossConfig, GanConfig):
    """Keys of `train_gan` that windows and losses take, explained in params.yaml."""

    window_frames: Literal[1, 2]
    adam_steps: Literal[1, 2]
    global_only_fraction: float = Field(ge=0, lt=1)
    foreground_l1_weight: float = Field(ge=1)
    foreground_radius_px: int = Field(ge=0)


class FaceGanConfig(GanLossConfig, GanConfig):
    """Losses and optimization of the face generator's training."""


class FaceCycleConfig(GanConfig):
    """Losses of the face cycle, explained in params.yaml; a weight of 0 turns a loss off."""

    cycle_weight: float = Field(ge=0)
    identity_weight: float = Field(ge=0)
    pool_size: int = Field(ge=0)


_OF_PAINTER = (
    *("architecture", "num_filters", "num_residual_blocks", "max_channels", "upsampling"),
    *("conditioning_poses", "l1_weight", "foreground_l1_weight", "foreground_radius_px"),
    *("perceptual_weight", "adam_steps"),
)
"""Keys of the network that paints a learned person, and of its losses."""


class TrainGanParams(TrainingParams, PoseGanConfig):
    steps: int = Field(ge=1)
    pose_encoding: Encoding
    line_width_px: float = Field(gt=0)
    heatmap_sigma_px: float = Field(gt=0)
    conditioning_poses: int = Field(ge=1)
    previous_frame: PreviousFrame
    architecture: Architecture
    background: BackgroundChoice
    viewport: Literal["person", "frame"]
    texture: TextureChoice
    max_channels: int = Field(ge=1)
    upsampling: Upsampling
    discriminator_scales: int = Field(ge=1)
    frame_discriminator: bool
    perceptual_file: Path | None

    def idle(self) -> Iterator[Idle]:
        if not HAS_IMAGE[self.background]:
            why = f"background is {self.background}, without an image of it"
            yield Idle("viewport", why, "frame")
            yield Idle("texture", why, "none")
        elif self.viewport == "frame":
            yield Idle("texture", "viewport is frame", "none")
        elif self.texture == "puppet":
            for key in _OF_PAINTER:
                yield Idle(key, "texture is puppet")
        if self.window_frames == 1:
            yield Idle("previous_frame", "window_frames is 1", "none")
            yield Idle("frame_discriminator", "window_frames is 1", False)
        elif self.texture == "puppet":
            yield Idle("previous_frame", "texture is puppet")
        if self.architecture != "local":
            yield Idle("global_only_fraction", "architecture is not local", 0.0)
        other_style = "line_width_px" if self.pose_encoding == "heatmaps" else "heatmap_sigma_px"
        yield Idle(other_style, f"pose_encoding is {self.pose_encoding}")
        if self.l1_weight == 0:
            yield Idle("foreground_l1_weight", "l1_weight is 0", 1.0)
        if self.foreground_l1_weight == 1:
            yield Idle("foreground_radius_px", "foreground_l1_weight is 1")
        if self.perceptual_weight == 0:
            yield Idle("perceptual_file", "perceptual_weight is 0")

    def conflicts(self) -> Iterator[str]:
        if self.global_only_fraction > 0:
            for name in ("steps", "discriminator_scales"):
                if (value := getattr(self, name)) < 2:
                    yield (
                        f"{name}: expected at least 2 where global_only_fraction is not 0, one for "
                        "the global generator's training and one for the whole one's, got "
                        f"{value}"
                    )


class TrainFaceGanParams(TrainingParams, FaceGanConfig):
    crop_size: int = Field(ge=32, le=1024, multiple_of=8)
    previous_frame: CarriedFrame
    full_frame_weight: float = Field(ge=0)
    perceptual_file: Path | None

    def conflicts(self) -> Iterator[str]:
        """Settings that do not go with those of `train_gan`."""
        main = load_section(TrainGanParams, "train_gan")
        if self.perceptual_file is not None and perceptual_weight(self, main) == 0:
            yield (
                "perceptual_file: has no effect where perceptual_weight is 0; expected null, got "
                f"{self.perceptual_file}"
            )
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


def perceptual_weight(params: TrainFaceGanParams, main: TrainGanParams) -> float:
    """Sum of the crops' and the full frame's: above 0 where VGG19 is needed."""
    return params.perceptual_weight + params.full_frame_weight * main.perceptual_weight


class TrainFaceCycleParams(TrainingParams, FaceCycleConfig):
    crop_size: int = Field(ge=32, le=1024, multiple_of=8)
    upsampling: Upsampling


class TrainForensicsParams(RunParams):
    steps: int = Field(ge=1)
    held_out_fraction: float = Field(gt=0, lt=1)
    gap_frames: int = Field(ge=0)
    max_frames: int = Field(ge=50)
    face: FaceMode
    crop_size: int = Field(ge=32, multiple_of=8)
    num_filters: int = Field(ge=1)
    num_downsamplings: int = Field(ge=1, le=5)
    ema_decay: float = Field(ge=0, lt=1)
