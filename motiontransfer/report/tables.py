"""Tables and charts of measurements.

A table has a section of the measurements, a row a metric and a column a system; or one run beside
another. A chart has a curve a system, over frames.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Literal, NamedTuple

import numpy as np

from motiontransfer.core.arrays import Series
from motiontransfer.evaluation.measurements import (
    FRAMES,
    NOISE,
    OF_POSES,
    OURS,
    Better,
    Measurement,
    Measurements,
    Metric,
    MetricKey,
    rounded,
)
from motiontransfer.evaluation.metrics import HEADLINES, METRICS, Curves, is_count, path_of
from motiontransfer.evaluation.noise import BEYOND_NOISE

_TITLES = {
    "": "Compared with the real frames",
    "near": "What training gave: likeness from references 2 % of the height away or more",
    "far": "What training gave: likeness from references 4 % of the height away or more",
    "detection": "Pose accuracy",
    "temporal": "Temporal consistency",
    "film": "What the target's films show",
    "sharpness": "Compared with the target's own sharp frames",
    "truth": "Compared with the ground truth",
}
_NAMES = {
    OURS: "this run",
    "untrained": "the puppet alone",
    "nearest_neighbours": "nearest neighbors",
    "ceiling": "ceiling: the real frame half a pixel aside",
    "noise": "noise: deviation over seeds of the demo",
    "truth": "ground truth",
    "film": "the film itself",
    "frame": "whole frame",
    "person": "person's box",
    "all": "all joints",
}
_POSES_OF = {"detection": "intended pose", "truth": "ground truth"}
_REFERENCES = frozenset({"truth", "film", "source", "real", "ceiling", NOISE})
"""What is not ranked: systems that show real frames, and noise."""


_NUM_TILES = 4
_DASH = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"

Verdict = Literal["better", "worse", "same", "within noise", "changed", "only before", "only after"]


class Row(NamedTuple):
    label: str
    metric: Metric
    cells: tuple[Measurement | None, ...]
    """One a column; None where the system was not measured."""
    best: frozenset[str]
    """Systems of which no other is better."""


class MetricTable(NamedTuple):
    title: str
    columns: tuple[str, ...]
    groups: Mapping[str, Sequence[Row]]
    """Heading, or empty -> its rows."""


class Tile(NamedTuple):
    """A headline metric, shown first and large."""

    label: str
    metric: Metric
    ours: Measurement
    others: tuple[Measurement, ...]
    """Of every other system."""


class MetricDifference(NamedTuple):
    """One metric of two runs; None where it was not measured."""

    label: str
    metric: Metric
    before: float | None
    after: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One quantity over frames."""

    key: str
    """Unique on its page."""
    title: str
    unit: str
    better: Better
    curves: Mapping[str, tuple[float | None, ...]]
    """Label -> a value in each frame, None where nothing was measured; ours first."""
    summary: str
    """Text alternative of the chart."""


def metric_tables(found: Measurements) -> tuple[MetricTable, ...]:
    """Lay out measurements, section by section; counts are left out."""
    sections: dict[str, list[Measurement]] = {}
    for item in measured(found):
        sections.setdefault(item.key.section, []).append(item)
    return tuple(_table(section, items) for section, items in sections.items())


def tiles(found: Measurements) -> tuple[Tile, ...]:
    """The first of the headline metrics."""
    chosen: list[Tile] = []
    by_metric = _by_metric(found.summary)
    for key in HEADLINES:
        of_system = dict(by_metric.get(key, {}))
        ours = of_system.pop(OURS, None)
        if ours is None or ours.value is None or len(chosen) == _NUM_TILES:
            continue
        others = tuple(item for item in of_system.values() if item.value is not None)
        chosen.append(
            Tile(label=title_of(key), metric=METRICS[key.metric], ours=ours, others=others)
        )
    return tuple(chosen)


