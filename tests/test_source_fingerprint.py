import hashlib
from pathlib import Path

import grimp
import pytest

from motiontransfer import storage
from motiontransfer.storage import source_digests, source_files
from stages.code import stage_modules

ROOT = Path(__file__).parents[1]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty package in which to write modules."""
    monkeypatch.setattr(storage, "__file__", str(tmp_path / "ours/storage.py"))
    (tmp_path / "ours/nets").mkdir(parents=True)
    return tmp_path / "ours"


def names(package, module):
    return [str(path.relative_to(package)) for path in source_files(module)]


def test_imports_are_followed_wherever_they_stand_and_in_circles(package):
    (package / "gan.py").write_text("import os, ours.losses\nfrom ours.nets import blocks, absent")
    (package / "losses.py").write_text("def f():\n    from ours.late import g\n    return g()")
    (package / "late.py").write_text("import torch\nimport ours.gan")
    (package / "nets/blocks.py").write_text("from ours.nets.width import WIDTH")
    (package / "nets/width.py").write_text("WIDTH = 3")
    (package / "report.py").write_text("import ours.gan")
    assert names(package, "ours.gan") == [
        *("gan.py", "late.py", "losses.py", "nets/blocks.py", "nets/width.py")
    ]
    assert names(package, "ours.nets.blocks") == ["nets/blocks.py", "nets/width.py"]


@pytest.fixture(scope="module")
def imports():
    return grimp.build_graph("motiontransfer", "stages", "demo", cache_dir=None)


TRAININGS = [f"motiontransfer.training.{name}" for name in ("pose_gan", "face_cycle")]


@pytest.mark.parametrize("module", [*TRAININGS, *stage_modules().values()])
def test_files_are_those_of_the_import_graph(module, imports):
    behind = {module, *imports.find_upstream_modules(module)}
    files = {ROOT / f"{name.replace('.', '/')}.py" for name in behind}
    assert set(source_files(module)) == {file for file in files if file.exists()}


def test_a_digest_is_of_the_file(package):
    (package / "gan.py").write_text("import ours.losses")
    (package / "losses.py").write_text("")
    digests = source_digests("ours.gan")
    assert digests["ours/losses.py"] == hashlib.sha256(b"").hexdigest()
    assert list(digests) == ["ours/gan.py", "ours/losses.py"]
