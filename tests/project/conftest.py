"""A team with a toy pipeline that has the real one's shape, and every kind of remote."""

from dataclasses import replace

import pytest

from tests.project.machines import Machine
from tests.project.remotes import Remote, s3_store, ssh_host
from tests.project.small_project import small_project

TOY = """
vars: [films.yaml]
stages:
  detect:
    foreach: ${films.videos}
    do:
      cmd: >-
        mkdir -p artifacts/keypoints/${item.subject} &&
        cp data/videos/${key} artifacts/keypoints/${item.subject}/
      deps: ["data/videos/${key}"]
      outs: ["artifacts/keypoints/${item.subject}/${key}"]
  train:
    cmd: >-
      mkdir -p artifacts/models &&
      (cat artifacts/keypoints/ada/*; grep steps params.yaml) > artifacts/models/ada
    params: [train]
    deps: [artifacts/keypoints/ada]
    outs: [artifacts/models/ada]
  render:
    cmd: >-
      mkdir -p results/dance/frames artifacts/metrics &&
      cat artifacts/models/ada artifacts/keypoints/ben/ben_1 > results/dance/frames/0 &&
      grep crf params.yaml > results/dance/frames/1 && echo 1 > artifacts/metrics/render.json
    params: [render]
    deps: [artifacts/models/ada, artifacts/keypoints/ben/ben_1]
    outs: [results/dance/frames]
    metrics: [artifacts/metrics/render.json: {cache: false}]
"""
FILMS = """
films:
  videos:
    ada_1: {subject: ada}
    ada_2: {subject: ada}
    ben_1: {subject: ben}
"""
PARAMS = """
train: {steps: 1}
render: {crf: 1}
"""
IGNORED = "/artifacts/*\n!/artifacts/metrics/\n/results/\n/data/videos/*_[0-9]\n"


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Machine:
    """The owner's machine after two runs: first with crf 1, then with crf 2. Not to be changed."""
    machine = Machine(folder=tmp_path_factory.mktemp("team") / "owner")
    files = {"dvc.yaml": TOY, "params.yaml": PARAMS, "films.yaml": FILMS, ".gitignore": IGNORED}
    videos = {f"data/videos/{name}": f"{name}\n" for name in ("ada_1", "ada_2", "ben_1")}
    with pytest.MonkeyPatch.context() as patch:
        small_project(machine.root, files | videos, patch)
    machine.dvc("add", "--quiet", *videos)
    machine.dvc("repro", "--quiet")
    machine.edit("params.yaml", "crf: 1", "crf: 2")
    machine.dvc("repro", "--quiet")
    machine.commit("two runs")
    return machine


@pytest.fixture
def owner(request, finished, tmp_path) -> Machine:
    """With the project as git's repository; indirectly `in_folder`: as a folder of it."""
    machine = finished.copy(tmp_path / "owner")
    if getattr(request, "param", None) == "in_folder":
        machine.put_git_above()
    return machine


@pytest.fixture
def here(owner, monkeypatch) -> Machine:
    """The owner's machine, on which this process works."""
    for name, value in owner.all_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(owner.root)
    return owner


@pytest.fixture(scope="session")
def s3(tmp_path_factory) -> Remote:
    with s3_store(tmp_path_factory.mktemp("s3")) as remote:
        yield remote


@pytest.fixture(scope="session")
def ssh(tmp_path_factory) -> Remote:
    with ssh_host(tmp_path_factory.mktemp("ssh")) as remote:
        yield remote


@pytest.fixture
def folder(tmp_path) -> Remote:
    return Remote(url=str(tmp_path / "remote"))


@pytest.fixture
def mate(owner, folder, tmp_path) -> Machine:
    owner.share(folder)
    return owner.clone(tmp_path / "mate")


@pytest.fixture(
    params=["folder", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("s3", "ssh"))]
)
def remote(request, tmp_path) -> Remote:
    """Each kind, with nothing in it yet."""
    kind: Remote = request.getfixturevalue(request.param)
    if request.param == "folder":
        return kind
    return replace(kind, url=f"{kind.url}/{tmp_path.name}")
