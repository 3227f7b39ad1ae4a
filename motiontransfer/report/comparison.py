"""Two runs of one transfer on one page: their videos in step, and what changed between them."""

import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.params import Transfer
from motiontransfer.report.curves import frame_charts, num_open
from motiontransfer.report.differences import (
    by_section,
    count_verdicts,
    metric_differences,
    param_differences,
)
from motiontransfer.report.footage import finished_panel, video_panel
from motiontransfer.report.measurements import OURS
from motiontransfer.report.page import write_page
from motiontransfer.report.panels import Panel, PanelSource, has_sound, make_panels
from motiontransfer.report.revisions import Revision
from motiontransfer.video.frame_store import FrameStore

_MAX_VIDEO_BYTES = 9_000_000
_BEFORE, _AFTER = "before", "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What one revision has of the transfer."""

    revision: Revision
    transfer: str

    def result(self) -> Path:
        return Path("results") / self.transfer / "transfer.mp4"

    def metrics(self) -> dict[str, object]:
        return self.revision.read_json(Path("results") / self.transfer / "metrics.json")

    def per_frame(self) -> pd.DataFrame:
        content = self.revision.read(self._evaluation() / "per_frame.csv")
        return pd.read_csv(BytesIO(content))

    def intervals(self) -> dict[str, object]:
        path = Path("artifacts/findings/evaluate_transfer") / self.transfer / "intervals.json"
        return self.revision.read_json(path) if self.revision.has(path) else {}

    def extras(self) -> dict[str, tuple[str, Path]]:
        """What else there may be to see: label -> what it shows, and where it is."""
        names = _transfers(self.revision)[self.transfer]
        source = Path("artifacts/frames", names.source_subject, names.source, "frames.mkv")
        found = {"source": (f"{names.source_subject}, whose motion is copied", source)}
        if names.truth_path is not None:
            found["truth"] = (f"{names.target} really doing it", names.truth_path)
        return found

    def _evaluation(self) -> Path:
        return Path("artifacts/evaluation_transfer") / self.transfer


def _transfers(revision: Revision) -> dict[str, Transfer]:
    try:
        return TypeAdapter(dict[str, Transfer]).validate_python(
            revision.read_params().get("transfers")
        )
    except ValidationError as error:
        raise ParamsError(
            f"revision {revision.name!r}: params.yaml: transfers: not of this version of the "
            f"project: {error.errors()[0]['msg']}"
        ) from error


def choose_transfer(revision: Revision, asked: str | None) -> str:
    """Return the transfer that was asked for, or the only one that there is.

    Raises:
        ParamsError: there is no such transfer, or there are several and none was named.
    """
    transfers = _transfers(revision)
    names = ", ".join(transfers)
    if asked is None and len(transfers) == 1:
        return next(iter(transfers))
    if asked is None:
        raise ParamsError(f"revision {revision.name!r}: name one with --transfer: {names}")
    if asked not in transfers:
        raise ParamsError(f"revision {revision.name!r}: no transfer {asked!r}; it has {names}")
    return asked


def write_comparison_page(
    path: Path, before: Revision, after: Revision, *, transfer: str
) -> tuple[str, ...]:
    """Write one HTML file that needs nothing else.

    Returns:
        What could not be shown, a line each.

    Raises:
        MissingFileError: a result or its figures are not in DVC's cache.
    """
    old = _Run(revision=before, transfer=transfer)
    new = _Run(revision=after, transfer=transfer)
    metrics = metric_differences(
        old.metrics(),
        new.metrics(),
        intervals_before=old.intervals(),
        intervals_after=new.intervals(),
    )
    charts = frame_charts(
        _joined(old.per_frame(), new.per_frame()), {_AFTER: after.name, _BEFORE: before.name}
    )
    shown = _footage(old, new)
    write_page(
        path,
        "comparison.html",
        {
            "title": f"{transfer}: {before.name} and {after.name}",
            "transfer": transfer,
            "revisions": (before.facts, after.facts),
            "panels": shown.panels,
            "master": _AFTER,
            "hidden": frozenset(),
            "has_sound": shown.has_sound,
            "notes": shown.notes,
            "params": param_differences(before.read_params(), after.read_params()),
            "metrics": by_section(metrics),
            "num_metrics": len(metrics),
            "verdicts": count_verdicts(metrics),
            "charts": charts,
            "num_open": num_open(charts),
            "data": {
                "frames": shown.num_frames,
                "rate": shown.frame_rate,
                "charts": [chart.as_json() for chart in charts],
            },
        },
    )
    return shown.notes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """The videos of the page."""

    panels: tuple[Panel, ...]
    num_frames: int
    frame_rate: float
    has_sound: bool
    notes: tuple[str, ...]


def _footage(old: _Run, new: _Run) -> _Shown:
    """Both results, and of what else there is to see as much as the newer run still has."""
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as scratch:
        sources = [
            _result_panel(old, _BEFORE, Path(scratch)),
            _result_panel(new, _AFTER, Path(scratch)),
        ]
        for place, (label, (told, path)) in zip((0, 3), new.extras().items(), strict=False):
            try:
                copy = new.revision.copy(path, Path(scratch) / f"{label}{path.suffix}")
            except MissingFileError as error:
                notes.append(f"{label} is not shown: {error}")
                continue
            sources.insert(place, video_panel(label, label, told, copy))
        results = [Path(scratch) / f"{name}.mp4" for name in (_BEFORE, _AFTER)]
        with FrameStore(results[0]) as first, FrameStore(results[1]) as second:
            lengths, rate = (len(first), len(second)), second.frame_rate
        if lengths[0] != lengths[1]:
            notes.append(f"the runs have {lengths[0]} and {lengths[1]} frames; the shorter counts")
        panels, _ = make_panels(
            sources, frame_rate=rate, num_frames=max(lengths), max_bytes=_MAX_VIDEO_BYTES
        )
        return _Shown(
            panels=panels,
            num_frames=min(lengths),
            frame_rate=float(rate),
            has_sound=has_sound(results[1]),
            notes=tuple(notes),
        )


def _result_panel(run: _Run, name: str, folder: Path) -> PanelSource:
    revision = run.revision
    path = revision.copy(run.result(), folder / f"{name}.mp4")
    return finished_panel(name, revision.name, f"the result of {revision.name}", path)


def _joined(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Ours of both tables, beside each other, as far as both have frames."""
    renamed = [
        table[["frame_index", *(name for name in table if name.startswith(f"{OURS}_"))]].rename(
            columns=lambda name, run=run: name.replace(f"{OURS}_", f"{run}_", 1)
        )
        for run, table in ((_BEFORE, before), (_AFTER, after))
    ]
    return renamed[0].merge(renamed[1], on="frame_index")
