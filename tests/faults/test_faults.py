import os
import shutil
import signal
import time
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path

import psutil
import pytest
import yaml

from motiontransfer.video.frame_store import FrameStore
from tests.command import started
from tests.faults import params, videos
from tests.faults.outcomes import bad_endings
from tests.tiny_project import SOURCE_FRAMES, environment_of, outs_of, repro

GROUPS = {
    "odd videos": videos.odd_videos,
    "damaged videos": lambda: videos.mutations(60),
    "names": params.names,
    "fields of params.yaml": params.fuzzed,
}


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_bad_input_is_handled_or_refused_in_one_line(tmp_path, monkeypatch, group):
    if group == "fields of params.yaml":  # hundreds of files; the reader in C gives equal values
        read = lru_cache(maxsize=3)(partial(yaml.load, Loader=yaml.CSafeLoader))
        monkeypatch.setattr("motiontransfer.core.params._parse", read)
    assert bad_endings(GROUPS[group](), tmp_path) == []


def contents(paths):
    """Bytes of every file but metrics, which have the time."""
    files = [file for path in paths for file in (path, *path.rglob("*")) if file.is_file()]
    return {file: file.read_bytes() for file in files if file.suffix != ".json"}


def is_whole(file, before):
    """As it was; a signed video, whose manifest is salted, with all its frames.

    Of a curve, which is shown while it grows, whole rows.
    """
    if file.suffix == ".tsv":
        return before.startswith(file.read_bytes()) and file.read_bytes().endswith(b"\n")
    if file.suffix != ".mp4":
        return file.read_bytes() == before
    with FrameStore(file) as made:
        return len(list(made.frames())) == SOURCE_FRAMES


def interrupt(dvc, root, number):
    """Signal the stage that DVC has started as soon as it writes; it is known before."""
    before, known = written(root), []
    while written(root) <= before:
        assert dvc.poll() is None, "nothing was written"
        known = known or processes_of(root)
        time.sleep(0.005)
    for process in known:
        signaled(process, number)
    for process in processes_of(root):
        if process not in known:  # its workers, which may have begun since
            signaled(process, number)


def signaled(process, number):
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def processes_of(root):
    """Those of stages of a project; to look for them takes longer than a short stage writes."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if process.info["cwd"] == str(root) and "stages" in (process.info["cmdline"] or ())
    ]


def written(root):
    walked = (entry for folder in FOLDERS for entry in os.walk(root / folder))
    return {Path(folder, name) for folder, _, names in walked for name in names}


FOLDERS = ("artifacts", "checkpoints", "results")


FAULTS = ("disk full", "SIGTERM", "SIGKILL")
STAGES = {
    **dict.fromkeys(("train_gan@ada", "render@ada_as_ben"), FAULTS),
    **dict.fromkeys(("encode@ada_as_ben", "decode@demo_dance"), ("disk full", "SIGKILL")),
}


@pytest.mark.parametrize(("stage", "faults"), STAGES.items(), ids=STAGES)
def test_a_stopped_stage_leaves_nothing_half_written(tiny_run, tmp_path, stage, faults):
    """After each stop the next run writes, and the last one completes it."""
    root = shutil.copytree(tiny_run, tmp_path / "project")
    outs = [root / out for out in outs_of(root, stage.split("@"))]
    before = contents(outs)
    shutil.rmtree(root / ".dvc/cache/runs")
    for fault in faults:
        for out in filter(Path.exists, outs):
            shutil.rmtree(out) if out.is_dir() else out.unlink()
        told = stopped(root, stage, fault)
        assert "Traceback" not in told
        assert all(is_whole(file, before.get(file)) for file in contents(outs))
    repro(root, "-s", stage)
    assert contents(outs).keys() == before.keys()
    if stage != "encode@ada_as_ben":  # whose manifest is salted
        assert contents(outs) == before


def stopped(root, stage, fault):
    """What DVC says of a stage that is stopped, or whose disk is full."""
    environment = environment_of(root)
    if fault == "disk full":
        environment["TEST_MOST_BYTES"] = "512"
    dvc = started("dvc", "repro", "-s", "-f", stage, cwd=root, env=environment)
    if fault != "disk full":
        interrupt(dvc, root, getattr(signal, fault))
    told, _ = dvc.communicate()
    assert dvc.returncode, told
    return told
