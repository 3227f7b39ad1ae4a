"""What an evaluation finds, ready for JSON: figures, how sure they are, and what was left out."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known of a result."""

    metrics: Mapping[str, object]
    """Plain numbers in groups by name; None where there was nothing to measure."""

    intervals: Mapping[str, object]
    """The same tree, without what is only counted, with [low, high] of each number at 95 %."""

    skipped: Mapping[str, str]
    """Metric, or group of them -> why it is not there."""
