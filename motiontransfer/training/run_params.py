"""The params that every training stage's section has: how a run goes, whatever is trained.

Hides their bounds, and how they become a schedule and processes. Each stage's own model adds what
it trains; params.yaml explains each value.
"""

from contextlib import AbstractContextManager

from lightning_fabric import Fabric
from pydantic import Field

from motiontransfer.params import Section
from motiontransfer.training.device import Devices, Precision, launched_fabric
from motiontransfer.training.schedule import Schedule


class RunParams(Section):
    """Base of every training stage's section."""

    seed: int = Field(ge=0)
    steps: int = Field(ge=0)
    max_minutes: float | None = Field(gt=0)
    batch_size: int = Field(ge=1)
    accumulate: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    constant_fraction: float = Field(ge=0, le=1)
    devices: Devices
    precision: Precision
    log_every_steps: int = Field(ge=1)
    sample_every_steps: int = Field(ge=1)
    checkpoint_every_steps: int = Field(ge=1)

    @property
    def schedule(self) -> Schedule:
        """How long, how fast, and when to look."""
        return self.fill(Schedule, num_steps=self.steps)

    def launched(self) -> AbstractContextManager[Fabric]:
        """The processes that train together, ended with the block."""
        return launched_fabric(
            precision=self.precision,
            devices=self.devices,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
        )


class TrainingParams(RunParams):
    """Base of the sections that train generators against discriminators."""

    compile: bool
    num_filters: int = Field(ge=1)
    num_downsamplings: int = Field(ge=1)
    num_residual_blocks: int = Field(ge=0)
    discriminator_filters: int = Field(ge=1)
    discriminator_layers: int = Field(ge=1)
    average_decay: float = Field(ge=0, lt=1)
