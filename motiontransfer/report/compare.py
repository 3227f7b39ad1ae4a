"""Comparisons in sync: two runs of one transfer with metrics and params, or several transfers."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import TypeAdapter, ValidationError

from motiontransfer.core import layout
from motiontransfer.core.errors import FILMS_FILE, PARAMS_FILE, MissingFileError, ParamsError
from motiontransfer.core.params import FILMS, Transfer
from motiontransfer.core.storage import replacing
from motiontransfer.evaluation.measurements import OURS, Measurements, read_measurements
from motiontransfer.evaluation.metrics import Curves, curves
from motiontransfer.pipeline.dvc_api import (
    DataIndexDirError,
    DvcException,
    DVCFileSystem,
    Repo,
    SCMError,
)
from motiontransfer.pipeline.git import git
from motiontransfer.report.page import PanelSource, leaf_texts, video_panel, write_video_page
from motiontransfer.report.tables import frame_charts, metric_differences
from motiontransfer.video.frame_store import FrameStore

WORKSPACE = "workspace"
"""Name, as in DVC's commands, of the files in the working tree."""

_SHORT_HASH = 7  # characters, as git shows
_MAX_VIDEO_BYTES = 9_000_000  # of all videos; a third more in the page, which can be mailed
_MAX_TRANSFERS_BYTES = 12_000_000
_BEFORE, _AFTER = "before", "after"


class Revision:
    """Reads files as they were at a revision."""

    name: str
    """Revision as the user gave it."""
    commit: str = ""
    """Shortened hash of its commit; empty for the workspace."""
    message: str = ""
    """First line of the commit's message; empty for the workspace."""

    def __init__(self, root: Path, name: str) -> None:
        """Find whatever git knows (a tag, a branch, a hash), an experiment, or `workspace`.

        Raises:
            ParamsError: there is no such revision, or no git.
            GitError: git fails.
        """
        self.name, self._folder = name, Path()
        if name != WORKSPACE:
            git(root, "status", "--porcelain=v1")  # or DVC's libraries end in a traceback
        try:
            rev = None if name == WORKSPACE else name
            self._files = DVCFileSystem(str(root), rev=rev, subrepos=True)
            if name != WORKSPACE:
                repo = self._files.repo
                # A revision has the whole of git's repository, of which the project may be a part.
                project = Path(Repo.find_root(str(root))).resolve()
                self._folder = project.relative_to(Path(repo.scm.root_dir).resolve())
                commit = repo.get_rev()
                message = repo.scm.resolve_commit(commit).message.strip()
                self.commit, self.message = commit[:_SHORT_HASH], message.partition("\n")[0]
        except (DvcException, SCMError) as error:
            raise ParamsError(
                f"revision {name!r}: {error}; expected a commit, branch, tag, experiment or "
                f"`{WORKSPACE}`"
            ) from error

    def read(self, path: Path) -> bytes:
        """Read a file.

        Raises:
            MissingFileError: the revision does not know it, or it is not in DVC's cache.
        """
        inner = self._folder / path
        name = inner.as_posix()
        # Files in a folder that DVC tracks as a whole are only known from the cache.
        if not self._files.exists(name) and not any(map(self._is_tracked, inner.parents)):
            raise MissingFileError(
                f"{path}: not in revision {self.name!r}; run `dvc repro` there and commit, or name "
                "another revision"
            )
        try:
            return self._files.read_bytes(name)
        except (OSError, DvcException, DataIndexDirError) as error:
            raise MissingFileError(
                f"{path} of revision {self.name!r}: not in DVC's cache; `dvc fetch --all-commits` "
                "gets it from the remote if it was pushed, else run that revision again"
            ) from error

    def _is_tracked(self, folder: Path) -> bool:
        try:
            return self._files.isdvc(folder.as_posix())
        except FileNotFoundError:
            return False

    def read_params(self) -> dict[str, object]:
        return yaml.safe_load(self.read(PARAMS_FILE))

    def copy(self, path: Path, to: Path) -> Path:
        with replacing(to) as temporary:
            temporary.write_bytes(self.read(path))
        return to


class ParamDifference(NamedTuple):
    """A value of params.yaml that differs; None where there is no such key."""

    key: str
    before: str | None
    after: str | None


def _transfers(revision: Revision) -> dict[str, Transfer]:
    try:
        return TypeAdapter(dict[str, Transfer]).validate_python(
            yaml.safe_load(revision.read(FILMS_FILE))[FILMS].get("transfers")
        )
    except ValidationError as error:
        raise ParamsError(
            f"revision {revision.name!r}: {FILMS_FILE}: transfers: not of this version of the "
            f"project: {error.errors()[0]['msg']}"
        ) from error


def choose_transfer(revision: Revision, name: str | None) -> str:
    """Return the requested transfer, or the only one.

    Raises:
        ParamsError: there is no such transfer, or there are several and none was named.
    """
    transfers = [*_transfers(revision)]
    names = ", ".join(transfers)
    if name is None and len(transfers) != 1:
        raise ParamsError(f"revision {revision.name!r}: name one with --transfer: {names}")
    if name is not None and name not in transfers:
        raise ParamsError(f"revision {revision.name!r}: no transfer {name!r}; it has {names}")
    return name or transfers[0]


