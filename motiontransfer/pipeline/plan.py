"""Stages that `dvc repro` would run, and about how long they take."""

import json
import math
import shutil
from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from motiontransfer.core import layout
from motiontransfer.core.errors import MotionTransferError
from motiontransfer.core.events import Planned
from motiontransfer.core.parallel import cpu_clock
from motiontransfer.core.params import PARAMS_FILE, check_params, load_section, read_films
from motiontransfer.core.stages import STAGES, Stage
from motiontransfer.core.storage import source_digests, write_text
from motiontransfer.pipeline.dvc_api import (
    errors_of_dvc,
    in_order,
    lock_repo,
    name_of,
    opened,
    own_stages,
    params_read_once,
    upstream,
)
from motiontransfer.video.isolation import run_isolated
from motiontransfer.video.reader import read_metadata

Graph = Mapping[str, Collection[str]]
"""Stage -> stages whose outputs it reads."""

_READ_BY_DVC = ("params.yaml", "films.yaml", "dvc.yaml", "dvc.lock", ".dvcignore")
_CODE = ("motiontransfer", "stages", "demo")
_NUM_SQUARES, _REPEATS, _WORK_SECONDS = 200_000, 7, 0.0105
_WITHOUT_BF16 = 1.3  # times that a training takes, beside how slow the machine is
_DEMO_FRAMES = 330  # of a film of the demo that is not made yet
TRAININGS = ("train_gan", "train_face_gan", "train_face_cycle", "train_forensics")


@contextmanager
def scratch_project(root: Path = Path()) -> Generator[Path]:
    """Yield a folder where films.yaml can be edited and DVC plans as in the project."""
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        (copy / ".dvc").mkdir()
        write_text(copy / ".dvc/config", "[core]\n    no_scm = true\n    analytics = false\n")
        with opened(root, wait=True) as repo, lock_repo(repo):  # which writes them in place
            for path in filter(Path.exists, (root / name for name in _READ_BY_DVC)):
                shutil.copy(path, copy)
        for path in filter(Path.exists, map(Path, _CODE)):
            try:
                (copy / path).symlink_to(path.resolve())
            except OSError:  # Windows has links for few users
                shutil.copytree(path, copy / path)
        yield copy


def plan(
    *wanted: str, root: Path = Path(), is_forecast: bool = False, changed: Collection[str] = ()
) -> Graph:
    """Stages that `dvc repro` would run for some of dvc.yaml's, or for all, in its order.

    Args:
        wanted: stages, or groups of them as `train_gan`.
        is_forecast: what will probably run. Missing outputs are taken as unchanged, as they can be
            restored, and a run that goes on meanwhile is not in the way.
        changed: stages that will run, as the stage `check_params` will write others' keys.

    Raises:
        MotionTransferError: DVC cannot read dvc.yaml.
        ParamsError: the stage `check_params` would run, and refuse the params.
    """
    constant = {name for name, stage in STAGES.items() if stage.has_constant_outputs}
    with (
        errors_of_dvc("dvc.yaml"),
        scratch_project(root) if is_forecast else nullcontext(root) as folder,
        opened(folder, wait=True) as repo,
        lock_repo(repo),
        params_read_once(),
    ):
        named = {name_of(stage): stage for stage in own_stages(repo)}
        targets = [named[name] for name in _chosen(named, wanted)]
        to_run: dict[str, list[str]] = {}
        outdated: Collection[str] = changed
        for stage in in_order(repo, targets):
            before = upstream(repo, stage)
            running = [name for name in map(name_of, before) if name in to_run]
            if (
                not all(out.hash_info for out in stage.outs)  # it never ran
                or not {name_of(stage), name_of(stage).partition("@")[0]}.isdisjoint(outdated)
                or set(running) - (constant if is_forecast else set())
                or stage.changed(allow_missing=is_forecast, upstream=before)
            ):
                to_run[name_of(stage)] = running
                if is_forecast and name_of(stage) == "code":
                    outdated = {*changed, *_of_other_code()}
        if "check_params" in to_run:
            check_params(root)
        return to_run


def lost(stages: Collection[str], *, root: Path = Path()) -> list[str]:
    """Those with outputs neither here nor in DVC's cache: they run though nothing has changed."""
    with errors_of_dvc("dvc.yaml"), opened(root, wait=True) as repo, lock_repo(repo):
        return [
            name_of(stage)
            for stage in own_stages(repo)
            if name_of(stage) in stages
            and any(not out.exists and out.changed_cache() for out in stage.outs)
        ]


