"""Base schemas of the training sections of params.yaml, where each value is explained."""

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
