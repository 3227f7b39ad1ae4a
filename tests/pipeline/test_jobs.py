"""Most of the project by two jobs, interrupted and killed on the way, against one `dvc repro`.

Some of it by two machines of a cluster, of which one is lost.
"""

import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import psutil
import yaml

from tests.command import started
from tests.project.remotes import s3_store
from tests.ray_cluster import needs_ray, ray_machines
from tests.tiny_project import environment_of, repro, run

DIFFER = re.compile(
    r"results/.*(\.mp4|report\.html)|artifacts/metrics/train_.*|artifacts/counts/.*/train_.*"
)
"""Signed videos, their pages, and times: of no two runs the same bytes."""


FORGOTTEN = (
    *("detect_keypoints@demo_dance", "clean_keypoints@demo_dance", "fit_normalization@ben"),
    *("train", "normalize", "render", "encode", "evaluate_transfer", "report"),
)


def start(root, *options, **variables):
    command = Path(sys.executable).with_name("motiontransfer"), "repro", *options
    environment = environment_of(root) | {"PYTHONPATH": str(root)} | variables
    return started(*command, cwd=root, env=environment)


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


def page(root):
    """The report without hashes and the signed video itself."""
    report = (root / "results/ada_as_ben/report.html").read_text()
    return re.sub(r"[A-Za-z0-9+/=]{32,}", "", report)


def forget(tiny_run, root, names):
    """Copy the finished project, as if these stages had never run."""
    shutil.copytree(tiny_run, root)
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    stages = {name: it for name, it in lock["stages"].items() if not name.startswith(names)}
    (root / "dvc.lock").write_text(yaml.safe_dump({**lock, "stages": stages}))
    shutil.rmtree(root / ".dvc/cache/runs")


def trainings(root):
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd"])
        if (process.info["cwd"] or "").startswith(str(root))
        and (process.info["cmdline"] or [])[-2:] == ["train_gan", "ada"]
    ]


def test_two_jobs_make_what_one_makes_also_after_an_interrupt_and_a_kill(tiny_run, tmp_path):
    root = tmp_path / "project"
    forget(tiny_run, root, FORGOTTEN)
    interrupted = start(root, "--jobs", "2")
    wait_for_log(root, "detect_keypoints@demo_dance", "> python")
    interrupted.send_signal(signal.SIGINT)
    told, _ = interrupted.communicate()
    assert interrupted.returncode == 1, told
    assert "ERROR: stopped; the same command goes on from there" in told
    assert not [*root.rglob("*.tmp*")]

    shutil.rmtree(root / ".dvc/tmp/jobs")
    killed = start(root, "--jobs", "2")
    while not (begun := trainings(root)):
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.1)
    os.kill(os.getpgid(begun[0].pid), signal.SIGKILL)  # DVC, and not the training
    told, _ = killed.communicate()
    assert killed.returncode == 1, told
    assert "ERROR: train_gan@ada: killed by SIGKILL" in told
    assert "fit_normalization@ben is done" in told
    assert "not run: train_face_gan@ada, " in told

    told, _ = start(root, "--jobs", "2").communicate()
    assert told.endswith("Data and pipelines are up to date.\n"), told
    assert recorded(root) == recorded(tiny_run)
    assert page(root) == page(tiny_run)
    assert repro(root) == set()


@needs_ray
def test_a_cluster_makes_the_same_if_a_machine_is_lost_in_a_training(
    tiny_run, tmp_path, monkeypatch
):
    root, machines = tmp_path / "project", [tmp_path / "first", tmp_path / "second"]
    forget(tiny_run, root, ("clean_keypoints@demo_dance", "train_gan@ada"))
    for folder in (*machines, tmp_path / "s3"):
        folder.mkdir()
    with s3_store(tmp_path / "s3") as remote:
        for name, value in remote.environment.items():
            monkeypatch.setenv(name, value)
        (endpoint,) = remote.options[1:]
        for option in (
            ["add", "-d", "team", remote.url],
            ["modify", "team", "endpointurl", endpoint],
        ):
            assert run(root, "dvc", "remote", *option).returncode == 0
        with ray_machines(*machines) as (address, kill):
            running = start(root, "--ray", address, **remote.environment)
            while not (lost := [it for it in machines if trainings(it)]):
                assert running.poll() is None, running.communicate()
                time.sleep(0.1)
            kill(*lost)
            told, _ = running.communicate()
    assert told.endswith("Data and pipelines are up to date.\n"), told
    assert recorded(root) == recorded(tiny_run)
    log = (root / ".dvc/tmp/jobs/train_gan@ada.log").read_text()
    assert "Stage 'train_gan@ada' is cached" in log
    assert repro(root) == set()