def not_measured(found: Measurements) -> tuple[str, ...]:
    """Skipped metrics with reason or number of frames, one line each; zeros are left out."""
    lines: list[str] = []
    for item in found.summary:
        key = item.key
        where = [name_of(name) for name in (key.section, key.system, key.region) if name]
        if item.note:
            reason = item.note
        elif is_count(item) and item.value and key.metric != FRAMES:
            reason = f"{number_text(item.value)} frames"
        else:
            continue
        label = METRICS[key.metric].label if key.metric in METRICS else name_of(key.metric)
        lines.append(f"{', '.join([*where, label if item.note else label.lower()])}: {reason}")
    return tuple(lines)


def _by_metric(items: Iterable[Measurement]) -> dict[MetricKey, dict[str, Measurement]]:
    """Metric of any system -> system -> measurement."""
    found: dict[MetricKey, dict[str, Measurement]] = {}
    for item in items:
        found.setdefault(item.key.of_any_system, {})[item.key.system] = item
    return found


def systems_of(items: Iterable[Measurement]) -> tuple[str, ...]:
    """Every system: ours first, real videos last."""
    names = dict.fromkeys(item.key.system for item in items)
    return tuple(sorted(names, key=lambda name: (name != OURS, name in _REFERENCES)))


def metric_differences(
    before: Measurements, after: Measurements
) -> dict[str, tuple[MetricDifference, ...]]:
    """Title of a section -> differences of ours, in the order of the newer run.

    What differs by less than its noise is no difference; where that is unknown, what has intervals
    that overlap.
    """
    noise = {
        item.key.of_any_system: item.value
        for found in (before, after)
        for item in found.summary
        if item.key.system == NOISE
    }
    old, new = (
        {
            item.key.of_any_system: item
            for item in measured(found)
            if item.key.system == OURS and item.value is not None
        }
        for found in (before, after)
    )
    differences: dict[str, list[MetricDifference]] = {}
    for key in dict.fromkeys([*new, *old]):
        difference = _difference(old.get(key), new.get(key), noise=noise.get(key))
        differences.setdefault(_TITLES[key.section], []).append(difference)
    return {title: tuple(items) for title, items in differences.items()}


def verdict_of(before: float, after: float, better: Better, *, noise: float = 0.0) -> Verdict:
    if before == after:
        return "same"
    if abs(after - before) <= BEYOND_NOISE * noise:
        return "within noise"
    if better == "unknown":
        return "changed"
    change = _cost(after, better) - _cost(before, better)
    return "changed" if change == 0 else "better" if change < 0 else "worse"


def best_of(values: Mapping[str, float | None], better: Better) -> frozenset[str]:
    """Names of the best systems; none where only one is ranked or the metric has no direction."""
    costs = {
        name: _cost(value, better)
        for name, value in values.items()
        if value is not None and name not in _REFERENCES
    }
    if better == "unknown" or len(costs) < 2:
        return frozenset()
    return frozenset(name for name, cost in costs.items() if cost == min(costs.values()))


def name_of(key: str) -> str:
    return _NAMES.get(key, key.replace("_", " "))


def title_of(key: MetricKey) -> str:
    """The metric as text: `SSIM, person's box`; of poses also with what they are compared."""
    metric = METRICS[key.metric]
    if not key.region:
        return metric.label
    is_ambiguous = metric.path == OF_POSES and key.section in _POSES_OF
    reference = f" ({_POSES_OF[key.section]})" if is_ambiguous else ""
    return f"{metric.label}, {name_of(key.region)}{reference}"


def number_text(value: float | None, digits: int = 4) -> str:
    """Write a number with so many significant digits; a whole one has no point, none is a dash."""
    if value is None:
        return _DASH
    if float(value).is_integer() and abs(value) < 1e15:
        text = str(int(value))
    else:
        text = f"{value:#.{digits}g}".rstrip(".")
    return text.replace("-", _MINUS, 1) if value < 0 else text


def interval_text(item: Measurement) -> str:
    """Low to high; empty where they are not known, or look the same."""
    ends = [number_text(end, 3) for end in item.interval or ()]
    return f" {_DASH} ".join(ends) if len({*ends}) > 1 else ""


