"""One dance in one command: entries of the films in params.yaml, the stages that run, their run."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.repo import lock_repo
from dvc.repo.reproduce import plan_repro

from motiontransfer.errors import MissingFileError, MotionTransferError
from motiontransfer.params import PARAMS_FILE, Transfer, load_section
from motiontransfer.progress import ProgressMeter
from motiontransfer.project.entries import (
    Video,
    add_transfer,
    errors_of_dvc,
    removal_of,
    remove_video,
)
from motiontransfer.project.remote import opened
from motiontransfer.storage import sha256_of, write_text

LOG_FILE = Path(".dvc/tmp/dance.log")
_READ_BY_DVC = ("params.yaml", "dvc.yaml", "dvc.lock", ".dvcignore")
_CODE = ("motiontransfer", "stages", "demo")
_STAGE = re.compile(r"((?P<runs>Running s)|S)tage '(?P<stage>.+?)'")  # a line of DVC
_START_SECONDS = 5.0
_SELDOM_CHANGE = {"code", "check_params"}
"""Stages whose outputs are mostly the same as before."""


def name_of(file: Path, taken: set[str]) -> str:
    """Name of the video of params.yaml that has this content, else one that is not taken."""
    if not file.is_file():
        raise MissingFileError(f"{file}: no such file; expected a video")
    for name, video in load_section(dict[str, Video], "videos").items():
        is_alike = video.path.is_file() and video.path.stat().st_size == file.stat().st_size
        if is_alike and sha256_of(video.path) == sha256_of(file):
            return name
    stem = re.sub(r"[^\w-]+", "_", file.stem).strip("_-")[:40] or "film"
    return next(it for n in range(9**9) if (it := f"{stem}_{n}" if n else stem) not in taken)


def pair(source: str, target: str, *, root: Path) -> str:
    """Name of the transfer of a video's motion to a subject, which is added if there is none."""
    for name, it in load_section(dict[str, Transfer], "transfers", path=root / PARAMS_FILE).items():
        if (it.source, it.target) == (source, target):
            return name
    name = f"{target}_as_{source}"
    return add_transfer(source=source, target=target, name=name, truth="none", root=root)


def set_demo_aside(*, root: Path) -> list[str]:
    """Remove the demo's videos, unless a transfer pairs one with another film; return them."""
    videos = load_section(dict[str, Video], "videos", path=root / PARAMS_FILE)
    transfers = load_section(dict[str, Transfer], "transfers", path=root / PARAMS_FILE)
    demo = {name for name, video in videos.items() if video.path.parts[0] == "demo"}
    actors = {videos[name].subject for name in demo}
    if any((it.source in demo) != (it.target in actors) for it in transfers.values()):
        return []
    for name in demo:
        remove_video(removal_of(name, root=root), root=root)
    return sorted(demo)


@contextmanager
def rehearsal(root: Path = Path()) -> Generator[Path]:
    """Yield a folder where params.yaml can be edited and DVC plans as in the project."""
    with TemporaryDirectory() as folder:
        copy = Path(folder)
        (copy / ".dvc").mkdir()
        write_text(copy / ".dvc/config", "[core]\n    no_scm = true\n    analytics = false\n")
        for path in filter(Path.exists, (root / name for name in _READ_BY_DVC)):
            shutil.copy(path, copy)
        for path in filter(Path.exists, map(Path, _CODE)):
            (copy / path).symlink_to(path.resolve())
        yield copy


def stages_to_run(target: str = "", *, root: Path = Path()) -> list[str]:
    """Stages that DVC would run for one of dvc.yaml's, or for all, in its order.

    Missing outputs are taken as unchanged, as they can be restored, and what depends on a stage
    that runs as changed. A run that goes on meanwhile is not in the way.
    """
    with errors_of_dvc("dvc.yaml"), rehearsal(root) as copy, opened(copy) as repo, lock_repo(repo):
        names = {it: it.addressing.rpartition("dvc.yaml:")[2] for it in repo.index.stages}
        wanted = [it for it in names if target in ("", names[it])]
        graph, runs = repo.index.graph, []
        for stage in plan_repro(graph, wanted):
            upstream = list(graph.successors(stage))
            if (
                not all(out.hash_info for out in stage.outs)  # it never ran
                or any(it in runs and names[it] not in _SELDOM_CHANGE for it in upstream)
                or stage.changed(allow_missing=True, upstream=upstream)
            ):
                runs.append(stage)
        return [names[stage] for stage in runs]


def run_stages(target: str, seconds: Mapping[str, float]) -> None:
    """Run `dvc repro TARGET` with one line of progress; what it prints goes to `LOG_FILE`.

    Args:
        seconds: forecasts of the stages that will run.

    Raises:
        MotionTransferError: Ctrl-C, or a stage failed; the message has its errors.
    """
    command = [sys.executable, "-m", "dvc", "repro", target]
    waiting, number, done, failed = dict(seconds), 0, 0.0, None
    stage, began = "dvc repro", time.monotonic()
    seconds = {stage: _START_SECONDS, **seconds}
    meter = ProgressMeter(target.partition("@")[2], total=max(round(sum(seconds.values())), 1))
    LOG_FILE.parent.mkdir(parents=True, exist_ok=True)
    with LOG_FILE.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(command, stdout=written, stderr=subprocess.STDOUT)
    with LOG_FILE.open(encoding="utf-8", errors="replace") as log, closing(meter):
        try:
            while failed is None:
                with suppress(subprocess.TimeoutExpired):
                    failed = process.wait(timeout=1)
                for said in filter(None, (re.match(_STAGE, line) for line in log)):
                    done += seconds.get(stage if said["runs"] else said["stage"], 0.0)
                    waiting.pop(said["stage"], None)
                    if said["runs"]:
                        stage, began, number = said["stage"], time.monotonic(), number + 1
                of_stage = min(time.monotonic() - began, seconds.get(stage, 0.0))
                note = f", {number} of {number + len(waiting)}: {stage}"
                meter.show(max(round(done + of_stage), 1), note=note)
        except KeyboardInterrupt as error:  # the stage got it, too, and keeps what it has
            process.wait()
            raise MotionTransferError("stopped; the same command goes on from there") from error
    if failed:
        printed = LOG_FILE.read_text(encoding="utf-8", errors="replace")
        errors = re.findall(r"^ERROR: (?!failed to )(.*)$", printed, re.MULTILINE)
        told = "\n".join(errors) or f"{stage} failed"
        raise MotionTransferError(f"{told}; all that was printed is in {LOG_FILE}")
