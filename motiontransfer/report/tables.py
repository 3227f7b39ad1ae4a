"""Measurements as tables: one a section, a row a metric, a column a method, the best one marked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from motiontransfer.report.measurements import (
    OURS,
    REFERENCES,
    Key,
    Measurement,
    Tree,
    measurements,
    methods_of,
)
from motiontransfer.report.readable import Better, Quantity, describe, name_of, number_text

_TITLES = {
    "detection": "Is the intended pose there?",
    "temporal": "Is it steady?",
    "truth": "Against the truth",
    "identity": "Is it the target?",
    "realism": "Does it look filmed?",
    "held_out": "Against what was filmed",
}
# What is said first, in this order, as far as it was measured: section, row, label.
_HEADLINES = (
    ("truth", ("person", "ssim"), "SSIM on the person's box"),
    ("truth", ("face", "ssim_aligned"), "SSIM on the face, apart from place"),
    ("truth", ("person", "lpips"), "LPIPS on the person's box"),
    ("truth", ("person", "l1"), "L1 on the person's box"),
    ("truth", ("pose_distance_px", "all"), "Pose distance to the truth"),
    ("detection", ("pose_distance_px", "all"), "Pose distance to the intended"),
    ("detection", ("body_found",), "Share of frames with a body found"),
    ("temporal", ("background_flicker",), "Flicker of the background"),
    ("temporal", ("frame_change_to_source",), "Change from frame to frame, the source's = 1"),
)
_NUM_HEADLINES = 4
_DASH = "\N{EN DASH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number as it is printed."""

    text: str
    """The number; a dash where it could not be measured."""

    interval: str = ""
    """Low to high, if known."""

    best: bool = False
    """Whether no other method is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric of every method."""

    label: str
    """What is measured, or where."""

    quantity: Quantity
    """Its unit and which way is up."""

    cells: tuple[Cell | None, ...]
    """One a column; None where the method was not judged by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows under one heading."""

    title: str
    """The heading; empty for rows that have none."""

    quantity: Quantity
    """What all of its rows measure, where the heading says it."""

    rows: tuple[Row, ...]
    """The rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricTable:
    """One section of a metrics file."""

    title: str
    """What the section answers."""

    columns: tuple[str, ...]
    """Names of the methods."""

    groups: tuple[Group, ...]
    """The rows."""

    has_intervals: bool
    """Whether any number has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """A number that is said first, large."""

    label: str
    """What it is."""

    quantity: Quantity
    """Its unit and which way is up."""

    cell: Cell
    """Ours."""

    others: tuple[tuple[str, str], ...]
    """(name, number) of every other method."""


def metric_tables(metrics: Tree, intervals: Tree | None = None) -> tuple[MetricTable, ...]:
    """Lay out a metrics file; numbers at its top, such as the number of frames, are left out."""
    found = [item for item in measurements(metrics, intervals) if item.row != (item.section,)]
    return tuple(
        _table(section, [item for item in found if item.section == section])
        for section in dict.fromkeys(item.section for item in found)
    )


def headlines(metrics: Tree, intervals: Tree | None = None) -> tuple[Headline, ...]:
    """The few numbers to begin with."""
    found = measurements(metrics, intervals)
    chosen: list[Headline] = []
    for section, row, label in _HEADLINES:
        items = [item for item in found if (item.section, item.row) == (section, row)]
        ours = next((item for item in items if item.method == OURS), None)
        if ours is None or ours.value is None or len(chosen) == _NUM_HEADLINES:
            continue
        chosen.append(
            Headline(
                label=label,
                quantity=describe(row),
                cell=_cell(ours, best=False, digits=3),
                others=tuple(
                    (name_of(item.method), number_text(item.value, digits=3))
                    for item in items
                    if item.method != OURS and item.value is not None
                ),
            )
        )
    return tuple(chosen)


def best_of(values: Mapping[str, float | None], better: Better) -> frozenset[str]:
    """Names of the methods that no rival beats; none where there is no rival or no direction."""
    rivals = {
        name: value
        for name, value in values.items()
        if value is not None and name not in REFERENCES
    }
    if better == "unknown" or len(rivals) < 2:
        return frozenset()
    best = min(badness(value, better) for value in rivals.values())
    return frozenset(name for name, value in rivals.items() if badness(value, better) == best)


def badness(value: float, better: Better) -> float:
    """How bad a value is; only comparable with others of the same metric."""
    match better:
        case "higher":
            return -value
        case "near one":
            return abs(value - 1)
    return value


def section_title(section: str) -> str:
    """What a section of a metrics file answers."""
    return _TITLES.get(section, describe((section,)).label)


def row_label(row: Key) -> tuple[str, str]:
    """Heading and label of a row: (`person`, `ssim`) stands under "Person's box" as "SSIM"."""
    quantity = describe(row[-1:])
    if len(row) == 1:
        return "", quantity.label
    head, *rest = row
    return section_title(head), ", ".join(describe((key,)).label for key in rest)


def _table(section: str, items: Sequence[Measurement]) -> MetricTable:
    methods = methods_of(items)
    rows: dict[str, list[Row]] = {}
    quantity_of: dict[str, Quantity] = {}
    for key in dict.fromkeys(item.row for item in items):
        heading, label = row_label(key)
        of_method = {item.method: item for item in items if item.row == key}
        quantity = describe(key)
        best = best_of({name: item.value for name, item in of_method.items()}, quantity.better)
        cells = tuple(
            _cell(of_method[name], best=name in best) if name in of_method else None
            for name in methods
        )
        rows.setdefault(heading, []).append(Row(label=label, quantity=quantity, cells=cells))
        quantity_of[heading] = describe(key[:1])
    return MetricTable(
        title=section_title(section),
        columns=tuple(name_of(name) for name in methods),
        groups=tuple(
            Group(title=heading, quantity=quantity_of[heading], rows=tuple(of_group))
            for heading, of_group in rows.items()
        ),
        has_intervals=any(item.interval for item in items),
    )


def _cell(item: Measurement, *, best: bool, digits: int = 4) -> Cell:
    if item.value is None:
        return Cell(text=_DASH)
    low_high = [number_text(end, digits=3) for end in item.interval or ()]
    return Cell(
        text=number_text(item.value, digits=digits),
        interval=f" {_DASH} ".join(low_high) if len({*low_high}) > 1 else "",
        best=best,
    )
