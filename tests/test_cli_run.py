"""`motiontransfer run` explains before and after, and in between is `dvc repro`."""

from pathlib import Path

import pytest

from tests.command import run_command
from tests.workspace.stub_pipeline import edit, make

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr("motiontransfer.workspace.planning.generator_gmacs", lambda _: 3.9)
    make(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def command(monkeypatch, *arguments):
    """Run it as a shell would; return its status."""
    return run_command(monkeypatch, "run", *arguments)


def test_from_the_first_run_to_the_second(project, monkeypatch, capsys):
    assert not command(monkeypatch, "--dry")
    told = capsys.readouterr().out
    assert told.startswith("6 stages will run, about ")
    assert told.count("has not run yet") == 6
    assert not Path("dvc.lock").exists()

    assert not command(monkeypatch)
    told = capsys.readouterr().out
    assert "Running stage 'train_gan':\n" in told
    assert "[5 of 6] train_gan: generator of ada; about " in told
    assert "6 stages ran in " in told
    assert "  results/ada_as_ben/: transfer.mp4, comparison.mp4, contact_sheet.png\n" in told
    assert "\x1b" not in told  # no colours where nobody watches

    assert not command(monkeypatch)
    assert capsys.readouterr().out.startswith("nothing will run: all is as it was made\n")

    edit(project / "params.yaml", "crf: 16", "crf: 8")
    assert not command(monkeypatch)
    told = capsys.readouterr().out
    assert told.startswith("1 stage will run, about ")
    assert "  render.crf: 16 -> 8\n" in told
    assert "  pose, px from where it should be                 0.800     1.600  better\n" in told
    assert "  body found again, share of frames                1.000     1.000  as before\n" in told


def test_the_status_of_dvc_is_passed_on_and_nothing_is_praised(project, monkeypatch, capsys):
    edit(project / "judge.py", "import json, sys", "import json, sys; sys.exit(3)")
    assert command(monkeypatch) == 255
    assert "stages ran in" not in capsys.readouterr().out


def test_outside_of_a_project_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch) == 1
    told = capsys.readouterr().err
    assert told.startswith("ERROR: ")
    assert told.count("\n") == 1
