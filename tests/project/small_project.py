"""A DVC project in git with the given files, and DVC's caches of its own."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import dvc.repo  # noqa: F401 - its logging keeps the stderr of its import: not one test's

from tests.command import DVC_FOLDERS
from tests.project_files import SHIPPED
from tests.seen import see_somebody

PIPELINE = """\
vars: [films.yaml]
stages:
  check_params: {cmd: sh check.sh, deps: [films.yaml], outs: [artifacts/videos]}
  decode:
    foreach: ${films.videos}
    do:
      cmd: sh make.sh frames/${item.subject}/${key}/film ${item.path}
      deps: ["${item.path}", "artifacts/videos/${key}/decode.json"]
      outs: ["frames/${item.subject}/${key}"]
  train_gan:
    foreach: ${films.targets}
    do: {cmd: "sh train.sh ${item}", deps: ["frames/${item}"], outs: ["models/${item}.weights"]}
  preview:
    foreach: ${films.transfers}
    do:
      cmd: sh make.sh results/${key}/preview.mp4 frames/${item.target}/*/film
      deps: ["frames/${item.source_subject}/${item.source}", "frames/${item.target}"]
      outs: ["results/${key}/preview.mp4"]
  encode:
    foreach: ${films.transfers}
    do:
      cmd: sh make.sh results/${key}/transfer.mp4 models/${item.target}.weights
      deps: ["models/${item.target}.weights", "frames/${item.source_subject}/${item.source}"]
      outs: ["results/${key}/transfer.mp4"]
  guide: {foreach: "${films.guides}", do: {cmd: touch guide, deps: [artifacts/videos]}}
  report:
    foreach: ${films.transfers}
    do:
      cmd: sh make.sh results/${key}/report.html results/${key}/transfer.mp4
      deps: ["results/${key}/transfer.mp4", "frames/${item.source_subject}/${item.source}"]
      outs: ["results/${key}/report.html"]
"""
TRAIN = "echo 1 >> trained && sh make.sh models/$1.weights frames/$1/*/film\n"
CHECK = """\
mkdir -p artifacts/videos
sed -n 's/^    \\(.*\\): {path.*/\\1/p' films.yaml | while read -r name; do
    mkdir -p artifacts/videos/$name && echo $name > artifacts/videos/$name/decode.json
done
"""
MAKE = 'made=$1; shift; mkdir -p ${made%/*} && cat "$@" > $made\n'
DANCES = {"dvc.yaml": PIPELINE, "train.sh": TRAIN, "check.sh": CHECK, "make.sh": MAKE}
"""Files of a pipeline of films with the real one's shape, which copies instead of computing."""


def own_dvc_folders(folder: Path, monkeypatch) -> None:
    """DVC's caches and settings beside a project, not the user's."""
    for name in DVC_FOLDERS:
        monkeypatch.setenv(f"DVC_{name}_DIR", str(folder / name))


def small_project(root: Path, files: Mapping[str, str], monkeypatch) -> Path:
    own_dvc_folders(root.parent, monkeypatch)
    settings = {
        ".dvc/config": "[core]\n    analytics = false\n",
        ".dvc/.gitignore": "/tmp\n/cache\n/config.local\n",
    }
    for name, text in {"params.yaml": SHIPPED["params.yaml"], **settings, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


def commit_all(folder: Path = Path()) -> None:
    author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    subprocess.run(["git", *author, "commit", "-q", "-m", "all"], cwd=folder, check=True)


def files():
    """All that is in the working directory, but for DVC's own cache."""
    return {
        path: path.read_bytes()
        for path in Path().rglob("*")
        if path.is_file() and not {".git", "cache", "tmp"} & set(path.parts)
    }


def project_of_films(root: Path, files: Mapping[str, str], monkeypatch) -> Path:
    """One with these params, as the working directory; a person is found in each film."""
    small_project(root, {".gitignore": "/data/videos/*.mkv\n", **SHIPPED, **files}, monkeypatch)
    monkeypatch.chdir(root)
    see_somebody(monkeypatch.setattr)
    return root
