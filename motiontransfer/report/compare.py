"""Comparison of two runs of one transfer: synchronised videos, metrics and params that differ."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError
from jaxtyping import Float64
from pydantic import TypeAdapter, ValidationError
from scmrepo.exceptions import SCMError

from motiontransfer.errors import MissingFileError, ParamsError
from motiontransfer.evaluation.measurements import OURS, Measurements, Quantity, read_measurements
from motiontransfer.params import Transfer
from motiontransfer.report.charts import frame_charts, num_open
from motiontransfer.report.metrics_table import count_verdicts, metric_differences
from motiontransfer.report.page import flattened, write_page
from motiontransfer.report.videos import (
    Panel,
    PanelSource,
    finished_panel,
    has_sound,
    make_panels,
    video_panel,
)
from motiontransfer.storage import replacing
from motiontransfer.video.frame_store import FrameStore

WORKSPACE = "workspace"
"""Name, as in DVC's commands, of the files in the working tree."""

_SHORT_HASH = 7

_MAX_VIDEO_BYTES = 9_000_000
_BEFORE, _AFTER = "before", "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFacts:
    """Name, commit and message of a revision."""

    name: str
    """The name given by the user."""

    commit: str
    """Its commit's hash, shortened; empty for the workspace."""

    message: str
    """First line of its commit's message; empty for the workspace."""


class Revision:
    """Reads files as they were at a revision."""

    def __init__(self, root: Path, name: str) -> None:
        """Find the revision.

        Args:
            root: the project's.
            name: whatever git knows (a tag, a branch, a hash), an experiment, or `workspace`.

        Raises:
            ParamsError: there is no such revision, or no git.
        """
        self.name = name
        try:
            wanted = None if name == WORKSPACE else name
            self._files = DVCFileSystem(str(root), rev=wanted)
            self.facts = self._facts(wanted)
        except (DvcException, SCMError) as error:
            raise ParamsError(
                f"revision {name!r}: {error}; expected a commit, branch, tag, experiment or "
                f"`{WORKSPACE}`"
            ) from error

    def has(self, path: Path) -> bool:
        """True if the revision has the file, in DVC's cache or not."""
        return self._files.exists(path.as_posix())

    def read(self, path: Path) -> bytes:
        """Read a file.

        Raises:
            MissingFileError: the revision does not know it, or it is not in DVC's cache.
        """
        if not self.has(path) and not any(self._is_dvcs(folder) for folder in path.parents):
            raise MissingFileError(
                f"{path}: not in revision {self.name!r}; run `dvc repro` there and commit, or name "
                "another revision"
            )
        try:
            return self._files.read_bytes(path.as_posix())
        except (OSError, DvcException, DataIndexDirError) as error:
            raise MissingFileError(
                f"{path} of revision {self.name!r}: not in DVC's cache; `dvc fetch --all-commits` "
                "gets it from the remote if it was pushed, else run that revision again"
            ) from error

    def _is_dvcs(self, folder: Path) -> bool:
        """True if DVC tracks the folder as a whole; its files are only known from the cache."""
        try:
            return self._files.isdvc(folder.as_posix())
        except FileNotFoundError:
            return False

    def read_json(self, path: Path) -> dict[str, object]:
        """Read a metrics file.

        Raises:
            MissingFileError: as `read`.
        """
        return json.loads(self.read(path))

    def read_params(self) -> dict[str, object]:
        """Read params.yaml.

        Raises:
            MissingFileError: as `read`.
        """
        return yaml.safe_load(self.read(Path("params.yaml")))

    def copy(self, path: Path, to: Path) -> Path:
        """Copy a file out of the revision, and return the path of the copy.

        Raises:
            MissingFileError: as `read`.
        """
        with replacing(to) as temporary:
            temporary.write_bytes(self.read(path))
        return to

    def _facts(self, wanted: str | None) -> RevisionFacts:
        repository = self._files.repo
        if wanted is None:
            return RevisionFacts(name=self.name, commit="", message="")
        commit = repository.get_rev()
        message = repository.scm.resolve_commit(commit).message.strip()
        return RevisionFacts(
            name=self.name,
            commit=commit[:_SHORT_HASH],
            message=message.splitlines()[0] if message else "",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParamDifference:
    """A value of params.yaml that differs."""

    key: str
    before: str | None
    """None where there was no such key."""

    after: str | None
    """None where there is no such key any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """Files of the transfer at one revision."""

    revision: Revision
    transfer: str

    def result(self) -> Path:
        return Path("results") / self.transfer / "transfer.mp4"

    def measurements(self) -> Measurements:
        table = Path("artifacts/measurements/evaluate_transfer") / f"{self.transfer}.parquet"
        with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
            return read_measurements(self.revision.copy(table, Path(folder) / table.name))

    def extras(self) -> dict[str, tuple[str, Path]]:
        """Further videos: label -> (description, path)."""
        names = _transfers(self.revision)[self.transfer]
        source = Path("artifacts/frames", names.source_subject, names.source, "frames.mkv")
        found = {"source": (f"{names.source_subject}, whose motion is copied", source)}
        if names.truth_path is not None:
            found["truth"] = (f"{names.target} really doing it", names.truth_path)
        return found


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
    """Return the requested transfer, or the only one.

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
        One line for each thing that could not be shown.

    Raises:
        MissingFileError: a result or its figures are not in DVC's cache.
    """
    old = _Run(revision=before, transfer=transfer)
    new = _Run(revision=after, transfer=transfer)
    found = old.measurements(), new.measurements()
    metrics = metric_differences(*found)
    differences = [item for items in metrics.values() for item in items]
    charts = frame_charts(_curves(*found, names=(before.name, after.name)))
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
            "metrics": metrics,
            "num_metrics": len(differences),
            "verdicts": count_verdicts(differences),
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
    """Both results, and the further videos that the newer run has."""
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


def _curves(
    before: Measurements, after: Measurements, *, names: tuple[str, str]
) -> dict[Quantity, dict[str, Float64[np.ndarray, " frames"]]]:
    """Ours of both runs, the newer one's first, as far as both have frames."""
    old, new = before.curves(), after.curves()
    found: dict[Quantity, dict[str, Float64[np.ndarray, " frames"]]] = {}
    for quantity in dict.fromkeys([*new, *old]):
        runs = zip(reversed(names), (new, old), strict=True)
        of_run = {name: run[quantity][OURS] for name, run in runs if OURS in run.get(quantity, {})}
        num_frames = min((len(values) for values in of_run.values()), default=0)
        if num_frames:
            found[quantity] = {name: values[:num_frames] for name, values in of_run.items()}
    return found


def param_differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[ParamDifference, ...]:
    """Params that differ, in the order of the newer file, removed keys last."""
    old, new = flattened(before), flattened(after)
    return tuple(
        ParamDifference(key=key, before=old.get(key), after=new.get(key))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    )
