"""Before a run it is said what will run and why; what is said is what DVC then does."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from motiontransfer.errors import MotionTransferError
from motiontransfer.workspace.cost import Plan
from motiontransfer.workspace.remote import opened
from motiontransfer.workspace.run_plan import (
    PlannedStage,
    differences,
    kind_of,
    planned_stages,
    with_times,
)
from tests.workspace.stub_pipeline import edit, make, repro, run

# DVC's own, of pygtrie
pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project after a run. Not to be changed."""
    root = tmp_path_factory.mktemp("finished") / "project"
    with pytest.MonkeyPatch.context() as patch:
        _own_caches(patch, root.parent)
        make(root)
        repro(root)
    return root


@pytest.fixture
def project(finished, tmp_path, monkeypatch) -> Path:
    _own_caches(monkeypatch, tmp_path)
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    monkeypatch.chdir(root)
    return root


def _own_caches(patch, folder):
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        patch.setenv(name, str(folder / name))


def plan(root, *targets, force=False):
    with opened(root) as repo:
        return planned_stages(repo, targets, force=force)


def reasons(root, *targets):
    return {stage.name: list(stage.reasons) for stage in plan(root, *targets)}


def ran(root, *arguments):
    """Names of the stages that DVC then runs, in its order."""
    told = run(sys.executable, "-m", "dvc", "repro", *arguments, at=root)
    return re.findall(r"Running stage '([^']+)'", told)


def test_after_a_run_nothing_will_run(project):
    assert plan(project) == []


def test_what_is_said_is_what_dvc_does_and_in_its_order(project):
    edit(project / "params.yaml", "l1_weight: 30.0", "l1_weight: 20.0")
    said = reasons(project)
    assert said == {
        "train_gan": ["train_gan.l1_weight: 30.0 -> 20.0"],
        "render@ada_as_ben": ["after train_gan"],
    }
    assert ran(project) == list(said)


def test_an_edited_module_is_named_with_all_that_follows(project):
    edit(project / "decode.py", "decodes", "decodes well")
    said = reasons(project)
    assert said["code"] == ["decode.py changed"]
    assert said["decode@walk"] == said["decode@dance"] == ["edited: decode.py"]
    assert said["train_gan"] == ["after decode@walk"]
    assert set(said["render@ada_as_ben"]) <= {
        "after decode@dance and train_gan",
        "after train_gan and decode@dance",
    }
    assert set(ran(project)) == set(said)


def test_code_that_was_noted_but_not_run_is_no_less_a_reason(project):
    edit(project / "judge.py", "import yaml", "import yaml  # read")
    assert ran(project, "code") == ["code"]
    assert reasons(project) == {"render@ada_as_ben": ["its code changed"]}


def test_a_changed_video_concerns_its_own_stages(project):
    (project / "data/dance").write_text("dancing on\n")
    said = reasons(project)
    assert said == {
        "decode@dance": ["data/dance changed"],
        "render@ada_as_ben": ["after decode@dance"],
    }
    assert ran(project) == list(said)


def test_a_new_video_is_new_and_what_checks_the_names_drags_nobody_along(project):
    (project / "data/solo").write_text("solo\n")
    edit(project / "params.yaml", "dance: {path", "solo: {path: x, subject: ben}, dance: {path")
    said = reasons(project)
    assert said["decode@solo"] == ["has not run yet"]
    assert set(said) == {"check_params", "decode@solo"}
    assert said["check_params"] == ["videos.solo: null -> {path: x, subject: ben}"]
    assert set(ran(project)) == set(said)


def test_a_missing_result_is_named(project):
    (project / "results/ada_as_ben/film").unlink()
    assert reasons(project) == {"render@ada_as_ben": ["missing: results/ada_as_ben/film"]}


def test_several_params_are_told_one_by_one(project):
    edit(project / "params.yaml", "[64, 64], frame_rate: null", "[32, 64], frame_rate: 25")
    assert reasons(project)["decode@walk"] == [
        "decode.size: [64, 64] -> [32, 64]",
        "decode.frame_rate: null -> 25",
    ]


def test_targets_limit_the_plan_to_what_they_need(project):
    edit(project / "decode.py", "decodes", "decodes well")
    assert [name for name in reasons(project, "train_gan") if name != "code"] == [
        "decode@walk",
        "train_gan",
    ]
    assert set(reasons(project, "decode")) == {"code", "decode@walk", "decode@dance"}


def test_force_runs_what_did_not_change(project):
    forced = [stage.name for stage in plan(project, "decode@walk", force=True)]
    assert set(forced) == {"check_params", "code", "decode@walk"}
    assert forced[-1] == "decode@walk"


def test_before_the_first_run_all_is_new(tmp_path, monkeypatch):
    _own_caches(monkeypatch, tmp_path)
    make(tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    said = reasons(tmp_path / "project")
    assert len(said) == 6
    assert {line for lines in said.values() for line in lines} == {"has not run yet"}


def test_another_dvc_at_work_is_told_in_one_line(project):
    with opened(project) as repo, repo.lock, pytest.raises(MotionTransferError, match="dvc: ") as e:
        plan(project)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (1, 1, []),
        (1, 2, ["k: 1 -> 2"]),
        (True, 1, ["k: true -> 1"]),
        (None, [1], ["k: null -> [1]"]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}, ["k.b: 2 -> 3", "k.c: null -> 4"]),
        ("x", {"a": 1}, ["k: x -> {a: 1}"]),
    ],
)
def test_differences_are_told_value_by_value(before, after, told):
    assert list(differences("k", before, after)) == told


def test_names_of_stages_tell_their_kind():
    assert kind_of("train_gan@me") == "train_gan"
    assert kind_of("demo/dvc.yaml:film@target") == "film"
    assert kind_of("check_params") == "check_params"


def test_times_come_from_the_model_put_right_by_runs_here():
    def planned(name):
        return PlannedStage(name=name, description="", reasons=("x",))

    params = {"decode": {"size": [256, 256]}, "videos": {}}
    stages = [planned("decode@a"), planned("check_params"), planned("render@x")]
    known = Plan(params={**params, "transfers": {}}, frames={"a": 0}, num_cores=2, gmacs=1.0)
    timed = with_times(stages, known, run_factors={"decode": 3.0}, unknown_kinds=("render",))
    assert [stage.seconds for stage in timed] == [9.0, 6.0, None]