def write_comparison_page(
    path: Path, before: Revision, after: Revision, *, transfer: str
) -> tuple[str, ...]:
    """Write one HTML file that needs nothing else.

    Returns:
        One line for each thing that could not be shown.

    Raises:
        MissingFileError: a result or its figures are not in DVC's cache.
    """
    with tempfile.TemporaryDirectory(prefix="motiontransfer-") as folder:
        scratch = Path(folder)
        table = layout.measurements_file("evaluate_transfer", transfer)
        old, new = (
            read_measurements(each.copy(table, scratch / table.name)) for each in (before, after)
        )
        sources, notes = _panel_sources(before, after, transfer, scratch)
        lengths = []
        for name in (_BEFORE, _AFTER):
            with FrameStore(scratch / f"{name}.mp4") as store:
                lengths.append(len(store))
        if lengths[0] != lengths[1]:
            notes.append(
                f"the runs have {lengths[0]} and {lengths[1]} frames; only the first "
                f"{min(lengths)} are compared"
            )
        metrics = metric_differences(old, new)
        content = {
            "title": f"{transfer}: {before.name} and {after.name}",
            "transfer": transfer,
            "revisions": (before, after),
            "notes": notes,
            "params": param_differences(before.read_params(), after.read_params()),
            "metrics": metrics,
            "verdicts": Counter(item.verdict for items in metrics.values() for item in items),
        }
        write_video_page(
            path,
            "comparison.html",
            content,
            sources=sources,
            master=_AFTER,
            max_bytes=_MAX_VIDEO_BYTES,
            charts=frame_charts(_curves(old, new, names=(before.name, after.name))),
        )
    return tuple(notes)


def _panel_sources(
    before: Revision, after: Revision, transfer: str, scratch: Path
) -> tuple[list[PanelSource], list[str]]:
    """Both results, source and ground truth of the newer run; notes on those that are missing."""
    result = layout.results_folder(transfer) / layout.TRANSFER_FILE
    panels = [
        video_panel(
            *(name, revision.name, f"result of {revision.name}"),
            revision.copy(result, scratch / f"{name}.mp4"),
            is_finished=True,
        )
        for name, revision in ((_BEFORE, before), (_AFTER, after))
    ]
    notes: list[str] = []
    names = _transfers(after)[transfer]
    source = layout.frames_file(names.source_subject, names.source)
    others = [("source", 0, f"source video of {names.source_subject}", source)]
    if names.truth_path is not None:
        truth = f"ground truth: {names.target} filmed performing the same motion"
        others.append(("truth", 3, truth, names.truth_path))
    for label, position, description, path in others:
        try:
            copy = after.copy(path, scratch / f"{label}{path.suffix}")
        except MissingFileError as error:
            notes.append(f"{label} is not shown: {error}")
        else:
            panels.insert(position, video_panel(label, label, description, copy))
    return panels, notes


def _curves(before: Measurements, after: Measurements, *, names: tuple[str, str]) -> Curves:
    """Ours of both runs, the newer one's first, as far as both have frames."""
    old, new = curves(before), curves(after)
    found: Curves = {}
    for key in dict.fromkeys([*new, *old]):
        runs = zip(reversed(names), (new, old), strict=True)
        of_run = {name: run[key][OURS] for name, run in runs if OURS in run.get(key, {})}
        num_frames = min((len(values) for values in of_run.values()), default=0)
        if num_frames:
            found[key] = {name: values[:num_frames] for name, values in of_run.items()}
    return found


def param_differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> tuple[ParamDifference, ...]:
    """Params that differ, in the order of the newer file, removed keys last."""
    old, new = leaf_texts(before), leaf_texts(after)
    return tuple(
        ParamDifference(key=key, before=old.get(key), after=new.get(key))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    )


def write_transfers_page(path: Path, transfers: Mapping[str, Transfer]) -> None:
    """Write one HTML file with the source's video and the result of each transfer.

    Raises:
        ParamsError: they are fewer than two, or of different sources.
        MissingFileError: a video is not there.
    """
    sources = {(transfer.source_subject, transfer.source) for transfer in transfers.values()}
    if len(transfers) < 2 or len(sources) != 1:
        raise ParamsError(
            f"expected at least two transfers of one source, got {', '.join(transfers)} of "
            f"{', '.join(sorted(source for _, source in sources))}"
        )
    ((subject, source),) = sources
    frames = layout.frames_file(subject, source)
    panels = [
        video_panel(
            *(f"of_{name}", name, f"{transfer.target} performs it"),
            layout.results_folder(name) / layout.TRANSFER_FILE,
            is_finished=True,
        )
        for name, transfer in transfers.items()
    ]
    write_video_page(
        path,
        "together.html",
        {"title": f"{source}: {', '.join(transfers)}", "source": source},
        sources=[video_panel("source", source, f"source video of {subject}", frames), *panels],
        master=panels[0].name,
        max_bytes=_MAX_TRANSFERS_BYTES,
    )
