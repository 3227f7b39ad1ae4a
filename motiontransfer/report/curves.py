"""Values over time: one chart a quantity, a curve a method, and the worst frames.

Hides which quantities are shown first, and by which one frames are called bad.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64

from motiontransfer.errors import MissingFileError
from motiontransfer.evaluation.plots import write_csv
from motiontransfer.report.measurements import OURS
from motiontransfer.report.readable import (
    Better,
    Quantity,
    describe_column,
    number_text,
)

# The most telling first: by the truth where there is one, else by the pose that was intended.
_TELLING = (
    "person_ssim",
    "person_lpips",
    "intended_distance_px",
    "person_l1",
    "pose_distance_px",
    "face_ssim",
    "hands_ssim",
    "warping_error_person",
    "warping_error_person_own_flow",
    "missed_hands",
)
# By which a frame is called bad, and how that is said.
_WORST_BY = {"person_ssim": "SSIM {:.2f}", "intended_distance_px": "{:.1f} px off"}
_LOST = f"{OURS}_missed_body"
_NUM_OPEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One method's values."""

    label: str
    """Whose."""

    values: tuple[float | None, ...]
    """One a frame, or one a logged step; None where nothing was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One quantity over frames or training steps."""

    key: str
    """Unique on its page."""

    title: str
    """What is measured."""

    unit: str
    """Its unit."""

    better: Better
    """Which way is up."""

    positions: tuple[int, ...]
    """Where on the horizontal axis the values stand."""

    curves: tuple[Curve, ...]
    """The curves, ours first."""

    summary: str
    """The chart in words, for those who cannot see it."""

    def as_json(self) -> dict[str, object]:
        """What the page's script draws."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFrame:
    """A frame worth a look."""

    frame_index: int
    """Which."""

    words: str
    """How bad it is."""


def read_per_frame(path: Path) -> pd.DataFrame:
    """Read the table of frames that an evaluation wrote.

    Raises:
        MissingFileError: no such file.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such table; `dvc repro` evaluates the transfer")
    return pd.read_csv(path)


def frame_charts(per_frame: pd.DataFrame, methods: Mapping[str, str]) -> tuple[Chart, ...]:
    """One chart for every quantity in the table, the most telling first.

    What never changes comes last.

    Args:
        methods: name with which columns begin -> what to call it: `ours_person_ssim` is of `ours`.
    """
    columns_of = _columns(per_frame, methods)
    positions = tuple(int(index) for index in per_frame["frame_index"])
    charts = [
        make_chart(
            key,
            describe_column(key),
            positions,
            {
                label: _numbers(per_frame[columns[name]])
                for name, label in methods.items()
                if name in columns
            },
        )
        for key, columns in columns_of.items()
    ]
    return tuple(sorted(charts, key=_is_flat))


def write_curves(folder: Path, per_frame: pd.DataFrame, methods: Sequence[str]) -> None:
    """Write the most telling quantities for `dvc plots`: a CSV each, with a column a method.

    DVC draws one plot a file and wants the same columns in all: what only one method has is left
    out.
    """
    for key, columns in _columns(per_frame, methods).items():
        if key in _TELLING and set(columns) >= set(methods):
            table = per_frame[["frame_index", *columns.values()]]
            named = {column: method for method, column in columns.items()}
            write_csv(folder / f"{key}.csv", table.rename(columns=named))


def make_chart(
    key: str,
    quantity: Quantity,
    positions: Sequence[int],
    curves: Mapping[str, tuple[float | None, ...]],
) -> Chart:
    """Describe a quantity's curves, in numbers and in words.

    Args:
        curves: label -> its values, one a position.
    """
    return Chart(
        key=key,
        title=quantity.label,
        unit=quantity.unit,
        better=quantity.better,
        positions=tuple(positions),
        curves=tuple(Curve(label=label, values=values) for label, values in curves.items()),
        summary=f"{quantity.label}. "
        + " ".join(_in_words(label, positions, values) for label, values in curves.items()),
    )


def num_open(charts: Sequence[Chart]) -> int:
    """How many of the charts are shown before one asks for more."""
    return min(_NUM_OPEN, len(charts))


def training_charts(folder: Path) -> tuple[Chart, ...]:
    """The curves that a training run logged: <folder>/metrics/<network>/<loss>.tsv.

    No folder, no charts: a network that was not trained has none.
    """
    charts = []
    for path in sorted((folder / "metrics").rglob("[!.]*.tsv")):
        table = pd.read_csv(path, sep="\t")
        loss = path.stem.replace("_", " ")
        chart = make_chart(
            f"{folder.name}_{path.parent.name}_{path.stem}",
            Quantity(label=f"{path.parent.name}: {loss}", better="unknown"),
            [int(step) for step in table["step"]],
            {loss: _numbers(table[table.columns[-1]])},
        )
        charts.append(chart)
    return tuple(charts)


def badness(per_frame: pd.DataFrame) -> tuple[Float64[np.ndarray, " frames"], list[str]]:
    """How bad each frame of the result is, and in words: by the truth where there is one.

    A frame in which no body was found is the worst there is; NaN where nothing is known.
    """
    for key, wording in _WORST_BY.items():
        column = f"{OURS}_{key}"
        if column not in per_frame:
            continue
        quantity, values = describe_column(key), per_frame[column].to_numpy(np.float64)
        words = [wording.format(value) for value in values]
        bad = -values if quantity.better == "higher" else values.copy()
        if quantity.better == "lower" and _LOST in per_frame:
            lost = per_frame[_LOST].to_numpy() > 0
            bad = np.where(lost, np.inf, bad)
            words = ["no body found" if gone else w for gone, w in zip(lost, words, strict=True)]
        return bad, words
    return np.full(len(per_frame), np.nan), [""] * len(per_frame)


def _columns(per_frame: pd.DataFrame, methods: Iterable[str]) -> dict[str, dict[str, str]]:
    """Quantity -> method -> its column, the most telling quantities first."""
    names = sorted(methods, key=len, reverse=True)  # `a_b` before `a`
    columns_of: dict[str, dict[str, str]] = {}
    for column in per_frame.columns:
        method = next((name for name in names if column.startswith(f"{name}_")), None)
        if method is not None:
            columns_of.setdefault(column.removeprefix(f"{method}_"), {})[method] = column
    telling = [key for key in _TELLING if key in columns_of]
    return {key: columns_of[key] for key in dict.fromkeys([*telling, *columns_of])}


def _is_flat(chart: Chart) -> bool:
    """Whether no curve ever moves: there is little to see."""
    return all(len({*curve.values} - {None}) < 2 for curve in chart.curves)


def _numbers(column: pd.Series) -> tuple[float | None, ...]:
    values = column.to_numpy(np.float64)
    return tuple(float(value) if np.isfinite(value) else None for value in values)


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
