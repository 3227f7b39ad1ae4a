"""Progress of a loop: a tqdm bar on a terminal, a line with the ETA every 20 seconds in a log."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

_logger = logging.getLogger(__name__)
_Item = TypeVar("_Item")


def track(
    items: Iterable[_Item], description: str, *, total: int, log_every_seconds: float = 20.0
) -> Iterator[_Item]:
    """Yield the items, showing how many are done and the ETA."""
    if sys.stderr.isatty():
        yield from tqdm(items, desc=description, total=total, dynamic_ncols=True, leave=False)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if done and now - last >= log_every_seconds:
            last = now
            remaining = (now - start) / done * (total - done)
            _logger.info("%s: %d of %d, about %.0f s left", description, done, total, remaining)
        yield item
