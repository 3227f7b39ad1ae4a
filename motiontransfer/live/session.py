"""A live session: capture, detection, generation and display, in a thread each."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from motiontransfer.keypoints import Keypoints
from motiontransfer.live.capture import Captured, Clock, Source, capture
from motiontransfer.live.display import Window, write_text
from motiontransfer.live.motion import SourceMotion
from motiontransfer.live.pipeline import Newest, Worker
from motiontransfer.pose.detectors.protocol import Detector
from motiontransfer.pose.drawing import draw_rgb
from motiontransfer.video.color import AnyFrame, Frame
from motiontransfer.video.geometry import Framing, fit_framing

_WAIT_SECONDS = 0.02  # for a frame, between looks at the keyboard
_RATE_SECONDS = 2.0  # over which the shown rate is counted
_NUM_LATENCIES = 10_001  # of 1 ms; the last counts what is longer
_PANEL_GAP_PX = 4
_STEP_BACK = "step back until your whole body is in view"


Finish = Callable[[], Frame]
"""Adds the face and returns the frame, beside the generation of the next one."""


@runtime_checkable
class LiveTarget(Protocol):
    """Who performs what the source shows."""

    size: tuple[int, int]
    """(height, width) of the frames."""
    line_width_px: float
    """Of a body limb in the pose panel."""

    def generate(self, poses: Keypoints | None) -> Finish:
        """The next frame, of the last of the poses; None: nobody is in view."""


Output = Callable[[Frame, float], object]
"""Takes a shown frame and its time in the source, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """A source frame and the latest poses, in the target's image."""

    captured: Captured
    picture: Frame
    poses: Keypoints | None
    has_statistics: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A generated frame with what it was made from."""

    detected: Detected
    finish: Finish


@dataclass(slots=True)
class Latencies:
    """A histogram of times from a source frame to its result on screen."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(_NUM_LATENCIES, np.int64))

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[min(round(1000 * seconds), len(self.counts) - 1)] += 1

    def quantile_ms(self, quantile: float) -> int:
        """A quantile, milliseconds."""
        share = np.cumsum(self.counts) / max(int(self.counts.sum()), 1)
        return int(np.searchsorted(share, quantile))


def working_framing(source: Source, *, height: int) -> Framing:
    """Of a source's frames, whole, at a height in pixels."""
    rows, columns = source.size
    return fit_framing(source.size, (0, 0, columns, rows), size=height)


class Session:
    """Generates what a source shows, until it ends or someone quits."""

    def __init__(
        self,
        source: Source,
        motion: SourceMotion,
        target: LiveTarget,
        *,
        detect: Detector | None,
        with_label: Callable[[Frame], Frame] | None = None,
    ) -> None:
        """Prepare.

        Args:
            detect: finds the person in frames; None where the source has poses instead.
            with_label: puts the visible label into a frame.
        """
        self._source, self._motion, self._target = source, motion, target
        self._detect_people, self._with_label = detect, with_label
        self._framing = working_framing(source, height=target.size[0])
        self.clock = Clock()
        self.is_mirrored = False
        self._asked_to_restart = False
        self.captured: Newest[Captured] = Newest()
        self.detected: Newest[Detected] = Newest()
        self.results: Newest[Result] = Newest()
        self.detection = Worker(self._detect)
        self.generation = Worker(self._generate)
        self.latencies = Latencies()
        self.display_cpu_seconds = 0.0
        self._shown_at: deque[float] = deque()
        self.seconds = 0.0
        """That the session lasted."""

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

    def _generate(self, detected: Detected) -> Result:
        return Result(detected=detected, finish=self._target.generate(detected.poses))

    def run(
        self,
        *,
        window: Window | None = None,
        outputs: Sequence[Output] = (),
        save: Callable[[Frame], None] | None = None,
    ) -> None:
        """Show results until the source ends or fails, or someone quits.

        Args:
            outputs: they get every shown frame, with its time in the source.
            save: keeps a picture that was asked for.
        """
        began = time.monotonic()
        with ThreadPoolExecutor(3) as threads:
            futures = [
                threads.submit(capture, self._source, self.captured, self.clock),
                threads.submit(self.detection.run, self.captured, self.detected),
                threads.submit(self.generation.run, self.detected, self.results),
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
        self, window: Window | None, outputs: Sequence[Output], save: Callable[[Frame], None] | None
    ) -> None:
        frame: Frame | None = None
        while not self.results.has_ended:
            result = self.results.take(seconds=_WAIT_SECONDS)
            cpu_before = time.thread_time()
            if result is not None:
                frame = result.finish()
                if self._with_label is not None:
                    frame = self._with_label(frame)
                if window is not None:
                    window.show(self._panels(result, frame))
            key = window.key() if window is not None else ""
            if result is not None and frame is not None:
                self._count(result)
                for output in outputs:
                    output(frame, result.detected.captured.seconds)
            self.display_cpu_seconds += time.thread_time() - cpu_before
            if key == "q":
                return
            if key == "s" and frame is not None and save is not None:
                save(frame)
            self._press(key)

    def _press(self, key: str) -> None:
        if key == " ":
            self.clock.toggle_pause()
        elif key == "r":
            self._asked_to_restart = True
        elif key == "f":
            self._motion.is_frozen = not self._motion.is_frozen
        elif key == "m":
            self.is_mirrored = not self.is_mirrored

    def _count(self, result: Result) -> None:
        now = time.monotonic()
        self.latencies.add(now - result.detected.captured.at)
        self._shown_at.append(now)
        while self._shown_at[0] < now - _RATE_SECONDS:
            self._shown_at.popleft()

    def _panels(self, result: Result, frame: Frame) -> AnyFrame:
        """Source, pose and result side by side, with a line of text."""
        detected, now = result.detected, time.monotonic()
        pose = np.zeros_like(frame)
        if detected.poses is not None:
            pose = draw_rgb(
                detected.poses.points[-1],
                detected.poses.score[-1],
                skeleton=detected.poses.skeleton,
                size=self._target.size,
                line_width_px=self._target.line_width_px,
            )
        words = [
            f"{len(self._shown_at) / _RATE_SECONDS:.0f} fps",
            f"{1000 * (now - detected.captured.at):.0f} ms",
        ]
        if detected.poses is None:
            words.append("nobody in view" if detected.has_statistics else _STEP_BACK)
        if self._motion.is_frozen:
            words.append("frozen")
        gap = np.zeros((len(frame), _PANEL_GAP_PX, 3), np.uint8)
        panels = np.concatenate([detected.picture, gap, pose, gap, frame], axis=1)
        return write_text(panels, "  ".join(words))

    def summary(self) -> str:
        """What was shown, in one line."""
        shown = int(self.latencies.counts.sum())
        dropped = [queue.dropped for queue in (self.captured, self.detected, self.results)]
        rate = shown / max(self.seconds, 1e-9)
        median, high = (self.latencies.quantile_ms(quantile) for quantile in (0.5, 0.95))
        return (
            f"{shown} frames shown in {self.seconds:.1f} s ({rate:.1f} a second), latency {median} "
            f"ms, 95 % below {high} ms; {sum(dropped)} frames dropped: {dropped[0]} before "
            f"detection, {dropped[1]} before generation, {dropped[2]} before display"
        )
