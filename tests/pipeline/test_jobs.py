"""Most of the project by two jobs, interrupted and killed on the way, against one `dvc repro`."""

import re
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from tests.tiny_project import environment_of, repro

DIFFER = re.compile(r"results/.*(\.mp4|report\.html)|artifacts/metrics/train_.*")
"""Signed videos, their pages, and times: of no two runs the same bytes."""


FORGOTTEN = (
    *("detect_keypoints@demo_dance", "clean_keypoints@demo_dance", "fit_normalization@ben"),
    *("train", "normalize", "render", "encode", "evaluate", "report"),
)


def start(root):
    command = [Path(sys.executable).with_name("motiontransfer"), "repro", "--jobs", "2"]
    return subprocess.Popen(
        command, cwd=root, env=environment_of(root) | {"PYTHONPATH": str(root)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # nohup ignores it
    )  # fmt: skip


def wait_for_log(root, stage, text):
    log = root / f".dvc/tmp/jobs/{stage}.log"
    while not (log.exists() and text in log.read_text()):
        time.sleep(0.1)


def recorded(root):
    """Hash of each output in dvc.lock and demo/dvc.lock, of those that are the same in all runs."""
    return {
        out["path"]: out["md5"]
        for file in ("dvc.lock", "demo/dvc.lock")
        for stage in yaml.safe_load((root / file).read_text())["stages"].values()
        for out in stage["outs"]
        if not DIFFER.fullmatch(out["path"])
    }


@pytest.fixture
def root(tiny_run, tmp_path):
    """The finished project, as if these stages had never run; most of their time is DVC's."""
    root = Path(shutil.copytree(tiny_run, tmp_path / "project"))
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    stages = {name: it for name, it in lock["stages"].items() if not name.startswith(FORGOTTEN)}
    (root / "dvc.lock").write_text(yaml.safe_dump({**lock, "stages": stages}))
    shutil.rmtree(root / ".dvc/cache/runs")
    return root


@pytest.mark.slow
def test_two_jobs_make_what_one_makes_also_after_an_interrupt_and_a_kill(tiny_run, root):
    interrupted = start(root)
    wait_for_log(root, "detect_keypoints@demo_dance", "> python")
    interrupted.send_signal(signal.SIGINT)
    told, _ = interrupted.communicate()
    assert interrupted.returncode == 1, told
    assert "ERROR: stopped; the same command goes on from there" in told
    assert not [*root.rglob("*.tmp*")]

    shutil.rmtree(root / ".dvc/tmp/jobs")
    killed = start(root)
    wait_for_log(root, "train_gan@ada", "> python")
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == str(root) and process.info["cmdline"][-1] == "train_gan@ada":
            process.kill()  # DVC itself, and not the training
    told, _ = killed.communicate()
    assert killed.returncode == 1, told
    assert "ERROR: train_gan@ada: killed by SIGKILL" in told
    assert "fit_normalization@ben is done" in told
    assert "not run: train_face_gan@ada, " in told

    told, _ = start(root).communicate()
    assert told.endswith("Data and pipelines are up to date.\n"), told
    assert recorded(root) == recorded(tiny_run)
    assert repro(root) == set()
