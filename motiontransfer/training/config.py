"""Training configuration shared by all networks: length, learning rate, logging, devices.

Sections of params.yaml subclass these models, so that each field is declared once.
"""

import math
from contextlib import AbstractContextManager

from pydantic import Field

from motiontransfer.fabric import Fabric
from motiontransfer.models.discriminators import DiscriminatorConfig
from motiontransfer.models.generators import NumDownsamplings, NumResidualBlocks
from motiontransfer.params import Section
from motiontransfer.training.distributed import Devices, Precision, launched_fabric


class Schedule(Section):
    """Length, batch size, learning rate and intervals of a training.

    With `max_minutes` the result depends on how fast the machine is. Without it it is a function of
    configuration and inputs, however often the run is stopped and resumed.
    """

    seed: int = Field(ge=0)
    steps: int = Field(ge=0)
    max_minutes: float | None = Field(gt=0)
    """Time limit, all sessions together; None: no limit."""
    batch_size: int = Field(ge=1)
    """Items a step, of all ranks together."""
    learning_rate: float = Field(gt=0)
    lr_decay_start: float = Field(ge=0, le=1)
    """Share of the training at the full learning rate; it then falls linearly to zero."""
    log_every_steps: int = Field(ge=1)
    sample_every_steps: int = Field(ge=1)
    checkpoint_every_steps: int = Field(ge=1)

    def learning_rate_at(self, step: int, *, minutes: float = 0.0) -> float:
        """Learning rate of a step, counted from 0, that begins after so many minutes."""
        constant = self.steps * self.lr_decay_start
        progress = step
        if self.max_minutes is not None:
            progress = max(step, min(minutes / self.max_minutes, 1.0) * self.steps)
        if progress < constant or constant == self.steps:
            return self.learning_rate
        return self.learning_rate * (self.steps - progress) / (self.steps - constant)

    def is_over(self, done: int, *, minutes: float) -> bool:
        """True if training ends after these steps and minutes."""
        late = self.max_minutes is not None and minutes >= self.max_minutes
        return late or done >= self.steps

    def seconds_left(self, minutes: float) -> float:
        """Time that is left after so many minutes; infinite without `max_minutes`."""
        return math.inf if self.max_minutes is None else max(60 * (self.max_minutes - minutes), 0.0)

    def part(self, steps: int, *, share: float) -> "Schedule":
        """Return the schedule of some of the steps, which has this share of the time."""
        minutes = None if self.max_minutes is None else share * self.max_minutes
        return self.model_copy(update={"steps": steps, "max_minutes": minutes})


class RunParams(Schedule):
    """Base of every training stage's section: a schedule, and where it runs."""

    devices: Devices
    precision: Precision

    @property
    def schedule(self) -> Schedule:
        """The schedule alone: what decides the weights."""
        return self.fill(Schedule)

    def launched(self) -> AbstractContextManager[Fabric]:
        """The processes that train together, ended with the block."""
        return launched_fabric(
            precision=self.precision, devices=self.devices, batch_size=self.batch_size
        )


class GanConfig(Section):
    """Optimisation of a generator against a discriminator."""

    ema_decay: float = Field(ge=0, lt=1)
    """Decay a step of the exponential moving average of the generator's weights."""
    compile: bool
    """True if the generator is compiled by `torch.compile`."""


class TrainingParams(RunParams):
    """Base of the sections that train generators against discriminators: the networks' shapes."""

    num_filters: int = Field(ge=1, le=1024)
    num_downsamplings: NumDownsamplings
    num_residual_blocks: NumResidualBlocks
    discriminator_filters: int = Field(ge=1, le=1024)
    discriminator_layers: int = Field(ge=1, le=8)

    def discriminator(self, *, num_scales: int = 1) -> DiscriminatorConfig:
        """Shape of the discriminator."""
        return DiscriminatorConfig(
            num_filters=self.discriminator_filters,
            num_layers=self.discriminator_layers,
            num_scales=num_scales,
        )
