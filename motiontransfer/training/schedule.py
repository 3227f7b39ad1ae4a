"""Training schedule: steps, time limit, learning rate decay, logging intervals.

The learning rate is constant, then decays linearly to zero, as in pix2pixHD, by steps or, with a
time limit, by whichever of steps and time is further.
"""

from dataclasses import dataclass, replace

from motiontransfer.training.batches import Order


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
