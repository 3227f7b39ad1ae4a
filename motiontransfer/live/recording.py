"""Recording of live frames at a constant rate, in the source's own time, signed at its end."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path

from motiontransfer.video.color import Frame
from motiontransfer.video.writer import in_thread, video_writer

Sign = Callable[[Path, Path], None]
"""Writes a signed copy, at the first path, of the file at the second."""


class Recorder:
    """A video of frames that are shown from their time until that of the next.

    The first is shown from the beginning. At the end of the block, however it ends, the file is
    whole; without a frame there is none.
    """

    def __init__(
        self,
        path: Path,
        *,
        frame_rate: Fraction,
        sound: Path | None = None,
        sound_offset_seconds: float = 0.0,
        crf: int = 18,
        sign: Sign | None = None,
    ) -> None:
        self._path, self._frame_rate, self._sign = path, frame_rate, sign
        self._scratch = ExitStack()
        unsigned = path
        if sign is not None:
            folder = tempfile.TemporaryDirectory(prefix="motiontransfer-")
            unsigned = Path(self._scratch.enter_context(folder)) / f"unsigned{path.suffix}"
        self._unsigned, self._writing = unsigned, ExitStack()
        self._open = partial(
            video_writer,
            unsigned,
            frame_rate=frame_rate,
            sound=sound,
            sound_offset_seconds=sound_offset_seconds,
            crf=crf,
        )
        self._write: Callable[[Frame], None] | None = None
        self._last: Frame | None = None
        self._num_written = 0

    def record(self, frame: Frame, seconds: float) -> None:
        """Show a frame from this time on."""
        if self._last is None:
            write = self._writing.enter_context(self._open())
            self._write = self._writing.enter_context(in_thread(write))
            self._last = frame
        self._repeat_until(round(seconds * self._frame_rate))
        self._last = frame

    def _repeat_until(self, index: int) -> None:
        assert self._write is not None
        assert self._last is not None
        while self._num_written < index:
            self._write(self._last)
            self._num_written += 1

    def __enter__(self) -> Callable[[Frame, float], None]:
        return self.record

    def __exit__(self, *_: object) -> None:
        """Finish the file, also after an error."""
        with self._scratch:
            if self._last is None:
                return
            with self._writing:
                self._repeat_until(self._num_written + 1)
            if self._sign is not None:
                self._sign(self._path, self._unsigned)
