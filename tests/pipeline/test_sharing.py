import re
import shutil
from pathlib import Path

import pytest

from tests.project.machines import Machine
from tests.project.remotes import s3_store
from tests.tiny_project import ROOT, edit_yaml

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with s3_store(tmp_path_factory.mktemp("s3")) as remote:
        yield remote


@pytest.fixture(scope="module")
def owner(tiny_run, tmp_path_factory, store) -> Machine:
    """Who ran the demo and shared it."""
    machine = Machine(folder=tmp_path_factory.mktemp("team") / "owner")
    shutil.copytree(tiny_run, machine.root)
    for name in (".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, machine.root / name)
    machine.git("init", "--quiet", "--initial-branch", "main")
    machine.commit("start")
    machine.dvc("repro", "--quiet")
    machine.commit("our dance")
    said = machine.share(store)
    assert "is not tracked" not in said
    assert "not up to date" not in said
    return machine


@pytest.fixture(scope="module")
def mate(owner, store, tmp_path_factory) -> Machine:
    """Who may only read, and has joined."""
    machine = owner.clone(tmp_path_factory.mktemp("clone") / "mate", environment=store.reader)
    said = machine.command("join")
    assert "nothing had to run" in said
    assert "Running stage" not in said
    return machine


def ran(said: str) -> set[str]:
    return set(re.findall("Running stage '(.*)'", said))


def test_a_clone_has_the_same_results_and_nothing_else(owner, mate):
    assert mate.files("results") == owner.files("results")
    assert "results/ada_as_ben/transfer.mp4" in mate.files("results")
    assert {Path(path).parts[1] for path in mate.files("artifacts")} == {"metrics"}
    assert not (mate.root / "demo/clips").exists()


def test_a_render_option_renders_with_no_more_than_it_reads(owner, mate, store, tmp_path):
    third = owner.clone(tmp_path / "third", environment=store.reader)
    edit_yaml(third.root / "params.yaml", lambda params: params["render"].update(crf=32))
    said = third.command("join")
    made = {
        "check_params",
        "encode@ada_as_ben",
        "evaluate_transfer@ada_as_ben",
        "report@ada_as_ben",
    }
    assert ran(said) == made
    assert {Path(path).parts[1] for path in third.files("artifacts")} == {
        *("appearance", "code", "frames", "keypoints", "models"),  # brought
        *("poses", "rendered"),  # and not made again
        *("evaluation_transfer", "measurements", "metrics"),  # made
        *("params_checked.json", "params_of_results.json", "videos"),
    }
    assert not (third.root / "artifacts/models/ada/discriminator.safetensors").exists()
    assert not (third.root / "artifacts/detections").exists()
    assert not (third.root / "demo/clips").exists()
