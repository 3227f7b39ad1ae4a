"""Evenly spaced samples of a sequence."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_Item = TypeVar("_Item")


def evenly_spaced(items: Sequence[_Item], *, count: int) -> list[_Item]:
    """At most `count` items in order, the first and the last among them; one: the first."""
    positions = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[position] for position in positions.tolist()]
