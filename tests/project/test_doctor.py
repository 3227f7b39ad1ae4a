import fcntl
import json
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from motiontransfer.core.errors import GitError
from motiontransfer.core.params import SHIPPED_FILE
from motiontransfer.pipeline.dvc_api import opened
from motiontransfer.pipeline.git import uncommitted
from motiontransfer.pipeline.sharing import set_remote
from motiontransfer.project import doctor
from motiontransfer.project.doctor import check_all, check_checkpoints, check_locks
from motiontransfer.project.merging import set_up, settle
from motiontransfer.report.compare import Revision
from tests.command import run_command
from tests.project.small_project import commit_all, small_project
from tests.project_files import films_of

PARAMS = SHIPPED_FILE.read_text()
FILMS = films_of(videos={"walk": {"path": "data/walk", "subject": "ada"}}, subjects=["ada"])
IN_ORDER = ["git", "remote", "locks", "checkpoints", "disk"]
"""What is looked at in each project."""


@pytest.fixture(autouse=True)
def _keeps_bytecode(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    files = {"params.yaml": PARAMS, "films.yaml": FILMS, "data/walk": "walking\n"}
    root = small_project(tmp_path / "project", files, monkeypatch)
    monkeypatch.chdir(root)
    commit_all()
    return root


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def result_of(check, *arguments):
    with opened(Path()) as repo:
        return check(*arguments, repo)


def test_a_project_in_order_has_no_fault_and_another_folder_has_one(project, tmp_path):
    results = list(check_all(project))
    assert "fault" not in {result.level for result in results}
    subjects = [result.subject for result in results]
    assert subjects == ["packages", "processor", "GPU", "weights", *IN_ORDER]
    Path("dvc.yaml").write_text("stages: {walk: {cmd: echo, deps: [data/walk], outs: [walked]}}\n")
    *_, result = doctor.check_project(project)
    assert (result.level, result.subject) == ("ok", "forecast")
    assert result.message.startswith("the next `dvc repro` takes one stage, about ")
    (result,) = doctor.check_project(tmp_path)
    assert (result.level, result.subject) == ("fault", "project")
    assert "run from the project's root" in result.fix


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("params.yaml", "crf: 16", "crf: high", "params.yaml: render.crf: input should be"),
        ("films.yaml", "  guides:", "  targets: []\n  guides:", "YAML: targets stands twice"),
    ],
)
def test_what_a_run_would_refuse_is_a_fault_and_has_no_forecast(project, file, old, new, told):
    edit(project / file, old, new)
    results = list(doctor.check_project(project))
    faults = [result for result in results if result.level == "fault"]
    assert {result.subject for result in faults} == {"params"}
    assert told in faults[0].message
    assert [result.subject for result in results if result not in faults] == IN_ORDER


@pytest.mark.parametrize(
    ("error", "reason", "fix"),
    [
        ("libGL.so.1: cannot open shared object file", "libGL.so.1 is missing", "install it, e.g"),
        ("no module cv2", "no module cv2", "uv sync"),
    ],
)
def test_a_package_that_does_not_load_is_a_fault(error, reason, fix, monkeypatch, tmp_path):
    def import_module(name):
        if name == "cv2":
            raise ImportError(error)

    monkeypatch.setattr(doctor.importlib, "import_module", import_module)
    result, processor = check_all(tmp_path)
    assert result.level == "fault"
    assert result.message.startswith(f"cv2 does not load: {reason}")
    assert result.fix.startswith(fix)
    assert processor.subject == "processor"


_BROKEN = "it fell; off the bus; check nvidia-smi"
_FAILS = "echo Driver/library version mismatch; exit 18"
_OLD, _TWO = "printf '470.57\\n570.2\\n'", "printf '580.1\\n570.2\\n'"


