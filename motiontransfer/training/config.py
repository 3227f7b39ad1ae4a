"""Params that every training stage has: length, learning rate, devices, logging."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from lightning_fabric import Fabric
from pydantic import Field

from motiontransfer.params import Section
from motiontransfer.training.data import Order
from motiontransfer.training.distributed import Devices, Precision, launched_fabric


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Numbers of a run.

    With `max_minutes` the result depends on how fast the machine is. Without it it is a function of
    settings and inputs, however often the run is stopped and taken up.
    """

    seed: int
    num_steps: int
    max_minutes: float | None
    """Training ends after this time, all sessions of it together, if not before; None: no limit."""
    batch_size: int
    """Items a step, of all ranks together."""
    learning_rate: float
    lr_decay_start: float
    """Share of the training at the full learning rate; it then falls linearly to zero."""
    log_every_steps: int
    sample_every_steps: int
    checkpoint_every_steps: int

    @property
    def order(self) -> Order:
        """What decides the items of a step."""
        return Order(seed=self.seed, batch_size=self.batch_size)

    def learning_rate_at(self, step: int, *, minutes: float = 0.0) -> float:
        """Learning rate of a step, counted from 0, that begins after so many minutes."""
        constant = self.num_steps * self.lr_decay_start
        progress = step
        if self.max_minutes is not None:
            progress = max(step, min(minutes / self.max_minutes, 1.0) * self.num_steps)
        if progress < constant or constant == self.num_steps:
            return self.learning_rate
        return self.learning_rate * (self.num_steps - progress) / (self.num_steps - constant)

    def is_over(self, done: int, *, minutes: float) -> bool:
        """Whether training ends when so many steps are done and took so long."""
        late = self.max_minutes is not None and minutes >= self.max_minutes
        return late or done >= self.num_steps

    def part(self, num_steps: int, *, share: float) -> "Schedule":
        """Return the schedule of some of the steps, which has this share of the time."""
        minutes = None if self.max_minutes is None else share * self.max_minutes
        return replace(self, num_steps=num_steps, max_minutes=minutes)


class RunParams(Section):
    """Base of every training stage's section."""

    seed: int = Field(ge=0)
    steps: int = Field(ge=0)
    max_minutes: float | None = Field(gt=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    lr_decay_start: float = Field(ge=0, le=1)
    devices: Devices
    precision: Precision
    log_every_steps: int = Field(ge=1)
    sample_every_steps: int = Field(ge=1)
    checkpoint_every_steps: int = Field(ge=1)

    @property
    def schedule(self) -> Schedule:
        """Steps, learning rate and logging intervals."""
        return self.fill(Schedule, num_steps=self.steps)

    def launched(self) -> AbstractContextManager[Fabric]:
        """The processes that train together, ended with the block."""
        return launched_fabric(
            precision=self.precision,
            devices=self.devices,
            batch_size=self.batch_size,
        )


class TrainingParams(RunParams):
    """Base of the sections that train generators against discriminators."""

    compile: bool
    num_filters: int = Field(ge=1)
    num_downsamplings: int = Field(ge=1)
    num_residual_blocks: int = Field(ge=0)
    discriminator_filters: int = Field(ge=1)
    discriminator_layers: int = Field(ge=1)
    ema_decay: float = Field(ge=0, lt=1)
