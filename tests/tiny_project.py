"""The project at a tiny size: the same graph, seconds instead of minutes."""

import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from tests.clone import copy_all
from tests.command import isolated_environment

COPIED = (
    *(".dvcignore", ".gitignore", "dvc.yaml", "params.yaml", "films.yaml"),
    *("stages", "motiontransfer", "demo", "demo/params.yaml", "data"),
)
SIZE = 128
SOURCE_FRAMES = 15


def run_tiny_project(root: Path) -> None:
    """Copy what a user would have cloned, without git, make it tiny, and run all of it."""
    copy_all(COPIED, root, ignored=("clips", "*.mp4", "*.dvc", "*.lock"))
    edit_yaml(root / "demo/params.yaml", shrink_demo)
    edit_yaml(root / "params.yaml", shrink_pipeline)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_SECTIONS", str(root.with_name("sections.txt")))
        assert "film@target" in repro(root)


def shrink_demo(params: dict) -> None:
    params["film"].update(side=SIZE, samples=1)
    params["target"] |= {"seconds": 1.2, "poses": 1, "change_seconds": 0.04, "hold_seconds": 0.04}
    params["source"]["seconds"] = SOURCE_FRAMES / 25


def shrink_pipeline(params: dict) -> None:
    params["decode"]["size"] = [SIZE, SIZE]
    params["fit_appearance"]["references"] = 8
    small = {"steps": 4, "discriminator_filters": 4, "discriminator_layers": 2}
    painter = {"num_filters": 4, "num_residual_blocks": 1}
    params["logging"] = {"log_every_steps": 2, "sample_every_steps": 4, "checkpoint_every_steps": 2}
    params["split"]["gap_frames"] = 2
    is_learned = params["train_gan"]["texture"] == "none"
    params["train_gan"] |= {**small, **(painter if is_learned else {}), "num_downsamplings": 2}
    params["train_face_gan"] |= {**small, **painter, "crop_size": 32}
    params["render"]["contact_sheet_columns"] = 3
    params["compute"]["num_workers"] = 1  # each loads MediaPipe


def edit_yaml(path: Path, edit) -> None:
    content = yaml.safe_load(path.read_text())
    edit(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def environment_of(root: Path) -> dict[str, str]:
    return isolated_environment(root / ".site") | {"XDG_DATA_HOME": str(root / ".data")}


def dvc(root: Path, *arguments: str):
    return run(root, "dvc", *arguments)


def run(root: Path, *command: str):
    return subprocess.run(
        command, cwd=root, env=environment_of(root), capture_output=True, text=True
    )


def run_here(*stages: str) -> None:
    """Run stages in this process and the working directory: nobody asks whether they have to."""
    for stage in stages:
        name, *arguments = stage.split()
        import_module(f"stages.{name}").main(*arguments)


def repro(root: Path, *arguments: str) -> set[str]:
    done = dvc(root, "repro", *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    # DVC warns of outputs without files; after a stop it looks at folders as they were left.
    assert arguments or "is empty" not in done.stderr
    return {name.split(":")[-1] for name in re.findall(r"Running stage '([^']+)'", done.stdout)}


def outs_of(root: Path, stage: tuple[str, str]) -> list[Path]:
    """Outputs of a stage, (its name, its key), from the project's root, as it last ran."""
    recorded = yaml.safe_load((root / "dvc.lock").read_text())["stages"]["@".join(stage)]
    return [Path(out["path"]) for out in recorded["outs"]]
