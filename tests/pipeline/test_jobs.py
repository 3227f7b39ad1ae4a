"""Most of the project by two jobs, interrupted and killed on the way, against one `dvc repro`."""

import os
import re
import shutil
import signal
import time

import psutil
import yaml

from tests.command import started
from tests.tiny_project import environment_of, repro

DIFFER = re.compile(r"artifacts/(metrics|counts/.*)/train_.*")
"""Times: of no two runs the same bytes."""


FORGOTTEN = (
    *("detect_keypoints@demo_dance", "clean_keypoints@demo_dance", "fit_normalization@ben"),
    *("train", "normalize", "render"),
)


def start(root, *, paused="detect_keypoints train_gan"):
    """With a pause before these stages, so that there is time to stop them."""
    environment = environment_of(root) | {"TEST_PAUSED": paused}
    return started("motiontransfer", "repro", "--jobs", "2", cwd=root, env=environment)


def wait_for_log(root, stage, text):
    log = root / f".dvc/tmp/jobs/{stage}.log"
    while not (log.exists() and text in log.read_text()):
        time.sleep(0.1)


def recorded(root):
    """Hash of each output in dvc.lock and demo/dvc.lock, of those that are the same in all runs."""
    return {
        out["path"]: out["md5"]
        for file in root.glob("**/dvc.lock")
        for stage in yaml.safe_load(file.read_text())["stages"].values()
        for out in stage["outs"]
        if not DIFFER.fullmatch(out["path"])
    }


def trainings(root):
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if (process.info["cwd"] or "").startswith(str(root))
        and (process.info["cmdline"] or [])[-2:] == ["train_gan", "ada"]
    ]


def test_two_jobs_make_what_one_makes_also_after_an_interrupt_and_a_kill(tiny_run, tmp_path):
    root = shutil.copytree(tiny_run, tmp_path / "project")
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    stages = {name: it for name, it in lock["stages"].items() if not name.startswith(FORGOTTEN)}
    (root / "dvc.lock").write_text(yaml.safe_dump({**lock, "stages": stages}))
    shutil.rmtree(root / ".dvc/cache/runs")
    interrupted = start(root)
    wait_for_log(root, "detect_keypoints@demo_dance", "> python")
    interrupted.send_signal(signal.SIGINT)
    told, _ = interrupted.communicate()
    assert interrupted.returncode == 1, told
    assert "ERROR: stopped; the same command goes on from there" in told
    assert not [*root.rglob("*.tmp*")]

    shutil.rmtree(root / ".dvc/tmp/jobs")
    killed = start(root)
    while not (begun := trainings(root)):
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.1)
    os.kill(os.getpgid(begun[0].pid), signal.SIGKILL)  # DVC, and not the training
    told, _ = killed.communicate()
    assert killed.returncode == 1, told
    assert "ERROR: train_gan@ada: killed by SIGKILL" in told
    assert "fit_normalization@ben is done" in told
    assert "not run: train_face_gan@ada, " in told

    told, _ = start(root, paused="").communicate()
    assert told.endswith("Data and pipelines are up to date.\n"), told
    assert recorded(root) == recorded(tiny_run)
    assert repro(root) == set()
