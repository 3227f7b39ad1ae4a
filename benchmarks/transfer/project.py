"""A project of its own for a benchmark: this one's code and params, with other videos."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

from motiontransfer.core.params import FILM_SECTIONS, FILMS
from motiontransfer.project.presets import with_preset

_COPIED = (
    *(".dvcignore", ".gitignore", "dvc.yaml", "stages", "motiontransfer"),
    *("demo/__init__.py", "demo/film.py", "demo/actors"),
)


def make_project(folder: Path, *extra: str) -> None:
    """Make or refresh a project without git.

    Args:
        extra: further files and folders that are copied.
    """
    ignored = shutil.ignore_patterns("__pycache__")
    for name in (*_COPIED, *extra):
        source, copy = Path(name), folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=ignored, dirs_exist_ok=True)
        elif source.exists():
            shutil.copy(source, copy)
    (folder / ".dvc").mkdir(exist_ok=True)
    (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")


def write_params(
    folder: Path,
    sections: Mapping[str, object],
    values: Mapping[str, object] | None = None,
    *,
    preset: str | None = None,
) -> None:
    """Write this project's params and films with a preset's values and other sections.

    No training is cut short on a busy machine, unless `values` say so.

    Args:
        values: of keys of section `train_gan`, or of the one in `section.key`, that differ.
    """
    params = read_sections()
    for change in with_preset(preset)[1] if preset else ():
        section, key = change.key.split(".")
        params[section][key] = yaml.safe_load(change.new)
    for section in ("train_gan", "train_face_gan"):
        params[section]["max_minutes"] = None
    params.update(sections)
    for name, value in (values or {}).items():
        section, _, key = name.rpartition(".")
        params[section or "train_gan"][key] = value
    write_sections(folder, params)


def read_sections(folder: Path = Path()) -> dict:
    """Sections of params.yaml and films.yaml."""
    params, films = (
        yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        for name in ("params.yaml", "films.yaml")
    )
    return params | films[FILMS]


def write_sections(folder: Path, sections: Mapping[str, object]) -> None:
    """Write sections of params.yaml and films.yaml where they belong."""
    films = {name: content for name, content in sections.items() if name in FILM_SECTIONS}
    others = {name: content for name, content in sections.items() if name not in films}
    for name, content in (("params.yaml", others), ("films.yaml", {FILMS: films})):
        text = yaml.safe_dump(content, sort_keys=False)
        (folder / name).write_text(text, encoding="utf-8")


def reproduce(folder: Path, *stages: str) -> None:
    """Run stages of a project with all that they need; the whole pipeline without any."""
    environment = {**os.environ, "PYTHONPATH": "."}
    subprocess.run(["dvc", "repro", *stages], cwd=folder, check=True, env=environment)