def change_text(difference: float) -> str:
    """Write a difference with its sign."""
    return "0" if difference == 0 else f"{difference:+.3g}".replace("-", _MINUS)


def measured(found: Measurements) -> list[Measurement]:
    """The values, without counts and notes."""
    return [item for item in found.summary if not item.note and not is_count(item)]


def _heading_and_label(item: Measurement) -> tuple[str, str]:
    """Heading and label: "Person's box" and "SSIM"; for a pose distance the other way round."""
    keys = path_of(item.key._replace(section="", system=""))
    words = [METRICS[key].label if key in METRICS else name_of(key) for key in keys]
    words = [word[:1].upper() + word[1:] for word in words]
    return ("", words[0]) if len(words) == 1 else (words[0], words[1])


def _table(section: str, items: Sequence[Measurement]) -> MetricTable:
    systems = systems_of(items)
    rows: dict[str, list[Row]] = {}
    for key, of_system in _by_metric(items).items():
        metric = METRICS[key.metric]
        best = best_of({name: item.value for name, item in of_system.items()}, metric.better)
        heading, label = _heading_and_label(next(iter(of_system.values())))
        cells = tuple(map(of_system.get, systems))
        rows.setdefault(heading, []).append(Row(label=label, metric=metric, cells=cells, best=best))
    columns = tuple(name_of(name) for name in systems)
    return MetricTable(title=_TITLES[section], columns=columns, groups=rows)


def _difference(
    old: Measurement | None, new: Measurement | None, *, noise: float | None
) -> MetricDifference:
    one = new or old
    assert one is not None
    metric = METRICS[one.key.metric]
    heading, label = _heading_and_label(one)
    verdict: Verdict = "only after" if old is None else "only before"
    before, after = (each.value if each else None for each in (old, new))
    if old and new and before is not None and after is not None:
        if noise is None and old.interval and new.interval:
            lows, highs = zip(old.interval, new.interval, strict=True)
            noise = math.inf if max(lows) <= min(highs) else 0.0
        verdict = verdict_of(before, after, metric.better, noise=noise or 0.0)
    return MetricDifference(
        label=f"{heading}: {label}" if heading else label,
        metric=metric,
        before=before,
        after=after,
        verdict=verdict,
    )


def _cost(value: float, better: Better) -> float:
    """The value as a cost, lower is better; only comparable with others of the same metric."""
    match better:
        case "higher":
            return -value
        case "near one":
            return abs(value - 1)
    return value


def frame_charts(curves: Curves) -> tuple[Chart, ...]:
    """One chart for every quantity; constant ones come last."""

    def is_constant(chart: Chart) -> bool:
        return all(len({*values} - {None}) < 2 for values in chart.curves.values())

    return tuple(sorted(starmap(_chart, curves.items()), key=is_constant))


def _chart(key: MetricKey, of_label: Mapping[str, Series]) -> Chart:
    metric, title = METRICS[key.metric], title_of(key)
    curves = {
        label: tuple(rounded(value) if np.isfinite(value) else None for value in values.tolist())
        for label, values in of_label.items()
    }
    in_words = [_in_words(label, values) for label, values in curves.items()]
    return Chart(
        key=key.slug,
        title=title,
        unit=metric.unit,
        better=metric.better,
        curves=curves,
        summary=" ".join([f"{title}.", *in_words]),
    )


def _in_words(label: str, values: Sequence[float | None]) -> str:
    known = [(value, at) for at, value in enumerate(values) if value is not None]
    if not known:
        return f"{label}: never measured."
    mean = number_text(float(np.mean([value for value, _ in known])), 3)
    low, high = min(known), max(known, key=lambda pair: pair[0])  # the earliest of equals
    return (
        f"{label}: mean {mean}, lowest {number_text(low[0], 3)} at {low[1]}, "
        f"highest {number_text(high[0], 3)} at {high[1]}."
    )
