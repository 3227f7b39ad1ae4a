"""Charts of values over frames or training steps, with a curve a system."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from motiontransfer.evaluation.bootstrap import rounded
from motiontransfer.evaluation.measurements import METRICS, Better, Curves, Metric
from motiontransfer.report.metrics_table import number_text, title_of
from motiontransfer.storage import damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One system's values."""

    label: str
    values: tuple[float | None, ...]
    """One a frame, or one a logged step; None where nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One quantity over frames or training steps."""

    key: str
    """Unique on its page."""
    title: str
    unit: str
    better: Better
    positions: tuple[int, ...]
    """Positions of the values on the horizontal axis."""
    curves: tuple[Curve, ...]
    """The curves, ours first."""
    summary: str
    """Text alternative of the chart."""


def frame_charts(curves: Curves) -> tuple[Chart, ...]:
    """One chart for every quantity; constant ones come last."""
    charts = [
        make_chart(
            key.slug,
            title_of(key),
            range(len(next(iter(of_label.values())))),
            {label: values.tolist() for label, values in of_label.items()},
            METRICS[key.metric],
        )
        for key, of_label in curves.items()
    ]
    return tuple(sorted(charts, key=_is_constant))


def make_chart(
    key: str,
    title: str,
    positions: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    metric: Metric | None = None,
) -> Chart:
    """Chart of one quantity, with a text alternative.

    Args:
        curves: label -> its values, one a position; NaN where nothing was measured.
        metric: definition of the metric; None: a loss, which has no unit and no direction.
    """
    found = {label: _known(values) for label, values in curves.items()}
    return Chart(
        key=key,
        title=title,
        unit=metric.unit if metric else "",
        better=metric.better if metric else "unknown",
        positions=tuple(positions),
        curves=tuple(Curve(label=label, values=values) for label, values in found.items()),
        summary=f"{title}. "
        + " ".join(_in_words(label, positions, values) for label, values in found.items()),
    )


def page_data(
    charts: Iterable[Chart], *, num_frames: int, frame_rate: Fraction
) -> dict[str, object]:
    """The charts and the clock of a page, for its script."""
    shown = [asdict(chart) for chart in charts]
    return {"frames": num_frames, "rate": float(frame_rate), "charts": shown}


def training_charts(folder: Path) -> tuple[Chart, ...]:
    """The curves that a training run logged: <folder>/metrics/<network>/<loss>.tsv.

    No folder, no charts: a network that was not trained has none.
    """
    charts = []
    for path in sorted((folder / "metrics").rglob("[!.]*.tsv")):
        steps, values = _read_curve(path)
        loss = path.stem.replace("_", " ")
        chart = make_chart(
            f"{folder.name}_{path.parent.name}_{path.stem}",
            f"{path.parent.name}: {loss}",
            steps,
            {loss: values},
        )
        charts.append(chart)
    return tuple(charts)


def _read_curve(path: Path) -> tuple[list[int], list[float]]:
    """Steps and values."""
    try:
        table = pd.read_csv(path, sep="\t")
        return table["step"].astype(int).tolist(), table[table.columns[-1]].astype(float).tolist()
    except (ValueError, LookupError) as error:  # pandas' own errors are of these kinds
        raise damaged(path, f"not a training curve: {' '.join(str(error).split())}") from error


def _is_constant(chart: Chart) -> bool:
    """True if every curve is constant."""
    return all(len({*curve.values} - {None}) < 2 for curve in chart.curves)


def _known(values: Sequence[float]) -> tuple[float | None, ...]:
    return tuple(rounded(value) if np.isfinite(value) else None for value in values)


def _in_words(label: str, positions: Sequence[int], values: Sequence[float | None]) -> str:
    known = [(v, at) for v, at in zip(values, positions, strict=True) if v is not None]
    if not known:
        return f"{label}: never measured."
    mean = number_text(float(np.mean([value for value, _ in known])), digits=3)
    low, high = min(known), max(known, key=lambda pair: pair[0])  # the earliest of equals
    return (
        f"{label}: mean {mean}, lowest {number_text(low[0], digits=3)} at {low[1]}, "
        f"highest {number_text(high[0], digits=3)} at {high[1]}."
    )
