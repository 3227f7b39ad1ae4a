"""Each fault in each stage, by one command with a table: `python -m tests.faults.matrix`.

A stage of a finished tiny project is run anew by DVC, disturbed, and run again. No output may be
half-written, the message must name what happened, and what the second run makes must be what an
undisturbed one makes. `--kills N` kills whole `dvc repro` runs at random moments instead.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import av
import psutil
import yaml

from motiontransfer.stage_runner import stage_inputs
from tests.tiny_project import edit_yaml, environment_of, repro, run_tiny_project

STAGES = (
    *("film@source", "code", "check_params", "plots_page"),
    *("decode@demo_dance", "detect_keypoints@demo_dance"),
    *("clean_keypoints@demo_dance", "fit_normalization@ben", "fit_appearance@ada"),
    *("train_gan@ada", "train_face_gan@ada", "train_face_cycle@ada_as_ben", "render@ada_as_ben"),
    *("evaluate@ada", "evaluate_transfer@ada_as_ben", "report@ada_as_ben"),
    "train_forensics@detector",
)
_UNNOTICED = "unnoticed"
_OF_TIME = ("minutes", "steps_per_second", "loader_share", "date")
_SECONDS_TO_END = 1200  # of a busy machine
_IS_READING, _HAS_ENDED = "shim/is_reading", "shim/has_ended"
_ATTEMPTS = 8  # at other moments, where a fault came too early or too late


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished `dvc repro`."""

    status: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Peace:
    """What an undisturbed run of a stage makes, and in how long."""

    outs: dict[str, str]
    seconds: float
    seconds_at_work: float
    """From where it looked at its inputs; before, it imports, and after, Python ends."""


def folder_of(stage: str) -> Path:
    """Folder of the pipeline that defines a stage."""
    return Path("demo" if stage.startswith("film@") else ".")


def address_of(stage: str) -> str:
    """A stage as `dvc repro` names it."""
    return f"{folder_of(stage) / 'dvc.yaml'}:{stage}"


def outs_of(root: Path, stage: str) -> list[Path]:
    """Files and folders that a stage writes, metrics among them."""
    lock = yaml.safe_load((root / folder_of(stage) / "dvc.lock").read_text())
    recorded = lock["stages"][stage]
    return [Path(out["path"]) for out in recorded["outs"]]


def digests(root: Path, outs: list[Path]) -> dict[str, str]:
    """Digest of each file of a stage's outputs, but for what depends on time and salt."""
    files = [file for out in outs for file in sorted([root / out, *(root / out).rglob("*")])]
    return {str(it.relative_to(root)): _digest(it) for it in files if it.is_file()}


def _digest(path: Path) -> str:
    if path.suffix == ".mp4":  # the manifest is salted
        with av.open(str(path)) as container:
            content = b"".join(bytes(packet) for packet in container.demux() if packet.size)
    elif path.suffix == ".html":  # holds such videos, and metrics of time
        content = b""
    elif path.suffix == ".json":
        told = json.loads(path.read_text())
        content = json.dumps({k: v for k, v in told.items() if k not in _OF_TIME}).encode()
    else:
        content = path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def copy_without(project: Path, root: Path, stage: str) -> None:
    """Copy a finished project as it was before it ever ran a stage."""
    ignored = shutil.ignore_patterns("runs", "tmp", ".site", ".global", "__pycache__")
    shutil.copytree(project, root, ignore=ignored, copy_function=_link)
    for out in outs_of(root, stage):
        path = root / out
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    edit_yaml(root / folder_of(stage) / "dvc.lock", lambda lock: lock["stages"].pop(stage))


def _link(source: str, copied: str) -> None:
    """Hard links of what is replaced, never written to."""
    edited = source.endswith((".yaml", "dvc.lock", "config", ".json")) or "/demo/clips" in source
    (shutil.copy2 if edited else os.link)(source, copied)


