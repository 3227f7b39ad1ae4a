"""Stages on a Ray cluster, whose machine is a node on this one with folders of its own."""

import importlib.util
import os
import signal
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml

from motiontransfer.pipeline.cluster import num_gpus
from tests.command import started
from tests.project.machines import Machine
from tests.project.remotes import wait_for
from tests.project_files import write_shipped

NOWHERE = "127.0.0.1:1"
PIPELINE = """\
stages:
  train:
    cmd: sh train.sh {folder}
    deps: [train.sh, data/film]
    outs: [weights]
    metrics: [metrics.json: {{cache: false}}]
"""
TRAINING = """\
while [ -e $1/hold ]; do sleep 0.1; done
cat data/film > weights && echo 1 > metrics.json
"""


@pytest.mark.slow  # as is all else with the team's machines
def test_without_a_remote_or_with_a_file_that_nobody_tracks_nothing_is_started(owner, folder):
    assert "the project names no remote" in owner.error("repro", "--ray", NOWHERE)
    owner.share(folder)
    (owner.root / "data/videos/ada_1.dvc").unlink()
    told = owner.error("repro", "--ray", NOWHERE)
    assert told.startswith("data/videos/ada_1: git ignores it and DVC does not track it")


def test_a_stage_asks_for_the_gpus_that_it_uses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = {"train_gan": {"devices": "auto"}, "train_face_gan": {"devices": 4}, "render": {}}
    params["detect_keypoints"] = {"detector": "mediapipe_holistic"}
    Path("params.yaml").write_text(yaml.safe_dump(params))
    asked = {"decode": 0, "detect_keypoints": 0, "render": 1, "train_gan": 1, "train_face_gan": 4}
    assert {stage: num_gpus(f"{stage}@me") for stage in asked} == asked


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a cluster of a control node without cores and a machine.

    It ignores SIGINT, as what a script starts in the background does.
    """
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    cluster = importlib.import_module("ray.cluster_utils").Cluster()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        cluster.add_node(num_cpus=0, include_dashboard=False)
        folder = tmp_path_factory.mktemp("machine")
        variables = {"TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        variables["RAY_process_group_cleanup_enabled"] = "true"
        cluster.add_node(num_cpus=1, include_dashboard=False, env_vars=os.environ | variables)
        cluster.wait_for_nodes()
        signal.signal(signal.SIGINT, before)
        yield cluster.address
    finally:
        signal.signal(signal.SIGINT, before)
        cluster.shutdown()


@pytest.fixture
def head(tmp_path):
    """A project with one training, which goes on when `hold` is gone."""
    head = Machine(folder=tmp_path / "head")
    (head.root / ".dvc").mkdir(parents=True)
    remote = f"['remote \"team\"']\n    url = {tmp_path}/remote\n"
    settings = f"[core]\n    no_scm = true\n    analytics = false\n    remote = team\n{remote}"
    (head.root / ".dvc/config").write_text(settings)
    (head.root / "dvc.yaml").write_text(PIPELINE.format(folder=tmp_path))
    (head.root / "train.sh").write_text(TRAINING)
    write_shipped(head.root)
    (head.root / "data").mkdir()
    (head.root / "data/film").write_text("a film\n")
    head.dvc("add", "--quiet", "data/film")
    (tmp_path / "hold").touch()
    return head


def start(head, address):
    command = ("motiontransfer", "repro", "--ray", address)
    return started(*command, cwd=head.root, env=head.all_variables())


def find_training(folder):
    """The process that trains, and Ray's worker that it is below."""
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] == ["sh", "train.sh", str(folder)]:
            (worker,) = (each for each in process.parents() if "ray::" in " ".join(each.cmdline()))
            return process, worker
    return None


def is_over(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


FAULTS = {
    "stage killed": "ERROR: train: on the cluster: failed to reproduce 'train': ",
    "Ctrl-C": "ERROR: stopped; the same command goes on from there\n",
    "head killed": "",
    "worker killed": "Data and pipelines are up to date.\n",  # done again
}


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="without the extra `ray`")
@pytest.mark.slow
def test_after_a_fault_nothing_runs_on_and_the_next_run_is_whole(address, head):
    """After all of them: each run begins with what the fault before left, and gets as far."""
    hold = head.folder.with_name("hold")
    for fault, told in FAULTS.items():
        run = start(head, address)
        training, worker = wait_for(lambda: find_training(head.folder.parent))
        if fault == "worker killed":
            worker.kill()
            wait_for(partial(is_over, training))
            wait_for(lambda: find_training(head.folder.parent))
            hold.unlink()
        elif fault == "stage killed":
            training.kill()
        elif fault == "Ctrl-C":
            run.send_signal(signal.SIGINT)
        else:
            run.kill()
        printed, _ = run.communicate()
        assert told in printed, (fault, printed)
        assert bool(run.returncode) == (fault != "worker killed")
        wait_for(partial(is_over, training))
        assert (head.root / "weights").exists() == (fault == "worker killed")
        hold.touch()
    assert (head.root / "weights").read_text() == "a film\n"
    assert (head.root / "metrics.json").read_text() == "1\n"
    printed, _ = start(head, address).communicate()
    assert "0 stages, " in printed
