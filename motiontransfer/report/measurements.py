"""A tree of metrics as flat measurements: section, row, method, value, interval.

Hides the shape of metrics files. Where a node has a child `ours`, those of its children that are
alike are methods beside each other; what stands below `skipped…` was not measured; every other
number is a measurement. So a metric that a stage adds is shown without an edit here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from motiontransfer.report.readable import describe, is_metric, name_of

OURS = "ours"
REFERENCES = frozenset({"truth", "source", "real", "previous_real_frame"})
"""Methods that are no rivals: they show what was really filmed there and then."""

_SKIPPED = "skipped"

Tree = Mapping[str, object]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One number of a metrics file."""

    section: str
    """First key in the file."""

    row: Key
    """The other keys, but for the method; the section's own key where nothing else is left."""

    method: str
    """Whose number it is."""

    value: float | None
    """None where it could not be measured."""

    interval: tuple[float, float] | None = None
    """Where the value would lie in 95 of 100 repetitions, if that is known."""


def measurements(metrics: Tree, intervals: Tree | None = None) -> tuple[Measurement, ...]:
    """Flatten a metrics file, in its order.

    Args:
        intervals: a tree of the same shape with [low, high] in the place of numbers.
    """
    return tuple(
        Measurement(
            section=path[0],
            row=tuple(key for place, key in enumerate(path) if place and place != of_method)
            or path[:1],
            method=OURS if of_method is None else path[of_method],
            value=value,
            interval=_interval(intervals or {}, path),
        )
        for path, of_method, value in _numbers(metrics, (), None)
    )


def not_measured(metrics: Tree) -> tuple[str, ...]:
    """What was skipped, and why or in how many frames, one line each; zeros are left out."""
    lines: list[str] = []
    for path, reason in _leaves(metrics, ()):
        place = next((i for i, key in enumerate(path) if key.startswith(_SKIPPED)), None)
        if place is None or reason in (0, None, ""):
            continue
        keys = (*path[:place], *path[place + 1 :])
        where = ", ".join(
            describe((key,)).label if is_metric(key) else name_of(key) for key in keys
        )
        count = f"{reason} frames" if isinstance(reason, int | float) else str(reason)
        lines.append(f"{where}: {count}")
    return tuple(lines)


def methods_of(found: Sequence[Measurement]) -> tuple[str, ...]:
    """Every method there is, ours first, then in the order of the file, what was filmed last."""
    names = list(dict.fromkeys(measurement.method for measurement in found))
    return tuple(sorted(names, key=lambda name: (name != OURS, name in REFERENCES)))


def _numbers(
    node: object, path: Key, of_method: int | None
) -> Iterator[tuple[Key, int | None, float | None]]:
    """Each number below a node: its path, where in the path the method stands, the number."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            if key.startswith(_SKIPPED):
                continue
            is_method = of_method is None and OURS in node and _alike(key, child, node[OURS])
            yield from _numbers(child, (*path, key), len(path) if is_method else of_method)
    elif path and (node is None or (isinstance(node, int | float) and not isinstance(node, bool))):
        yield path, of_method, None if node is None else float(node)


def _alike(key: str, child: object, ours: object) -> bool:
    """Whether a sibling of `ours` is a method, and not a metric that stands beside the methods."""
    if is_metric(key):
        return False
    if isinstance(child, Mapping) and isinstance(ours, Mapping):
        return not child or not ours or bool(child.keys() & ours.keys())
    return not isinstance(child, Mapping) and not isinstance(ours, Mapping)


def _leaves(node: object, path: Key) -> Iterator[tuple[Key, object]]:
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _leaves(child, (*path, str(key)))
    elif isinstance(node, list | tuple) and any(key.startswith(_SKIPPED) for key in path):
        for child in node:
            yield from _leaves(child, path)
    else:
        yield path, node


def _interval(intervals: Tree, path: Key) -> tuple[float, float] | None:
    node: object = intervals
    for key in path:
        node = node.get(key) if isinstance(node, Mapping) else None
    match node:
        case [int() | float() as low, int() | float() as high]:
            return float(low), float(high)
    return None
