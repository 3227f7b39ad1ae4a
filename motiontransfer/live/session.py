"""A live session: capture, detection, generation and display, in a thread each.

Between the threads are slots for the latest value; what nobody has taken by then is dropped.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from threading import Condition, Event
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from motiontransfer.core.arrays import AnyFrame, Frame
from motiontransfer.live.devices import Load, Source, write_text
from motiontransfer.live.motion import SourceMotion
from motiontransfer.pose.drawing import draw_pose
from motiontransfer.pose.keypoints import Keypoints
from motiontransfer.pose.landmarks import Detector
from motiontransfer.rendering.compositing import PendingFrame
from motiontransfer.rendering.frame import LiveGenerator, LivePuppet
from motiontransfer.video.geometry import Framing, as_high, fit_framing

_TAKE_SECONDS = 0.02  # for a frame, between looks at the keyboard
_TAKEN_SECONDS = 0.5  # that a worker waits until its result is taken
_PAUSE_SECONDS = 0.02  # between looks at whether the source is still paused
_RATE_SECONDS = 2.0  # over which the shown rate is counted
_PANEL_GAP_PX = 4
_STEP_BACK = "step back until head and shoulders are in view"

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


class LatestValue(Generic[_Item]):
    """Slot between two threads; a new value replaces one that was not taken."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: list[_Item] = []
        self.is_closed = False
        self.dropped = 0
        """Values that were replaced."""

    def put(self, item: _Item) -> None:
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting = [item]
            self._changed.notify_all()

    def take(self, *, seconds: float | None = None) -> _Item | None:
        """Wait for a value; None where there will be no more, or none within so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.is_closed, seconds)
            taken = self._waiting.pop() if self._waiting else None
            self._changed.notify_all()
            return taken

    def wait_until_taken(self, *, seconds: float) -> None:
        """Wait, not longer than this, until the slot is empty."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, seconds)

    @property
    def has_ended(self) -> bool:
        """True if the slot is empty and will stay so."""
        with self._changed:
            return self.is_closed and not self._waiting

    def __iter__(self) -> Iterator[_Item]:
        while (item := self.take()) is not None:
            yield item

    def __enter__(self) -> "LatestValue[_Item]":
        return self

    def __exit__(self, *_: object) -> None:
        """Close it: no more values will come."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()


def work_on(
    source: LatestValue[_Item], sink: LatestValue[_Made], work: Callable[[_Item], _Made]
) -> None:
    with sink:
        for item in source:
            sink.put(work(item))
            # What would be replaced need not be made: the time is others'.
            sink.wait_until_taken(seconds=_TAKEN_SECONDS)


class Clock:
    """Time of a source, which stands still while it is paused, and ends."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._paused_at: float | None = None
        self.stopped = Event()

    @property
    def is_paused(self) -> bool:
        return self._paused_at is not None

    def start(self) -> None:
        self._began = time.monotonic()

    def toggle_pause(self) -> None:
        now = time.monotonic()
        if self._paused_at is None:
            self._paused_at = now
        else:
            self._began += now - self._paused_at
            self._paused_at = None

    def seconds(self) -> float:
        """Time since the beginning, without pauses."""
        return (self._paused_at or time.monotonic()) - self._began

    def wait_until(self, seconds: float) -> float:
        """Wait, not longer than until the end; return when it was due on the monotonic clock."""
        while not self.stopped.is_set():
            left = seconds - self.seconds()
            if left <= 0 and not self.is_paused:
                break
            self.stopped.wait(_PAUSE_SECONDS if self.is_paused else left)
        return self._began + seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A frame of the source, or the poses in it."""

    load: Load
    seconds: float
    """The source's own time, which stands still while it is paused."""
    at: float
    """Time of capture on `time.monotonic`'s clock."""


def capture(source: Source, sink: LatestValue[Captured], clock: Clock) -> None:
    """Send the source's frames when they are due, until it or the clock ends."""
    clock.start()
    with sink, closing(source.stream()) as stream:
        for due, load in stream:
            if clock.stopped.is_set():
                return
            if due is None:
                if clock.is_paused:  # a camera goes on
                    continue
                at, seconds = time.monotonic(), clock.seconds()
            else:
                at, seconds = clock.wait_until(due), due
            sink.put(Captured(load=load, seconds=seconds, at=at))


Show = Callable[[Frame, float], object]
"""Takes a shown frame and its time in the source, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """A source frame and the latest poses, in the target's image."""

    captured: Captured
    picture: Frame
    poses: Keypoints | None
    has_statistics: bool


def working_framing(source: Source, *, height: int) -> Framing:
    """Framing that shows a source's whole frames at a height in pixels."""
    rows, columns = source.size
    return fit_framing(source.size, (0, 0, columns, rows), size=height)


@runtime_checkable
class Screen(Protocol):
    """Where panels are shown and keys are pressed: a window, or a page."""

    def show(self, image: AnyFrame) -> None: ...

    def key(self) -> str:
        """The key that was pressed, or nothing."""


