"""A project whose stages cost nothing: the real one's names and dependencies, `cat` for work."""

import os
import subprocess
import sys
from pathlib import Path

PIPELINE = """
stages:
  code:
    desc: which code each stage runs
    cmd: python note.py
    deps: [decode.py, judge.py]
    outs: [artifacts/code/decode.json, artifacts/code/render.json]
  check_params:
    desc: names fit together
    cmd: mkdir -p artifacts && echo ok > artifacts/checked
    params: [videos]
    outs: [artifacts/checked]
  decode:
    foreach: ${videos}
    do:
      desc: frames of ${key}
      cmd: mkdir -p artifacts/frames && cat data/${key} decode.py > artifacts/frames/${key}
      params: [decode]
      deps: ["data/${key}", artifacts/checked, artifacts/code/decode.json]
      outs: ["artifacts/frames/${key}"]
  train_gan:
    desc: generator of ada
    cmd: mkdir -p artifacts && (cat artifacts/frames/walk; grep l1 params.yaml) > artifacts/model
    params: [train_gan]
    deps: [artifacts/frames/walk]
    outs: [artifacts/model]
  render:
    foreach: ${transfers}
    do:
      desc: ${key} performed
      cmd: >-
        mkdir -p results/${key} && cat artifacts/model artifacts/frames/dance > results/${key}/film
        && python judge.py ${key}
      params: [render]
      deps: [artifacts/model, artifacts/frames/dance, artifacts/code/render.json]
      outs: ["results/${key}/film"]
      metrics: ["results/${key}/metrics.json": {cache: false}]
"""
PARAMS = """\
videos: {walk: {path: data/walk, subject: ada}, dance: {path: data/dance, subject: ben}}
subjects: [ada, ben]
targets: [ada]
transfers: {ada_as_ben: {source: dance, source_subject: ben, target: ada, truth: none}}
decode: {size: [64, 64], frame_rate: null}
train_gan: {steps: 5, l1_weight: 30.0, batch_size: 1, window_frames: 2, max_minutes: null}
render: {crf: 16}
"""
JUDGE = """
import json, sys
import yaml
crf = yaml.safe_load(open("params.yaml"))["render"]["crf"]
found = {"body_found": 1.0, "pose_distance_px": {"all": crf / 10}}
with open(f"results/{sys.argv[1]}/metrics.json", "w") as file:
    json.dump({"detection": {"ours": found}}, file)
"""
NOTE = """
import hashlib, json, pathlib
pathlib.Path("artifacts/code").mkdir(parents=True, exist_ok=True)
for stage, module in (("decode", "decode.py"), ("render", "judge.py")):
    digest = hashlib.sha256(pathlib.Path(module).read_bytes()).hexdigest()
    pathlib.Path(f"artifacts/code/{stage}.json").write_text(json.dumps({module: digest}))
"""


def make(root: Path) -> None:
    """Write a project that is committed and did not run yet."""
    for name, text in {
        ".dvc/config": "[core]\n    analytics = false\n    check_update = false\n",
        ".dvc/.gitignore": "/tmp\n/cache\n/config.local\n",
        ".gitignore": "/artifacts/\n/results/*/film\n",
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "data/walk": "walking\n",
        "data/dance": "dancing\n",
        "decode.py": "# decodes\n",
        "judge.py": JUDGE,
        "note.py": NOTE,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    run("git", "init", "--quiet", "--initial-branch", "main", at=root)
    commit(root)


def commit(root: Path) -> None:
    run("git", "add", "--all", at=root)
    someone = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    run("git", *someone, "commit", "--quiet", "--message", "all", at=root)


def repro(root: Path) -> None:
    run(sys.executable, "-m", "dvc", "repro", "--quiet", at=root)


def run(*command: str, at: Path) -> str:
    """What a command prints; `python` is this one."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=at, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