def _of_other_code() -> list[str]:
    """Groups of stages whose modules have changed since the stage `code` ran, as by an update."""
    known = {group: layout.code_file(group) for group in STAGES}
    return [
        group
        for group, file in known.items()
        if file.exists() and json.loads(file.read_bytes()) != source_digests(f"stages.{group}")
    ]


def _chosen(named: Iterable[str], wanted: Collection[str]) -> list[str]:
    """Stages of these names or groups; all where none is wanted."""
    groups: dict[str, list[str]] = {}
    for name in named:
        for each in {name, name.partition("@")[0]}:
            groups.setdefault(each, []).append(name)
    if unknown := [name for name in wanted if name not in groups]:
        raise MotionTransferError(
            f"{', '.join(unknown)}: no such stage; `dvc stage list` lists them; where its video or "
            "transfer was removed meanwhile, run the same command again"
        )
    return [name for each in wanted for name in groups[each]] if wanted else [*named]


def forecast(stages: Iterable[str], *, root: Path = Path()) -> dict[str, float]:
    """Seconds of stages, e.g. `decode@me`, with the params in `root`, on this machine's CPU.

    A stage's time is its start, and a time for each frame of its film. A training's is for each
    frame that it is shown, at most `max_minutes`.
    """
    slower = slowness()
    slower_training = slower if has_bf16() else slower * _WITHOUT_BF16
    params, films = root / PARAMS_FILE, read_films(root)
    videos, transfers = films.videos, films.transfers

    @cache
    def frames_in(path: Path, trim: tuple[float, float] | None) -> int:
        if not path.is_file():
            return _DEMO_FRAMES
        film = run_isolated(read_metadata, path)
        most = math.inf if trim is None else (trim[1] - trim[0]) * float(film.frame_rate)
        return round(min(film.num_frames or 0, most))

    def frames_of(key: str) -> int:
        """Frames of a video, of a transfer's source, or of all videos of a subject."""
        names = [transfers[key].source] if key in transfers else [key]
        if key not in (*transfers, *videos):
            names = [name for name, video in videos.items() if video.subject == key]
        return sum(frames_in(videos[name].path, videos[name].trim) for name in names)

    forecasts = {}
    for name in stages:
        group, _, key = name.partition("@")
        stage, seconds = STAGES.get(group, Stage()), 0.0
        if group in TRAININGS:
            steps, items, minutes = (
                load_section(float | None, f"{group}.{param}", path=params)
                for param in ("steps", "batch_size", "max_minutes")
            )
            seconds = slower_training * stage.seconds_per_frame * (steps or 0.0) * (items or 0.0)
            seconds = min(seconds, 60 * minutes) if minutes else seconds
        elif stage.seconds_per_frame:
            num_frames = min(frames_of(key), stage.most_frames or math.inf)
            seconds = slower * stage.seconds_per_frame * num_frames
        forecasts[name] = slower * stage.start_seconds + seconds
    return forecasts


@cache
def slowness() -> float:
    """CPU time of a fixed piece of work, relative to the machine of `core.stages`.

    The work is the interpreter's: NumPy's speed depends on instructions that stages hardly use.
    """
    seconds = []
    for _ in range(_REPEATS):
        began = cpu_clock()
        sum(number * number for number in range(_NUM_SQUARES))
        seconds.append(cpu_clock() - began)
    return median(seconds) / _WORK_SECONDS  # not the least: a shared core is slow at times


@cache
def has_bf16() -> bool:
    """Whether the CPU multiplies bf16, as far as Linux tells: PyTorch takes seconds to load."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text(encoding="utf-8") if info.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def seconds_side_by_side(graph: Graph, seconds: Mapping[str, float], *, jobs: int) -> float:
    """Time of stages, several at once: that of the longest chain, or of all shared evenly."""
    return max([*longest_chains(graph, seconds).values(), sum(seconds.values()) / jobs])


def longest_chains(graph: Graph, seconds: Mapping[str, float]) -> dict[str, float]:
    """Seconds from the start of each stage to the end of all that can run after it alone.

    Args:
        graph: each stage after those that it depends on.
        seconds: of stages; 0 of others.
    """
    own = {name: seconds.get(name, 0.0) for name in graph}
    chains = own.copy()
    for name in reversed([*graph]):
        for before in graph[name]:
            chains[before] = max(chains[before], own[before] + chains[name])
    return chains


def urgencies(graph: Graph, seconds: Mapping[str, float], *, first: str) -> dict[str, float]:
    """The longest chains, of which those through the stage `first` are longer than all others."""
    return longest_chains(graph, {**seconds, first: sum(seconds.values(), 0.0)})


def planned(title: str, forecasts: Mapping[str, float]) -> Planned:
    """How long stages take, one after another."""
    return Planned(title=title, stages=forecasts, seconds=sum(forecasts.values()))
