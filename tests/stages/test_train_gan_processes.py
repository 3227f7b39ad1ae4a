"""The stage starts the other processes itself, and they all stop and go on together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from motiontransfer.training.weights import read_generator
from tests.stages.project import TRAIN_GAN, add_target, write_params

ROOT = Path(__file__).parents[2]


def start():
    return subprocess.Popen(
        [sys.executable, "-m", "stages", "train_gan", "ada"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_stop_and_go_on_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params(train_gan={**TRAIN_GAN, "steps": 60, "batch_size": 2, "devices": 2})
    add_target()
    stopped = start()
    while stopped.poll() is None and not list(Path("checkpoints").rglob("step_*")):
        time.sleep(0.02)
    stopped.send_signal(signal.SIGTERM)
    news = stopped.communicate(timeout=120)[1]
    assert stopped.returncode == 130  # as for Ctrl-C
    assert news.count("the same command resumes there") == 1
    assert not Path("artifacts/models").exists()
    resumed = start()
    news = resumed.communicate(timeout=120)[1]
    assert resumed.returncode == 0, news
    assert news.count("runs on the CPU, threads: 1, 32-true, 2 processes\n") == 1
    assert news.count("resuming at step") == 1
    assert news.count("60 steps in ") == 1
    assert read_generator(Path("artifacts/models/ada/generator.safetensors"))
    assert Path("artifacts/metrics/train_gan/ada.json").exists()
    assert not list(Path("checkpoints/train_gan/ada").iterdir())
