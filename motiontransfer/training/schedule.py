"""How long and how fast a network is trained, and when somebody looks.

Hides what decides the learning rate: constant, then linear to zero, as pix2pixHD has it, by steps
or, where there is a time limit, by whichever of steps and time is further. And how a training is
split in two, each with its own course.
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
    """Items a step, of all processes together."""
    accumulate: int
    """In how many parts each process works off its share of a batch, one after the other."""
    learning_rate: float
    constant_fraction: float
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
        constant = self.num_steps * self.constant_fraction
        place = step
        if self.max_minutes is not None:
            place = max(step, min(minutes / self.max_minutes, 1.0) * self.num_steps)
        if place < constant or constant == self.num_steps:
            return self.learning_rate
        return self.learning_rate * (self.num_steps - place) / (self.num_steps - constant)

    def is_over(self, done: int, *, minutes: float) -> bool:
        """Whether training ends when so many steps are done and took so long."""
        late = self.max_minutes is not None and minutes >= self.max_minutes
        return late or done >= self.num_steps

    def part(self, num_steps: int, *, share: float) -> "Schedule":
        """Return the schedule of some of the steps, which has this share of the time."""
        minutes = None if self.max_minutes is None else share * self.max_minutes
        return replace(self, num_steps=num_steps, max_minutes=minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How much of a training each part of the generator has."""

    global_fraction: float
    """Share of the steps, and of the time if that is limited, for the global generator alone."""

    fixed_global_fraction: float
    """Share of the steps after these in which it stays as it is inside the local enhancer."""

    def split(self, schedule: Schedule) -> tuple[Schedule, Schedule]:
        """Return the course of the global generator's training and that of the whole one's."""
        early = min(
            max(round(schedule.num_steps * self.global_fraction), 1), schedule.num_steps - 1
        )
        return (
            schedule.part(early, share=self.global_fraction),
            schedule.part(schedule.num_steps - early, share=1 - self.global_fraction),
        )

    def fixed_global_steps(self, late: Schedule) -> int:
        """For how many steps of the whole generator's training the global part stays as it is."""
        return round(late.num_steps * self.fixed_global_fraction)
