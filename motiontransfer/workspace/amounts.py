"""Amounts as a person says them: sizes and lists of names."""

from collections.abc import Sequence


def size_text(num_bytes: int | float) -> str:
    """A size in decimal units, as disks are sold: `940 kB`, `23 MB`, `1.4 GB`."""
    for unit, step in (("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= step:
            amount = num_bytes / step
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{num_bytes / 1e3:.0f} kB"


def names_text(names: Sequence[str], *, most: int = 3) -> str:
    """Names in one line: `a`, `a and b`, `a, b, c and 4 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
