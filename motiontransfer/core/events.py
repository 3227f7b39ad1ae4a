"""Events: what stages and commands report, from which terminal, page and report print.

`emit` hands one to `logging`: who listens prints its text, or one JSON object a line. A reader
skips kinds and fields that it does not know.
"""

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict
from tqdm import tqdm

LOGGER = "motiontransfer.events"
VARIABLE = "MOTIONTRANSFER_EVENTS"
"""Of the environment: file to which a stage appends its events."""

Judgment = Literal["good", "fair", "poor"]
StageState = Literal["runs", "is done", "failed"]

_logger = logging.getLogger(LOGGER)


class Event(BaseModel):
    """Something that is reported; its `str` is what a terminal shows."""

    model_config = ConfigDict(frozen=True)


class Note(Event):
    """A sentence that nobody else has to understand."""

    text: str

    def __str__(self) -> str:
        return self.text


class Advice(Event):
    """Judgment of something that was looked at."""

    name: str
    judgment: Judgment
    sentence: str
    """The judgment in words."""
    facts: tuple[str, ...]
    """What was measured."""
    advice: tuple[str, ...]
    picture: str = ""
    """A file that shows what is meant; empty: none."""


class FilmChecked(Advice):
    """A film or photo was looked at."""

    seconds: float = 0.0
    """Its length; 0 of a photo."""
    height: int = 0
    """Of results of whom it shows, at most; pixels."""
    strip: str = ""
    """A file with frames side by side, evenly spread over the film; empty of a photo."""
    crowd: str = ""
    """A file with the frame in which most people are found."""
    crowd_seconds: float = 0.0
    """When that is."""
    people: tuple[tuple[float, float, float, float], ...] = ()
    """Box of each person there, shares of its width and height: left, top, right, bottom."""
    chosen: int | None = None
    """Who of them is followed, an index; None: not known."""
    recipe: tuple[str, ...] = ()
    """Params that the file of a result carries, with their values."""

    def __str__(self) -> str:
        fixes = "\n  - ".join(["to fix:", *self.advice]) if self.advice else "nothing to fix"
        shown = [f"what was found: {self.picture}"] if self.picture else []
        return "\n".join([*self.facts, self.sentence, fixes, *shown])


class PosesCompared(Advice):
    """The poses of a dance were compared with those that the target's films show."""

    def __str__(self) -> str:
        look = [f"look at {self.picture}"] if self.picture else []
        told = [f"{self.name}: {fact}" for fact in (self.sentence, *self.facts)]
        return "\n".join([*told, *(f"  - {each}" for each in (*self.advice, *look))])


class Planned(Event):
    """What will run, and about how long it takes."""

    title: str
    """Of a transfer its name."""
    stages: Mapping[str, float]
    """Seconds that each takes on one core."""
    seconds: float
    """Of all of them, side by side."""
    removed: tuple[str, ...] = ()
    """Entries that go: the demo's."""
    changed: tuple[str, ...] = ()
    """Params and keys of entries that become others."""
    again: tuple[str, ...] = ()
    """Other finished transfers that have to be made again after that."""

    def __str__(self) -> str:
        lists = {
            "changed": self.changed,
            "goes from films.yaml, of the demo": self.removed,
            "to be made again, by `dvc repro`": self.again,
        }
        lines = [f"{what}: {', '.join(names)}" for what, names in lists.items() if names]
        return "\n".join([*lines, f"{self.title}: {self.duration}"])

    @property
    def duration(self) -> str:
        if not self.stages:
            return "all is made"
        what = "one stage" if len(self.stages) == 1 else f"{len(self.stages)} stages"
        return f"{what}, about {in_words(self.seconds)} on this CPU"


class Step(Event):
    """A step of a loop of a stage is done."""

    description: str
    done: int | float
    total: int | float
    rate: int | float
    """Steps a second."""
    seconds_left: int | float
    note: str = ""

    def __str__(self) -> str:
        return f"{self.description}: {self.done} of {self.total}, {self.status}"

    @property
    def status(self) -> str:
        """Rate, time left and note."""
        return (
            f"{self.rate:.2f}/s, {tqdm.format_interval(round(self.seconds_left))} left{self.note}"
        )


