"""Checks before a run: faults, warnings and their fixes."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from motiontransfer.params import load_params
from motiontransfer.project import doctor
from motiontransfer.project.doctor import check_all, check_checkpoints, check_locks
from motiontransfer.project.remote import opened, set_remote
from tests.project.small_project import small_project

PARAMS = """\
videos: {walk: {path: data/walk, subject: ada}}
render: {crf: 16}
"""


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A committed project."""
    files = {"params.yaml": PARAMS, "data/walk": "walking\n"}
    root = small_project(tmp_path / "project", files, monkeypatch)
    monkeypatch.chdir(root)
    commit()
    return root


def git(*arguments):
    subprocess.run(["git", *arguments], check=True)


def commit():
    git("add", "--all")
    someone = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    git(*someone, "commit", "--quiet", "--message", "all")


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def remote_result(project):
    with opened(project) as repo:
        return doctor.check_remote(repo)


def git_result(project):
    with opened(project) as repo:
        return doctor.check_git(project, repo)


def test_a_project_in_order_has_no_fault(project):
    results = list(check_all(project))
    assert [it.subject for it in results if it.level == "fault"] == []
    assert {"packages", "processor", "GPU", "encoders", "git", "locks", "disk"} <= {
        it.subject for it in results
    }


def test_a_missing_system_library_is_named_with_its_package(monkeypatch):
    def broken(name):
        if name == "cv2":
            raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    (result,) = doctor.check_packages()
    assert result.level == "fault"
    assert result.message == "cv2 does not load: libGL.so.1 is missing on this machine"
    assert "apt-get install libgl1" in result.fix


def test_a_gpu_that_pytorch_cannot_use_is_a_fault_and_none_at_all_is_fine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(doctor, "_driver", lambda: None)
    assert doctor.check_gpu().level == "ok"
    monkeypatch.setattr(doctor, "_driver", lambda: "470.57")
    found = doctor.check_gpu()
    assert found.level == "fault"
    assert "470.57" in found.message
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**9, 80 * 10**9))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A100")
    found = doctor.check_gpu()
    assert found.level == "warning"
    assert "2 x A100, 1.00GB of 80.0GB free" in found.message


def test_an_encoder_that_is_not_there_is_a_fault(monkeypatch):
    assert doctor.check_encoders().level == "ok"
    monkeypatch.setitem(doctor._ENCODERS, "lib_of_nobody", "nothing")
    found = doctor.check_encoders()
    assert found.message == "PyAV lacks lib_of_nobody (nothing)"


def test_weights_are_asked_for_only_where_params_need_them(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTIONTRANSFER_CACHE", str(tmp_path))
    (found,) = doctor.check_weights({"train_gan": {"perceptual_weight": 0.0}})
    assert found.level == "ok"
    params = {"train_gan": {"perceptual_weight": 10.0, "perceptual_file": None}}
    (found,) = doctor.check_weights(params)
    assert found.level == "warning"
    assert "set train_gan.perceptual_weight: 0" in found.fix
    (tmp_path / "dcbb9e9d_vgg19-dcbb9e9d.pth").write_bytes(b"")
    (found,) = doctor.check_weights(params)
    assert found.level == "ok"


def test_git_without_a_commit_is_a_fault_and_uncommitted_changes_a_warning(project):
    assert git_result(project).level == "ok"
    edit(project / "params.yaml", "crf: 16", "crf: 17")
    found = git_result(project)
    assert (found.level, found.message) == ("warning", "not committed: params.yaml")
    commit()
    assert git_result(project).message == "all is committed"
    shutil.rmtree(project / ".git")
    git("init", "--quiet")
    assert git_result(project).message == "there is no commit yet"


def test_without_git_it_is_a_warning(project, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = [it for it in check_all(project) if it.subject == "git"]
    assert (found.level, found.message) == ("warning", "it is not installed here")


def test_a_remote_is_asked_and_its_checks_are_looked_at(project, tmp_path):
    found = remote_result(project)
    assert (found.level, found.message[:4]) == ("warning", "none")
    shared = tmp_path / "shared"
    with opened(project) as repo:
        set_remote(repo, str(shared), name="team")
    assert "there is no such folder" in remote_result(project).message
    shared.mkdir()
    assert remote_result(project).level == "ok"
    edit(project / ".dvc/config", "verify = True", "verify = False")
    assert "is not checked" in remote_result(project).message


def test_a_video_that_is_not_here_is_a_fault_with_its_mend(project):
    edit(project / "params.yaml", "path: data/walk", "path: data/videos/gone.mp4")
    (found,) = doctor.check_videos(project, load_params(project / "params.yaml"))
    assert found.level == "fault"
    assert found.message == "videos.walk: data/videos/gone.mp4 is not here"
    assert found.fix == "copy it there, or remove-video walk"
    (project / "data/videos").mkdir()
    (project / "data/videos/gone.mp4.dvc").write_text("outs: []\n")
    (found,) = doctor.check_videos(project, load_params(project / "params.yaml"))
    assert found.fix == "dvc pull"


def test_a_nearly_full_disk_is_a_warning(tmp_path, monkeypatch):
    assert doctor.check_disk(tmp_path).level == "ok"
    usage = shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage)
    found = doctor.check_disk(tmp_path)
    assert (found.level, found.message) == ("warning", "1.00MB free")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("checkpoints/train_gan/ada/0123/lock", "train_gan ada is being trained"),
        (".dvc/tmp/lock", "a dvc command is running"),
    ],
)
def test_a_held_lock_is_a_warning_and_looking_does_not_take_it(tmp_path, path, message):
    lock = tmp_path / path
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        (free,) = check_locks(tmp_path)
        assert (free.level, free.message) == ("ok", "no dvc command or training is running")
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (held,) = check_locks(tmp_path)
    assert (held.level, held.message) == ("warning", message)


def test_an_unfinished_training_is_told_with_its_last_step(tmp_path):
    (none,) = check_checkpoints(tmp_path)
    assert none.message == "no training was interrupted"
    folder = tmp_path / "checkpoints/train_gan/ada/0123"
    folder.mkdir(parents=True)
    for step in (200, 400):
        (folder / f"step_{step:08d}.safetensors").touch()
    (found,) = check_checkpoints(tmp_path)
    assert found.message.startswith("train_gan@ada was stopped after step 400 (run 0123)")


def test_outside_of_a_project_it_is_told_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    *_, last = check_all(tmp_path)
    assert (last.level, last.subject) == ("fault", "project")
    assert "run from the project's root" in last.fix
