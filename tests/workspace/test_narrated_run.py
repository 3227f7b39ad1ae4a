"""While it runs it is said how far it is; DVC's lines, work and status are those of plain DVC."""

import shutil
import sys
from pathlib import Path

import pytest

from motiontransfer.workspace.dvc_command import run_dvc
from motiontransfer.workspace.narrated_run import Narrator, keep_run_times, run_narrated
from motiontransfer.workspace.run_plan import PlannedStage
from motiontransfer.workspace.run_times import read_run_times
from tests.workspace.stub_pipeline import edit, make


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    make(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def planned(name, seconds=None, description=""):
    return PlannedStage(name=name, description=description, reasons=("x",), seconds=seconds)


class Clock:
    """Time that passes when told."""

    now = 0.0

    def __call__(self):
        return self.now


def test_each_stage_is_told_with_its_place_its_time_and_what_is_left():
    narrator = Narrator([planned("a@x", 60.0, "makes a"), planned("b@x", 120.0)])
    assert narrator.hear("Running stage 'a@x':\n") == (
        "[1 of 2] a@x: makes a; about 60 s; 3 min until all is done"
    )
    assert narrator.hear("> python -m stages a x\n") is None
    assert narrator.hear("Running stage 'b@x':\n") == "[2 of 2] b@x; about 2 min"


def test_what_nobody_knows_is_not_told():
    narrator = Narrator([planned("a@x", 60.0), planned("b@x")])
    assert narrator.hear("Running stage 'a@x':") == "[1 of 2] a@x; about 60 s"
    assert narrator.hear("Running stage 'b@x':") == "[2 of 2] b@x"
    assert narrator.hear("Running stage 'c@x':") == "[3 of 3] c@x"


def test_a_stage_from_the_cache_counts_as_done():
    narrator = Narrator([planned("a@x", 60.0), planned("b@x", 30.0)])
    line = "Stage 'a@x' is cached - skipping run, checking out outputs"
    assert narrator.hear(line) is None
    assert narrator.restored == ["a@x"]
    assert narrator.hear("Running stage 'b@x':") == "[2 of 2] b@x; about 30 s"


def test_only_stages_that_came_to_their_end_are_timed():
    clock = Clock()
    narrator = Narrator([planned("a"), planned("b")], clock=clock)
    narrator.hear("Running stage 'a':")
    clock.now = 7.0
    narrator.hear("Updating lock file 'dvc.lock'")
    narrator.hear("Running stage 'b':")
    clock.now = 99.0
    assert narrator.finished == {"a": 7.0}


def test_a_run_is_plain_dvcs_run(project, tmp_path):
    plain = tmp_path / "plain"
    shutil.copytree(project, plain)
    printed, said = [], []
    narrator = Narrator([planned("train_gan", 5.0)])
    status = run_narrated(project, [], narrator, tell=printed.append, say=said.append)
    assert status == 0
    assert "\n".join(printed).strip() == run_dvc(plain, "repro").strip()
    assert (project / "dvc.lock").read_bytes() == (plain / "dvc.lock").read_bytes()
    assert len(said) == 6
    assert set(narrator.finished) == {
        *("code", "check_params", "decode@walk", "decode@dance", "train_gan"),
        "render@ada_as_ben",
    }
    keep_run_times(project, narrator, {"train_gan": 4.0}.get)
    (record,) = read_run_times(project)
    assert (record.stage, record.modelled_seconds) == ("train_gan", 4.0)
    assert record.seconds >= 0


def test_the_status_is_dvcs_and_what_did_not_end_is_not_timed(project):
    edit(project / "dvc.yaml", "cat data/${key} decode.py", "cat absent data/${key}")
    narrator = Narrator([])
    status = run_narrated(project, ["decode@walk"], narrator, tell=str, say=str)
    assert status == 255
    assert set(narrator.finished) == {"check_params", "code"}


def test_arguments_go_to_dvc(project):
    narrator = Narrator([])
    assert run_narrated(project, ["-s", "check_params"], narrator, tell=str, say=str) == 0
    assert list(narrator.finished) == ["check_params"]


def test_a_killed_dvc_gives_the_status_a_shell_would(project, monkeypatch):
    suicide = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(
        "motiontransfer.workspace.narrated_run.dvc_program", lambda: [sys.executable, "-c", suicide]
    )
    assert run_narrated(project, [], Narrator([]), tell=str, say=str) == 137
