"""The code behind a module is what it imports, and what that imports, and nothing else."""

from pathlib import Path

import grimp
import pytest

from motiontransfer.training import own_code
from motiontransfer.training.own_code import code_behind

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty package in which to write modules."""
    monkeypatch.setattr(own_code, "__file__", str(tmp_path / "ours/training/own_code.py"))
    (tmp_path / "ours/nets").mkdir(parents=True)
    return tmp_path / "ours"


def names(package, module):
    return [str(path.relative_to(package)) for path in code_behind(module)]


def test_imports_are_followed_wherever_they_stand_and_in_circles(package):
    (package / "gan.py").write_text("import os, ours.losses\nfrom ours.nets import blocks, absent")
    (package / "losses.py").write_text("def f():\n    from ours.late import g\n    return g()")
    (package / "late.py").write_text("import torch\nimport ours.gan")
    (package / "nets/blocks.py").write_text("from ours.nets.width import WIDTH")
    (package / "nets/width.py").write_text("WIDTH = 3")
    (package / "report.py").write_text("import ours.gan")
    assert names(package, "ours.gan") == [
        *("gan.py", "late.py", "losses.py", "nets/blocks.py", "nets/width.py"),
    ]
    assert names(package, "ours.nets.blocks") == ["nets/blocks.py", "nets/width.py"]


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("motiontransfer", cache_dir=None)


@pytest.mark.parametrize("training", ["generator", "face", "face_cycle"])
def test_it_is_what_the_import_graph_says(training, imports):
    module = f"motiontransfer.training.{training}_training"
    behind = {module, *imports.find_upstream_modules(module)}
    files = {ROOT / f"{name.replace('.', '/')}.py" for name in behind}
    assert set(code_behind(module)) == {file for file in files if file.exists()}


def test_what_makes_no_difference_to_a_training_is_not_behind_it():
    parts = {
        path.relative_to(ROOT).parts[1] for path in code_behind("motiontransfer.training.loop")
    }
    assert not parts & {"rendering", "evaluation", "actors", "cli"}
    face = {path.name for path in code_behind("motiontransfer.training.face_training")}
    assert "gan.py" not in face
    assert {"adversaries.py", "global_generator.py", "drawing.py"} <= face