@contextmanager
def started(root: Path, *arguments: str, python: Path | None = None) -> Iterator[subprocess.Popen]:
    """`dvc repro` in a session of its own; what is left of it is killed at the end."""
    environment = environment_of(root)
    if python is not None:
        environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    with (root / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", *arguments],
            cwd=root, env=environment, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            for left in _of_session(process.pid):
                left.kill()
            process.wait()


def ended(process: subprocess.Popen, root: Path) -> Run:
    status = process.wait(timeout=_SECONDS_TO_END)
    return Run(status=status, output=(root / "output").read_text())


def _of_session(session: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


def stage_process(process: subprocess.Popen) -> psutil.Process:
    """The Python that runs the stage, once it is there."""
    deadline = time.monotonic() + _SECONDS_TO_END
    while time.monotonic() < deadline and process.poll() is None:
        for child in _of_session(process.pid):
            try:
                if child.cmdline()[1:3] in (["-m", "stages"], ["-m", "demo"]):
                    return child
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        time.sleep(0.02)
    raise LookupError("no stage was started")


def train_all(params: dict) -> None:
    """A detector of rendered video and a face cycle, trained in a few steps."""
    params["detectors"] = ["detector"]
    few = {"steps": 4, "log_every_steps": 2, "sample_every_steps": 4, "checkpoint_every_steps": 2}
    params["train_forensics"] |= {
        **few, "gap_frames": 1, "max_frames": 50, "crop_size": 32, "num_filters": 4
    }  # fmt: skip
    params["train_face_cycle"] |= {
        **few, "crop_size": 32, "num_filters": 4, "num_residual_blocks": 1,
        "discriminator_filters": 4, "discriminator_layers": 2,
    }  # fmt: skip


Disturb = Callable[[Path, str, subprocess.Popen, float], "Run"]
"""Called with the project, the stage, its `dvc repro` and a moment in seconds after its start.

Where `python` is `_telling`, the moment is counted from where the stage looked at its inputs.
"""


def _after(moment: float, process: subprocess.Popen) -> psutil.Process:
    child = stage_process(process)
    time.sleep(max(0.0, moment - (time.time() - child.create_time())))
    return child


def _workers(child: psutil.Process) -> list[psutil.Process]:
    """Its children, but for commands that end at once and those that only track resources."""
    children, found = [], []
    with suppress(psutil.NoSuchProcess):
        children = child.children(recursive=True)
    for process in children:
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())  # empty where it has ended
            lives = process.create_time() < time.time() - 0.5
            if command and lives and "resource_tracker" not in command:
                found.append(process)
    return found


def _signalled(to: str, number: int) -> Disturb:
    def disturb(root: Path, stage: str, process: subprocess.Popen, moment: float) -> Run:
        child = _after(moment, process)
        if to == "stage":
            child.send_signal(number)
        elif to == "worker":
            deadline = time.monotonic() + 2 * moment + 5
            while not (workers := _workers(child)):
                if not child.is_running() or time.monotonic() > deadline:
                    raise LookupError("it has no workers")
                time.sleep(0.01)
            workers[-1].send_signal(number)
        elif to == "dvc":
            process.send_signal(number)
            process.wait()
            child.wait(_SECONDS_TO_END)  # it goes on alone
        else:
            os.killpg(process.pid, number)
        return ended(process, root)

    return disturb


def _after_reading(root: Path, moment: float, process: subprocess.Popen) -> None:
    child = stage_process(process)
    while not (root / _IS_READING).exists():
        if not child.is_running():
            raise LookupError("it read nothing")
        time.sleep(0.005)
    time.sleep(moment)


def _input_of(root: Path, stage: str) -> Path:
    """A file that the stage reads: of an artifact where there is one."""
    before = Path.cwd()
    os.chdir(root)
    try:
        _, dependencies = stage_inputs(folder_of(stage) / "dvc.yaml", stage)
    finally:
        os.chdir(before)
    read = [it for it in dependencies if it.startswith(("artifacts/", "demo/clips/"))]
    path = root / min(read or dependencies, key=lambda it: "/code/" in it)
    return min(it for it in path.rglob("*") if it.is_file()) if path.is_dir() else path


def _input_gone(root: Path, stage: str, process: subprocess.Popen, moment: float) -> Run:
    path = _input_of(root, stage)
    _after_reading(root, moment, process)
    kept = path.with_name(f"{path.name}.tmp")
    path.rename(kept)
    try:
        return ended(process, root)
    finally:
        kept.rename(path)


def _input_replaced(root: Path, stage: str, process: subprocess.Popen, moment: float) -> Run:
    path = _input_of(root, stage)
    _after_reading(root, moment, process)
    kept = path.with_name(f"{path.name}.tmp")
    path.rename(kept)
    path.write_bytes(kept.read_bytes() + b"\0")
    try:
        return ended(process, root)
    finally:
        kept.replace(path)


def _second_repro(root: Path, stage: str, process: subprocess.Popen, moment: float) -> Run:
    stage_process(process)
    other = subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "-s", address_of(stage)],
        cwd=root, env=environment_of(root), capture_output=True, text=True, check=False,
    )  # fmt: skip
    first = ended(process, root)
    assert first.status == 0, "the first one failed"
    return Run(status=other.returncode, output=other.stdout + other.stderr)


def _undisturbed(root: Path, stage: str, process: subprocess.Popen, moment: float) -> Run:
    return ended(process, root)


def _full_disk(root: Path, stage: str) -> Path:
    """A Python that cannot write files of more than 512 bytes.

    Nor does it write bytecode: CPython before 3.12.8 would leave some cut, and then fail to import.
    """
    return _shim(root, f'ulimit -f 1\nPYTHONDONTWRITEBYTECODE=1 exec {sys.executable} "$@"\n')