@pytest.mark.parametrize(
    ("nvidia_smi", "cuda", "gpu", "level", "message"),
    [
        (None, "13.2", None, "ok", "none; all runs on the processor"),
        ("echo", "13.2", None, "ok", "none; all runs on the processor"),
        (_FAILS, "13.2", None, "warning", "nvidia-smi fails: Driver/library version mismatch; all"),
        (_FAILS, "13.2", (70 * 10**9, 80 * 10**9), "ok", "2 x A100, 70.0GB of 80.0GB free"),
        (_OLD, "13.2", "hidden", "ok", "hidden by CUDA_VISIBLE_DEVICES (driver 470.57); all"),
        (_OLD, None, None, "fault", "built without CUDA"),
        (_OLD, "13.2", _BROKEN, "fault", "used: it fell; off the bus; driver 470.57"),
        (_TWO, "13.2", (10**9, 80 * 10**9), "warning", "2 x A100, 1.00GB of 80.0GB free"),
        (_TWO, "13.2", (70 * 10**9, 80 * 10**9), "ok", "2 x A100, 70.0GB of 80.0GB free"),
    ],
)
def test_a_gpu_is_usable_or_absent(nvidia_smi, cuda, gpu, level, message, monkeypatch, tmp_path):
    memory = gpu if type(gpu) is tuple else None
    if nvidia_smi is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{nvidia_smi}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if gpu == "hidden":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(doctor, "find_gpu_fault", lambda: None if memory else gpu)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: memory)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 if memory else 0)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A100")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_120"])
    result = doctor.check_gpu()
    assert result.level == level
    assert message in result.message
    assert ("(sm_75 sm_120)" in result.message) == bool(memory)
    if gpu is _BROKEN:
        assert result.fix == "check nvidia-smi; or hide it: CUDA_VISIBLE_DEVICES="


def test_weights_are_expected_only_where_params_need_them(project, tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path))
    (result,) = doctor.check_weights()
    assert result.level == "ok"
    edit(project / "params.yaml", "  texture: puppet ", "  texture: none ")
    edit(project / "params.yaml", "perceptual_weight: 0.0", "perceptual_weight: 10.0")
    edit(project / "films.yaml", "subject: ada", "subject: ada, detector: keypointrcnn")
    rcnn, vgg, _ = doctor.check_weights()  # of both trainings
    assert (vgg.level, rcnn.level) == ("warning", "warning")
    assert "train_gan.perceptual_weight" in vgg.fix
    (tmp_path / "dcbb9e9d_vgg19-dcbb9e9d.pth").write_bytes(b"")
    assert [result.level for result in doctor.check_weights()] == ["warning", "ok", "ok"]


def test_uncommitted_files_are_listed_and_a_commit_is_expected(project, monkeypatch, tmp_path):
    def check():
        return result_of(doctor.check_git, project)[:3:2]

    assert check() == ("ok", "all is committed")
    edit(project / "params.yaml", "crf: 16", "crf: 17")
    assert check() == ("warning", "not committed: params.yaml")
    shutil.rmtree(project / ".git")
    subprocess.run(["git", "init", "--quiet"], check=True)
    assert check() == ("fault", "there is no commit yet")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert check() == ("warning", "it is not installed here")


