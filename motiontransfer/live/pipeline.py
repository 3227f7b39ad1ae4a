"""Threads with queues of length one, in which the newest item wins."""

import time
from collections.abc import Callable, Iterator
from threading import Condition
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")

_LONGEST_WAIT_SECONDS = 0.5  # for someone who takes what was made


class Newest(Generic[_Item]):
    """A queue of length one: a new item takes the place of one that nobody has taken."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._waiting: list[_Item] = []
        self.is_closed = False
        self.dropped = 0
        """Items that nobody took."""

    def put(self, item: _Item) -> None:
        """Offer an item."""
        with self._changed:
            self.dropped += len(self._waiting)
            self._waiting = [item]
            self._changed.notify_all()

    def take(self, *, seconds: float | None = None) -> _Item | None:
        """Wait for an item; None where there will be no more, or none within so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self.is_closed, seconds)
            taken = self._waiting.pop() if self._waiting else None
            self._changed.notify_all()
            return taken

    def wait_until_taken(self, *, seconds: float) -> None:
        """Wait, not longer than this, until nothing waits here."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, seconds)

    @property
    def has_ended(self) -> bool:
        """No item is there, and none will come."""
        with self._changed:
            return self.is_closed and not self._waiting

    def __iter__(self) -> Iterator[_Item]:
        while (item := self.take()) is not None:
            yield item

    def __enter__(self) -> "Newest[_Item]":
        return self

    def __exit__(self, *_: object) -> None:
        """Say that no more items will come."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()


class Worker(Generic[_Item, _Made]):
    """What one thread does with every item that it takes."""

    def __init__(self, work: Callable[[_Item], _Made]) -> None:
        self._work = work
        self.items = 0
        self.busy_seconds = 0.0
        self.cpu_seconds = 0.0
        """Of the thread itself, not of those that libraries start."""

    def run(self, source: Newest[_Item], sink: Newest[_Made]) -> None:
        """Work until the source ends."""
        with sink:
            for item in source:
                began, cpu_before = time.monotonic(), time.thread_time()
                sink.put(self._work(item))
                self.items += 1
                self.busy_seconds += time.monotonic() - began
                self.cpu_seconds += time.thread_time() - cpu_before
                # What would be replaced need not be made: the time is others'.
                sink.wait_until_taken(seconds=_LONGEST_WAIT_SECONDS)