def _telling(root: Path, stage: str) -> Path:
    """A Python that writes a file when a stage looks at its inputs, and one at its end.

    To look at its inputs it opens dvc.yaml.
    """
    shim = _shim(root, f'PYTHONPATH={root / "shim"} exec {sys.executable} "$@"\n')
    shim.with_name("sitecustomize.py").write_text(
        "import atexit, sys\n"
        "def tell(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('dvc.yaml'):\n"
        f"        open({str(root / _IS_READING)!r}, 'w').close()\n"
        "sys.addaudithook(tell)\n"
        f"atexit.register(lambda: open({str(root / _HAS_ENDED)!r}, 'w').close())\n"
    )
    return shim


def _shim(root: Path, script: str) -> Path:
    shim = root / "shim/python"
    shim.parent.mkdir()
    shim.write_text(f"#!/bin/sh\n{script}")
    shim.chmod(0o755)
    return shim


@contextmanager
def _read_only(root: Path, stage: str) -> Iterator[None]:
    """Root may write to any folder that is not mounted read-only."""
    with ExitStack() as stack:
        for folder in (root / "artifacts", root / "results", root / "demo/clips"):
            subprocess.run(["mount", "--bind", folder, folder], check=True)
            stack.callback(subprocess.run, ["umount", folder], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


def _into_the_future(root: Path, stage: str) -> None:
    """As after the clock was moved back by a day."""
    later = time.time() + 86_400
    for path in (root / "artifacts").rglob("*"):
        os.utime(path, (later, later))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a stage, and what must be told of it."""

    disturb: Disturb = _undisturbed
    python: Callable[[Path, str], Path] | None = None
    around: Callable[[Path, str], object] | None = None
    before: Callable[[Path, str], None] | None = None
    flips: bool = False
    told: str = ""
    """Pattern of the message; empty where there is nothing to tell."""


FAULTS = {
    "SIGKILL of the stage": Fault(
        disturb=_signalled("stage", signal.SIGKILL), told=r"exited with -9"
    ),
    "SIGKILL of dvc": Fault(disturb=_signalled("dvc", signal.SIGKILL)),
    "SIGKILL of a worker": Fault(disturb=_signalled("worker", signal.SIGKILL), told="killed"),
    "SIGTERM": Fault(
        disturb=_signalled("stage", signal.SIGTERM), told="interrupted|exited with -15"
    ),
    "Ctrl-C": Fault(
        disturb=_signalled("all", signal.SIGINT), told="interrupted|KeyboardInterrupt|exited with"
    ),
    "disk full": Fault(
        python=_full_disk,
        told="File too large|No space left|cannot be written|limit is reached|disk I/O error",
    ),
    "read-only folder": Fault(around=_read_only, told="Read-only file system"),
    "input deleted": Fault(
        disturb=_input_gone,
        python=_telling,
        told=r"no such|missing|\(removed\)|does not exist|no keypoints",
    ),
    "input replaced": Fault(
        disturb=_input_replaced, python=_telling, told=r"changed while|damaged|not a |\(replaced\)"
    ),
    "second dvc repro": Fault(disturb=_second_repro, told="busy|lock"),
    "output flipped afterwards": Fault(flips=True),
    "clock moved back": Fault(before=_into_the_future),
}


def run_peacefully(project: Path, folder: Path, stage: str) -> Peace:
    root = folder / "peace"
    copy_without(project, root, stage)
    python = _telling(root, stage)
    with started(root, "-s", address_of(stage), python=python) as process:
        child = stage_process(process)
        begun = child.create_time()
        child.wait()
        end = time.time()
        done = ended(process, root)
    assert done.status == 0, done.output[-2000:]
    outs = digests(root, outs_of(project, stage))
    reading, over = ((root / file).stat().st_mtime for file in (_IS_READING, _HAS_ENDED))
    shutil.rmtree(root)
    return Peace(outs=outs, seconds=end - begun, seconds_at_work=over - reading)


def try_fault(
    project: Path, root: Path, stage: str, fault: Fault, peace: Peace, moment: float
) -> str:
    """`ok`, `-` where the fault cannot happen there, or what went wrong."""
    copy_without(project, root, stage)
    outs = outs_of(project, stage)
    if fault.before:
        fault.before(root, stage)
    python = fault.python(root, stage) if fault.python else None
    try:
        with started(root, "-s", address_of(stage), python=python) as process:
            if fault.around:
                with fault.around(root, stage):
                    done = fault.disturb(root, stage, process, moment)
            else:
                done = fault.disturb(root, stage, process, moment)
    except LookupError:
        return "-"
    except psutil.NoSuchProcess:
        return _UNNOTICED
    half = [
        name
        for name, digest in digests(root, outs).items()
        if digest != peace.outs.get(name) and "/training/" not in name
    ]
    if half:
        return f"half-written: {half[0]}"
    if done.status == 0 and fault.told:
        return _UNNOTICED
    if not re.search(fault.told, done.output):
        return f"not told: {done.output[-200:]!r}"
    if "Traceback" in done.output:
        return f"traceback: {done.output[-300:]!r}"
    if fault.flips:
        flipped = max(digests(root, outs))
        _flip(root / flipped)
    with started(root, "-s", address_of(stage)) as process:
        again = ended(process, root)
    if again.status:
        return f"not completed: {again.output[-300:]!r}"
    if digests(root, outs) != peace.outs:
        differing = {k for k, v in digests(root, outs).items() if v != peace.outs.get(k)}
        return f"other result: {sorted(differing)[:2]}"
    return "ok"


def run_matrix(project: Path, stages: list[str], faults: list[str], *, seed: int) -> int:
    """Print a row a stage as it is done, then the counts; return how many cells are bad."""
    moments = random.Random(seed)
    print(f"| stage | {' | '.join(faults)} |\n|---|{'---|' * len(faults)}")
    counts = {"ok": 0, "-": 0, _UNNOTICED: 0, "bad": 0}
    for stage in stages:
        cells = []
        with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
            peace = run_peacefully(project, Path(folder), stage)
            for number, name in enumerate(faults):
                root = Path(folder) / str(number)
                for _ in range(_ATTEMPTS):
                    fault = FAULTS[name]
                    of = peace.seconds_at_work if fault.python is _telling else peace.seconds
                    moment = of * moments.uniform(0.2, 0.9)
                    cell = try_fault(project, root, stage, fault, peace, moment)
                    shutil.rmtree(root)
                    if cell != _UNNOTICED:
                        break
                cells.append(cell)
                counts[cell if cell in counts else "bad"] += 1
                print(f"  {stage}, {name}: {cell}", file=sys.stderr, flush=True)
        print(f"| {stage} | {' | '.join(cells)} |", flush=True)
    print("\n" + ", ".join(f"{count} {what}" for what, count in counts.items()))
    return counts["bad"]


def _remove_cut_lock(root: Path) -> None:
    """As docs/troubleshooting.md says of a DVC that was killed while it wrote its locks."""
    locks = root / ".dvc/tmp/rwlock"
    if locks.exists() and not locks.read_bytes():
        locks.unlink()
        print(f"{locks} was cut", flush=True)


def run_kills(project: Path, num_kills: int, *, seed: int) -> int:
    """Run all but the film anew, killed at random moments; return how many files differ."""
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        roots = [Path(folder) / name for name in ("peace", "war")]
        for root in roots:
            copy_without(project, root, "code")
            shutil.rmtree(root / "results")
            for made in (root / "artifacts").iterdir():
                shutil.rmtree(made) if made.is_dir() else made.unlink()
            (root / "dvc.lock").unlink()
        peace, war = roots
        begun = time.monotonic()
        with started(peace, "dvc.yaml") as process:
            assert ended(process, peace).status == 0
        seconds = time.monotonic() - begun
        for number in range(num_kills):
            _remove_cut_lock(war)
            with started(war, "dvc.yaml") as process:
                try:
                    time.sleep(moments.uniform(0, 2 * seconds / num_kills))
                    victim = moments.choice(("stage", "dvc", "all"))
                    if victim == "all":
                        os.killpg(process.pid, signal.SIGKILL)
                    elif victim == "dvc":
                        process.kill()
                    else:
                        stage_process(process).kill()
                    process.wait()
                except (LookupError, psutil.NoSuchProcess, ProcessLookupError):
                    print(f"kill {number}: it was over", flush=True)
        _remove_cut_lock(war)
        with started(war, "dvc.yaml") as process:
            done = ended(process, war)
        assert done.status == 0, done.output[-2000:]
        outs = [Path("artifacts"), Path("results")]
        before, after = digests(peace, outs), digests(war, outs)
        differing = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    print(f"{num_kills} kills, {len(before)} files, {len(differing)} differ: {differing[:5]}")
    return len(differing)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, help="a tiny project that was run")
    parser.add_argument("--stages", nargs="+", default=list(STAGES))
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it in the background
    with tempfile.TemporaryDirectory() as folder:
        project = arguments.project or Path(folder) / "project"
        if not project.exists():
            run_tiny_project(project)
            edit_yaml(project / "params.yaml", train_all)
            repro(project)
        if arguments.kills:
            return run_kills(project.resolve(), arguments.kills, seed=arguments.seed)
        return run_matrix(
            project.resolve(), arguments.stages, arguments.faults, seed=arguments.seed
        )


if __name__ == "__main__":
    sys.exit(min(main(), 1))
