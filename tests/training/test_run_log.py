"""Curves and pictures are whole after a run was stopped and taken up, and only one process logs."""

import subprocess
import sys

import numpy as np
import pytest

from motiontransfer.errors import TrainingError
from motiontransfer.training.run_log import copy_logs, open_log, silent_log


def picture():
    return np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def run(tmp_path):
    """A run that logged until step 9."""
    with open_log(tmp_path / "run", step=0) as log:
        for done in (3, 6, 9):
            log.add_values(done, {"generator/l1": done / 2})
            log.add_picture(done, picture)
    return tmp_path / "run"


def rows(run):
    return (run / "live/plots/metrics/generator/l1.tsv").read_text().splitlines()


def pictures(run):
    return sorted(path.name for path in (run / "live/plots/images").iterdir())


def test_values_and_pictures_lie_under_their_step(run):
    assert rows(run) == ["step\tl1", "3\t1.5", "6\t3.0", "9\t4.5"]
    assert pictures(run) == ["step_000003.png", "step_000006.png", "step_000009.png"]


def test_what_was_logged_after_the_checkpoint_is_forgotten(run):
    with open_log(run, step=6) as log:
        log.add_values(8, {"generator/l1": 7.0})
    assert rows(run) == ["step\tl1", "3\t1.5", "6\t3.0", "8\t7.0"]
    assert pictures(run) == ["step_000003.png", "step_000006.png"]


def test_a_half_written_row_is_forgotten(run):
    curve = run / "live/plots/metrics/generator/l1.tsv"
    curve.write_text(curve.read_text() + "1")  # of a row for step 12, say
    (curve.parent / "other.tsv").write_text("")
    with open_log(run, step=20):
        pass
    assert len(rows(run)) == 4
    assert not (curve.parent / "other.tsv").exists()


def test_logs_without_a_checkpoint_are_of_nobody(run):
    with open_log(run, step=0) as log:
        log.add_values(2, {"generator/l1": 1.0})
    assert rows(run) == ["step\tl1", "2\t1.0"]


def test_a_process_that_does_not_log_draws_nothing(tmp_path):
    def drawn():
        raise AssertionError

    with silent_log() as log:
        log.add_values(1, {"generator/l1": 1.0})
        log.add_picture(1, drawn)


def test_logs_are_copied_and_take_the_place_of_older_ones(tmp_path, run):
    destination = tmp_path / "logs"
    (destination / "images").mkdir(parents=True)
    (destination / "images/step_999999.png").touch()
    copy_logs(run, destination)
    assert sorted(str(p.relative_to(destination)) for p in destination.rglob("*.*")) == [
        *(f"images/step_{step:06d}.png" for step in (3, 6, 9)),
        "metrics/generator/l1.tsv",
    ]


def test_a_repository_without_a_commit_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    with (
        pytest.raises(TrainingError, match=r"Empty git repo; commit once"),
        open_log(tmp_path / "run", step=0),
    ):
        pass