@pytest.mark.parametrize(
    ("told", "files"),
    [
        ("dubious ownership .* git config --global --add safe.directory", {}),
        ("not a git repository: /nowhere", {".git": "gitdir: /nowhere\n"}),  # a moved worktree
        ("not a git repository", {".git/HEAD": "?"}),
    ],
)
def test_where_git_fails_it_is_no_answer(project, monkeypatch, told, files):
    """Whoever asks it; a project that does without asks nothing."""
    for level in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{level}", "/dev/null")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", str(int(not files)))
    if ".git" in files:
        shutil.rmtree(".git")
    for name, text in files.items():
        Path(name).write_text(text)
    result = result_of(doctor.check_git, project)
    assert (result.level, result.subject) == ("fault", "git")
    assert re.search(told, result.message)
    for asks in (uncommitted, set_up, settle, partial(Revision, name="HEAD")):
        with pytest.raises(GitError, match=f"{told}.*; mend that"):
            asks(project)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitError, match="not installed"):
        uncommitted(project)
    Path(".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    set_up(project)
    assert (uncommitted(project), settle(project)) == ((), [])


def test_of_gits_repository_the_projects_folder_counts(project, tmp_path):
    shutil.move(project / ".git", tmp_path)
    commit_all()
    (tmp_path / "metrics.json").touch()
    assert result_of(doctor.check_git, project).message == "all is committed"
    edit(project / "params.yaml", "crf: 16", "crf: 17")
    (project / "artifacts/metrics").mkdir(parents=True)
    (project / "artifacts/metrics/new.tsv").touch()
    assert uncommitted(project) == ("artifacts/metrics/new.tsv", "params.yaml")


def test_a_remote_must_answer_and_verify_downloads(project, tmp_path):
    result = result_of(doctor.check_remote)
    assert (result.level, result.message[:4]) == ("warning", "none")
    shared = tmp_path / "shared"
    with opened(project) as repo:
        set_remote(repo, str(shared), name="team")
    assert "there is no such folder" in result_of(doctor.check_remote).message
    shared.mkdir()
    assert result_of(doctor.check_remote).level == "ok"
    edit(project / ".dvc/config", "verify = True", "verify = False")
    assert "is not checked" in result_of(doctor.check_remote).message
    with opened(project) as repo:
        set_remote(repo, "gs://bucket/x", name="team")
    assert "gs://bucket/x: gs is supported, but requires" in result_of(doctor.check_remote).message


def test_a_missing_video_is_a_fault(project):
    edit(project / "films.yaml", "path: data/walk", "path: data/videos/gone.mp4")
    (result,) = doctor.check_values(project)
    assert result.message.endswith("data/videos/gone.mp4; copy it there, or delete videos.walk")
    (project / "data/videos").mkdir()
    (project / "data/videos/gone.mp4.dvc").write_text("outs: []\n")
    assert not [*doctor.check_values(project)]
    (result,) = doctor.check_videos(project)
    assert result[:3] == ("fault", "videos", "videos.walk: data/videos/gone.mp4 is not here")
    assert result.fix == "dvc pull"


def test_a_nearly_full_disk_is_a_warning_and_a_read_only_project_a_fault(project, monkeypatch):
    """Beside what else there is."""
    usage = shutil.disk_usage(project)._replace(free=10**6)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    assert doctor.check_disk(project)[:3] == ("warning", "disk", "1.00MB free")

    def acquire(lock, **_):
        raise OSError(30, "Read-only file system", lock.lock_file)

    (project / ".dvc/tmp").mkdir(exist_ok=True)
    (project / ".dvc/tmp/lock").touch()
    monkeypatch.setattr(doctor.FileLock, "acquire", acquire)
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    results = list(doctor.check_project(project))
    assert [result.subject for result in results if result.level == "fault"] == ["disk"]
    assert "read-only" in results[-1].message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("checkpoints/train_gan/ada/0123/lock", "train_gan ada is being trained"),
        (".dvc/tmp/lock", "a dvc command is running"),
    ],
)
def test_a_held_lock_is_a_warning_and_checking_does_not_take_it(tmp_path, path, message):
    lock = tmp_path / path
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        (free,) = check_locks(tmp_path)
        assert (free.level, free.message) == ("ok", "no dvc command or training is running")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (held,) = check_locks(tmp_path)
    assert (held.level, held.message) == ("warning", message)


def test_an_interrupted_training_is_listed_with_its_last_step(tmp_path):
    (none,) = check_checkpoints(tmp_path)
    assert none.message == "no training was interrupted"
    folder = tmp_path / "checkpoints/train_gan/ada/0123"
    folder.mkdir(parents=True)
    for step in (200, 400):
        (folder / f"step_{step:08d}.safetensors").touch()
    (result,) = check_checkpoints(tmp_path)
    assert result.message.startswith("train_gan@ada was stopped after step 400 (run 0123)")


def test_the_command_prints_lines_or_json_and_fails_at_a_fault(monkeypatch, capsys):
    results = [doctor.ok("disk", "65 GB free"), doctor.warning("remote", "none", "share URL")]
    monkeypatch.setattr(doctor, "check_all", lambda root: iter(results))
    assert not run_command(monkeypatch, "doctor")
    words = ["ok", "disk", "65", "GB", "free", "warning", "remote", "none", "->", "share", "URL"]
    assert capsys.readouterr().out.split() == words
    results.append(doctor.fault("git", "no commit", "commit"))
    assert run_command(monkeypatch, "doctor", "--json") == 1
    assert json.loads(capsys.readouterr().out) == [
        {"level": "ok", "subject": "disk", "message": "65 GB free", "fix": None},
        *(result._asdict() for result in results[1:]),
    ]
