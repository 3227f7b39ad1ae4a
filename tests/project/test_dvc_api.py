import logging
from collections import OrderedDict
from pathlib import Path

import pytest
import yaml

from motiontransfer.core.errors import MissingFileError, MotionTransferError
from motiontransfer.pipeline import dvc_api
from motiontransfer.pipeline.dvc_api import (
    DvcException,
    HashInfo,
    errors_of_dvc,
    has_past_run,
    in_order,
    is_here,
    lock_repo,
    name_of,
    oid_of,
    opened,
    own_stages,
    read_by,
    upstream,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repo(here, folder):
    """The owner's project after two runs, which differ in `render.crf`, with a remote."""
    with (here.root / ".dvc/config").open("a") as config:
        config.write(f"    remote = team\n['remote \"team\"']\n    url = {folder.url}\n")
    with opened(here.root) as repo:
        yield repo


def stage_of(repo, name):
    (stage,) = repo.stage.collect(name)
    return stage


@pytest.mark.parametrize("left", ["", '{"read": {"/x": [{"pid"'])
def test_paths_in_use_are_forgotten_where_a_killed_command_left_them_half_written(repo, left):
    used = Path(repo.tmp_dir, "rwlock")
    used.write_text(left)
    with lock_repo(repo):
        assert not used.exists()
        used.write_text('{"read": {}}')
    with lock_repo(repo):
        assert used.exists()


def test_a_folder_without_a_project_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="no DVC project"), opened(tmp_path):
        pass


@pytest.mark.parametrize("error", [DvcException("no"), yaml.YAMLError("no")])
def test_errors_of_dvc_name_the_file(error):
    with pytest.raises(MotionTransferError, match=r"^dvc.yaml: "), errors_of_dvc("dvc.yaml"):
        raise error


def test_no_advice_on_git_is_told(repo, owner, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("dvc"), "propagate", True)
    caplog.set_level("INFO", "dvc")
    (owner.root / "more.bin").write_bytes(b"1")
    repo.add([str(owner.root / "more.bin")])
    assert "git add" not in caplog.text


def test_stages_are_in_order_after_those_they_read_files_and_all_in_a_folder(repo):
    names = [name_of(stage) for stage in in_order(repo, own_stages(repo))]
    assert names.index("train") < names.index("render")
    assert names.index("detect@ada_1") < names.index("train")
    assert "data/videos/ada_1.dvc" in names
    behind = {name_of(stage) for stage in upstream(repo, stage_of(repo, "render"))}
    assert behind == {"train", "detect@ben_1"}
    read = [out.def_path for out in read_by(repo, stage_of(repo, "train"))]
    assert sorted(read) == ["artifacts/keypoints/ada/ada_1", "artifacts/keypoints/ada/ada_2"]


def test_an_output_is_here_if_it_is_as_it_was_recorded(repo):
    (frames,) = (out for out in stage_of(repo, "render").outs if out.use_cache)
    lock = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["render"]
    assert oid_of(frames) in [out["md5"] for out in lock["outs"]]
    assert is_here(frames)
    Path("results/dance/frames/1").write_text("edited")
    assert not is_here(frames)
    frames.hash_info = HashInfo()
    assert oid_of(frames) == ""


@pytest.mark.parametrize(("crf", "expected"), [(1, True), (3, False)])
def test_a_past_run_is_found_by_its_params(repo, owner, crf, expected):
    owner.edit("params.yaml", "crf: 2", f"crf: {crf}")
    with lock_repo(repo):
        stage = stage_of(repo, "render")
        assert stage.changed()
        assert has_past_run(repo, stage) == expected


def test_a_lock_file_is_written_as_dvc_writes_it(repo):
    before = (ROOT / "dvc.lock").read_text()
    Path("other.lock").write_text(before)
    with dvc_api._modified_without_comments("other.lock", repo.fs) as content:
        content["stages"] = dict(content["stages"])
    assert Path("other.lock").read_text() == before
    assert dvc_api.run_dvc(["repro", "--dry"]) == 0
    assert dvc_api.dvc.dvcfile.modify_yaml is dvc_api._modified_without_comments


def test_texts_in_a_lock_file_stay_texts_and_numbers_numbers(repo):
    texts = ["12e45678", "123456", "08", "0o17", "0x1f", "1.5E3", "yes", "on", "1:20", "null", "~"]
    values = {"texts": texts, "others": [None, 1e-05, 2.5, 7, True, {}, []], "long": "a b " * 40}
    with dvc_api._modified_without_comments("new.lock", repo.fs) as content:
        content.update(OrderedDict(values))
        content["in order"] = OrderedDict(crf=2)
    assert repr(dvc_api.load_yaml("new.lock")) == repr({**values, "in order": {"crf": 2}})
    assert "- 1e-05\n" in Path("new.lock").read_text()
