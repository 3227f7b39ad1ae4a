"""What changed between two runs: params, and metrics with a verdict on each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from motiontransfer.report.measurements import OURS, Key, Measurement, Tree, measurements
from motiontransfer.report.provenance import flattened
from motiontransfer.report.readable import Better, Quantity, describe, number_text
from motiontransfer.report.tables import badness, row_label, section_title

_MINUS = "\N{MINUS SIGN}"

Verdict = Literal["better", "worse", "same", "changed", "only before", "only after"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamDifference:
    """A value of params.yaml that is not the same."""

    key: str
    """Its dotted key."""

    before: str | None
    """None where there was no such key."""

    after: str | None
    """None where there is no such key any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDifference:
    """One metric of both runs."""

    section: str
    """What its section answers."""

    label: str
    """What is measured, and where."""

    quantity: Quantity
    """Its unit and which way is up."""

    before: str
    """The number; empty where it was not measured."""

    after: str
    """The number; empty where it was not measured."""

    change: str
    """After minus before, with its sign; empty where one is missing."""

    verdict: Verdict
    """What the change means."""

    unsure: bool
    """Whether the intervals of the two overlap, so that the change may be chance."""


def param_differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[ParamDifference, ...]:
    """Params that differ, in the order of the newer file, what is gone at the end."""
    old, new = flattened(before), flattened(after)
    return tuple(
        ParamDifference(key=key, before=old.get(key), after=new.get(key))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    )


def metric_differences(
    before: Tree, after: Tree, *, intervals_before: Tree, intervals_after: Tree
) -> tuple[MetricDifference, ...]:
    """Every metric of ours in either run, in the order of the newer file."""
    old = _ours(measurements(before, intervals_before))
    new = _ours(measurements(after, intervals_after))
    return tuple(
        _difference(section, row, old.get((section, row)), new.get((section, row)))
        for section, row in dict.fromkeys([*new, *old])
    )


def by_section(
    differences: Iterable[MetricDifference],
) -> dict[str, tuple[MetricDifference, ...]]:
    """Group metrics under their sections' titles, in their order."""
    groups: dict[str, list[MetricDifference]] = {}
    for difference in differences:
        groups.setdefault(difference.section, []).append(difference)
    return {title: tuple(items) for title, items in groups.items()}


def count_verdicts(differences: Iterable[MetricDifference]) -> dict[str, int]:
    """How many metrics got better, got worse and stayed."""
    verdicts = [difference.verdict for difference in differences]
    return {name: verdicts.count(name) for name in ("better", "worse", "same")}


def judge(before: float, after: float, better: Better) -> Verdict:
    """Say what a change means."""
    if before == after:
        return "same"
    if better == "unknown":
        return "changed"
    change = badness(after, better) - badness(before, better)
    return "changed" if change == 0 else "better" if change < 0 else "worse"


def _ours(found: Iterable[Measurement]) -> dict[tuple[str, Key], Measurement]:
    return {
        (item.section, item.row): item
        for item in found
        if item.method == OURS and item.row != (item.section,) and item.value is not None
    }


def _difference(
    section: str, row: Key, old: Measurement | None, new: Measurement | None
) -> MetricDifference:
    quantity = describe(row)
    heading, label = row_label(row)
    verdict: Verdict = "only after" if old is None else "only before"
    change, unsure = "", False
    if old is not None and new is not None and old.value is not None and new.value is not None:
        verdict = judge(old.value, new.value, quantity.better)
        difference = new.value - old.value
        change = "0" if difference == 0 else f"{difference:+.3g}".replace("-", _MINUS)
        unsure = difference != 0 and _overlap(old.interval, new.interval)
    return MetricDifference(
        section=section_title(section),
        label=f"{heading}: {label}" if heading else label,
        quantity=quantity,
        before=_text(old),
        after=_text(new),
        change=change,
        verdict=verdict,
        unsure=unsure,
    )


def _text(item: Measurement | None) -> str:
    return "" if item is None or item.value is None else number_text(item.value)


def _overlap(first: tuple[float, float] | None, second: tuple[float, float] | None) -> bool:
    if first is None or second is None:
        return False
    return first[0] <= second[1] and second[0] <= first[1]
