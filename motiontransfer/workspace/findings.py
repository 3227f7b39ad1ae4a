"""What an examination finds: fine, worth a word, or in the way; with the mend."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `motiontransfer doctor`."""

    level: Level
    """`fault`: a run would fail."""

    subject: str
    """What was looked at: `disk`, `locks`."""

    told: str
    """What was found."""

    mend: str | None = None
    """What to do; None where nothing is to be done."""


def fine(subject: str, told: str) -> Finding:
    """Nothing to do."""
    return Finding(level="ok", subject=subject, told=told)


def warning(subject: str, told: str, mend: str) -> Finding:
    """A run works, but not as well as it could."""
    return Finding(level="warning", subject=subject, told=told, mend=mend)


def fault(subject: str, told: str, mend: str) -> Finding:
    """A run would fail."""
    return Finding(level="fault", subject=subject, told=told, mend=mend)