class Session:
    """Generates what a source shows, until it ends or someone quits."""

    def __init__(
        self,
        source: Source,
        motion: SourceMotion,
        target: LiveGenerator | LivePuppet,
        *,
        detect: Detector | None,
        with_label: Callable[[Frame], Frame] | None = None,
    ) -> None:
        """Take a detector of people in frames; None where the source has poses instead."""
        self._source, self._motion, self._target = source, motion, target
        self._detect_people, self._with_label = detect, with_label
        self._framing = working_framing(source, height=target.size[0])
        self.clock = Clock()
        self.is_mirrored = False
        self._asked_to_restart = False
        self.captured: LatestValue[Captured] = LatestValue()
        self.detected: LatestValue[Detected] = LatestValue()
        self.results: LatestValue[tuple[Detected, PendingFrame]] = LatestValue()
        self.latencies_ms: list[int] = []
        """Times from a source frame to its result on screen."""
        self._shown_at: deque[float] = deque()
        self.seconds = 0.0
        """Length of the session."""

    def _detect(self, captured: Captured) -> Detected:
        if self._asked_to_restart:
            self._asked_to_restart = False
            self._motion.restart()
        loaded = captured.load()
        if self._detect_people is None:
            people, picture = loaded, np.zeros((*self._target.size, 3), np.uint8)
        else:
            picture = self._framing.apply(loaded)
            if self.is_mirrored:
                picture = np.ascontiguousarray(picture[:, ::-1])
            (people,) = self._detect_people([picture])
        poses = self._motion.follow(people[0] if len(people) else None, captured.seconds)
        return Detected(
            captured=captured,
            picture=picture,
            poses=poses,
            has_statistics=self._motion.statistics is not None,
        )

    def _generate(self, detected: Detected) -> tuple[Detected, PendingFrame]:
        if detected.poses is None:
            self._target.restart()
            return detected, lambda: self._target.background
        return detected, self._target.generate(detected.poses)

    def run(
        self,
        *,
        window: Screen | None = None,
        outputs: Sequence[Show] = (),
        save: Callable[[Frame], None] | None = None,
    ) -> None:
        """Show results until the source ends or fails, or someone quits; `save` keeps pictures."""
        began = time.monotonic()
        with ThreadPoolExecutor(3) as threads:
            futures = [
                threads.submit(capture, self._source, self.captured, self.clock),
                threads.submit(work_on, self.captured, self.detected, self._detect),
                threads.submit(work_on, self.detected, self.results, self._generate),
            ]
            try:
                with suppress(KeyboardInterrupt):
                    self._show_all(window, outputs, save)
            finally:
                self.clock.stopped.set()
                self.seconds = time.monotonic() - began
        for future in futures:
            future.result()

    def _show_all(
        self, window: Screen | None, outputs: Sequence[Show], save: Callable[[Frame], None] | None
    ) -> None:
        frame: Frame | None = None
        while not self.results.has_ended:
            result = self.results.take(seconds=_TAKE_SECONDS)
            if result is not None:
                detected, finish = result
                frame = finish()
                if self._with_label is not None:
                    frame = self._with_label(frame)
                if window is not None:
                    window.show(self._panels(detected, frame))
            key = window.key() if window is not None else ""
            if result is not None and frame is not None:
                self._count(detected.captured)
                for output in outputs:
                    output(frame, detected.captured.seconds)
            match key:
                case "q":
                    return
                case "s" if frame is not None and save is not None:
                    save(frame)
                case " ":
                    self.clock.toggle_pause()
                case "r":
                    self._asked_to_restart = True
                case "f":
                    self._motion.is_frozen = not self._motion.is_frozen
                case "m":
                    self.is_mirrored = not self.is_mirrored

    def _count(self, captured: Captured) -> None:
        now = time.monotonic()
        self.latencies_ms.append(round(1000 * (now - captured.at)))
        self._shown_at.append(now)
        while self._shown_at[0] < now - _RATE_SECONDS:
            self._shown_at.popleft()

    def _panels(self, detected: Detected, frame: Frame) -> AnyFrame:
        """Source, pose and result side by side, with a line of text."""
        now, pose = time.monotonic(), np.zeros((*self._target.size, 3), np.uint8)
        if detected.poses is not None:
            pose = draw_pose(detected.poses, -1, style=self._target.style)
        words = [
            f"{len(self._shown_at) / _RATE_SECONDS:.0f} fps",
            f"{1000 * (now - detected.captured.at):.0f} ms",
        ]
        if detected.poses is None:
            words.append("nobody in view" if detected.has_statistics else _STEP_BACK)
        if self._motion.is_frozen:
            words.append("frozen")
        gap = np.zeros((len(frame), _PANEL_GAP_PX, 3), np.uint8)
        picture, pose = (as_high(panel, len(frame)) for panel in (detected.picture, pose))
        panels = np.concatenate([picture, gap, pose, gap, frame], axis=1)
        return write_text(panels, "  ".join(words))

    def summary(self) -> str:
        shown = len(self.latencies_ms)
        dropped = [queue.dropped for queue in (self.captured, self.detected, self.results)]
        rate = shown / max(self.seconds, 1e-9)
        median, high = np.quantile(self.latencies_ms or [0], (0.5, 0.95), method="inverted_cdf")
        return (
            f"{shown} frames shown in {self.seconds:.1f} s ({rate:.1f} a second), latency {median} "
            f"ms, 95 % below {high} ms. {sum(dropped)} frames dropped: {dropped[0]} before "
            f"detection, {dropped[1]} before generation, {dropped[2]} before display"
        )