class Running(Event):
    """A stage that runs."""

    stage: str
    sentence: str
    done: int | float = 0
    total: int | float = 0
    """Steps of its loop; 0: it has none."""

    def __str__(self) -> str:
        of = f" {self.done:.0f} of {self.total:.0f}" if self.total else ""
        return f"{self.sentence}{of}"


class StageChanged(Event):
    """A stage begins, or has ended."""

    stage: str
    state: StageState
    done: int
    """Stages that are done by then."""
    total: int

    def __str__(self) -> str:
        return f"{self.done} of {self.total}: {self.stage} {self.state}"


class Progress(Event):
    """How far a run is."""

    title: str
    share: int | float
    """0 to 1."""
    seconds_left: int | float | None = None
    """None: not yet known to a third."""
    running: tuple[Running, ...] = ()

    def __str__(self) -> str:
        return f"{self.title}: {self.percent}{self.status}"

    @property
    def percent(self) -> str:
        return f"{100 * self.share:.0f} %"

    @property
    def status(self) -> str:
        """Time left and what runs, each after a comma."""
        left = "" if self.seconds_left is None else f", about {in_words(self.seconds_left)} left"
        return "".join([left, *(f", {each}" for each in self.running)])


class Made(Event):
    """A file that was waited for is there."""

    what: Literal["preview", "result", "report", "file"]
    """`file`: what a command was asked for."""
    files: tuple[str, ...]
    """The first is meant; others go with it."""

    def __str__(self) -> str:
        what = "wrote" if self.what == "file" else f"{self.what}:"
        return "\n".join(f"{what} {file}" for file in self.files)


class Guided(Event):
    """A film to film oneself by, and a sheet of its poses, are there."""

    film: str
    sheet: str
    poses: int
    coverage: float
    """Share of the dance that the poses cover, 0 to 1."""

    def __str__(self) -> str:
        covered = f"{self.poses} poses; with them you cover {100 * self.coverage:.0f} %"
        return f"guide: {self.film}\nposes to strike: {self.sheet}\n{covered}"


class Took(Event):
    """Seconds that stages took."""

    stages: Mapping[str, float]

    def __str__(self) -> str:
        width = max(map(len, self.stages), default=0)
        return "\n".join(f"  {name:<{width}}{took:6.0f} s" for name, took in self.stages.items())


class Performed(Event):
    """A live session has ended."""

    frames: int
    seconds: float
    sentence: str
    """These, latency and dropped frames in words."""

    def __str__(self) -> str:
        return self.sentence


class Failed(Event):
    """A command has failed; the terminal has this from its standard error."""

    message: str
    is_stopped: bool = False
    """By Ctrl-C: nothing is wrong."""
    log: str = ""
    """What the stage printed."""

    def __str__(self) -> str:
        return f"ERROR: {self.message}"


_KINDS: Mapping[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        *(Note, FilmChecked, PosesCompared, Planned, Step, Running, Progress, Made, Guided),
        *(StageChanged, Took, Performed, Failed),
    )
}


def emit(event: Event, *, level: int = logging.INFO) -> None:
    """Report an event; one at the level DEBUG is of interest to programs alone."""
    _logger.log(level, event)


class JsonLines(logging.Formatter):
    """One JSON object a line: `event`, which is its kind, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        event = record.msg if isinstance(record.msg, Event) else Note(text=record.getMessage())
        return json.dumps({"event": type(event).__name__, **event.model_dump()})


def read_events(printed: str) -> Iterator[Event]:
    """Events of what a command printed, or of a part of it; the rest is left out."""
    for line in printed.splitlines():
        if line.startswith('{"event"') and (event := _read(line)) is not None:
            yield event


def _read(line: str) -> Event | None:
    try:
        content = json.loads(line)
        return _KINDS[content.pop("event")].model_validate(content)
    except (ValueError, LookupError, TypeError):
        return None


def in_words(seconds: int | float) -> str:
    """About how long: in tens of seconds below a minute and a half, else in minutes."""
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} s"
    return f"{seconds / 60:.0f} min"
