from pathlib import Path

import pytest

from motiontransfer.params import load_params
from motiontransfer.stage_runner import stage_inputs

MADE = ("clips/", "artifacts/")


@pytest.mark.parametrize("stage", ["film@0", "film@49", "prepare@48", "train"])
def test_a_stage_depends_on_what_there_is(monkeypatch, stage):
    monkeypatch.chdir(Path(__file__).parents[2] / "prior")
    params, dependencies = stage_inputs(Path("dvc.yaml"), stage)
    sources = [it for it in dependencies if not it.startswith(MADE)]
    assert sources
    assert all(Path(it).exists() for it in sources)
    for listed in params:
        files = listed if isinstance(listed, dict) else {"params.yaml": [listed]}
        for file, keys in files.items():
            for key in keys:
                value = load_params(Path(file))
                for part in key.split("."):
                    value = value[part]


def test_the_last_two_actors_are_held_out(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2] / "prior")
    actors = load_params(Path("params.yaml"))["train"]["actors"]
    assert stage_inputs(Path("dvc.yaml"), f"film@{actors + 1}")
    with pytest.raises(Exception, match="missing"):
        stage_inputs(Path("dvc.yaml"), f"film@{actors + 2}")
